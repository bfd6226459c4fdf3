"""The validator: verifies every proof that it is asked to judge, itself, and votes; once more when it is disputed.

It votes when the tally is open (so that its vote counts) and only on a proof that it has seen and checked. A vote is
sent again if the log does not show it after a while, or after a restart; the tally counts it once.
"""

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import structlog

from bitsage.processors.model import job_subject
from bitsage.schemas.commands import CastDisputeVote, CastVote
from bitsage.schemas.events import DisputeOpened, JobSpec, ProofGenerated, TallyOpened
from bitsage.schemas.parameters import Parameters
from bitsage.schemas.types import EventBody, EventEnvelope
from bitsage.streams.log import Record

from .client import Client
from .follower import Keep
from .jobwork import UNDECIDED, judge
from .opendisputes import OpenDisputes, disputed
from .openjobs import OpenJobs, job_follower

logger = structlog.get_logger(__name__)
Ballot = CastVote | CastDisputeVote
#: (job id, attempt, proof hash, round): round 0 is the tally, the others are disputes of it
Key = tuple[bytes, int, bytes, int]
#: A vote is sent again when the log does not show it for this long: it may have been refused, or lost on its way.
_REPEAT_S = 5.0
Judge = Callable[[str, str, ProofGenerated, Parameters], tuple[bool, str]]


@dataclass(slots=True)
class ValidatorNode:
    """One validator process. `judgement` is the verifier; tests of lying validators replace it by their own."""

    client: Client
    folder: Path
    judgement: Judge = judge
    stop: threading.Event = field(default_factory=threading.Event)
    open_jobs: OpenJobs = field(default_factory=OpenJobs)
    open_disputes: OpenDisputes = field(default_factory=OpenDisputes)
    #: the vote (None: withheld), and when it was sent or tried last
    _voted: dict[Key, tuple[Ballot | None, float]] = field(default_factory=dict)

    def run(self) -> None:
        """Judge until `stop` is set; a verification that is going on is finished and voted first."""
        self.client.signer.keep_nonces(self.folder / "validator.nonce")
        follower = job_follower(self.client, self.folder / "validator.db", self.fold, self.open_jobs)
        follower.run(self.stop, self._look)

    def fold(self, record: Record, envelope: EventEnvelope, body: EventBody) -> tuple[str, Keep]:
        """Fold one event of the job topics."""
        return self.open_disputes.fold(body) or self.open_jobs.fold(record, envelope, body)

    def _look(self) -> None:
        live = self._look_at_jobs() | self._look_at_disputes()
        self._voted = {key: sent for key, sent in self._voted.items() if key in live}

    def _look_at_jobs(self) -> set[Key]:
        for job in list(self.open_jobs.jobs.values()):
            tally = job.open_tally
            me = self.client.key.address
            if tally is None or me not in tally.validators or me in job.voted:
                continue
            proof = job.proofs.get(tally.proof_hash)
            key = (job.job_id, tally.attempt, tally.proof_hash, 0)
            if proof is None or proof.attempt != tally.attempt or job.submitted is None:
                continue
            if (due := self._due(key)) is not None:
                self._send(key, due[0] or self._judged(job.submitted.spec, tally, proof))
        return {(j.job_id, t.attempt, t.proof_hash, 0) for j in self.open_jobs.jobs.values() if (t := j.open_tally)}

    def _look_at_disputes(self) -> set[Key]:
        live: set[Key] = set()
        read = False
        for trial in sorted(self.open_disputes.disputes.values(), key=lambda trial: trial.opened.expires_at):
            opened, me = trial.opened, self.client.key.address
            key = (opened.job_id, opened.attempt, opened.proof_hash, opened.round)
            live.add(key)
            if me not in opened.validators or me in trial.voted or (due := self._due(key)) is None:
                continue
            vote = due[0]
            if vote is None and read:
                # One at a time: each takes a look through the log, a bond that comes back when a dispute expires pays for
                # any number of them, and tallies do not wait.
                continue
            read |= vote is None
            if vote is None and (found := disputed(self.client, opened)) is not None:
                # Not from memory: a dispute asks whether the first judgement was right.
                vote = self._judged(found[0], opened, found[1])
            self._send(key, vote)
        return live

    def _due(self, key: Key) -> tuple[Ballot | None] | None:
        """(the vote that was sent before, if any) when it is time to send it; None when it is not."""
        vote, since = self._voted.get(key, (None, -_REPEAT_S))
        return (vote,) if time.monotonic() - since >= _REPEAT_S else None

    def _judged(self, spec: JobSpec, tally: TallyOpened | DisputeOpened, proof: ProofGenerated) -> Ballot | None:
        with structlog.contextvars.bound_contextvars(job=job_subject(proof.job_id), attempt=tally.attempt):
            started = time.monotonic()
            valid, reason = self.judgement(spec.job_type, spec.input, proof, self.client.network.parameters)
            if not valid and reason in UNDECIDED:
                logger.error("vote_withheld", reason=reason)
                return None
            logger.info("judged", valid=valid, reason=reason, ms=int((time.monotonic() - started) * 1000))
        if isinstance(tally, DisputeOpened):
            return CastDisputeVote(
                attempt=tally.attempt, round=tally.round, proof_hash=tally.proof_hash, valid=valid, reason=reason
            )
        return CastVote(attempt=tally.attempt, proof_hash=tally.proof_hash, valid=valid, reason=reason)

    def _send(self, key: Key, vote: Ballot | None) -> None:
        subject = job_subject(key[0])
        if vote is None:
            self._voted[key] = (None, time.monotonic())
            return
        self.client.send(subject, vote)
        self._voted[key] = (vote, time.monotonic())
        logger.info("voted", job=subject, attempt=vote.attempt, round=key[3], valid=vote.valid, reason=vote.reason)
