"""A node that was stopped for a while hears what it missed before it acts on what it knows."""

import threading
import time
from pathlib import Path

import pytest
from testnetwork import TestNetwork, running

from bitsage.nodes import follower as module
from bitsage.nodes.follower import Follower, Keep
from bitsage.streams.log import Record
from bitsage.streams.memory_log import InMemoryLog, MemoryReader


def test_it_acts_again_only_when_it_has_read_what_came_meanwhile(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with running(InMemoryLog(), tmp_path) as network:
        network.funded(1)
        acts, stalled = act_through_a_stall(network, tmp_path, monkeypatch)
    # One event a batch: without the pause it would have acted between the events of its absence.
    assert stalled
    first = next(heard for heard in acts if heard > 2)
    assert first >= 6


def act_through_a_stall(
    network: TestNetwork, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> tuple[list[int], list[bool]]:
    """How many events it had heard each time that it acted; it stalls once, while four more events are written."""
    monkeypatch.setattr(module, "_BATCH", 1)
    monkeypatch.setattr(module, "_STALL_S", 0.3)
    heard: list[str] = []
    acts: list[int] = []
    stalled: list[bool] = []
    stop = threading.Event()
    me = threading.Thread()
    read = MemoryReader.read

    def stalling(self: MemoryReader, most: int, timeout: float) -> list[Record]:
        if threading.current_thread() is me and len(acts) > 3 and not stalled:
            stalled.append(True)
            for n in (2, 3):
                network.funded(n)
            time.sleep(0.4)
        return read(self, most, timeout)

    def fold(record: Record, envelope: object, body: object) -> tuple[str, Keep]:
        heard.append(type(body).__name__)
        return "all", Keep.IGNORE

    follower = Follower(network.log, network.network.seal_check(), ("accounts",), folder / "f.db", "i", fold)
    me = threading.Thread(target=follower.run, args=(stop, lambda: acts.append(len(heard))))
    monkeypatch.setattr(MemoryReader, "read", stalling)
    me.start()
    deadline = time.monotonic() + 30
    while len([n for n in acts if n >= 6]) < 3 and time.monotonic() < deadline:
        time.sleep(0.02)
    stop.set()
    me.join()
    return acts, stalled
