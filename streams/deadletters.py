"""Dead letters: what can never be handled, kept raw with its reason, and the way back.

A dead letter stands in the partition with the number of its origin. Its headers say where it comes from and why, and are
sealed: anybody may be able to write to the topic, and a forged letter must neither park a key nor send a record
anywhere. `redrive` writes the originals back and the mark that unparks their key, in one transaction.
"""

import hashlib
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Final

from .log import Headers, Log, Outgoing, Record, record_bytes
from .seal import SealCheck, Sealer
from .topics import DEAD_LETTER_BYTES, TOPICS, topic_name

TOPIC: Final = topic_name("deadletters")
_ORIGINS: Final = (topic_name("commands"),)
_PREFIX: Final = "bitsage-dead-"
_SEAL: Final = _PREFIX + "seal"
_REDRIVEN: Final = "redriven"
_MESSAGE_CHARACTERS: Final = 500
_KEPT_VALUE_BYTES: Final = 65_536
_KEPT_KEY_BYTES: Final = 1_024


@dataclass(frozen=True, slots=True)
class DeadLetter:
    """One entry of the dead letter topic.

    `topic`, `partition`, `offset` name the origin, `position` the entry's own offset, `at` its time (ms). `digest` is
    empty, or the sha256 (hex) of a value that was too large to be kept whole: `value` is then its beginning, and the
    original stands in its own topic as long as that keeps it.
    """

    key: bytes | None
    value: bytes | None
    topic: str
    partition: int
    offset: int
    code: str
    message: str
    version: str
    parked: bool
    attempt: int
    at: int
    position: int
    headers: Headers
    digest: str = ""


def dead_letter(
    record: Record, code: str, message: str, parked: bool, version: str, sealer: Sealer | None = None
) -> Outgoing:
    """The dead letter of `record`: its raw bytes and headers, with ours added; cut when it would be too large.

    A compressed batch can carry a record that no topic takes again; refusing to write its letter would stop the
    partition for good.
    """
    key, value, original = record.key, record.value, _foreign(record.headers)
    marks = {
        "topic": record.topic,
        "partition": str(record.partition),
        "offset": str(record.offset),
        "code": code,
        "message": message[:_MESSAGE_CHARACTERS],
        "version": version,
        "parked": "1" if parked else "0",
        "attempt": str(min(_attempts(record.headers) + 1, 1_000)),
    }
    if record_bytes(key, value, original) > DEAD_LETTER_BYTES:
        marks["digest"] = hashlib.sha256(value or b"").hexdigest()
        original, value = (), (value or b"")[:_KEPT_VALUE_BYTES]
        key = key if key is None else key[:_KEPT_KEY_BYTES]
    return Outgoing(TOPIC, record.partition, key, value, original + _written(key, value, marks, sealer))


def _foreign(headers: Headers) -> Headers:
    return tuple((name, content) for name, content in headers if not name.startswith(_PREFIX))


def _attempts(headers: Headers) -> int:
    counts = (content or b"" for name, content in headers if name == _PREFIX + "attempt")
    return max((int(c) for c in counts if c.isdigit() and len(c) < 5), default=0)


def _written(key: bytes | None, value: bytes | None, marks: Mapping[str, str], sealer: Sealer | None) -> Headers:
    headers: Headers = tuple((_PREFIX + name, text.encode()) for name, text in marks.items())
    if sealer is None:
        return headers
    return (*headers, (_SEAL, sealer.seal(TOPIC, _sealed(key, value, marks))))


def _sealed(key: bytes | None, value: bytes | None, marks: Mapping[str, str]) -> bytes:
    """What the seal covers: key, value and every mark, each with its length in front."""
    digest = hashlib.sha256()
    for part in (key, value, *(f"{name}={text}".encode() for name, text in sorted(marks.items()))):
        digest.update(b"\xff" * 8 if part is None else len(part).to_bytes(8, "big") + part)
    return digest.digest()


def _marks(record: Record, seals: SealCheck | None) -> dict[str, str]:
    """Our marks on a record of the topic; none when the seal is not good (without `seals`, none is asked for)."""
    ours = [(n.removeprefix(_PREFIX), c or b"") for n, c in record.headers if n.startswith(_PREFIX) and n != _SEAL]
    marks = {name: content.decode("utf-8", "replace") for name, content in ours}
    if len(marks) != len(ours):
        return {}
    if seals is not None:
        given = [content for name, content in record.headers if name == _SEAL]
        if len(given) != 1 or not seals.signed(TOPIC, _sealed(record.key, record.value, marks), given[0] or b""):
            return {}
    return marks


