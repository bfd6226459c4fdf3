"""What an event entails for other aggregates: commands that the coordinator signs, in the transaction of the event.

One pure function per kind of event. `local` is the state after the event. A follow-up is a request like any other: the
decider that gets it refuses it when it comes at a wrong time.
"""

from collections.abc import Callable
from typing import Any

from bitsage.schemas.commands import (
    AdmitJob,
    AssignJob,
    CastDisputeVote,
    CastVote,
    ChangeValidator,
    CollectFees,
    OpenDispute,
    OpenTally,
    OwePayment,
    RefundEscrow,
    RequestTally,
    ReviewStanding,
    SettleAttempt,
    SlashStake,
    SubmitJob,
)
from bitsage.schemas.events import (
    BenchmarkDoubted,
    BondForfeited,
    CommandRejected,
    ConsensusReached,
    DisputeFiled,
    DisputeResolved,
    EscrowLocked,
    EscrowReleased,
    JobCancelled,
    JobCompleted,
    JobFailed,
    JobMatched,
    JobReassigned,
    JobSubmitted,
    ProofGenerated,
    ReputationChanged,
    RestitutionClaimed,
    RestitutionPaid,
    RetrialRequested,
    Slashed,
    Staked,
    TallyRequested,
    UnstakeRequested,
    ValidatorDeparted,
    ValidatorRegistered,
    VerdictEnforced,
    VoteRejected,
    WorkerDeparted,
    WorkerRegistered,
    WorkerReturned,
    WorkerWentOffline,
)
from bitsage.schemas.hidden_commands import CreditTransfer, ReturnTransfer
from bitsage.schemas.hidden_events import TransferBounced, TransferSent
from bitsage.schemas.types import CommandBody, EventBody

from . import dispute_policies, job_policies, worker_policies
from .account_state import faults_within
from .hidden import ESCROW, SENDER, handle, shares
from .model import NETWORK, TREASURY, Command, Local, Rules, account_subject, job_subject
from .payments import worker_address
from .penalty import passed_on
from .registration import VALIDATORS_FULL
from .views import account, job, market

FollowUps = list[tuple[str, CommandBody]]
Policy = Callable[[Command, Any, Local, Rules], FollowUps]


def follow_ups(command: Command, event: EventBody, local: Local, rules: Rules) -> FollowUps:
    """(subject, body) of every command that `event`, an answer to `command`, entails; in the order to send them."""
    policy = _POLICIES.get(type(event))
    return [] if policy is None else policy(command, event, local, rules)


def _escrow_locked(command: Command, event: EscrowLocked, local: Local, rules: Rules) -> FollowUps:
    assert isinstance(command.body, SubmitJob)
    spec, price = command.body.spec, handle(event.ciphertext, ESCROW) if event.ciphertext else b""
    rows = rules.checks.job_rows(spec.job_type, spec.input)
    return [(job_subject(event.job_id), AdmitJob(client=command.actor, spec=spec, rows=rows, price=price))]


def _escrow_released(command: Command, event: EscrowReleased, local: Local, rules: Rules) -> FollowUps:
    fee, parameters = event.protocol_amount, rules.parameters
    burnt = fee * parameters.fee_burnt_percent // 100
    treasury = fee * parameters.fee_treasury_percent // 100
    owed = OwePayment(
        job_id=event.job_id,
        amount=event.worker_amount,
        proof_commitment=event.proof_commitment,
        payment_nonce=event.payment_nonce,
        ciphertext=event.ciphertext,
    )
    collected = CollectFees(
        job_id=event.job_id,
        attempt=event.payment_nonce,
        payer=worker_address(command.subject),
        source="job_fee",
        amount=fee,
        burnt=burnt,
        treasury=treasury,
        # The stakers' part takes what rounding leaves.
        stakers=fee - burnt - treasury,
        ciphertext=event.ciphertext,
    )
    taken = shares(parameters).protocol if event.ciphertext else fee
    return [(account_subject(event.worker), owed), *([(TREASURY, collected)] if taken else [])]


def _transfer_sent(command: Command, event: TransferSent, local: Local, rules: Rules) -> FollowUps:
    credit = CreditTransfer(
        sender=worker_address(command.subject),
        transfer_sequence=event.sequence,
        recipient_key=event.recipient_key,
        # Without an auditor's handle, which stays with the event.
        ciphertext=event.ciphertext[: 3 * 64],
    )
    return [(account_subject(event.recipient), credit)]


def _transfer_bounced(command: Command, event: TransferBounced, local: Local, rules: Rules) -> FollowUps:
    credit = command.body
    assert isinstance(credit, CreditTransfer)
    back = ReturnTransfer(
        recipient=worker_address(command.subject),
        transfer_sequence=event.transfer_sequence,
        ciphertext=handle(credit.ciphertext, SENDER),
    )
    return [(account_subject(event.sender), back)]


def _slashed(command: Command, event: Slashed, local: Local, rules: Rules) -> FollowUps:
    result = passed_on(command.subject, event, event.reason, event.round)
    if event.reason == "invalid_proof":
        run = faults_within(account(local), rules.parameters.malicious_window_ms)
        if len(run) >= rules.parameters.malicious_proofs:
            malice = SlashStake(reason="malicious", job_id=event.job_id, attempt=event.attempt, round=event.round)
            result.append((command.subject, malice))
    review = (command.subject, ReviewStanding(reason=event.reason))
    return [*result, review, *worker_policies.stake_changed(command, event, local, rules)]


