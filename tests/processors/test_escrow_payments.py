from typing import Any

import pytest

from bitsage.processors.model import TREASURY, PaymentContext, account_subject
from bitsage.processors.supply import holdings, taken_in
from bitsage.schemas.commands import (
    AdmitJob,
    CollectFees,
    OwePayment,
    PayWorker,
    RefundEscrow,
    ReleaseEscrow,
    SubmitJob,
)
from bitsage.schemas.events import (
    EscrowLocked,
    EscrowRefunded,
    EscrowReleased,
    FeesDistributed,
    JobRejected,
    PaymentDue,
    PaymentEncrypted,
    TokensGranted,
    WorkerRegistered,
)
from bitsage.schemas.hidden_commands import ClaimPayment
from bitsage.schemas.hidden_events import PaymentClaimed, PrivateAccountOpened
from bitsage.schemas.ids import job_id as job_id_of
from bitsage.schemas.parameters import DAY_MS, PAYMENT_UNIT, SAGE
from tests.processors.dsl import (
    ACCOUNT,
    CLIENT,
    COMMITMENT,
    JOB,
    NOW,
    PAYMENT_KEY,
    WORKER,
    Scene,
    given,
    good_payment,
    opened,
    sealed,
    spec,
    wallet,
)

PURSE = account_subject(CLIENT)
COMMAND_ID = b"\x01" * 16
SUBMITTED = job_id_of(CLIENT, COMMAND_ID)


def rich(grant: int = 1_000 * SAGE) -> Scene:
    return given(wallet(CLIENT), TokensGranted(amount=grant, gas_amount=0), subject=PURSE)


def submitted(**changes: Any) -> Scene:
    return rich().when(SubmitJob(spec=spec(**changes)), id=COMMAND_ID)


def test_a_job_locks_its_cost_and_is_admitted() -> None:
    scene = submitted().then(EscrowLocked(job_id=SUBMITTED, amount=10 * SAGE))
    scene.entails((SUBMITTED.hex(), AdmitJob(client=CLIENT, spec=spec(), rows=64)))
    state = scene.states.state("accounts")
    assert (state.balance, state.escrows[SUBMITTED], holdings(state)) == (990 * SAGE, 10 * SAGE, 1_000 * SAGE)


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"job_type": "alchemy"}, "unknown_job_type"),
        ({"job_type": ""}, "unknown_job_type"),
        ({"job_type": "m" * 65}, "unknown_job_type"),
        ({"input": "size=64"}, "not_json"),
        ({"input": "{" * (512 * 1024 + 1)}, "input_too_large"),
        ({"tier": "quantum"}, "unknown_tier"),
        ({"tier": "validator"}, "unknown_tier"),
        ({"tee": True}, "attestation_unavailable"),
        ({"priority": 11}, "priority_out_of_range"),
        ({"priority": -1}, "priority_out_of_range"),
        ({"deadline": NOW}, "deadline_passed"),
        ({"deadline": NOW + 30 * DAY_MS + 1}, "deadline_too_far"),
        ({"max_cost": 0}, "amount_out_of_range"),
        ({"max_cost": -5 * PAYMENT_UNIT}, "amount_out_of_range"),
        ({"max_cost": 10**40}, "amount_out_of_range"),
        ({"max_cost": 10 * SAGE + PAYMENT_UNIT}, "cost_not_divisible"),
        ({"max_cost": 10 * SAGE + 1}, "cost_not_divisible"),
        ({"max_cost": 2_000_000 * SAGE}, "cost_too_large"),
        ({"max_cost": 1_000 * SAGE + 5 * PAYMENT_UNIT}, "insufficient_balance"),
    ],
)
def test_a_job_that_is_rejected_moves_no_funds(changes: dict[str, Any], reason: str) -> None:
    scene = submitted(**changes)
    scene.then_rejected(reason).entails()
    rejection = scene.events[0]
    assert isinstance(rejection, JobRejected)
    assert rejection.job_id == SUBMITTED
    assert scene.states.state("accounts").balance == 1_000 * SAGE


def test_the_longest_deadline_and_the_whole_balance_are_accepted() -> None:
    submitted(deadline=NOW + 30 * DAY_MS, max_cost=1_000 * SAGE, priority=10, tier="frontier").then(
        EscrowLocked(job_id=SUBMITTED, amount=1_000 * SAGE)
    )


