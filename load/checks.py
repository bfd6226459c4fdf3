"""Counting by ids: what was acknowledged, what was answered, what was paid. No answer is believed to exist: each is found."""

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path

import bitsage
from bitsage.nodes.network import Network
from bitsage.nodes.sealed import sealed_event
from bitsage.schemas.events import (
    EscrowLocked,
    EscrowReleased,
    JobCancelled,
    JobCompleted,
    JobFailed,
    PaymentDue,
    PaymentEncrypted,
)
from bitsage.schemas.types import EventBody
from bitsage.streams.codec import decode_command
from bitsage.streams.deadletters import read_dead_letter
from bitsage.streams.envelope import event_id
from bitsage.streams.log import Record
from bitsage.streams.topics import TOPICS, topic_name

OUTPUT = ("accounts", "workers", "jobs", "proofs", "votes")


@dataclass(slots=True)
class Counted:
    """What the log holds, and what is wrong with it."""

    commands: int = 0
    acknowledged: int = 0
    events: int = 0
    answers: int = 0
    dead_letters: int = 0
    bytes: dict[str, int] = field(default_factory=dict)
    records: dict[str, int] = field(default_factory=dict)
    #: commands that were acknowledged to their sender and do not stand in the log
    lost: list[str] = field(default_factory=list)
    unanswered: list[str] = field(default_factory=list)
    answered_twice: list[str] = field(default_factory=list)
    jobs_accepted: int = 0
    jobs_ended: dict[str, int] = field(default_factory=dict)
    jobs_without_end: list[str] = field(default_factory=list)
    jobs_ended_twice: list[str] = field(default_factory=list)
    paid: int = 0
    paid_twice: list[str] = field(default_factory=list)
    completed_unpaid: list[str] = field(default_factory=list)


class _Lives:
    """What became of every job, and how often each step of its payment was taken."""

    def __init__(self) -> None:
        self.money: dict[type, Counter[tuple[bytes, int]]] = {
            t: Counter() for t in (EscrowReleased, PaymentDue, PaymentEncrypted)
        }
        self.ends: dict[bytes, list[str]] = {}
        self.accepted: set[bytes] = set()

    def take(self, body: EventBody) -> None:
        if isinstance(body, EscrowReleased | PaymentDue | PaymentEncrypted):
            self.money[type(body)][body.job_id, body.payment_nonce] += 1
        elif isinstance(body, EscrowLocked):
            self.accepted.add(body.job_id)
        elif isinstance(body, JobCompleted | JobFailed | JobCancelled):
            self.ends.setdefault(body.job_id, []).append(type(body).__name__.removeprefix("Job").lower())

    def tell(self, counted: Counted) -> None:
        counted.jobs_accepted = len(self.accepted)
        counted.jobs_ended = dict(Counter(how for hows in self.ends.values() for how in hows))
        counted.jobs_without_end = [job.hex() for job in self.accepted - self.ends.keys()]
        counted.jobs_ended_twice = [job.hex() for job, hows in self.ends.items() if len(hows) > 1]
        counted.paid = len(self.money[PaymentEncrypted])
        twice = {job for table in self.money.values() for (job, _), times in table.items() if times > 1}
        # One job, one payment: two attempts of a job are never both paid for.
        jobs_paid = Counter(job for job, _ in self.money[PaymentDue])
        counted.paid_twice = [job.hex() for job in twice | {job for job, n in jobs_paid.items() if n > 1}]
        completed = {job for job, hows in self.ends.items() if "completed" in hows}
        counted.completed_unpaid = [job.hex() for job in completed - {job for job, _ in self.money[PaymentEncrypted]}]


def count(log: bitsage.KafkaLog, network: Network, acknowledged: Iterable[Path], sent: Iterable[bytes]) -> Counted:
    """Read the whole log once.

    Args:
        acknowledged: files with the ids of commands that the broker acknowledged, as `crew.py` writes them.
        sent: the ids of those that this process sent itself.
    """
    counted = Counted()
    asked = _commands(log, counted)
    answered: Counter[tuple[int, bytes, bytes]] = Counter()
    lives = _Lives()
    seals = network.seal_check()
    for record in _read(log, OUTPUT, counted):
        found = sealed_event(record, seals, quiet=True)
        if found is None:
            continue
        counted.events += 1
        e, body = found
        # Only the first event of an answer has the index 0 in its id.
        if event_id(e.cause, 0, e.type, e.command, e.subject, e.sequence) == e.id:
            answered[record.partition, e.cause, e.signature] += 1
        lives.take(body)
    _letters(log, network, answered, counted)
    counted.answers = sum(answered.values())
    for key, times in asked.items():
        if answered[key] < times:
            counted.unanswered.append(key[1].hex())
    counted.answered_twice = [key[1].hex() for key, times in answered.items() if times > asked[key]]
    _acknowledged(asked, acknowledged, sent, counted)
    lives.tell(counted)
    return counted


def _commands(log: bitsage.KafkaLog, counted: Counted) -> Counter[tuple[int, bytes, bytes]]:
    asked: Counter[tuple[int, bytes, bytes]] = Counter()
    for record in _read(log, ("commands",), counted):
        envelope = decode_command(record.value).envelope
        asked[record.partition, envelope.id, envelope.signature] += 1
        counted.commands += 1
    return asked


def _letters(
    log: bitsage.KafkaLog, network: Network, answered: Counter[tuple[int, bytes, bytes]], counted: Counted
) -> None:
    for record in _read(log, ("deadletters",), counted):
        letter = read_dead_letter(record, network.seal_check())
        if letter is not None and letter.value is not None:
            envelope = decode_command(letter.value).envelope
            answered[letter.partition, envelope.id, envelope.signature] += 1
            counted.dead_letters += 1


def _acknowledged(
    asked: Counter[tuple[int, bytes, bytes]], files: Iterable[Path], sent: Iterable[bytes], counted: Counted
) -> None:
    ids = set(sent)
    for file in files:
        # The last line of a process that was killed in the middle of writing it is not whole.
        ids |= {bytes.fromhex(line) for line in file.read_text().split("\n") if len(line) == 32}
    counted.acknowledged = len(ids)
    standing = {identifier for _, identifier, _ in asked}
    counted.lost = [identifier.hex() for identifier in ids - standing]


def _read(log: bitsage.KafkaLog, topics: Iterable[str], counted: Counted) -> Iterable[Record]:
    where = {(topic_name(t), p): 0 for t in topics for p in range(TOPICS[t].partitions)}
    reader = log.reader(where, follow=False)
    try:
        while records := reader.read(2_000, 5.0):
            for record in records:
                short = record.topic.rsplit(".", 1)[1]
                size = len(record.value or b"") + len(record.key or b"")
                size += sum(len(name) + len(value or b"") for name, value in record.headers)
                counted.bytes[short] = counted.bytes.get(short, 0) + size
                counted.records[short] = counted.records.get(short, 0) + 1
                yield record
    finally:
        reader.close()
