"""What a slash has to follow from, by its reason: rules over the events of a case whose seals and signatures hold.

`needs` says which events belong to a case, `RULES` what they have to show. A new reason needs a row in both.
"""

from collections.abc import Callable, Sequence

from bitsage.processors.model import account_subject
from bitsage.schemas.events import (
    ConsensusReached,
    DisputeOpened,
    DisputeResolved,
    DisputeVoteCast,
    JobAssigned,
    JobFailed,
    JobReassigned,
    JobSubmitted,
    ProofGenerated,
    ReputationChanged,
    RestitutionClaimed,
    Slashed,
    TallyOpened,
    ValidatorSetChanged,
    VerdictEnforced,
    VoteCast,
    VoteRejected,
    WorkerDeparted,
    WorkerWentOffline,
)
from bitsage.schemas.parameters import threshold
from bitsage.schemas.types import EventBody, EventEnvelope

from . import evidence_offers
from .jobwork import UNDECIDED, judge
from .network import Network

Events = Sequence[tuple[EventEnvelope, EventBody]]
#: (accused, slash, events, network) -> what is wrong
Rule = Callable[[str, Slashed, Events, Network], list[str]]
_VOTES = frozenset({"contrary_vote", "equivocation", "invalid_proof"})
_OF_THE_VOTES = (
    TallyOpened, VoteCast, VoteRejected, ConsensusReached, DisputeOpened, DisputeVoteCast, DisputeResolved,
    VerdictEnforced, ProofGenerated,
)  # fmt: skip
_OF_THE_JOB = (JobAssigned, JobReassigned, JobFailed)
_OF_THE_WORKER = (WorkerWentOffline, WorkerDeparted, ReputationChanged)


def needs(accused: str, slash: Slashed, subject: str, body: EventBody) -> bool:
    """Whether an event of the accused, of the slash's job or of the network belongs to the case."""
    if isinstance(body, Slashed):
        same = (body.reason, body.job_id, body.attempt, body.round) == (
            slash.reason, slash.job_id, slash.attempt, slash.round,
        )  # fmt: skip
        run = slash.reason == "malicious" and body.reason in ("malicious", "invalid_proof")
        return subject == accused and (same or run)
    if slash.reason == "malicious":
        return subject == accused and isinstance(body, RestitutionClaimed)
    if slash.reason in _VOTES:
        if isinstance(body, VoteRejected):
            return (body.reason, account_subject(body.validator)) == ("equivocation", accused)
        of_attempt = isinstance(body, _OF_THE_VOTES) and getattr(body, "attempt", None) == slash.attempt
        return of_attempt or isinstance(body, JobSubmitted | ValidatorSetChanged)
    if slash.reason == "timeout":
        return isinstance(body, _OF_THE_JOB) or (subject == accused and isinstance(body, _OF_THE_WORKER[:2]))
    if slash.reason in evidence_offers.RULES:
        return evidence_offers.needs(accused, slash, subject, body)
    return slash.reason == "repeated_failures" and subject == accused and isinstance(body, _OF_THE_WORKER)


def _equivocation(accused: str, slash: Slashed, events: Events, network: Network) -> list[str]:
    said: set[tuple[bytes, bool]] = set()
    for _, body in events:
        match body:
            case VoteCast() if not slash.round and body.attempt == slash.attempt:
                vote = (body.validator, body.proof_hash, body.valid)
            case DisputeVoteCast() if (body.attempt, body.round) == (slash.attempt, slash.round):
                vote = (body.validator, body.proof_hash, body.valid)
            case VoteRejected(reason="equivocation") if (body.attempt, body.round) == (slash.attempt, slash.round):
                vote = (body.validator, body.proof_hash, body.valid)
            case _:
                continue
        if account_subject(vote[0]) == accused and getattr(body, "job_id", b"") == slash.job_id:
            said.add(vote[1:])
    if any((proof, not valid) in said for proof, valid in said):
        return []
    return ["there are no two contradictory votes of the accused on one proof"]