def test_a_job_needs_a_wallet() -> None:
    given(subject=PURSE).when(SubmitJob(spec=spec())).then_rejected("no_wallet")


def test_one_command_id_is_one_job() -> None:
    submitted().when(SubmitJob(spec=spec()), id=COMMAND_ID).then_rejected("job_exists")


def release(cost: int = 10 * SAGE) -> ReleaseEscrow:
    return ReleaseEscrow(job_id=JOB, worker=WORKER, cost=cost, proof_commitment=COMMITMENT, payment_nonce=1)


def locked(amount: int = 10 * SAGE) -> Scene:
    return given(
        wallet(CLIENT),
        TokensGranted(amount=100 * SAGE, gas_amount=0),
        EscrowLocked(job_id=JOB, amount=amount),
        subject=PURSE,
    )


def released(worker: int, protocol: int, refund: int) -> EscrowReleased:
    return EscrowReleased(
        job_id=JOB,
        worker=WORKER,
        worker_amount=worker,
        protocol_amount=protocol,
        refund=refund,
        proof_commitment=COMMITMENT,
        payment_nonce=1,
    )


def fees(cls: Any, amount: int, burnt: int, treasury: int, stakers: int, **changes: Any) -> Any:
    fields = {"job_id": JOB, "attempt": 1, "payer": CLIENT, "source": "job_fee"} | changes
    return cls(amount=amount, burnt=burnt, treasury=treasury, stakers=stakers, **fields)


OWE = OwePayment(job_id=JOB, amount=8 * SAGE, proof_commitment=COMMITMENT, payment_nonce=1)


