"""What the events of a dispute entail: the second judgement, the bond, slashes, and restitution from the treasury."""

from bitsage.schemas.commands import (
    AdjustReputation,
    EnforceVerdict,
    GrantRestitution,
    OpenDispute,
    PayRestitution,
    RequestRetrial,
    RestoreStake,
    SettleBond,
    SlashStake,
)
from bitsage.schemas.events import (
    BondForfeited,
    DisputeFiled,
    DisputeResolved,
    RestitutionClaimed,
    RestitutionPaid,
    RetrialRequested,
    VerdictEnforced,
)
from bitsage.schemas.types import CommandBody

from .disputes import PART, consequences
from .model import NETWORK, TREASURY, Command, Local, Rules, account_subject, job_subject
from .payments import worker_address
from .penalty import passed_on
from .views import job, market, votes

FollowUps = list[tuple[str, CommandBody]]


def filed(command: Command, event: DisputeFiled, local: Local, rules: Rules) -> FollowUps:
    """The network names the validators."""
    disputer = worker_address(command.subject)
    request = RequestRetrial(
        job_id=event.job_id, attempt=event.attempt, disputer=disputer, filing=event.filing, filed_at=command.at
    )
    return [(NETWORK, request)]


def retrial_requested(command: Command, event: RetrialRequested, local: Local, rules: Rules) -> FollowUps:
    """The job's votes are opened anew, for the set as it stands at this event."""
    asked = command.body
    assert isinstance(asked, RequestRetrial)
    opening = OpenDispute(
        attempt=event.attempt,
        disputer=event.disputer,
        filing=asked.filing,
        filed_at=asked.filed_at,
        validators=list(market(local).validators),
        epoch=event.epoch,
    )
    return [(job_subject(event.job_id), opening)]


def not_admitted(command: Command, body: OpenDispute, reason: str, local: Local) -> FollowUps:
    """The bond goes back; unless this very dispute has been admitted before, which has a settlement of its own."""
    known = votes(local).disputes_of(body.attempt)
    if any((d.disputer, d.filing) == (body.disputer, body.filing) for d in known):
        return []
    settled = SettleBond(
        job_id=bytes.fromhex(command.subject),
        attempt=body.attempt,
        filing=body.filing,
        outcome=reason,
        lost=False,
    )
    return [(account_subject(body.disputer), settled)]


def resolved(command: Command, event: DisputeResolved, local: Local, rules: Rules) -> FollowUps:
    """The bond, the disputer's record, the worker's stake; then the validators, in parts."""
    job_id, attempt, state = event.job_id, event.attempt, votes(local)
    dispute = next(d for d in state.disputes_of(attempt) if d.round == event.round)
    disputer, worker = account_subject(event.disputer), account_subject(event.worker)
    settled = SettleBond(
        job_id=job_id,
        attempt=attempt,
        filing=dispute.filing,
        outcome=event.outcome,
        lost=event.outcome == "upheld",
        reporter=event.reporter,
    )
    result: FollowUps = [(disputer, settled)]
    if event.outcome == "expired":
        return result
    record = "dispute_won" if event.outcome == "overturned" else "dispute_lost"
    result.append((disputer, AdjustReputation(reason=record, job_id=job_id, attempt=attempt)))
    if event.outcome == "overturned" and dispute.decision == "approved":
        spec = job(local).spec
        slash = SlashStake(
            reason="invalid_proof",
            job_id=job_id,
            attempt=attempt,
            reporter=event.disputer,
            round=event.round,
            # A false proof answers with the job's collateral, whenever it is found out.
            collateral=0 if spec is None else spec.collateral,
        )
        lost = AdjustReputation(reason="dispute_lost", job_id=job_id, attempt=attempt)
        # The record first: the slash may end the registration that it belongs to.
        result += [(worker, lost), (worker, slash)]
    elif event.outcome == "overturned":
        result.append((worker, RestoreStake(reason="invalid_proof", job_id=job_id, attempt=attempt)))
    parts = -(-len(consequences(state, dispute)) // PART)
    enforcing = (EnforceVerdict(attempt=attempt, round=event.round, part=part) for part in range(parts))
    return [*result, *((command.subject, body) for body in enforcing)]


def enforced(command: Command, event: VerdictEnforced, local: Local, rules: Rules) -> FollowUps:
    """Slashes for votes against the proof; restitution for whoever had been slashed for the right vote."""
    job_id, attempt = event.job_id, event.attempt
    result: FollowUps = []
    for validator in event.contrary:
        slash = SlashStake(reason="contrary_vote", job_id=job_id, attempt=attempt, round=event.round)
        result.append((account_subject(validator), slash))
    for validator in event.wrong:
        # Round 0: the fault is the vote on the proof, which the decision of that time had called right.
        slash = SlashStake(reason="contrary_vote", job_id=job_id, attempt=attempt, reporter=event.beneficiary)
        lost = AdjustReputation(reason="dispute_lost", job_id=job_id, attempt=attempt)
        result += [(account_subject(validator), lost), (account_subject(validator), slash)]
    for validator in event.wronged:
        restored = RestoreStake(reason="contrary_vote", job_id=job_id, attempt=attempt)
        result.append((account_subject(validator), restored))
    return result


def forfeited(command: Command, event: BondForfeited, local: Local, rules: Rules) -> FollowUps:
    """The bond's parts go where a slash's parts go."""
    return passed_on(command.subject, event, "dispute_lost")


def restitution_claimed(command: Command, event: RestitutionClaimed, local: Local, rules: Rules) -> FollowUps:
    """The treasury pays."""
    paying = PayRestitution(
        account=worker_address(command.subject),
        amount=event.amount,
        reason=event.reason,
        job_id=event.job_id,
        attempt=event.attempt,
    )
    return [(TREASURY, paying)]


def restitution_paid(command: Command, event: RestitutionPaid, local: Local, rules: Rules) -> FollowUps:
    """To the account that lost it."""
    if not event.amount:
        return []
    granted = GrantRestitution(amount=event.amount, reason=event.reason, job_id=event.job_id, attempt=event.attempt)
    return [(account_subject(event.account), granted)]
