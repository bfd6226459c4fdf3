"""First pass of the audit: every event by itself and in its subject's chain."""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, NamedTuple

from bitsage.processors.kernel import leaves_no_nonce, nonces_after
from bitsage.processors.nonces import Nonces, is_used
from bitsage.projections.records import check as check_place
from bitsage.schemas.events import CommandRejected
from bitsage.schemas.types import ZERO_HASH, EventBody, EventEnvelope
from bitsage.streams.codec import decode_event
from bitsage.streams.envelope import chain_hash, event_id
from bitsage.streams.errors import Undecodable
from bitsage.streams.log import Log, Record
from bitsage.streams.topics import TOPICS, topic_name
from bitsage.wallet import address_matches, verify_command

from .audit_rights import overreach
from .audit_trails import Trails, Where
from .network import Network
from .recovery import OUTPUT_TOPICS
from .signing import UNSIGNED

if TYPE_CHECKING:
    from .audit import Verdict

_ELSEWHERE = frozenset({"wrong_key", "wrong_partition"})
_MAX_INDEX = 256


class Answered(NamedTuple):
    """Which command an event answers: its partition, the topic of its decider, and everything that it says of itself.

    The id alone would not do: anybody can send a command under the id of another one. `payload` covers id, type,
    subject, nonce and body, but not the signature, which a stranger may leave out.
    """

    partition: int
    topic: str
    cause: bytes
    payload: bytes
    signature: bytes


class Entry(NamedTuple):
    """One event of a subject's chain.

    `nth` (from 0) is its place in the answer to its command; `inert`: the refusal of somebody who has no say over the subject.
    """

    where: Where
    answers: Answered
    nth: int
    envelope: EventEnvelope
    value: bytes
    inert: bool


@dataclass(slots=True)
class _Head:
    """Where a subject's chain stands."""

    sequence: int = 0
    previous: bytes = ZERO_HASH
    answers: Answered | None = None
    index: int = -1
    nonces: Nonces = field(default_factory=dict)


