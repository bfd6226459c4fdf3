"""The worker: heartbeats, and for every attempt that is its own: run, prove, check its own proof, submit.

Resumable: what is assigned and not proven is known from the log, so a worker that was killed starts the attempt anew.
"""

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import structlog

from bitsage.obelysk import JobInputInvalid, ObelyskError
from bitsage.opencl import DeviceError
from bitsage.privacy import UNIT
from bitsage.privacy.errors import NotDecryptable
from bitsage.processors.hidden import shares
from bitsage.processors.model import account_subject, job_subject
from bitsage.schemas.commands import AbandonJob, DeclineJob, StartJob, SubmitProof
from bitsage.schemas.events import JobAssigned
from bitsage.schemas.heartbeat import Heartbeat
from bitsage.schemas.types import EventBody, EventEnvelope
from bitsage.stark import ProofRefused, ProverError
from bitsage.streams.log import Record

from . import __version__
from .bidding import BiddingPolicy
from .claims import units_in
from .client import Client
from .follower import Keep
from .jobwork import ProofWork, prove_attempt
from .openjobs import OpenJob, OpenJobs, job_follower
from .outbox import AGAIN, Outbox
from .signing import now_ms

logger = structlog.get_logger(__name__)
#: Seconds between two looks when nothing wakes a worker.
_LOOK_S = 0.25
#: (job id hex, stage, done, total)
Progress = Callable[[str, str, int, int], None]
#: How long a worker waits for the sealed price of a job before it declines.
_TELL_S = 30.0
#: Refusals of a proof that would be refused again: the attempt is given up before its time runs out.
_NOT_ADMITTED = frozenset({"too_large", "malformed"})