def test_an_escrow_is_divided_80_to_20_and_the_fee_70_20_10() -> None:
    scene = locked().when(release()).then(released(8 * SAGE, 2 * SAGE, 0))
    income = fees(CollectFees, 2 * SAGE, 14 * SAGE // 10, 4 * SAGE // 10, 2 * SAGE // 10)
    scene.entails((ACCOUNT, OWE), (TREASURY, income))
    scene.when(release()).then_rejected("no_escrow")


def test_the_rest_of_the_escrow_is_refunded() -> None:
    scene = locked().when(release(5 * SAGE)).then(released(4 * SAGE, SAGE, 5 * SAGE))
    assert scene.states.state("accounts").balance == 95 * SAGE


@pytest.mark.parametrize("cost", [0, -1, 10 * SAGE + 1])
def test_no_more_than_the_escrow_is_released(cost: int) -> None:
    locked().when(release(cost)).then_rejected("amount_out_of_range")


def test_the_worker_gets_whole_payment_units_and_no_unit_is_lost() -> None:
    event = locked().when(release(7 * PAYMENT_UNIT + 3)).events[0]
    assert isinstance(event, EscrowReleased)
    assert event.worker_amount == 5 * PAYMENT_UNIT
    assert event.worker_amount + event.protocol_amount + event.refund == 10 * SAGE


def test_an_escrow_is_refunded_once_and_not_after_its_release() -> None:
    refund = RefundEscrow(job_id=JOB, reason="cancelled")
    scene = locked().when(refund).then(EscrowRefunded(job_id=JOB, amount=10 * SAGE, reason="cancelled"))
    assert scene.states.state("accounts").balance == 100 * SAGE
    scene.when(refund).then_rejected("no_escrow")
    locked().when(release()).when(refund).then_rejected("no_escrow")


def test_fees_are_collected_once() -> None:
    income = fees(CollectFees, 20, 14, 4, 2)
    scene = given(subject=TREASURY).when(income).then(fees(FeesDistributed, 20, 14, 4, 2))
    scene.when(income).then_rejected("already_booked")
    scene.when(fees(CollectFees, 20, 14, 6, 0, source="timeout")).then(
        fees(FeesDistributed, 20, 14, 6, 0, source="timeout")
    )
    assert taken_in(scene.states.state("accounts")) == 40


@pytest.mark.parametrize("parts", [(20, 14, 4, 3), (20, 22, -4, 2), (0, 0, 0, 0)])
def test_fees_have_to_add_up(parts: tuple[int, int, int, int]) -> None:
    given(subject=TREASURY).when(fees(CollectFees, *parts)).then_rejected("amount_out_of_range")


REGISTERED = WorkerRegistered(
    worker=WORKER,
    tier="consumer",
    gpu_model="T4",
    stake=1_000 * SAGE,
    payment_key=PAYMENT_KEY,
    job_types=["matmul"],
    slots=1,
    attested=False,
)
CONTEXT = PaymentContext(COMMITMENT, JOB, 1, WORKER)
CIPHERTEXT = good_payment(PAYMENT_KEY, 8 * SAGE, CONTEXT)
DUE = PaymentDue(
    job_id=JOB,
    worker=WORKER,
    amount=8 * SAGE,
    payment_key=PAYMENT_KEY,
    proof_commitment=COMMITMENT,
    payment_nonce=1,
)


def pay(payment: bytes = CIPHERTEXT, nonce: int = 1, commitment: bytes = COMMITMENT) -> PayWorker:
    return PayWorker(job_id=JOB, payment=payment, proof_commitment=commitment, payment_nonce=nonce)


CLAIM = ClaimPayment(job_id=JOB)
PAID = sealed(8 * SAGE // PAYMENT_UNIT, PAYMENT_KEY)
BALANCE = sealed(8 * SAGE // PAYMENT_UNIT, b"own")


def encrypted() -> Scene:
    scene = given(wallet(), REGISTERED).when(OWE).then(DUE).when(pay())
    return scene.then(
        PaymentEncrypted(
            job_id=JOB,
            worker=WORKER,
            payment=CIPHERTEXT,
            proof_commitment=COMMITMENT,
            payment_nonce=1,
            ciphertext=PAID,
            pending=BALANCE,
            credit=1,
        )
    )


def test_a_public_payment_is_due_then_pending_in_hidden_form_then_folded() -> None:
    scene = encrypted()
    state = scene.states.state("accounts")
    assert (holdings(state), state.hidden, state.private.waiting) == (8 * SAGE, 8 * SAGE, 1)
    scene.when(CLAIM).then(PaymentClaimed(available=BALANCE, sequence=1, credit=1))
    state = scene.states.state("accounts")
    assert (state.private.available, state.private.pending, state.private.waiting) == (BALANCE, b"", 0)
    assert not len(state.payments)


def test_a_second_payment_for_the_same_job_is_refused_at_every_stage() -> None:
    scene = given(wallet(), REGISTERED).when(OWE)
    scene.when(OWE).then_rejected("already_booked")
    scene.when(pay()).when(pay()).then_rejected("already_paid")
    scene.when(OWE).then_rejected("already_booked")
    scene.when(CLAIM).when(CLAIM).then_rejected("already_claimed")
    scene.when(OWE).then_rejected("already_booked")
    scene.when(pay()).then_rejected("already_paid")
    assert opened(scene.states.state("accounts").private.available) == 8 * SAGE // PAYMENT_UNIT


def test_a_payment_of_nothing_is_refused() -> None:
    nothing = OwePayment(job_id=JOB, amount=0, proof_commitment=COMMITMENT, payment_nonce=1)
    given(wallet(), REGISTERED).when(nothing).then_rejected("amount_out_of_range")


@pytest.mark.parametrize(
    ("command", "reason"),
    [
        (pay(nonce=2), "payment_mismatch"),
        (pay(commitment=bytes(32)), "payment_mismatch"),
        (pay(good_payment(PAYMENT_KEY, 9 * SAGE, CONTEXT)), "payment_invalid"),
        (pay(good_payment(b"another key", 8 * SAGE, CONTEXT)), "payment_invalid"),
        (pay(b""), "payment_invalid"),
        (CLAIM, "not_encrypted_yet"),
    ],
)
def test_only_the_payment_that_is_due_is_made(command: Any, reason: str) -> None:
    given(wallet(), REGISTERED).when(OWE).when(command).then_rejected(reason)


def test_what_is_not_owed_is_neither_paid_nor_claimed() -> None:
    given(wallet(), REGISTERED).when(pay()).then_rejected("no_payment")
    given(wallet(), REGISTERED).when(CLAIM).then_rejected("no_private_account")
    opened_account = given(wallet(), REGISTERED, PrivateAccountOpened(payment_key=PAYMENT_KEY, key_proof=b""))
    opened_account.when(CLAIM).then_rejected("no_payment")
