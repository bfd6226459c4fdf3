"""The client of validators' bridges: all that it does for one verdict ends by the deadline."""

import socket
import threading
import time
from contextlib import contextmanager, suppress

import pytest
from pybreaker import STATE_CLOSED
from scripted_validator import CHAIN, GOOD, PROOF, STATEMENT, Scripted, asking

from bitsage.nodes.errors import ValidatorsUnreachable
from bitsage.nodes.validator_client import ValidatorClient


@pytest.fixture
def ask():
    with asking() as make:
        yield make


@contextmanager
def dripping(first: bytes, drop: bytes):
    """A validator that sends a few bytes now and then, for ever: each read of its answer is in time."""
    gone, listening = threading.Event(), socket.create_server(("127.0.0.1", 0))
    asked = []

    def answer(peer):
        with peer, suppress(OSError):
            asked.append(peer)
            peer.sendall(first)
            while not gone.wait(0.02):
                peer.sendall(drop)

    def accept():
        with suppress(OSError):
            while True:
                threading.Thread(target=answer, args=(listening.accept()[0],), daemon=True).start()

    thread = threading.Thread(target=accept)
    thread.start()
    try:
        yield f"http://127.0.0.1:{listening.getsockname()[1]}", asked
    finally:
        gone.set()
        listening.shutdown(socket.SHUT_RDWR)
        listening.close()
        thread.join(30)


HEAD = b"HTTP/1.1 200 OK\r\nContent-Length: 60000\r\n\r\n"


@pytest.mark.parametrize("first", [b"", b"HTTP/1.1 200 OK\r\nX: ", HEAD])
def test_one_that_answers_byte_by_byte_has_its_part_of_the_deadline_and_the_next_one_the_rest(first) -> None:
    script = Scripted(GOOD)
    with dripping(first, b"1"[: len(first)]) as (slow, asked), script.serving() as good:
        client = ValidatorClient([slow, good], CHAIN, deadline_s=8.0)
        began = time.monotonic()
        verdict, by = client.validate(STATEMENT, PROOF)
        took = time.monotonic() - began
    assert (verdict.valid, by, len(asked)) == (True, good, 1)
    assert 3.9 <= took < 8, "half of the deadline, and no second attempt after it"


def test_nothing_at_all_takes_longer_than_the_deadline() -> None:
    with dripping(HEAD, b"1") as (slow, asked), dripping(b"", b"") as (silent, _):
        client = ValidatorClient([slow, silent], CHAIN, deadline_s=1.0)
        began = time.monotonic()
        with pytest.raises(ValidatorsUnreachable, match=r"no answer in 0\.\d s"):
            client.validate(STATEMENT, PROOF)
        assert 0.9 <= time.monotonic() - began < 20
        assert len(asked) == 1


def test_waits_count(ask) -> None:
    now, waits = [0.0], []

    def sleep(seconds) -> None:
        waits.append(seconds)
        now[0] += seconds

    busy = Scripted((503, {"Retry-After": "5"}, b""))
    client, _, _ = ask(busy, deadline_s=7.0, sleep=sleep, clock=lambda: now[0], attempts=9)
    with pytest.raises(ValidatorsUnreachable, match="status 503"):
        client.validate(STATEMENT, PROOF)
    assert waits == [5], "a wait that ends after the time is not begun"
    assert len(busy.asked) == 2


def test_who_comes_after_the_time_is_not_asked(ask) -> None:
    ticks = iter([0.0, 0.0, 9.0])
    first, second = Scripted(GOOD), Scripted(GOOD)
    client, urls, _ = ask(first, second, deadline_s=7.0, clock=lambda: next(ticks, 9.0), failures=1)
    with pytest.raises(ValidatorsUnreachable, match=r"the time was over; .*: not asked, the time of 7 s was over"):
        client.validate(STATEMENT, PROOF)
    assert (first.asked, second.asked) == ([], [])
    assert client.breakers[urls[0]].current_state == STATE_CLOSED, "whose turn never came has not failed"