@dataclass(slots=True)
class WorkerNode:
    """One worker process. `produce` makes the proof of an attempt; tests of cheating replace it by their own."""

    client: Client
    folder: Path
    slots: int = 1
    progress: Progress | None = None
    policy: BiddingPolicy | None = None
    produce: Callable[[OpenJob, bytes, Progress | None], ProofWork] = prove_attempt
    stop: threading.Event = field(default_factory=threading.Event)
    open_jobs: OpenJobs = field(default_factory=OpenJobs)
    #: Set when something has happened that this worker should look at.
    wake: threading.Event = field(default_factory=threading.Event)
    _submitted: set[tuple[bytes, int]] = field(default_factory=set)
    _answered: set[tuple[bytes, int]] = field(default_factory=set)
    _patience: dict[tuple[bytes, int], float] = field(default_factory=dict)
    _outbox: Outbox = field(init=False)

    def __post_init__(self) -> None:
        self._outbox = Outbox(self.client)

    def run(self) -> None:
        """Work until `stop` is set; a proof that is being made is finished and submitted first."""
        follower = job_follower(self.client, self.folder / "worker.db", self.fold, self.open_jobs)
        failure: list[BaseException] = []
        follow = threading.Thread(target=guard, args=(follower.run, self.stop, failure), name="follow")
        follow.start()
        try:
            self.serve(follower.caught_up, failure)
        finally:
            self.stop.set()
            follow.join()
        if failure:
            raise failure[0]

    def serve(self, caught_up: threading.Event, failure: list[BaseException]) -> None:
        """Beat and work until `stop` is set, while somebody else feeds `fold`; acts once `caught_up` is set.

        What ends the heartbeats or the answers to offers goes to `failure`.
        """
        self.client.signer.keep_nonces(self.folder / "worker.nonce")
        beat = threading.Thread(target=guard, args=(self._beat, self.stop, failure), name="heartbeat")
        lock = threading.Thread(target=guard, args=(self._lock, self.stop, failure, caught_up), name="lock")
        beat.start()
        lock.start()
        seen = -1
        try:
            while not self.stop.is_set():
                # Woken by what concerns it; the time-out is for `stop`, and for what is to be said again later.
                self.wake.wait(_LOOK_S)
                self.wake.clear()
                self._answer_refusals()
                version = self.open_jobs.version
                while version != seen and caught_up.is_set() and not self.stop.is_set():
                    if (job := self._next()) is None:
                        seen = version
                    else:
                        self._work(job)
                        version = self.open_jobs.version
        finally:
            self.stop.set()
            beat.join()
            lock.join()

    def hear(self, envelope: EventEnvelope, body: EventBody) -> None:
        """Note an event if it answers a command of this worker (`fold` does it too)."""
        self._outbox.hear(envelope, body)

    def fold(self, record: Record, envelope: EventEnvelope, body: EventBody) -> tuple[str, Keep]:
        """Fold one event of the job topics (`follower.Fold`); answers to this worker's commands are kept for it."""
        self._outbox.hear(envelope, body)
        found = self.open_jobs.fold(record, envelope, body)
        self.wake.set()
        return found

    def _answer_refusals(self) -> None:
        """Say again what was refused for its clock or nonce; give up an attempt whose proof is not admitted."""
        for job_id, said, reason, _ in self._outbox.refused():
            job = self.open_jobs.jobs.get(job_id)
            attempt = None if job is None else job.current
            mine = attempt is not None and (attempt.worker, attempt.attempt) == (self.client.key.address, said.attempt)
            logger.warning(
                "command_refused", job=job_subject(job_id), command=type(said).__name__, reason=reason, over=not mine
            )
            if not mine:
                continue
            if reason in AGAIN:
                self._outbox.send(job_id, said)
            elif isinstance(said, SubmitProof) and reason in _NOT_ADMITTED:
                self._outbox.send(job_id, AbandonJob(attempt=said.attempt, reason=reason))

    def _lock(self, stop: threading.Event, caught_up: threading.Event) -> None:
        """Answer every offer with a lock time while others are being proven: begin it, or decline it by the policy."""
        seen = -1
        while not stop.wait(0.05):
            version = self.open_jobs.version
            if version == seen or not caught_up.is_set():
                continue
            seen = version
            for job, attempt in self._mine():
                name = (job.job_id, attempt.attempt)
                if not self._has_to_answer(job, attempt) or name in self._answered:
                    continue
                price = self._price(job, attempt)
                if price is None and self._patient(name, attempt):
                    # Looked at again, whether or not something happens meanwhile.
                    seen = -1
                    continue
                self._answered.add(name)
                # A price that nobody told is none that could be accepted.
                reason = None if self.policy is None else self.policy.objection(job, price or 0)
                if reason is None:
                    self._outbox.send(job.job_id, StartJob(attempt=attempt.attempt))
                else:
                    self._submitted.add(name)
                    self._outbox.send(job.job_id, DeclineJob(attempt=attempt.attempt, reason=reason))
                    logger.info("job_declined", job=job_subject(job.job_id), attempt=attempt.attempt, reason=reason)

    def _has_to_answer(self, job: OpenJob, attempt: JobAssigned) -> bool:
        """Whether the attempt is begun or declined before any work: a lock time, a price to be read, or too many rows."""
        too_large = self.policy is not None and self.policy.takes_no_such_size(job)
        return bool(attempt.lock_until or too_large or self._reads_price(job)) and job.started < attempt.attempt

    def _reads_price(self, job: OpenJob) -> bool:
        """Whether the price is sealed and the policy asks for one."""
        if self.policy is None or job.submitted is None or not job.submitted.price:
            return False
        return self.policy.ask_for(job.submitted.spec.job_type) > 0

    def _price(self, job: OpenJob, attempt: JobAssigned) -> int | None:
        """What the attempt pays (base units), a sealed price decrypted; None while it has not been told."""
        if not self._reads_price(job):
            return attempt.cost
        told = job.told
        if told is None or (told.attempt, told.worker) != (attempt.attempt, attempt.worker):
            return None
        try:
            units = units_in(told.ciphertext, self.client.key.payment_secret)
        except NotDecryptable:
            # Under another key than ours: as good as no price.
            return 0
        return shares(self.client.network.parameters).price * units * UNIT

    def _patient(self, name: tuple[bytes, int], attempt: JobAssigned) -> bool:
        """Whether a price that was not told may still come: for half of a lock time, at most half a minute."""
        now = time.monotonic()
        if name not in self._patience:
            lock_s = (attempt.lock_until - now_ms()) / 2000 if attempt.lock_until else _TELL_S
            self._patience[name] = now + max(0.0, min(lock_s, _TELL_S))
        return now < self._patience[name]

    def _mine(self) -> list[tuple[OpenJob, JobAssigned]]:
        """The attempts that are this worker's, proven or not."""
        me = self.client.key.address
        found = [(job, job.current) for job in list(self.open_jobs.jobs.values()) if job.submitted is not None]
        return [(job, attempt) for job, attempt in found if attempt is not None and attempt.worker == me]

    def _next(self) -> OpenJob | None:
        waiting = []
        for job, attempt in self._mine():
            # What has a lock time or a price to be read is answered first: it may be declined.
            unanswered = self._has_to_answer(job, attempt)
            done = job.proof is not None or (job.job_id, attempt.attempt) in self._submitted
            if not (unanswered or done):
                waiting.append((attempt.expires_at, job.job_id, job))
        return min(waiting)[2] if waiting else None

    def _work(self, job: OpenJob) -> None:
        attempt = job.current
        if attempt is None:
            return
        with structlog.contextvars.bound_contextvars(job=job_subject(job.job_id), attempt=attempt.attempt):
            self._submitted.add((job.job_id, attempt.attempt))
            if job.started < attempt.attempt:
                self._outbox.send(job.job_id, StartJob(attempt=attempt.attempt))
            logger.info("job_started")
            try:
                work = self.produce(job, self.client.key.address, self.progress)
            except (ObelyskError, ProofRefused, ProverError, DeviceError, MemoryError) as error:
                reason = _reason(error)
                logger.error("job_abandoned", reason=reason)
                self._outbox.send(job.job_id, AbandonJob(attempt=attempt.attempt, reason=reason))
                if isinstance(error, DeviceError):
                    # The operator named a device that is not there: every job would go the same way.
                    raise
                return
            self._outbox.send(job.job_id, _proof_command(attempt.attempt, work))
            logger.info(
                "proof_submitted",
                bytes=len(work.proof),
                run_ms=work.run_ms,
                prove_ms=work.prove_ms,
                backend=work.backend,
            )

    def _beat(self, stop: threading.Event) -> None:
        interval = self.client.network.parameters.heartbeat_interval_ms / 1000
        producer = self.client.log.producer()
        try:
            while True:
                running = sum(
                    1
                    for job in list(self.open_jobs.jobs.values())
                    if (a := job.current) is not None and a.worker == self.client.key.address
                )
                beat = Heartbeat(running=running, slots=self.slots, version=__version__)
                signed = self.client.signer.sign(account_subject(self.client.key.address), beat, topic="heartbeats")
                producer.send(signed.record)
                if stop.wait(interval):
                    return
        finally:
            producer.close()


def _reason(error: Exception) -> str:
    """What an AbandonJob says: a refused input in the words of a job's admission, so that it blames the job."""
    if isinstance(error, JobInputInvalid):
        return f"input_{error.reason}"
    return str(getattr(error, "reason", None) or getattr(error, "code", type(error).__name__))


def _proof_command(attempt: int, work: ProofWork) -> SubmitProof:
    return SubmitProof(
        attempt=attempt,
        output_hash=work.output_hash,
        public_inputs=work.public_inputs,
        proof=work.proof,
        proof_hash=work.proof_hash,
        proof_system=work.proof_system,
        security_bits=work.security_bits,
        backend=work.backend,
        run_ms=work.run_ms,
        prove_ms=work.prove_ms,
    )


def guard(body: Callable[..., None], stop: threading.Event, failure: list[BaseException], *arguments: object) -> None:
    """Run a part of a node in its thread; what ends it goes to `failure`, and the node stops."""
    try:
        body(stop, *arguments)
    # A thread that dies must take the process with it, or a worker would look alive and do nothing.
    except BaseException as error:  # noqa: BLE001
        failure.append(error)
        stop.set()
