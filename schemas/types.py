"""The value types that records are made of, and the base classes of event and command bodies.

An annotation carries what Python's own types cannot say: the width of a fixed and the logical type.
`avro.py` turns annotated dataclasses into Avro schemas, so a body is written down once.
"""

from dataclasses import dataclass
from typing import Annotated


@dataclass(frozen=True, slots=True)
class Fixed:
    """An Avro `fixed` of `size` bytes, named `name` (one name, one size in the whole registry)."""

    name: str
    size: int


@dataclass(frozen=True, slots=True)
class Logical:
    """An Avro primitive with a logical type."""

    avro: str
    logical: str
    precision: int = 0


Bytes16 = Annotated[bytes, Fixed("Bytes16", 16)]
Bytes32 = Annotated[bytes, Fixed("Bytes32", 32)]
Bytes64 = Annotated[bytes, Fixed("Bytes64", 64)]
#: Base units, never negative; 38 decimal digits hold the whole supply (10^27) with room to spare.
Amount = Annotated[int, Logical("bytes", "decimal", 38)]
#: Milliseconds since the Unix epoch, UTC.
Millis = Annotated[int, Logical("long", "timestamp-millis")]

ADDRESS_BYTES = 32
ZERO_HASH = bytes(32)


@dataclass(frozen=True, slots=True)
class EventBody:
    """What happened, without the envelope; frozen, compared by value."""


@dataclass(frozen=True, slots=True)
class CommandBody:
    """What somebody asks for, without the envelope; frozen, compared by value."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Rejection(EventBody):
    """A refused command: a stable code of `reasons.py` and one sentence for people."""

    reason: str
    details: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class EventEnvelope:
    """Who caused an event, where it stands in its subject's chain (domain specification, section 5).

    `signature` is the causing command's: it signs (chain id, `command`, `subject`, `payload_hash`,
    `nonce`) with `public_key`, so the authorisation can be checked after the command has expired.
    """

    id: Bytes16
    type: str
    subject: str
    sequence: int
    previous: Bytes32
    at: Millis
    cause: Bytes16
    correlation: Bytes16
    actor: Bytes32
    public_key: Bytes32
    signature: Bytes64
    command: str
    nonce: int
    payload_hash: Bytes32


@dataclass(frozen=True, slots=True, kw_only=True)
class CommandEnvelope:
    """Who asks, of which aggregate (`subject` is also the Kafka key), when, and with which proof of it.

    `nonce`: the top byte is a lane, the low 56 bits rise strictly per (actor, lane, subject).
    """

    id: Bytes16
    type: str
    subject: str
    at: Millis
    correlation: Bytes16
    actor: Bytes32
    public_key: Bytes32
    nonce: int
    signature: Bytes64
