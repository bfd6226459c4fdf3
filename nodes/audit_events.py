"""First pass of the audit: every event by itself and in its subject's chain."""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from bitsage.schemas.events import (
    ConsensusReached,
    JobSubmitted,
    ProofGenerated,
    TallyOpened,
    VoteCast,
)
from bitsage.schemas.types import ZERO_HASH, EventBody, EventEnvelope, Rejection
from bitsage.streams.codec import decode_event
from bitsage.streams.envelope import chain_hash, event_id
from bitsage.streams.errors import Undecodable
from bitsage.streams.log import Log, Record
from bitsage.streams.topics import TOPICS, topic_name
from bitsage.wallet import address_matches, verify_command

from .network import Network
from .recovery import OUTPUT_TOPICS

if TYPE_CHECKING:
    from .audit import Verdict

Where = tuple[str, int, int]
_UNSIGNED = frozenset({"bad_signature", "unknown_key"})
_MAX_INDEX = 256


@dataclass(slots=True)
class JobTrail:
    """What the proof pass needs of one job."""

    submitted: JobSubmitted | None = None
    proofs: dict[tuple[int, bytes], tuple[Where, ProofGenerated]] = field(default_factory=dict)
    tallies: list[tuple[Where, TallyOpened]] = field(default_factory=list)
    votes: list[tuple[Where, VoteCast]] = field(default_factory=list)
    decisions: list[tuple[Where, ConsensusReached]] = field(default_factory=list)


@dataclass(slots=True)
class EventAudit:
    """Reads all output topics; keeps the raw values by cause for the second pass and the trails for the third."""

    network: Network
    verdict: "Verdict"
    by_cause: dict[tuple[bytes, int], list[tuple[Where, bytes]]] = field(default_factory=dict)
    trails: dict[bytes, JobTrail] = field(default_factory=dict)
    _heads: dict[tuple[str, str], tuple[int, bytes]] = field(default_factory=dict)
    _authorised: dict[bytes, bool] = field(default_factory=dict)
    _ids: set[bytes] = field(default_factory=set)

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
        if not sealed:
            # Anybody with access to the broker can put garbage there; nobody folds it.
            self.verdict.remarks.append(f"{where[0]}[{where[1]}]@{where[2]}: not sealed by the coordinator, ignored")
            return
        try:
            envelope, body = decode_event(record.value)
        except Undecodable as error:
            self.verdict.fail("schema", where, f"{error.code}: {error}")
            return
        self.verdict.count("sealed events")
        value = record.value or b""
        self._chain(record, envelope, value, where)
        self._authorisation(envelope, body, where)
        self.by_cause.setdefault((envelope.cause, record.partition), []).append((where, value))
        self._trail(body, where)

    def _chain(self, record: Record, envelope: EventEnvelope, value: bytes, where: Where) -> None:
        key = (record.topic, envelope.subject)
        sequence, previous = self._heads.get(key, (0, ZERO_HASH))
        if envelope.sequence != sequence + 1 or envelope.previous != previous:
            self.verdict.fail("chain", where, f"{envelope.subject} goes from {sequence} to {envelope.sequence}")
        else:
            self.verdict.count("chain links")
        self._heads[key] = (envelope.sequence, chain_hash(value))
        if envelope.id in self._ids:
            self.verdict.fail("doubled event", where, f"the id {envelope.id.hex()} stands twice")
        self._ids.add(envelope.id)
        if record.key != envelope.subject.encode():
            self.verdict.fail("routing", where, "the key is not the subject")
        fixed = (envelope.type, envelope.command, envelope.subject, envelope.sequence)
        if not any(envelope.id == event_id(envelope.cause, n, *fixed) for n in range(_MAX_INDEX)):
            self.verdict.fail("event id", where, f"{envelope.id.hex()} does not follow from its cause")

    def _authorisation(self, envelope: EventEnvelope, body: EventBody, where: Where) -> None:
        if isinstance(body, Rejection) and body.reason in _UNSIGNED:
            return
        key = envelope.cause + envelope.payload_hash + envelope.signature
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
        if self._authorised[key]:
            self.verdict.count("signatures")
        else:
            self.verdict.fail("signature", where, f"{envelope.command} was not signed by its actor")

    def _trail(self, body: EventBody, where: Where) -> None:
        job_id = getattr(body, "job_id", None)
        if not isinstance(job_id, bytes):
            return
        trail = self.trails.setdefault(job_id, JobTrail())
        match body:
            case JobSubmitted():
                trail.submitted = body
            case ProofGenerated():
                trail.proofs[body.attempt, body.proof_hash] = (where, body)
            case TallyOpened():
                trail.tallies.append((where, body))
            case VoteCast():
                trail.votes.append((where, body))
            case ConsensusReached():
                trail.decisions.append((where, body))
            case _:
                pass