def _unstake_requested(command: Command, event: UnstakeRequested, local: Local, rules: Rules) -> FollowUps:
    review = (command.subject, ReviewStanding(reason="unstake"))
    return [review, *worker_policies.stake_changed(command, event, local, rules)]


def _job_matched(command: Command, event: JobMatched, local: Local, rules: Rules) -> FollowUps:
    return [(job_subject(event.job_id), AssignJob(attempt=event.attempt, worker=event.worker, cost=event.price))]


def _proof_generated(command: Command, event: ProofGenerated, local: Local, rules: Rules) -> FollowUps:
    request = RequestTally(
        job_id=event.job_id,
        attempt=event.attempt,
        worker=event.worker,
        proof_hash=event.proof_hash,
        output_hash=event.output_hash,
    )
    return [(NETWORK, request)]


def _tally_requested(command: Command, event: TallyRequested, local: Local, rules: Rules) -> FollowUps:
    asked = command.body
    assert isinstance(asked, RequestTally)
    opening = OpenTally(
        attempt=event.attempt,
        worker=asked.worker,
        proof_hash=event.proof_hash,
        output_hash=asked.output_hash,
        validators=list(market(local).validators),
        epoch=event.epoch,
    )
    return [(job_subject(event.job_id), opening)]


def _consensus(command: Command, event: ConsensusReached, local: Local, rules: Rules) -> FollowUps:
    settled = SettleAttempt(
        attempt=event.attempt,
        worker=event.worker,
        proof_hash=event.proof_hash,
        output_hash=event.output_hash,
        outcome=event.outcome,
        reporter=event.reporter,
    )
    slash = SlashStake(reason="contrary_vote", job_id=event.job_id, attempt=event.attempt)
    slashes: FollowUps = [(account_subject(validator), slash) for validator in event.contrary]
    return [(command.subject, settled), *slashes]


def _vote_rejected(command: Command, event: VoteRejected, local: Local, rules: Rules) -> FollowUps:
    if event.reason != "equivocation" or not isinstance(command.body, CastVote | CastDisputeVote):
        return []
    slash = SlashStake(reason="equivocation", job_id=event.job_id, attempt=event.attempt, round=event.round)
    return [(account_subject(event.validator), slash)]


def _validator_joined(command: Command, event: ValidatorRegistered, local: Local, rules: Rules) -> FollowUps:
    return [(NETWORK, ChangeValidator(validator=event.validator, active=True))]


def _validator_left(command: Command, event: ValidatorDeparted, local: Local, rules: Rules) -> FollowUps:
    return [(NETWORK, ChangeValidator(validator=event.validator, active=False))]


def _rejected(command: Command, event: CommandRejected, local: Local, rules: Rules) -> FollowUps:
    match command.body:
        case AssignJob(attempt=attempt, worker=worker):
            state = job(local)
            if state.held and (state.attempt, state.worker) == (attempt, worker):
                return []
            # The market gave away an attempt that is no longer to be had: its slot has to be freed.
            return [job_policies.withdrawal(bytes.fromhex(command.subject), attempt)]
        case AdmitJob(client=client) if event.reason == "job_exists" and job(local).over:
            # A client reused a command id after its first job was over.
            refund = RefundEscrow(job_id=bytes.fromhex(command.subject), reason="job_exists")
            return [(account_subject(client), refund)]
        case OpenDispute() as body:
            return dispute_policies.not_admitted(command, body, event.reason, local)
        case ChangeValidator(validator=validator) if event.reason == "validators_full":
            return [(account_subject(validator), ReviewStanding(reason=VALIDATORS_FULL))]
    return []


_POLICIES: dict[type[EventBody], Policy] = {
    EscrowLocked: _escrow_locked,
    EscrowReleased: _escrow_released,
    TransferSent: _transfer_sent,
    TransferBounced: _transfer_bounced,
    Slashed: _slashed,
    Staked: worker_policies.stake_changed,
    UnstakeRequested: _unstake_requested,
    JobMatched: _job_matched,
    ProofGenerated: _proof_generated,
    TallyRequested: _tally_requested,
    ConsensusReached: _consensus,
    VoteRejected: _vote_rejected,
    ValidatorRegistered: _validator_joined,
    ValidatorDeparted: _validator_left,
    CommandRejected: _rejected,
    DisputeFiled: dispute_policies.filed,
    RetrialRequested: dispute_policies.retrial_requested,
    DisputeResolved: dispute_policies.resolved,
    VerdictEnforced: dispute_policies.enforced,
    BondForfeited: dispute_policies.forfeited,
    RestitutionClaimed: dispute_policies.restitution_claimed,
    RestitutionPaid: dispute_policies.restitution_paid,
    JobSubmitted: job_policies.job_submitted,
    JobReassigned: job_policies.attempt_ended,
    JobFailed: job_policies.attempt_ended,
    JobCompleted: job_policies.job_completed,
    JobCancelled: job_policies.job_cancelled,
    WorkerRegistered: worker_policies.capacity_changed,
    WorkerReturned: worker_policies.capacity_changed,
    WorkerDeparted: worker_policies.capacity_changed,
    ReputationChanged: worker_policies.reputation_changed,
    WorkerWentOffline: worker_policies.went_offline,
    BenchmarkDoubted: worker_policies.benchmark_doubted,
}
