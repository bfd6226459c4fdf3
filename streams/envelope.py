"""Names, ids and hash chains of events and commands (domain specification, section 5)."""

import hashlib
import secrets
import time
from typing import Any

from bitsage.schemas.ids import job_id
from bitsage.schemas.types import CommandEnvelope, EventEnvelope

__all__ = [
    "LANE_SHIFT",
    "NONCE_LOW",
    "chain_hash",
    "cloud_event_headers",
    "event_id",
    "follow_up_id",
    "follow_up_nonce",
    "fresh_nonce",
    "job_id",
    "uuid7",
]

LANE_SHIFT = 56
NONCE_LOW = (1 << LANE_SHIFT) - 1


def event_id(cause: bytes, index: int, event_type: str, command: str, subject: str, sequence: int) -> bytes:
    """First 16 bytes of sha256(cause, index as u32 BE, type, 0, command, 0, subject, 0, sequence as u64 BE).

    Deciding again gives the same id. The cause alone would not do: anybody can send a command once more, or under an id
    that another command has, and each of them gets an answer of its own.
    """
    texts = b"\0".join((event_type.encode(), command.encode(), subject.encode(), sequence.to_bytes(8, "big")))
    return hashlib.sha256(cause + index.to_bytes(4, "big") + texts).digest()[:16]


def follow_up_id(cause: bytes, index: int, command_type: str) -> bytes:
    """The id of a command that a decision entails; in another domain than event ids."""
    return hashlib.sha256(b"follow-up" + cause + index.to_bytes(4, "big") + command_type.encode()).digest()[:16]


def chain_hash(record: bytes) -> bytes:
    """What the subject's next event carries as `previous`: sha256 of the encoded record."""
    return hashlib.sha256(record).digest()


def uuid7(now_ms: int | None = None) -> bytes:
    """A UUIDv7 (RFC 9562, section 5.7) as 16 bytes."""
    stamp = time.time_ns() // 1_000_000 if now_ms is None else now_ms
    tail = bytearray(secrets.token_bytes(10))
    tail[0] = 0x70 | (tail[0] & 0x0F)
    tail[2] = 0x80 | (tail[2] & 0x3F)
    return stamp.to_bytes(6, "big") + bytes(tail)


def fresh_nonce(lane: int = 0) -> int:
    """A nonce for a person's command: microseconds since the epoch in the lane's low 56 bits."""
    return (lane << LANE_SHIFT) | (time.time_ns() // 1_000 & NONCE_LOW)


def follow_up_nonce(partition: int, offset: int, index: int) -> int:
    """A follow-up's nonce: lane = source partition + 1, low bits rise with the source offset.

    One source partition is decided in order and its follow-ups reach a subject in order, so per (authority, lane,
    subject) they rise strictly, and an old follow-up produced again is a reused nonce.

    Raises:
        ValueError: more than 255 follow-ups of one command, or an offset beyond 2^48.
    """
    if not (0 <= index < 256 and 0 <= offset < 1 << 48 and 0 <= partition < 126):
        raise ValueError("follow-up nonce out of range")
    return ((partition + 1) << LANE_SHIFT) | (offset << 8) | index


def cloud_event_headers(envelope: EventEnvelope | CommandEnvelope, fingerprint: bytes) -> tuple[tuple[str, bytes], ...]:
    """CloudEvents 1.0 headers in binary mode and a W3C traceparent, derived from the envelope alone."""
    seconds, millis = divmod(envelope.at, 1000)
    stamp = time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(seconds)) + f".{millis:03d}Z"
    values: dict[str, Any] = {
        "ce_specversion": "1.0",
        "ce_id": envelope.id.hex(),
        "ce_type": f"network.bitsage.{envelope.type}",
        "ce_source": f"/bitsage/{envelope.actor.hex()}",
        "ce_subject": envelope.subject,
        "ce_time": stamp,
        "ce_dataschema": f"urn:bitsage:avro:{fingerprint.hex()}",
        "content-type": "application/avro",
        "traceparent": f"00-{envelope.correlation.hex()}-{envelope.id[:8].hex()}-01",
    }
    return tuple((name, value.encode()) for name, value in values.items())
