"""The timer: the only place where time passes. It tells deciders, by signed commands, that a time is over.

It watches attempts, tallies, price ramps and heartbeats. What it sends is an observation; the decider that knows the state
decides what follows, so a timer that is late, doubled or restarted changes nothing.
"""

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple

import structlog

from bitsage.processors.model import NETWORK, account_subject, job_subject
from bitsage.processors.pricing import Ramp, price_at
from bitsage.schemas.commands import CloseDispute, CloseTally, RaisePrice, ReportPresence, TimeoutElapsed
from bitsage.schemas.events import WorkerDeparted, WorkerRegistered, WorkerReturned, WorkerWentOffline
from bitsage.schemas.heartbeat import Heartbeat
from bitsage.schemas.types import CommandBody, EventBody, EventEnvelope
from bitsage.streams.codec import decode_command
from bitsage.streams.errors import BrokerUnreachable, Undecodable
from bitsage.streams.log import Log, Place, Reader, Record
from bitsage.streams.topics import TOPICS, topic_name

from .follower import Follower, Keep
from .network import Network
from .opendisputes import OpenDisputes
from .openjobs import TOPICS_FOLLOWED, OpenJob, OpenJobs
from .signing import CommandSigner, now_ms, refusal

logger = structlog.get_logger(__name__)
_TICK_S = 0.5
#: An observation is repeated when nothing came of it for this long.
_REPEAT_MS = 10_000


@dataclass(slots=True)
class Presence:
    """A registered worker, as events say, and when it was last heard."""

    online: bool
    last_seen: int


class _Mark(NamedTuple):
    """The ends of the heartbeats' partitions at a time (ms)."""

    at: int
    ends: dict[Place, int]