def _contrary(accused: str, slash: Slashed, events: Events, network: Network) -> list[str]:
    trial = Trial.of(slash, events, slash.round)
    wrong = trial.problems(network)
    wanted = (slash.job_id, slash.attempt)
    if not slash.round and any(
        isinstance(b, VerdictEnforced) and (b.job_id, b.attempt) == wanted and accused in map(account_subject, b.wrong)
        for _, b in events
    ):
        # Right by the decision of that time, which a dispute overturned: the votes of the dispute have to hold, too.
        verdict = _overturning(slash, events)
        wrong += ["no dispute overturned the decision"] if verdict is None else verdict.problems(network)
        outcome = {"approved": "rejected", "rejected": "approved"}.get(trial.outcome, "")
    else:
        outcome = trial.outcome
    said = {account_subject(v): valid for v, valid in trial.votes.items()}.get(accused)
    if said is None or outcome not in ("approved", "rejected") or said == (outcome == "approved"):
        wrong.append("the accused did not vote against the outcome")
    return wrong + _verified(slash, events, network, outcome == "approved")


def _invalid_proof(accused: str, slash: Slashed, events: Events, network: Network) -> list[str]:
    trial = Trial.of(slash, events, slash.round)
    wrong = trial.problems(network)
    if trial.outcome != "rejected":
        wrong.append("the proof was not voted down")
    proof = _proof(slash, events)
    if proof is None or account_subject(proof.worker) != accused:
        wrong.append("there is no such proof of the accused")
    return wrong + _verified(slash, events, network, False)


def _overturning(slash: Slashed, events: Events) -> "Trial | None":
    for _, body in events:
        if not isinstance(body, DisputeResolved) or body.job_id != slash.job_id:
            continue
        if (body.attempt, body.outcome) == (slash.attempt, "overturned"):
            return Trial.of(slash, events, body.round)
    return None


def _proof(slash: Slashed, events: Events) -> ProofGenerated | None:
    wanted = (slash.job_id, slash.attempt)
    found = [b for _, b in events if isinstance(b, ProofGenerated) and (b.job_id, b.attempt) == wanted]
    return found[0] if len(found) == 1 else None


def _verified(slash: Slashed, events: Events, network: Network, expected: bool) -> list[str]:
    """Verify the proof once more: what the votes say is one thing, what is true another."""
    jobs = [b for _, b in events if isinstance(b, JobSubmitted) and b.job_id == slash.job_id]
    proof = _proof(slash, events)
    if len(jobs) != 1 or proof is None:
        return ["the job or its proof is missing"]
    valid, reason = judge(jobs[0].spec.job_type, jobs[0].spec.input, proof, network.parameters)
    if not valid and reason in UNDECIDED:
        return [f"this machine cannot verify the proof: {reason}"]
    return [] if valid == expected else [f"the verifier says otherwise: {reason}"]


class Trial:
    """One round of votes on an attempt's proof, counted from the signed votes."""

    def __init__(self) -> None:
        self.opened: TallyOpened | DisputeOpened | None = None
        self.votes: dict[bytes, bool] = {}
        self.decided = ""
        self.sets: dict[int, list[bytes]] = {}
        self.doubled = False

    @classmethod
    def of(cls, slash: Slashed, events: Events, round_: int) -> "Trial":
        """The round's votes among the events of a case."""
        trial, wanted = cls(), (slash.job_id, slash.attempt)
        for _, body in events:
            if isinstance(body, ValidatorSetChanged):
                trial.sets[body.epoch] = body.validators
            elif (getattr(body, "job_id", b""), getattr(body, "attempt", 0)) == wanted:
                trial._note(body, round_)
        return trial

    def _note(self, body: EventBody, round_: int) -> None:
        match body:
            case TallyOpened() if not round_:
                self.opened = body
            case DisputeOpened(round=n) if n == round_:
                self.opened = body
            case VoteCast() if not round_:
                self._vote(body.validator, body.valid)
            case DisputeVoteCast(round=n) if n == round_:
                self._vote(body.validator, body.valid)
            case ConsensusReached(outcome=outcome) if not round_:
                self.decided = outcome
            case DisputeResolved(round=n, verdict=verdict) if n == round_:
                self.decided = verdict

    def _vote(self, validator: bytes, valid: bool) -> None:
        self.doubled |= validator in self.votes
        self.votes[validator] = valid

    @property
    def outcome(self) -> str:
        """What the votes come to."""
        needed = threshold(len(self.opened.validators)) if self.opened is not None else len(self.votes) + 1
        yes = sum(self.votes.values())
        return "approved" if yes >= needed else "rejected" if len(self.votes) - yes >= needed else "expired"

    def problems(self, network: Network) -> list[str]:
        """What does not add up."""
        if self.opened is None:
            return ["nobody opened the vote"]
        parties = (self.opened.disputer, self.opened.worker) if isinstance(self.opened, DisputeOpened) else ()
        judges = [v for v in self.sets.get(self.opened.epoch, []) if v not in parties]
        checks = {
            f"the judges are not the validators of epoch {self.opened.epoch}": judges == self.opened.validators,
            "somebody voted twice": not self.doubled,
            "somebody voted who was no judge": set(self.votes) <= set(self.opened.validators),
            "the decision is not what the votes come to": self.decided == self.outcome,
        }
        return [what for what, holds in checks.items() if not holds]


