"""Events of the votes stream: tallies, consensus and disputes (subject: job id)."""

from dataclasses import dataclass

from .types import Bytes16, Bytes32, EventBody, Millis, Rejection


@dataclass(frozen=True, slots=True, kw_only=True)
class TallyOpened(EventBody):
    """Who may vote on the proof, and how many must agree: floor(2n/3)+1 of `validators`."""

    job_id: Bytes16
    attempt: int
    worker: Bytes32
    proof_hash: Bytes32
    output_hash: Bytes32
    validators: list[Bytes32]
    epoch: int
    threshold: int
    expires_at: Millis


@dataclass(frozen=True, slots=True, kw_only=True)
class VoteCast(EventBody):
    """A counted vote.

    `signed_at` and `signed_correlation` are the command's own: with them and the envelope anybody can write down the
    record that the validator signed, and check the signature against what it says (`nodes/evidence.py`).
    """

    job_id: Bytes16
    attempt: int
    proof_hash: Bytes32
    validator: Bytes32
    valid: bool
    reason: str
    signed_at: Millis = 0
    signed_correlation: Bytes16 = bytes(16)


@dataclass(frozen=True, slots=True, kw_only=True)
class VoteRejected(Rejection):
    """A vote that does not count; for `equivocation` the vote itself as in VoteCast, in round `round` (0: no dispute)."""

    job_id: Bytes16
    proof_hash: Bytes32
    validator: Bytes32
    attempt: int = 0
    round: int = 0
    valid: bool = False
    remark: str = ""
    signed_at: Millis = 0
    signed_correlation: Bytes16 = bytes(16)


@dataclass(frozen=True, slots=True, kw_only=True)
class ConsensusReached(EventBody):
    """`outcome` is approved, rejected or expired; `contrary` voted against it; `reporter` first said invalid."""

    job_id: Bytes16
    attempt: int
    worker: Bytes32
    proof_hash: Bytes32
    output_hash: Bytes32
    outcome: str
    votes_valid: int
    votes_invalid: int
    threshold: int
    contrary: list[Bytes32]
    reporter: Bytes32 | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class DisputeOpened(EventBody):
    """A decision (`decision`: approved or rejected) is contested: who may vote anew, as in TallyOpened.

    `round` counts the disputes of the attempt from 1; a further one is admitted only after one that expired.
    """

    job_id: Bytes16
    attempt: int
    round: int
    disputer: Bytes32
    filing: int
    decision: str
    worker: Bytes32
    proof_hash: Bytes32
    output_hash: Bytes32
    validators: list[Bytes32]
    epoch: int
    threshold: int
    expires_at: Millis


@dataclass(frozen=True, slots=True, kw_only=True)
class DisputeVoteCast(EventBody):
    """A counted vote in a dispute; `signed_at` and `signed_correlation` as in VoteCast."""

    job_id: Bytes16
    attempt: int
    round: int
    proof_hash: Bytes32
    validator: Bytes32
    valid: bool
    reason: str
    signed_at: Millis = 0
    signed_correlation: Bytes16 = bytes(16)


@dataclass(frozen=True, slots=True, kw_only=True)
class DisputeResolved(EventBody):
    """`outcome` is overturned, upheld or expired; `verdict` (approved, rejected, expired) is what the votes came to.

    `contrary` voted against the verdict; `reporter` is the first validator that voted for it.
    """

    job_id: Bytes16
    attempt: int
    round: int
    disputer: Bytes32
    worker: Bytes32
    proof_hash: Bytes32
    outcome: str
    verdict: str
    votes_valid: int
    votes_invalid: int
    threshold: int
    contrary: list[Bytes32]
    reporter: Bytes32 | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class VerdictEnforced(EventBody):
    """Part of the consequences of a resolved dispute for validators.

    `contrary` voted against the verdict in the dispute; `wrong` had voted for the decision that was overturned;
    `wronged` had been slashed for voting against that decision. `beneficiary` gets the reporter's part for `wrong`.
    """

    job_id: Bytes16
    attempt: int
    round: int
    part: int
    contrary: list[Bytes32]
    wrong: list[Bytes32]
    wronged: list[Bytes32]
    beneficiary: Bytes32
