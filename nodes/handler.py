"""The coordinator's handler: one command record in, sealed events and signed follow-ups out (`streams.loop.Handler`).

RFC 6979 signatures and Ed25519 are deterministic, so deciding again after a crash gives the same bytes.
"""

import time
from collections.abc import Callable, Mapping, Sequence
from functools import partial

import structlog

from bitsage.processors.kernel import Key, Streams
from bitsage.processors.model import Rules
from bitsage.schemas.events import (
    ConsensusReached,
    JobAssigned,
    JobCancelled,
    JobCompleted,
    JobFailed,
    JobReassigned,
    JobSubmitted,
    Slashed,
)
from bitsage.streams.codec import fingerprint_of
from bitsage.streams.envelope import cloud_event_headers
from bitsage.streams.log import Log, Outgoing, Place, Record
from bitsage.streams.seal import HEADER, Sealer
from bitsage.streams.topics import partition_for, topic_name

from .cache import StateCache
from .execution import Emitted, FollowUp, execute
from .recovery import Recovery
from .signing import CommandSigner

_SAVE_EVERY_S = 5.0
#: The turning points of a job's life, which the coordinator says in its log once they are durable.
_TURNS = (JobSubmitted, JobAssigned, JobReassigned, JobCompleted, JobFailed, JobCancelled, ConsensusReached, Slashed)
logger = structlog.get_logger(__name__)


class CoordinatorHandler:
    """Decides the commands of the partitions assigned to this process; `on_change` hears which those are."""

    def __init__(
        self,
        rules: Rules,
        signer: CommandSigner,
        sealer: Sealer,
        recovery: Recovery,
        cache: StateCache | None = None,
        on_change: Callable[[frozenset[int]], None] = lambda _: None,
    ) -> None:
        self._rules = rules
        self._signer = signer
        self._sealer = sealer
        self._recovery = recovery
        self._cache = cache
        self.streams = Streams()
        self._dirty: set[Key] = set()
        self._saved_at = time.monotonic()
        self._turns: list[Emitted] = []
        self._partitions: set[int] = set()
        #: (topic without prefix, partition) -> the offset up to which the committed streams hold that topic. What this
        #: process knows to have folded or written, never the log's end: another process may have moved that on.
        self._positions: dict[tuple[str, int], int] = {}
        self._on_change = on_change

    def assigned(self, partitions: Sequence[int], log: Log) -> None:
        """Fold the output of newly assigned partitions."""
        for partition in partitions:
            started = time.monotonic()
            self._positions |= self._recovery.recover(partition, self.streams)
            self._partitions.add(partition)
            seconds = round(time.monotonic() - started, 3)
            logger.info("partition_recovered", partition=partition, seconds=seconds)
        self._on_change(frozenset(self._partitions))

    def revoked(self, partitions: Sequence[int], *, clean: bool) -> None:
        """Forget these partitions; keep their state in the cache if it is all that the log holds (`clean`)."""
        self.aborted()
        if clean:
            self.save()
        self._dirty = {key for key in self._dirty if partition_for(key[1].encode()) not in partitions}
        self._partitions.difference_update(partitions)
        # First: others must not do meanwhile what only the new owner may.
        self._on_change(frozenset(self._partitions))
        for partition in partitions:
            self.streams.drop(partial(_is_in, partition))
        self._positions = {place: end for place, end in self._positions.items() if place[1] in self._partitions}

    def handle(self, record: Record) -> Sequence[Outgoing]:
        """Answer one command.

        Raises:
            PermanentFailure: the record is no command of ours (not parked), or a decider failed on it (parked).
        """
        execution = execute(record, self.streams, self._rules, self._signer.chain_id, self._signer.refusal)
        self._turns += [event for event in execution.events if isinstance(event.body, _TURNS)]
        events = [self._seal(record.partition, event) for event in execution.events]
        return events + [self._sign(follow) for follow in execution.follow_ups]

    def committed(self, written: Mapping[Place, int]) -> None:
        """The batch is durable."""
        self._dirty.update(self.streams.commit())
        for (topic, partition), end in written.items():
            place = (topic.rsplit(".", 1)[1], partition)
            if place in self._positions:
                self._positions[place] = end
        for event in self._turns:
            _tell(event)
        self._turns.clear()
        if time.monotonic() - self._saved_at > _SAVE_EVERY_S:
            self.save()

    def aborted(self) -> None:
        """The batch is gone."""
        self.streams.abort()
        self._turns.clear()

    def _seal(self, partition: int, event: Emitted) -> Outgoing:
        topic = topic_name(event.topic)
        headers = (
            *cloud_event_headers(event.envelope, fingerprint_of("events", event.envelope.type)),
            (HEADER, self._sealer.seal(topic, event.value)),
        )
        return Outgoing(topic, partition, event.envelope.subject.encode(), event.value, headers)

    def _sign(self, follow: FollowUp) -> Outgoing:
        return self._signer.sign(
            follow.subject,
            follow.body,
            command_id=follow.id,
            at=follow.at,
            correlation=follow.correlation,
            nonce=follow.nonce,
        ).record

    def save(self) -> None:
        """Write changed streams, and how far they hold the log, to the cache; called between batches only."""
        if self._cache is None or not self._dirty:
            return
        changed = ((partition_for(s.encode()), (t, s), self.streams.get(t, s)) for t, s in self._dirty)
        self._cache.save(changed, self._positions)
        self._dirty.clear()
        self._saved_at = time.monotonic()


def _tell(event: Emitted) -> None:
    body = event.body
    facts = {name: getattr(body, name) for name in ("attempt", "outcome", "reason") if hasattr(body, name)}
    job: bytes = getattr(body, "job_id", b"")
    logger.info("decided", what=type(body).__name__, job=job.hex(), subject=event.envelope.subject, **facts)


def _is_in(partition: int, subject: str) -> bool:
    return partition_for(subject.encode()) == partition
