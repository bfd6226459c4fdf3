"""The exactly-once loop with a handler that counts, over the log's stand-in; test_loop_kafka runs it on the real one."""

from collections.abc import Sequence
from typing import Any

import pytest
from echo import COMMANDS, DEAD, Echo, Running, send, values, wait

from bitsage.streams.deadletters import dead_offsets, read_dead_letter, redrive, waiting
from bitsage.streams.errors import BrokerUnreachable, ClientLost, HistoryLost
from bitsage.streams.log import Log, Outgoing, Record
from bitsage.streams.memory_log import InMemoryLog, MemoryProcessor
from bitsage.streams.seal import Sealer
from bitsage.streams.topics import LARGE_RECORD_BYTES


def test_every_record_is_answered_once_and_in_order() -> None:
    log = InMemoryLog()
    with Running(log, Echo()):
        send(log, "a", "b", "c")
        wait(lambda: len(values(log)) == 3)
    assert values(log) == [b"a:1", b"b:2", b"c:3"]


def test_a_restart_goes_on_where_the_log_stands() -> None:
    log = InMemoryLog()
    send(log, "a", "b")
    with Running(log, Echo()):
        wait(lambda: len(values(log)) == 2)
    send(log, "c")
    with Running(log, Echo()):
        wait(lambda: len(values(log)) == 3)
    assert values(log) == [b"a:1", b"b:2", b"c:3"]


def test_an_aborted_transaction_is_tried_again_without_a_trace(monkeypatch: pytest.MonkeyPatch) -> None:
    log = InMemoryLog()
    original, left = MemoryProcessor.commit, [3]

    def failing(self: MemoryProcessor, *args: Any) -> None:
        if left[0]:
            left[0] -= 1
            self.fail_commits = 1
        original(self, *args)

    monkeypatch.setattr(MemoryProcessor, "commit", failing)
    send(log, "a", "b")
    with Running(log, Echo()):
        wait(lambda: len(values(log)) == 2)
    assert values(log) == [b"a:1", b"b:2"]
    assert left == [0]


@pytest.mark.parametrize("written", [True, False])
def test_an_unknown_outcome_rebuilds_the_state_from_the_log(monkeypatch: pytest.MonkeyPatch, written: bool) -> None:
    log = InMemoryLog()
    original, left = MemoryProcessor.commit, [1]

    def ambiguous(self: MemoryProcessor, *args: Any) -> None:
        if left[0] == 0:
            return original(self, *args)
        left[0] = 0
        if written:
            original(self, *args)
        raise ClientLost("the outcome of a commit is unknown")

    monkeypatch.setattr(MemoryProcessor, "commit", ambiguous)
    send(log, "a")
    with Running(log, Echo()):
        wait(lambda: len(values(log)) == 1)
        send(log, "b")
        wait(lambda: len(values(log)) == 2)
    assert values(log) == [b"a:1", b"b:2"]


def test_garbage_becomes_a_dead_letter_and_parks_nobody() -> None:
    log = InMemoryLog()
    with Running(log, Echo()):
        send(log, "a", "garbage", "b")
        send(log, "garbage", key=None, partition=3)
        wait(lambda: len(values(log)) == 2 and len(values(log, DEAD)) == 2)
    assert values(log) == [b"a:1", b"b:2"]
    letters = waiting(log)
    assert [(d.code, d.value, d.key, d.parked, d.partition) for d in letters] == [
        ("malformed", b"garbage", b"k", False, 0),
        ("malformed", b"garbage", None, False, 3),
    ]
    assert letters[0].topic == COMMANDS
    assert letters[0].offset == 1
    assert letters[0].version == "7"
    assert letters[0].headers == (("h", b"1"),)
    assert dead_offsets(log, COMMANDS) == {(0, 1), (3, 0)}


def test_a_failure_of_ours_parks_the_key_until_it_is_redriven() -> None:
    log, handler = InMemoryLog(), Echo()
    with Running(log, handler):
        send(log, "a", "bug", "b", "c")
        send(log, "other", key=b"other")
        wait(lambda: len(values(log)) == 2 and len(values(log, DEAD)) == 3)
    assert sorted(values(log)) == [b"a:1", b"other:1"]
    assert [(d.value, d.code, d.parked) for d in waiting(log)] == [
        (b"bug", "decider_failed", True),
        (b"b", "parked", True),
        (b"c", "parked", True),
    ]
    handler = Echo()
    handler.broken = False
    with Running(log, handler):
        send(log, "d")
        wait(lambda: len(values(log, DEAD)) == 4)
        assert redrive(log, b"k") == 4
        wait(lambda: len(values(log)) == 6)
        send(log, "e")
        wait(lambda: len(values(log)) == 7)
    assert [v for v in values(log) if not v.startswith(b"other")] == [b"a:1", b"bug:2", b"b:3", b"c:4", b"d:5", b"e:6"]
    assert waiting(log) == []
    assert redrive(log, b"k") == 0


def test_a_redriven_record_that_fails_again_counts_its_attempts() -> None:
    log = InMemoryLog()
    with Running(log, Echo()):
        send(log, "bug")
        wait(lambda: len(waiting(log)) == 1)
        redrive(log, b"k")
        wait(lambda: [d.attempt for d in waiting(log)] == [2])


def test_a_hostile_header_is_no_dead_letter() -> None:
    record = Record(DEAD, 0, 0, 0, b"k", b"v", (("bitsage-dead-code", b"x"), ("bitsage-dead-partition", b"-1")))
    assert read_dead_letter(record) is None


def test_lost_history_stops_the_loop_loudly() -> None:
    log = InMemoryLog()
    send(log, "a", "b", "c")
    log.trim((COMMANDS, 0), 2)
    with Running(log, Echo()) as running:
        running.thread.join(5)
        assert [type(e) for e in running.failure] == [HistoryLost]
    assert values(log) == []