@dataclass(slots=True)
class EventAudit:
    """Reads all output topics; keeps every event for the passes that follow, per (topic, partition) in log order."""

    network: Network
    verdict: "Verdict"
    entries: dict[tuple[str, int], list[Entry]] = field(default_factory=dict)
    trails: Trails = field(default_factory=Trails)
    _heads: dict[tuple[str, str], _Head] = field(default_factory=dict)
    _authorised: dict[tuple[object, ...], bool] = field(default_factory=dict)
    _ids: set[bytes] = field(default_factory=set)
    _known: set[tuple[str, bytes]] = field(default_factory=set)

    def read(self, log: Log, report: Callable[[str, int, int], None]) -> None:
        """Check every record of every output topic."""
        where = {(topic_name(t), p): 0 for t in OUTPUT_TOPICS for p in range(TOPICS[t].partitions)}
        reader = log.reader(where, follow=False)
        seals = self.network.seal_check()
        done, total = 0, sum(reader.end_offsets().values())
        try:
            while records := reader.read(2_000, 5.0):
                for record in records:
                    self._record(record, seals(record.topic, record.value, record.headers))
                done += len(records)
                report("events", done, total)
        finally:
            reader.close()

    def _record(self, record: Record, sealed: bool) -> None:
        where = (record.topic, record.partition, record.offset)
        place = f"{where[0]}[{where[1]}]@{where[2]}"
        if not sealed:
            # Anybody with access to the broker can put garbage there; nobody folds it.
            self.verdict.remarks.append(f"{place}: not sealed by the coordinator, ignored")
            return
        value = record.value or b""
        try:
            envelope, body = decode_event(value)
        except Undecodable as error:
            self.verdict.fail("schema", where, f"{error.code}: {error}")
            return
        # A seal can be copied together with its record, by anybody. Nobody folds the copy, so it proves nothing.
        misplaced = check_place(record, None).code
        if misplaced in _ELSEWHERE:
            self.verdict.remarks.append(f"{place}: a sealed event away from its subject's place, ignored")
            return
        name = (record.topic, chain_hash(value))
        if name in self._known:
            self.verdict.remarks.append(f"{place}: a copy of an event that stands before it, ignored")
            return
        self._known.add(name)
        if misplaced:
            self.verdict.fail("routing", where, f"{envelope.type} does not belong there: {misplaced}")
        self.verdict.count("sealed events")
        self._event(where, envelope, body, value)

    def _event(self, where: Where, envelope: EventEnvelope, body: EventBody, value: bytes) -> None:
        answers = Answered(where[1], where[0], envelope.cause, envelope.payload_hash, envelope.signature)
        index = self._index(envelope)
        if index < 0:
            self.verdict.fail("event id", where, f"{envelope.id.hex()} does not follow from its cause")
        if envelope.id in self._ids:
            self.verdict.fail("doubled event", where, f"the id {envelope.id.hex()} stands twice")
        self._ids.add(envelope.id)
        inert = leaves_no_nonce(envelope.command, body)
        entry = Entry(where, answers, index, envelope, value, inert)
        self._chain(entry)
        self._nonce(entry, body)
        self._authorisation(envelope, body, where)
        if (excess := overreach(where[0], index, envelope, body, self.network)) is not None:
            self.verdict.fail("rights", where, excess)
        self.entries.setdefault(where[:2], []).append(entry)
        self.trails.add(where, envelope, body)

    def _index(self, envelope: EventEnvelope) -> int:
        fixed = (envelope.type, envelope.command, envelope.subject, envelope.sequence)
        return next((n for n in range(_MAX_INDEX) if envelope.id == event_id(envelope.cause, n, *fixed)), -1)

    def _chain(self, entry: Entry) -> None:
        envelope = entry.envelope
        head = self._heads.setdefault((entry.where[0], envelope.subject), _Head())
        if envelope.sequence != head.sequence + 1 or envelope.previous != head.previous:
            detail = f"{envelope.subject} goes from {head.sequence} to {envelope.sequence}"
            self.verdict.fail("chain", entry.where, detail)
        else:
            self.verdict.count("chain links")
        head.sequence, head.previous = envelope.sequence, chain_hash(entry.value)

    def _nonce(self, entry: Entry, body: EventBody) -> None:
        """A signature counts once: no answer uses a nonce that is used, and one answer has one payload."""
        envelope = entry.envelope
        head = self._heads[entry.where[0], envelope.subject]
        before, head.answers = (head.answers, head.index), entry.answers
        head.index = entry.nth
        if entry.inert:
            return
        if entry.nth > 0:
            if before != (entry.answers, entry.nth - 1):
                self.verdict.fail("nonce", entry.where, f"{envelope.type} continues an answer that is not before it")
        elif is_used(head.nonces, envelope.actor, envelope.nonce):
            self.verdict.fail("nonce", entry.where, f"the nonce {envelope.nonce} of {envelope.command} was used before")
        else:
            self.verdict.count("nonces")
        head.nonces = nonces_after(head.nonces, envelope, body)

    def _authorisation(self, envelope: EventEnvelope, body: EventBody, where: Where) -> None:
        # Everything that the answer depends on: a signature that was good for one command is not good for another.
        key = (
            envelope.actor, envelope.public_key, envelope.command, envelope.subject,
            envelope.payload_hash, envelope.nonce, envelope.signature,
        )  # fmt: skip
        if key not in self._authorised:
            self._authorised[key] = address_matches(envelope.actor, envelope.public_key) and verify_command(
                envelope.public_key,
                self.network.chain_id,
                envelope.command,
                envelope.subject,
                envelope.payload_hash,
                envelope.nonce,
                envelope.signature,
            )
        unsigned = isinstance(body, CommandRejected) and body.reason in UNSIGNED
        if self._authorised[key] and not unsigned:
            self.verdict.count("signatures")
        else:
            # What its actor did not sign is a dead letter, never an event.
            self.verdict.fail("signature", where, f"{envelope.command} was not signed by its actor")