def _timeout(accused: str, slash: Slashed, events: Events, network: Network) -> list[str]:
    held = [
        b for _, b in events if isinstance(b, JobAssigned) and (b.job_id, b.attempt) == (slash.job_id, slash.attempt)
    ]
    if len(held) != 1 or account_subject(held[0].worker) != accused:
        return ["the attempt was not the accused's"]
    for envelope, body in events:
        if not isinstance(body, JobReassigned | JobFailed):
            continue
        if (body.job_id, body.worker) != (slash.job_id, held[0].worker):
            continue
        if isinstance(body, JobReassigned) and body.next_attempt != slash.attempt + 1:
            continue
        if body.reason == "attempt_timeout" and envelope.at >= held[0].expires_at:
            return []
        gone = any(e.subject == accused and isinstance(b, WorkerWentOffline | WorkerDeparted) for e, b in events)
        if body.reason == "worker_offline" and gone:
            return []
    return ["the attempt did not end by its time or by the worker's absence"]


def _repeated_failures(accused: str, slash: Slashed, events: Events, network: Network) -> list[str]:
    runs = [
        b.failures
        for e, b in events
        if isinstance(b, ReputationChanged)
        and e.subject == accused
        and (b.job_id, b.attempt) == (slash.job_id, slash.attempt)
    ]
    out = any(
        isinstance(b, WorkerWentOffline) and (e.subject, b.reason) == (accused, "repeated_failures") for e, b in events
    )
    enough = any(run >= network.parameters.failures_until_inactive for run in runs)
    return [] if out and enough else ["there is no run of failures that ends with this attempt"]


def _malicious(accused: str, slash: Slashed, events: Events, network: Network) -> list[str]:
    counted: list[tuple[int, bytes, int]] = []
    for envelope, body in sorted((e for e in events if e[0].subject == accused), key=lambda e: e[0].sequence):
        match body:
            case Slashed(reason="invalid_proof"):
                counted.append((envelope.at, body.job_id, body.attempt))
            case RestitutionClaimed(reason="invalid_proof"):
                counted = [fault for fault in counted if fault[1:] != (body.job_id, body.attempt)]
            case Slashed(reason="malicious") if body == slash:
                break
            case Slashed(reason="malicious"):
                counted = []
    recent = [at for at, _, _ in counted if at > counted[-1][0] - network.parameters.malicious_window_ms]
    few = len(recent) < network.parameters.malicious_proofs
    return ["too few proofs of the accused were voted down in time"] if few else []


RULES: dict[str, Rule] = {
    "equivocation": _equivocation,
    "contrary_vote": _contrary,
    "invalid_proof": _invalid_proof,
    "timeout": _timeout,
    "repeated_failures": _repeated_failures,
    "malicious": _malicious,
    **evidence_offers.RULES,
}