def test_a_broker_that_is_away_at_the_start_is_waited_for() -> None:
    class Away(InMemoryLog):
        left = 3

        def processor(self, *args: Any) -> MemoryProcessor:
            if self.left:
                self.left -= 1
                raise ClientLost("the transactional producer could not start")
            return super().processor(*args)

    log = Away()
    send(log, "a")
    with Running(log, Echo()) as running:
        wait(lambda: len(values(log)) == 1)
    assert running.failure == []


@pytest.mark.parametrize("where", ["assigned", "committed", "revoked"])
def test_a_broker_that_goes_away_under_the_handler_is_waited_for(where: str) -> None:
    class Shaken(Echo):
        left = 1

        def _shake(self, here: str) -> None:
            if here == where and self.left:
                self.left -= 1
                raise BrokerUnreachable("no broker answered")

        def assigned(self, partitions: Sequence[int], log: Log) -> None:
            self._shake("assigned")
            super().assigned(partitions, log)

        def committed(self, written: Any) -> None:
            self._shake("committed")
            super().committed(written)

        def revoked(self, partitions: Sequence[int], *, clean: bool) -> None:
            super().revoked(partitions, clean=clean)
            if clean:
                self._shake("revoked")

    log, handler = InMemoryLog(), Shaken()
    send(log, "a")
    with Running(log, handler) as running:
        wait(lambda: len(values(log)) == 1)
        send(log, "b")
        wait(lambda: len(values(log)) == 2)
    assert values(log) == [b"a:1", b"b:2"]
    assert running.failure == []
    assert handler.left == 0


def test_batches_shrink_while_they_fail_and_grow_again(monkeypatch: pytest.MonkeyPatch) -> None:
    log, asked, left = InMemoryLog(), [], [4]
    poll, commit = MemoryProcessor.poll_batch, MemoryProcessor.commit

    def polling(self: MemoryProcessor, most: int, timeout: float) -> list[Record]:
        if found := poll(self, most, timeout):
            asked.append(most)
        return found

    def failing(self: MemoryProcessor, *args: Any) -> None:
        if left[0]:
            left[0] -= 1
            raise ClientLost("the batch was not written in time")
        commit(self, *args)

    monkeypatch.setattr(MemoryProcessor, "poll_batch", polling)
    monkeypatch.setattr(MemoryProcessor, "commit", failing)
    send(log, *(str(n) for n in range(40)))
    with Running(log, Echo(), batch=8):
        wait(lambda: len(values(log)) == 40)
    assert asked[:7] == [8, 4, 2, 1, 1, 8, 8]


def test_an_answer_that_no_topic_takes_becomes_a_dead_letter_and_the_rest_goes_on() -> None:
    log = InMemoryLog()
    send(log, "a", "huge", "b")
    with Running(log, Echo()):
        wait(lambda: len(values(log)) == 2)
    assert values(log) == [b"a:1", b"b:2"]
    assert [(d.code, d.offset, d.parked) for d in waiting(log)] == [("answer_too_large", 1, False)]


def test_a_record_that_cannot_be_written_again_stops_nobody() -> None:
    class Wild(Echo):
        def handle(self, record: Record) -> Sequence[Outgoing]:
            small = Record(*(getattr(record, n) for n in Record.__slots__[:5]), b"garbage", ())
            return super().handle(small if len(record.value or b"") > 100 else record)

    log = InMemoryLog()
    # What a compressed batch can bring in; a plain producer would be refused.
    log.append(Outgoing(COMMANDS, 0, b"k", b"\0" * (LARGE_RECORD_BYTES + 1)))
    send(log, "after")
    with Running(log, Wild()):
        wait(lambda: len(values(log)) == 1)
    (letter,) = waiting(log)
    assert letter.digest


def test_records_that_are_never_parked_pass_a_parked_key_and_park_none() -> None:
    log = InMemoryLog()

    def is_vote(record: Record) -> bool:
        return (record.value or b"").startswith(b"vote")

    class Votes(Echo):
        def handle(self, record: Record) -> Sequence[Outgoing]:
            bug = Record(*(getattr(record, n) for n in Record.__slots__[:5]), b"bug", ())
            return super().handle(bug if record.value == b"vote-bug" else record)

    with Running(log, Votes(), never_parked=is_vote):
        send(log, "vote-bug", "a", "bug", "vote", "b")
        wait(lambda: len(values(log, DEAD)) == 3)
    assert values(log) == [b"a:1", b"vote:2"]
    assert [(d.value, d.parked) for d in waiting(log)] == [(b"vote-bug", False), (b"bug", True), (b"b", True)]


def test_a_stranger_can_neither_park_nor_unpark_a_key() -> None:
    sealer, stranger = Sealer(bytes(range(32)), "chain"), Sealer(bytes(32), "chain")
    log = InMemoryLog()
    with Running(log, Echo(), sealer=stranger):
        send(log, "bug", key=b"victim")
        wait(lambda: len(values(log, DEAD)) == 1)
    with Running(log, Echo(), sealer=sealer):
        send(log, "a", key=b"victim")
        send(log, "bug", key=b"parked")
        wait(lambda: len(values(log)) == 1 and len(values(log, DEAD)) == 2)
        assert redrive(log, b"parked", sealer=stranger) == 0
        log.producer().send(Outgoing(DEAD, 0, b"parked", None, (("bitsage-dead-redriven", b"9"),)))
        send(log, "b", key=b"parked")
        wait(lambda: len(waiting(log, sealer.check())) == 2)
    assert values(log) == [b"a:1"]
