"""What a stranger writes to the log does not make the audit of an honest one fail."""

import contextlib
import dataclasses
import threading
from pathlib import Path

import pytest
from forgery import checks, copy, records, verdict_of
from testnetwork import key, running

from bitsage.nodes.errors import CommandRefused
from bitsage.nodes.signing import CommandSigner
from bitsage.processors.model import account_subject
from bitsage.schemas.commands import CreateWallet, RegisterValidator
from bitsage.streams.codec import encode_command
from bitsage.streams.memory_log import InMemoryLog
from bitsage.streams.topics import partition_for


def test_a_copied_event_is_a_remark_wherever_it_stands(tmp_path: Path) -> None:
    log = InMemoryLog()
    # Partition 0 is read first: there the copy comes before the original.
    n = next(n for n in range(20, 60) if partition_for(account_subject(key(n).address).encode()) > 0)
    with running(log, tmp_path) as network:
        client = network.funded(n)
        first, second = records(log, "accounts", client.subject)[:2]
        copy(log, second, partition=0)
        copy(log, first)
        copy(log, second, key=b"another key")
        # The chain goes on behind the copies.
        with pytest.raises(CommandRefused):
            client.request_tokens()
    verdict = verdict_of(log, network)
    assert verdict.findings == []
    assert sum("ignored" in remark for remark in verdict.remarks) == 3


def test_commands_of_one_id_are_commands_of_their_own(tmp_path: Path) -> None:
    log = InMemoryLog()
    with running(log, tmp_path) as network:
        victim = network.funded(20)
        stranger = CommandSigner(key(99), network.network.chain_id)
        for body in (RegisterValidator(), CreateWallet(), CreateWallet()):  # answered in workers, then in accounts
            sent = stranger.sign(victim.subject, body, command_id=b"\x11" * 16)
            log.producer().send(sent.record)
            unsigned = dataclasses.replace(sent.envelope, signature=bytes(64))
            log.producer().send(dataclasses.replace(sent.record, value=encode_command(unsigned, body)))
        with pytest.raises(CommandRefused):
            victim.request_tokens()
    assert verdict_of(log, network).findings == []


def test_a_running_network_is_audited_without_false_findings(tmp_path: Path) -> None:
    log = InMemoryLog()
    stop = threading.Event()
    with running(log, tmp_path) as network:
        client = network.funded(20)

        def chatter() -> None:
            while not stop.is_set():
                with contextlib.suppress(CommandRefused):
                    client.request_tokens()

        talking = threading.Thread(target=chatter)
        talking.start()
        try:
            for _ in range(5):
                verdict = verdict_of(log, network)
                assert verdict.findings == []
        finally:
            stop.set()
            talking.join()
    assert verdict_of(log, network).findings == []


def test_group_offsets_that_are_set_back_hide_nothing(tmp_path: Path) -> None:
    log = InMemoryLog()
    with running(log, tmp_path) as network:
        network.funded(20)
    log.groups["bitsage-coordinator"].offsets.clear()
    assert checks(verdict_of(log, network)) == {"execution"}
