"""Dead letters as the topic holds them: sealed, cut when too large, and what strangers may write there."""

import hashlib
from collections.abc import Iterable

import pytest

from bitsage.streams.deadletters import TOPIC, dead_letter, dead_offsets, read_dead_letter, redrive, waiting
from bitsage.streams.log import Outgoing, Record, record_bytes
from bitsage.streams.memory_log import InMemoryLog
from bitsage.streams.parked import ParkedKeys
from bitsage.streams.seal import Sealer
from bitsage.streams.topics import DEAD_LETTER_BYTES, LARGE_RECORD_BYTES, topic_name

COMMANDS = topic_name("commands")
SEALER = Sealer(bytes(range(32)), "chain")
STRANGER = Sealer(bytes(32), "chain")
SEALS = SEALER.check()


def command(offset: int, key: bytes | None = b"k", value: bytes = b"v", partition: int = 0) -> Record:
    return Record(COMMANDS, partition, offset, 1_700_000_000_000, key, value, (("h", b"1"),))


def letter(offset: int, key: bytes | None = b"k", *, park: bool = True, sealer: Sealer | None = SEALER) -> Outgoing:
    return dead_letter(command(offset, key), "decider_failed", "ValueError", park, "7", sealer)


def write(log: InMemoryLog, records: Iterable[Outgoing]) -> None:
    log.producer().send_many(list(records))


def parked(log: InMemoryLog, *keys: bytes) -> list[bytes]:
    folded = ParkedKeys(log, SEALS)
    folded.assigned([0])
    return [key for key in keys if command(99, key) in folded]


def in_commands(log: InMemoryLog) -> list[Record]:
    reader = log.reader({(COMMANDS, p): 0 for p in range(6)}, follow=False)
    found = []
    while records := reader.read(100, 1.0):
        found += records
    return found


def as_record(out: Outgoing, offset: int = 0) -> Record:
    return Record(out.topic, out.partition, offset, 1, out.key, out.value, out.headers)


def test_a_letter_tells_where_it_comes_from_and_keeps_the_record_whole() -> None:
    read = read_dead_letter(as_record(letter(5), 3), SEALS)
    assert read is not None
    assert (read.topic, read.partition, read.offset, read.position) == (COMMANDS, 0, 5, 3)
    assert (read.key, read.value, read.headers) == (b"k", b"v", (("h", b"1"),))
    assert (read.code, read.message, read.version, read.parked, read.attempt) == (
        "decider_failed", "ValueError", "7", True, 1,
    )  # fmt: skip


def test_only_the_coordinators_letters_count() -> None:
    log = InMemoryLog()
    write(log, [letter(0, b"unsealed", sealer=None), letter(1, b"forged", sealer=STRANGER), letter(2, b"real")])
    assert parked(log, b"unsealed", b"forged", b"real") == [b"real"]
    assert [d.key for d in waiting(log, SEALS)] == [b"real"]
    assert dead_offsets(log, COMMANDS, SEALS) == {(0, 2)}


@pytest.mark.parametrize("part", ["key", "value", "topic", "partition", "offset", "code", "parked", "attempt", "extra"])
def test_the_seal_covers_key_value_and_every_mark(part: str) -> None:
    genuine = letter(5, park=False)
    headers = dict(genuine.headers)
    key, value = genuine.key, genuine.value
    if part == "key":
        key = b"victim"
    elif part == "value":
        value = b"other"
    else:
        headers[f"bitsage-dead-{part}"] = {"topic": b"bitsage.jobs", "parked": b"1"}.get(part, b"4")
    changed = Record(TOPIC, genuine.partition, 0, 1, key, value, tuple(headers.items()))
    assert read_dead_letter(as_record(genuine), SEALS) is not None
    assert read_dead_letter(changed, SEALS) is None


def test_a_letter_in_another_partition_than_its_origin_is_none() -> None:
    genuine = letter(5)
    moved = Record(TOPIC, 3, 0, 1, genuine.key, genuine.value, genuine.headers)
    assert read_dead_letter(moved, SEALS) is None


def test_a_doubled_mark_is_no_letter() -> None:
    genuine = letter(5)
    doubled = Record(TOPIC, 0, 0, 1, b"k", b"v", (*genuine.headers, ("bitsage-dead-parked", b"1")))
    assert read_dead_letter(doubled, SEALS) is None


def test_a_copied_letter_parks_nobody_again() -> None:
    log = InMemoryLog()
    write(log, [letter(5)])
    assert redrive(log, b"k", sealer=SEALER) == 1
    assert parked(log, b"k") == []
    write(log, [letter(5)])
    assert parked(log, b"k") == []
    assert waiting(log, SEALS) == []


