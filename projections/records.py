"""From records of the log to events that may be folded, or to the code of what is wrong with them.

The checks of one record do not depend on any other record: seal, encoding, topic, key, partition and subject. The chain
of each subject is checked where the state is (`store.py`).
"""

import hashlib
import struct
from collections.abc import Callable, Iterable
from functools import lru_cache
from typing import NamedTuple

import blake3

from bitsage.schemas.events import EVENT_TOPIC
from bitsage.schemas.types import EventBody, EventEnvelope
from bitsage.streams.codec import decode_event
from bitsage.streams.errors import Undecodable
from bitsage.streams.log import Record
from bitsage.streams.topics import partition_for

from .schema import Event

#: Whether the network's coordinator wrote a record, as `streams.seal.SealCheck`: (full topic, value, headers) -> bool.
Trust = Callable[[str, bytes | None, Iterable[tuple[str, bytes | None]]], bool]

NETWORK = "network"
TREASURY = "treasury"
_MARKET = frozenset(
    {
        "CapacityChanged",
        "ValidatorSetChanged",
        "JobQueued",
        "JobMatched",
        "JobWithdrawn",
        "TallyRequested",
        "PriceRaised",
        "RetrialRequested",
    }
)
#: Event -> the field whose address must be the subject.
_OWN_ADDRESS = {
    "WalletCreated": "address",
    "WorkerRegistered": "worker",
    "WorkerWentOffline": "worker",
    "WorkerReturned": "worker",
    "WorkerDeparted": "worker",
    "RateMeasured": "worker",
    "BenchmarkDoubted": "worker",
    "ValidatorRegistered": "validator",
    "ValidatorDeparted": "validator",
}


class Checked(NamedTuple):
    """A record as projections see it: an event, or a code that says why it is none.

    `digest` (32 bytes) names the record and its place; `chain` is what the subject's next event carries as `previous`.
    """

    topic: str
    partition: int
    offset: int
    timestamp: int
    digest: bytes
    event: Event | None
    code: str
    chain: str


def short_topic(name: str) -> str:
    """A topic's name without its prefix."""
    return name.rsplit(".", 1)[-1]


def address(raw: bytes) -> str:
    """An address as subjects and tables write it."""
    return "0x" + raw.hex()


def digest(record: Record) -> bytes:
    """BLAKE3 of partition (u32), offset (u64), timestamp (i64); topic, key, value: i32 length (-1: none) and bytes."""
    parts = [struct.pack(">IQq", record.partition, record.offset, record.timestamp)]
    for field in (short_topic(record.topic).encode(), record.key, record.value):
        parts.append(struct.pack(">i", -1) if field is None else struct.pack(">i", len(field)) + field)
    return blake3.blake3(b"".join(parts)).digest()


def check(record: Record, authenticate: Trust | None) -> Checked:
    """Decode a record and check everything that can be checked without state; `authenticate` None checks no seal."""
    topic = short_topic(record.topic)
    event, code = _read(record, topic, authenticate)
    chain = hashlib.sha256(record.value or b"").hexdigest()
    return Checked(topic, record.partition, record.offset, record.timestamp, digest(record), event, code, chain)


@lru_cache(maxsize=65_536)
def _partition_of(key: bytes) -> int:
    return partition_for(key)


def _read(record: Record, topic: str, authenticate: Trust | None) -> tuple[Event | None, str]:
    if authenticate is not None and not authenticate(record.topic, record.value, record.headers):
        return None, "unsealed"
    try:
        envelope, body = decode_event(record.value)
    except Undecodable as error:
        return None, error.code
    event = Event(topic, envelope, body)
    key = envelope.subject.encode()
    if EVENT_TOPIC.get(envelope.type, topic) != topic:
        return event, "wrong_topic"
    if record.key != key:
        return event, "wrong_key"
    # A copy on another partition would be raced against the original.
    if record.partition != _partition_of(key):
        return event, "wrong_partition"
    if not _subject_fits(topic, envelope, body):
        return event, "wrong_subject"
    return event, ""


def _subject_fits(topic: str, envelope: EventEnvelope, body: EventBody) -> bool:
    subject, name = envelope.subject, envelope.type
    if name == "CommandRejected":
        return True
    if name in _MARKET:
        return subject == NETWORK
    if name in ("FeesDistributed", "RestitutionPaid"):
        return subject == TREASURY
    if topic in ("jobs", "proofs", "votes"):
        job_id: bytes = body.job_id  # type: ignore[attr-defined]
        return subject == job_id.hex()
    if name in _OWN_ADDRESS:
        return subject == address(getattr(body, _OWN_ADDRESS[name]))
    return subject.startswith("0x") and len(subject) == 66
