"""The validator: verifies every proof that it is asked to judge, itself, and votes.

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
from bitsage.schemas.commands import CastVote
from bitsage.schemas.events import JobSpec, ProofGenerated, TallyOpened
from bitsage.schemas.parameters import Parameters

from .client import Client
from .jobwork import UNDECIDED, judge
from .openjobs import OpenJob, OpenJobs, job_follower

logger = structlog.get_logger(__name__)
Key = tuple[bytes, int, bytes]
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
    #: (job, attempt, proof hash) -> the vote (None: withheld), and when it was sent or tried last
    _voted: dict[Key, tuple[CastVote | None, float]] = field(default_factory=dict)

    def run(self) -> None:
        """Judge until `stop` is set; a verification that is going on is finished and voted first."""
        self.client.signer.keep_nonces(self.folder / "validator.nonce")
        follower = job_follower(self.client, self.folder / "validator.db", self.open_jobs.fold)
        follower.run(self.stop, self._look)

    def _look(self) -> None:
        for job in list(self.open_jobs.jobs.values()):
            tally = job.open_tally
            me = self.client.key.address
            if tally is None or me not in tally.validators or me in job.voted:
                continue
            proof = job.proofs.get(tally.proof_hash)
            key = (job.job_id, tally.attempt, tally.proof_hash)
            if proof is None or proof.attempt != tally.attempt or job.submitted is None:
                continue
            vote, since = self._voted.get(key, (None, -_REPEAT_S))
            if time.monotonic() - since >= _REPEAT_S:
                self._send(job, key, vote or self._judged(job.submitted.spec, tally, proof))
        live = {(j.job_id, t.attempt, t.proof_hash) for j in self.open_jobs.jobs.values() if (t := j.open_tally)}
        self._voted = {key: sent for key, sent in self._voted.items() if key in live}

    def _judged(self, spec: JobSpec, tally: TallyOpened, proof: ProofGenerated) -> CastVote | None:
        with structlog.contextvars.bound_contextvars(job=job_subject(proof.job_id), attempt=tally.attempt):
            started = time.monotonic()
            valid, reason = self.judgement(spec.job_type, spec.input, proof, self.client.network.parameters)
            if not valid and reason in UNDECIDED:
                logger.error("vote_withheld", reason=reason)
                return None
            logger.info("judged", valid=valid, reason=reason, ms=int((time.monotonic() - started) * 1000))
        return CastVote(attempt=tally.attempt, proof_hash=tally.proof_hash, valid=valid, reason=reason)

    def _send(self, job: OpenJob, key: Key, vote: CastVote | None) -> None:
        subject = job_subject(job.job_id)
        if vote is None:
            self._voted[key] = (None, time.monotonic())
            return
        self.client.send(subject, vote)
        self._voted[key] = (vote, time.monotonic())
        logger.info("voted", job=subject, attempt=vote.attempt, valid=vote.valid, reason=vote.reason)
