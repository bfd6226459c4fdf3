"""Reading sealed events: what is one, and where it stands in its subject's chain.

A seal can be copied together with its record, to any partition, under any key and as often as somebody likes. So whoever
acts on an event asks two things more than whether the seal is good: does the record stand where its subject's events
stand (`sealed_event`), and is it the next link of that subject's chain in that topic (`Link`)?
"""

from functools import lru_cache
from typing import NamedTuple

import structlog

from bitsage.schemas.types import ZERO_HASH, EventBody, EventEnvelope
from bitsage.streams.codec import decode_event
from bitsage.streams.envelope import chain_hash
from bitsage.streams.errors import Undecodable
from bitsage.streams.log import Record
from bitsage.streams.seal import SealCheck
from bitsage.streams.topics import partition_for

logger = structlog.get_logger(__name__)
_partition_of = lru_cache(maxsize=65_536)(partition_for)


def sealed_event(record: Record, seals: SealCheck, *, quiet: bool = False) -> tuple[EventEnvelope, EventBody] | None:
    """The event that a record carries; None, with a warning unless `quiet`, when nobody may act on it.

    That is a record without a good seal, one that cannot be decoded, and one whose key or partition is not its subject's.
    """
    if not seals(record.topic, record.value, record.headers):
        trouble = "foreign_record"
    else:
        try:
            envelope, body = decode_event(record.value)
        except Undecodable as error:
            trouble = f"undecodable_event: {error.code}"
        else:
            key = envelope.subject.encode()
            if record.key == key and record.partition == _partition_of(key):
                return envelope, body
            trouble = "misplaced_event"
    if not quiet:
        pass_over(record, trouble)
    return None


def pass_over(record: Record, trouble: str) -> None:
    """Say that a record of an event topic counts for nothing, and why."""
    logger.warning(
        "record_passed_over",
        subject=record.subject,
        topic=record.topic,
        partition=record.partition,
        offset=record.offset,
        why=trouble,
    )


class Link(NamedTuple):
    """The end of a subject's chain in one topic: its last sequence, and the hash of that record (32 bytes)."""

    sequence: int = 0
    hash: bytes = ZERO_HASH

    def then(self, record: Record, envelope: EventEnvelope) -> "Link | None":
        """The end of the chain after this record; None when the record is not the next link (a copy, or after a gap)."""
        if envelope.sequence != self.sequence + 1 or envelope.previous != self.hash:
            return None
        return Link(envelope.sequence, chain_hash(record.value or b""))