def test_a_copied_redrive_mark_frees_no_later_letter() -> None:
    log = InMemoryLog()
    write(log, [letter(5)])
    redrive(log, b"k", sealer=SEALER)
    mark = log.fetch((TOPIC, 0), 0, 10)[0][-1]
    write(log, [letter(9)])
    assert parked(log, b"k") == [b"k"]
    write(log, [Outgoing(TOPIC, 0, mark.key, mark.value, mark.headers)])
    assert parked(log, b"k") == [b"k"]
    assert [d.offset for d in waiting(log, SEALS)] == [9]


def test_a_strangers_redrive_mark_frees_nobody() -> None:
    log = InMemoryLog()
    write(log, [letter(5), Outgoing(TOPIC, 0, b"k", None, (("bitsage-dead-redriven", b"99"),))])
    assert parked(log, b"k") == [b"k"]
    assert [d.offset for d in waiting(log, SEALS)] == [5]


def test_a_redrive_writes_only_where_commands_come_from() -> None:
    log = InMemoryLog()
    foreign = Record(topic_name("accounts"), 0, 7, 1, b"k", b"v", ())
    write(log, [letter(5), dead_letter(foreign, "x", "y", False, "7", SEALER)])
    assert redrive(log, b"k", sealer=SEALER) == 1
    assert [(r.topic, r.value) for r in in_commands(log)] == [(COMMANDS, b"v")]
    assert log.end_of((topic_name("accounts"), 0)) == 0


def test_a_redrive_keeps_order_and_headers_and_counts_on() -> None:
    log = InMemoryLog()
    write(log, [letter(5), letter(6), letter(7, b"other")])
    assert redrive(log, b"k", sealer=SEALER) == 2
    back = in_commands(log)
    assert [r.value for r in back] == [b"v", b"v"]
    assert back[0].headers == (("h", b"1"), ("bitsage-dead-attempt", b"1"))
    again = read_dead_letter(as_record(dead_letter(back[0], "x", "y", True, "8", SEALER)), SEALS)
    assert again is not None
    assert again.attempt == 2
    assert [d.key for d in waiting(log, SEALS)] == [b"other"]


def test_letters_of_one_key_in_two_partitions_are_redriven_each_in_its_own() -> None:
    log = InMemoryLog()
    elsewhere = dead_letter(command(3, partition=4), "misrouted", "", False, "7", SEALER)
    write(log, [letter(5), elsewhere])
    assert redrive(log, b"k", sealer=SEALER) == 2
    assert sorted(r.partition for r in in_commands(log)) == [0, 4]
    assert waiting(log, SEALS) == []


def test_letters_without_a_key_can_be_redriven() -> None:
    log = InMemoryLog()
    write(log, [letter(5, None, park=False)])
    assert redrive(log, None, sealer=SEALER) == 1
    assert waiting(log, SEALS) == []


@pytest.mark.parametrize("size", [DEAD_LETTER_BYTES, LARGE_RECORD_BYTES, 50_000_000])
def test_a_record_that_no_topic_takes_again_is_cut_and_named_by_its_hash(size: int) -> None:
    log = InMemoryLog()
    value = b"\7" * size
    out = dead_letter(command(5, b"k" * 5_000, value), "malformed", "", False, "7", SEALER)
    assert record_bytes(out.key, out.value, out.headers) < LARGE_RECORD_BYTES
    write(log, [out])
    (read,) = waiting(log, SEALS)
    assert read.digest == hashlib.sha256(value).hexdigest()
    assert read.value == value[:65_536]
    assert read.key == b"k" * 1_024
    assert redrive(log, read.key, sealer=SEALER) == 0
    assert waiting(log, SEALS) == []
    assert in_commands(log) == []


def test_a_record_of_many_headers_is_cut_too() -> None:
    record = Record(COMMANDS, 0, 0, 1, b"k", b"v", (("x", b""),) * 200_000)
    out = dead_letter(record, "malformed", "", False, "7", SEALER)
    assert len(out.headers) < 12


def test_letters_that_retention_has_removed_are_no_obstacle() -> None:
    log = InMemoryLog()
    write(log, [letter(5, b"old"), letter(6, b"new")])
    log.trim((TOPIC, 0), 1)
    assert parked(log, b"old", b"new") == [b"new"]
    assert [d.key for d in waiting(log, SEALS)] == [b"new"]
    assert dead_offsets(log, COMMANDS, SEALS) == {(0, 6)}


def test_a_batch_that_is_aborted_parks_nobody() -> None:
    folded = ParkedKeys(InMemoryLog(), SEALS)
    folded.assigned([0])
    folded.park(command(1))
    assert command(2) in folded
    folded.aborted()
    assert command(2) not in folded
    folded.park(command(1))
    folded.committed()
    assert command(2) in folded
    folded.revoked([0])
    assert command(2) not in folded