@dataclass(slots=True)
class Timer:
    """Follows jobs, workers and heartbeats; `owns` limits it to the subjects that this process decides for."""

    log: Log
    network: Network
    signer: CommandSigner
    folder: Path
    owns: Callable[[str], bool] = lambda subject: True
    jobs: OpenJobs = field(default_factory=OpenJobs)
    disputes: OpenDisputes = field(default_factory=OpenDisputes)
    workers: dict[str, Presence] = field(default_factory=dict)
    #: Every heartbeat that the broker held at this time (ms) has been heard; silence is counted up to it.
    heard_until: int = -1
    _left: set[str] = field(default_factory=set)
    _told: dict[tuple[str, str], int] = field(default_factory=dict)
    _lock: threading.Lock = field(default_factory=threading.Lock)
    _asked: float = 0.0
    _deaf: BaseException | None = None

    def run(self, stop: threading.Event) -> None:
        """Watch until `stop` is set.

        Raises:
            HistoryLost: heartbeats were deleted before they were read.
        """
        follower = Follower(
            self.log,
            self.network.seal_check(),
            (*TOPICS_FOLLOWED, "workers"),
            self.folder / "timer.db",
            f"{self.network.chain_id}/1",
            self.fold,
        )
        self.jobs.ended = follower.is_done
        producer = self.log.producer()
        beats = threading.Thread(target=self._beats, args=(stop,), name="heartbeats")
        beats.start()
        last = 0.0

        def tick() -> None:
            nonlocal last
            if self._deaf is not None:
                raise self._deaf
            if time.monotonic() - last < _TICK_S:
                return
            last = time.monotonic()
            for subject, body in self.due(now_ms()):
                producer.send(self.signer.sign(subject, body).record)
                logger.info("time_over", subject=subject, observation=type(body).__name__)

        try:
            follower.run(stop, tick)
        finally:
            stop.set()
            beats.join()
            producer.close()

    def fold(self, record: Record, envelope: EventEnvelope, body: EventBody) -> tuple[str, Keep]:
        """Fold job and worker events."""
        match body:
            case WorkerRegistered() | WorkerReturned():
                with self._lock:
                    seen = self.workers.get(envelope.subject)
                    # A worker that just came gets a full interval before its silence counts.
                    since = max(now_ms(), seen.last_seen if seen else 0)
                    self.workers[envelope.subject] = Presence(True, since)
                    self._left.discard(envelope.subject)
                return envelope.subject, Keep.RETAIN
            case WorkerWentOffline(reason=reason):
                with self._lock:
                    if envelope.subject in self.workers:
                        self.workers[envelope.subject].online = False
                    if reason == "repeated_failures":
                        # Suspended: heartbeats do not bring it back, a new registration does.
                        self._leave(envelope.subject, of_own_will=False)
                return envelope.subject, Keep.RETAIN
            case WorkerDeparted(reason=reason):
                with self._lock:
                    self._leave(envelope.subject, of_own_will=reason == "own_wish")
                # Not DONE: the same worker may register again, and DONE groups are closed for good.
                return envelope.subject, Keep.RETAIN
        return self.disputes.fold(body) or self.jobs.fold(record, envelope, body)

    def _leave(self, subject: str, *, of_own_will: bool) -> None:
        # Who was put out may finish what it holds (its attempt has a time of its own); who left has given it up.
        self.workers.pop(subject, None)
        if of_own_will:
            self._left.add(subject)

    def due(self, now: int) -> list[tuple[str, CommandBody]]:
        """What has to be said at `now` (ms), each observation at most once per repeat time."""
        found = [*self._due_jobs(now), *self._due_disputes(now), *self._due_presence(now)]
        fresh = []
        for subject, body in found:
            key = (subject, repr(body) if not isinstance(body, ReportPresence) else str(body.online))
            if self.owns(subject) and now - self._told.get(key, -_REPEAT_MS) >= _REPEAT_MS:
                self._told[key] = now
                fresh.append((subject, body))
        self._told = {key: at for key, at in self._told.items() if now - at < 2 * _REPEAT_MS}
        return fresh

    def _due_jobs(self, now: int) -> list[tuple[str, CommandBody]]:
        found: list[tuple[str, CommandBody]] = []
        for job in list(self.jobs.jobs.values()):
            subject = job_subject(job.job_id)
            tally = job.open_tally
            if tally is not None and now >= tally.expires_at:
                found.append((subject, CloseTally(proof_hash=tally.proof_hash)))
            attempt = job.current
            if job.submitted is not None and attempt is None and now >= job.submitted.spec.deadline:
                found.append((subject, TimeoutElapsed(kind="deadline", attempt=job.ended_attempt + 1)))
            if attempt is None:
                found += self._due_raise(job, now)
            if attempt is None or job.proof is not None:
                continue
            worker = account_subject(attempt.worker)
            with self._lock:
                presence = self.workers.get(worker)
                gone = worker in self._left or (presence is not None and not presence.online)
            if now >= attempt.expires_at:
                found.append((subject, TimeoutElapsed(kind="attempt", attempt=attempt.attempt)))
            elif job.started < attempt.attempt and 0 < attempt.lock_until <= now:
                found.append((subject, TimeoutElapsed(kind="lock", attempt=attempt.attempt)))
            elif gone:
                found.append((subject, TimeoutElapsed(kind="worker_offline", attempt=attempt.attempt)))
        return found

    def _due_raise(self, job: OpenJob, now: int) -> list[tuple[str, CommandBody]]:
        entry = job.queued
        if entry is None or not entry.ramp_ms or entry.attempt <= job.ended_attempt:
            return []
        ramp = Ramp(entry.min_cost, entry.max_cost, entry.ramp_start, entry.ramp_ms)
        price = price_at(ramp, now, self.network.parameters)
        if price <= entry.price:
            return []
        return [(NETWORK, RaisePrice(job_id=entry.job_id, attempt=entry.attempt, price=price))]

    def _due_disputes(self, now: int) -> list[tuple[str, CommandBody]]:
        return [
            (job_subject(job_id), CloseDispute(attempt=attempt, round=round_))
            for (job_id, attempt, round_), dispute in list(self.disputes.disputes.items())
            if now >= dispute.opened.expires_at
        ]

    def _due_presence(self, now: int) -> list[tuple[str, CommandBody]]:
        allowed = self.network.parameters.heartbeat_timeout_ms
        # Who does not listen must not call anybody silent: a worker's beats may wait in the log.
        heard = min(now, self.heard_until)
        with self._lock:
            known = [(subject, p.online, p.last_seen) for subject, p in self.workers.items()]
        return [
            (subject, ReportPresence(online=not online, last_seen=seen))
            for subject, online, seen in known
            if (online and heard - seen > allowed) or (not online and now - seen <= allowed)
        ]

    def _beats(self, stop: threading.Event) -> None:
        try:
            self._listen(stop)
        # The thread that follows events raises it.
        except BaseException as error:  # noqa: BLE001
            self._deaf = error

    def _listen(self, stop: threading.Event) -> None:
        keys = {(topic_name("heartbeats"), p): 0 for p in range(TOPICS["heartbeats"].partitions)}
        probe = self.log.reader(keys, follow=False)
        try:
            ends = probe.end_offsets()
        finally:
            probe.close()
        # Older beats say nothing about now.
        reader = self.log.reader(ends, follow=True)
        mark: _Mark | None = None
        try:
            while not stop.is_set():
                for record in reader.read(500, 0.2):
                    self._hear(record)
                mark = self._measure(reader, mark)
        finally:
            reader.close()

    def _measure(self, reader: Reader, mark: _Mark | None) -> _Mark | None:
        """Move `heard_until` to the mark's time once its ends are read; then set the next mark, twice a second."""
        if mark is not None:
            if not reader.has_read(mark.ends):
                return mark
            self.heard_until = mark.at
        if time.monotonic() - self._asked < _TICK_S:
            return None
        self._asked = time.monotonic()
        at = now_ms()
        try:
            return _Mark(at, reader.high_watermarks())
        except BrokerUnreachable as error:
            logger.warning("heartbeats_not_measured", error=str(error))
            return None

    def _hear(self, record: Record) -> None:
        try:
            signed = decode_command(record.value)
        except Undecodable as error:
            logger.warning("undecodable_heartbeat", offset=record.offset, error=error.code)
            return
        envelope = signed.envelope
        # Measured against the broker's time of the record: this process may be late itself.
        fresh = abs(envelope.at - record.timestamp) <= self.network.parameters.heartbeat_timeout_ms
        own = envelope.subject == account_subject(envelope.actor)
        if not (isinstance(signed.body, Heartbeat) and own and fresh):
            return
        if refusal(envelope, signed.payload_hash, self.network.chain_id) is not None:
            return
        with self._lock:
            presence = self.workers.get(envelope.subject)
            if presence is not None and envelope.at > presence.last_seen:
                presence.last_seen = min(envelope.at, record.timestamp, now_ms())
