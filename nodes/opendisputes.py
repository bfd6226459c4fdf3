"""The disputes that are going on, as events tell them: what validators and the timer look at.

A job is usually over when it is disputed, so its disputes are followed by themselves; what there is to verify is read
from the log when it is needed.
"""

from dataclasses import dataclass, field

from bitsage.processors.model import job_subject
from bitsage.schemas.events import (
    DisputeOpened,
    DisputeResolved,
    DisputeVoteCast,
    JobSpec,
    JobSubmitted,
    ProofGenerated,
)
from bitsage.schemas.types import EventBody

from .client import Client
from .follower import Keep

#: (job id, attempt, round)
Trial = tuple[bytes, int, int]
_EVENTS = (DisputeOpened, DisputeVoteCast, DisputeResolved)


@dataclass(slots=True)
class OpenDispute:
    """One unresolved dispute, and who has voted in it."""

    opened: DisputeOpened
    voted: set[bytes] = field(default_factory=set)


class OpenDisputes:
    """Folds the events of disputes, which one subject's chain in one topic has in their order."""

    def __init__(self) -> None:
        self.disputes: dict[Trial, OpenDispute] = {}

    def fold(self, body: EventBody) -> tuple[str, Keep] | None:
        """The dispute's group and what to keep of the event; None when it is about no dispute."""
        if not isinstance(body, _EVENTS):
            return None
        trial = (body.job_id, body.attempt, body.round)
        group = f"dispute/{body.job_id.hex()}/{body.attempt}/{body.round}"
        match body:
            case DisputeOpened():
                self.disputes[trial] = OpenDispute(body)
            case DisputeVoteCast(validator=validator) if trial in self.disputes:
                self.disputes[trial].voted.add(validator)
            case DisputeResolved():
                self.disputes.pop(trial, None)
                return group, Keep.DONE
        return group, Keep.RETAIN


def disputed(client: Client, dispute: DisputeOpened) -> tuple[JobSpec, ProofGenerated] | None:
    """The job and the proof that a dispute is about; None while the log does not show both."""
    spec: JobSpec | None = None
    proof: ProofGenerated | None = None
    for answer in client.history(("jobs", "proofs"), job_subject(dispute.job_id)):
        match answer.body:
            case JobSubmitted():
                spec = answer.body.spec
            case ProofGenerated() as found if (found.attempt, found.proof_hash) == (
                dispute.attempt,
                dispute.proof_hash,
            ):
                proof = found
    return None if spec is None or proof is None else (spec, proof)