def read_dead_letter(record: Record, seals: SealCheck | None = None) -> DeadLetter | None:
    """An entry of the topic; None for a redrive mark, a forgery, or a record that is no dead letter."""
    marks = _marks(record, seals)
    numbers = [marks.get(name, "") for name in ("partition", "offset", "attempt")]
    if not {"code", "topic"} <= marks.keys() or not all(n.isascii() and n.isdigit() and len(n) < 20 for n in numbers):
        return None
    if int(numbers[0]) != record.partition:
        return None
    return DeadLetter(
        record.key, record.value, marks["topic"], int(numbers[0]), int(numbers[1]), marks["code"],
        marks.get("message", ""), marks.get("version", ""), marks.get("parked") == "1", int(numbers[2]),
        record.timestamp, record.offset, _foreign(record.headers), marks.get("digest", ""),
    )  # fmt: skip


def redriven_upto(record: Record, seals: SealCheck | None = None) -> int | None:
    """The last position that a redrive mark covers for its key; None when the record is no such mark."""
    upto = _marks(record, seals).get(_REDRIVEN, "")
    return int(upto) if upto.isascii() and upto.isdigit() and len(upto) < 20 else None


class Once:
    """Tells a letter from its copy: per origin partition, the offsets of genuine letters only rise.

    A seal cannot be forged but can be copied together with its record, which would park a redriven key again.
    """

    def __init__(self) -> None:
        self._last: dict[tuple[str, int], int] = {}

    def __call__(self, letter: DeadLetter) -> bool:
        """Whether this letter is seen for the first time."""
        origin = (letter.topic, letter.partition)
        if letter.offset <= self._last.get(origin, -1):
            return False
        self._last[origin] = letter.offset
        return True


def letters_of(records: Iterable[Record], seals: SealCheck | None = None) -> Iterator[tuple[DeadLetter, bool]]:
    """Every genuine letter, with whether it has been redriven."""
    letters: dict[tuple[int, int], DeadLetter] = {}
    gone: set[tuple[int, int]] = set()
    once = Once()
    for record in records:
        if (upto := redriven_upto(record, seals)) is not None:
            gone |= {k for k, d in letters.items() if k[0] == record.partition and k[1] <= upto and d.key == record.key}
        elif (letter := read_dead_letter(record, seals)) is not None and once(letter):
            letters[record.partition, record.offset] = letter
    return ((letters[key], key in gone) for key in sorted(letters))


def waiting(log: Log, seals: SealCheck | None = None) -> list[DeadLetter]:
    """Every dead letter that has not been redriven, oldest first per partition.

    Raises:
        BrokerUnreachable: no broker answered.
    """
    return [letter for letter, redriven in letters_of(_all(log), seals) if not redriven]


def dead_offsets(log: Log, topic: str, seals: SealCheck | None = None) -> set[tuple[int, int]]:
    """(partition, offset) of every record of `topic` that became a dead letter, redriven or not.

    Raises:
        BrokerUnreachable: no broker answered.
    """
    return {(letter.partition, letter.offset) for letter, _ in letters_of(_all(log), seals) if letter.topic == topic}


def _all(log: Log) -> Iterator[Record]:
    places = [(TOPIC, p) for p in range(TOPICS["deadletters"].partitions)]
    reader = log.reader(log.first_offsets(places), follow=False)
    try:
        while records := reader.read(1_000, 2.0):
            yield from records
    finally:
        reader.close()


def redrive(
    log: Log,
    key: bytes | None,
    *,
    sealer: Sealer | None = None,
    seals: SealCheck | None = None,
    origins: Collection[str] = _ORIGINS,
) -> int:
    """Write the waiting records of `key` back to where they came from, in order, and unpark it; how many.

    A record keeps its bytes, so a command whose time has passed is answered by a rejection. A letter that was cut is
    ticked off, not written back. Letters from other topics than `origins` stay where they are.

    Raises:
        TransactionAborted: nothing was written; try again.
        BrokerUnreachable: no broker answered.
        ClientLost: the outcome is unknown; look at what still waits.
    """
    if seals is None and sealer is not None:
        seals = sealer.check()
    letters = [letter for letter in waiting(log, seals) if letter.key == key and letter.topic in origins]
    back = 0
    for partition in sorted({letter.partition for letter in letters}):
        mine = [letter for letter in letters if letter.partition == partition]
        whole = [
            Outgoing(d.topic, partition, key, d.value, (*d.headers, (_PREFIX + "attempt", str(d.attempt).encode())))
            for d in mine
            if not d.digest
        ]
        marks = {_REDRIVEN: str(mine[-1].position)}
        mark = Outgoing(TOPIC, partition, key, None, _written(key, None, marks, sealer))
        log.send_atomically(f"bitsage-redrive-{partition}", [*whole, mark])
        back += len(whole)
    return back


__all__ = [
    "TOPIC",
    "DeadLetter",
    "Once",
    "dead_letter",
    "dead_offsets",
    "letters_of",
    "read_dead_letter",
    "redrive",
    "redriven_upto",
    "waiting",
]
