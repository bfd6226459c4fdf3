"""Sealed offers: the price is locked, divided, paid and given back as a ciphertext, and no plain amount stands anywhere."""

from dataclasses import replace
from typing import Any

import pytest

from bitsage.processors.hidden import (
    Shares,
    escrow_context,
    handle,
    payment_context,
    price_context,
    shares,
)
from bitsage.processors.jobs import READING_MS
from bitsage.processors.model import NETWORK, TREASURY, account_subject
from bitsage.schemas.commands import (
    AdmitJob,
    CollectFees,
    DeclineJob,
    EnqueueJob,
    OfferCapacity,
    OwePayment,
    PayWorker,
    RefundEscrow,
    ReleaseEscrow,
    StartJob,
    SubmitJob,
)
from bitsage.schemas.events import (
    EscrowLocked,
    EscrowRefunded,
    EscrowReleased,
    FeesDistributed,
    JobAssigned,
    JobMatched,
    JobReassigned,
    JobSubmitted,
    PaymentDue,
    PaymentEncrypted,
    TokensGranted,
    WorkerRegistered,
)
from bitsage.schemas.hidden_commands import Deposit, SharePrice
from bitsage.schemas.hidden_events import Deposited, PriceShared, PrivateAccountOpened
from bitsage.schemas.ids import job_id as job_id_of
from bitsage.schemas.parameters import PAYMENT_UNIT, SAGE, Parameters
from tests.processors.dsl import (
    ACCOUNT,
    AUDITOR_KEY,
    CLIENT,
    COMMITMENT,
    ESCROW_KEY,
    HOUR,
    JOB,
    NOW,
    OTHER_WORKER,
    PAYMENT_KEY,
    RULES,
    WORKER,
    Scene,
    given,
    good_reencryption,
    good_transfer,
    opened,
    sealed,
    spec,
    wallet,
)

PURSE, CLIENT_KEY = account_subject(CLIENT), b"client key"
COMMAND_ID = b"\x01" * 16
SUBMITTED = job_id_of(CLIENT, COMMAND_ID)
#: 10 SAGE are 50 times this many units.
UNITS = 10 * SAGE // (50 * PAYMENT_UNIT)
DEPOSIT = 100 * SAGE // PAYMENT_UNIT
PRICE = sealed(UNITS, CLIENT_KEY, ESCROW_KEY)
FOR_ESCROW = handle(PRICE, 1)
LEFT = sealed(DEPOSIT - 50 * UNITS, b"own")


def purse(rules: Any = RULES) -> Scene:
    return given(
        wallet(CLIENT),
        TokensGranted(amount=1_000 * SAGE, gas_amount=0),
        PrivateAccountOpened(payment_key=CLIENT_KEY, key_proof=b""),
        Deposited(amount=100 * SAGE, available=sealed(DEPOSIT, b"own"), sequence=1),
        subject=PURSE,
        rules=rules,
    )


def offer(units: int = UNITS, sequence: int = 1, proof_at: int = 1, **changes: Any) -> SubmitJob:
    values: dict[str, Any] = {
        "balance": sealed(DEPOSIT, b"own"),
        "sender_key": CLIENT_KEY,
        "recipients": [ESCROW_KEY],
        "factor": 50,
        "context": escrow_context(RULES, CLIENT, proof_at),
    }
    return SubmitJob(spec=spec(max_cost=0), sequence=sequence, transfer=good_transfer(units, **(values | changes)))


LOCKED = EscrowLocked(
    job_id=SUBMITTED, amount=0, transfer=offer().transfer, ciphertext=PRICE, available=LEFT, sequence=2
)


def test_a_sealed_price_is_locked_and_the_job_carries_its_ciphertext() -> None:
    scene = purse().when(offer(), id=COMMAND_ID).then(LOCKED)
    scene.entails((SUBMITTED.hex(), AdmitJob(client=CLIENT, spec=spec(max_cost=0), rows=64, price=FOR_ESCROW)))
    state = scene.states.state("accounts")
    assert (state.balance, state.hidden, state.sealed[SUBMITTED]) == (900 * SAGE, 100 * SAGE, PRICE)
    assert (state.private.available, state.private.sequence) == (LEFT, 2)


def test_an_auditor_of_the_network_gets_a_handle_of_its_own() -> None:
    rules = replace(RULES, auditor_key=AUDITOR_KEY)
    scene = purse(rules).when(offer(recipients=[ESCROW_KEY, AUDITOR_KEY]), id=COMMAND_ID)
    assert isinstance(scene.events[0], EscrowLocked)
    assert scene.events[0].ciphertext == sealed(UNITS, CLIENT_KEY, ESCROW_KEY, AUDITOR_KEY)
    # Without it the proof is one of another statement.
    purse(rules).when(offer(), id=COMMAND_ID).then_rejected("transfer_invalid")


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        (offer(units=DEPOSIT // 50 + 1), "transfer_invalid"),
        (offer(units=-1), "transfer_invalid"),
        (offer(factor=1), "transfer_invalid"),
        (offer(recipients=[CLIENT_KEY]), "transfer_invalid"),
        (offer(sender_key=PAYMENT_KEY), "transfer_invalid"),
        (offer(balance=sealed(2 * DEPOSIT, b"own")), "transfer_invalid"),
        (offer(context=escrow_context(RULES, WORKER, 1)), "transfer_invalid"),
        (offer(context=escrow_context(replace(RULES, chain_id="another"), CLIENT, 1)), "transfer_invalid"),
        (offer(proof_at=0), "transfer_invalid"),
        (replace(offer(), transfer=b"x"), "transfer_invalid"),
        (offer(sequence=0), "stale_sequence"),
        (offer(sequence=2), "stale_sequence"),
        (replace(offer(), spec=spec(max_cost=10 * SAGE)), "offer_invalid"),
        (replace(offer(), spec=spec(max_cost=0, job_type="alchemy")), "unknown_job_type"),
    ],
)
def test_what_the_price_does_not_prove_is_refused_and_moves_nothing(body: SubmitJob, reason: str) -> None:
    scene = purse().when(body, id=COMMAND_ID).then_rejected(reason).entails()
    state = scene.states.state("accounts")
    assert (state.private.available, state.private.sequence, len(state.sealed)) == (sealed(DEPOSIT, b"own"), 1, 0)


def test_a_sealed_offer_is_made_once() -> None:
    scene = purse().when(offer(), id=COMMAND_ID)
    scene.when(offer(), id=b"\x02" * 16).then_rejected("stale_sequence")
    again = offer(sequence=2, proof_at=2, balance=LEFT)
    scene.when(again, id=COMMAND_ID).then_rejected("job_exists")


def test_a_sealed_offer_needs_a_private_account() -> None:
    poor = given(wallet(CLIENT), TokensGranted(amount=SAGE, gas_amount=0), subject=PURSE)
    poor.when(offer(), id=COMMAND_ID).then_rejected("no_private_account")


def release(cost: int = 0) -> ReleaseEscrow:
    return ReleaseEscrow(job_id=SUBMITTED, worker=WORKER, cost=cost, proof_commitment=COMMITMENT, payment_nonce=1)


def owed(ciphertext: bytes = FOR_ESCROW, amount: int = 0) -> OwePayment:
    return OwePayment(
        job_id=SUBMITTED, amount=amount, proof_commitment=COMMITMENT, payment_nonce=1, ciphertext=ciphertext
    )


def income(cls: Any, **changes: Any) -> Any:
    values = {
        "job_id": SUBMITTED,
        "attempt": 1,
        "payer": CLIENT,
        "source": "job_fee",
        "amount": 0,
        "burnt": 0,
        "treasury": 0,
        "stakers": 0,
        "ciphertext": FOR_ESCROW,
    }
    return cls(**(values | changes))


def test_an_approved_sealed_price_goes_to_worker_and_treasury_as_a_ciphertext() -> None:
    scene = purse().when(offer(), id=COMMAND_ID).when(release())
    scene.then(
        EscrowReleased(
            job_id=SUBMITTED,
            worker=WORKER,
            worker_amount=0,
            protocol_amount=0,
            refund=0,
            proof_commitment=COMMITMENT,
            payment_nonce=1,
            ciphertext=FOR_ESCROW,
        )
    )
    scene.entails((ACCOUNT, owed()), (TREASURY, income(CollectFees)))
    scene.when(release()).then_rejected("no_escrow")
    purse().when(offer(), id=COMMAND_ID).when(release(cost=1)).then_rejected("amount_out_of_range")


def test_a_refund_is_pending_for_the_client_once() -> None:
    refund = RefundEscrow(job_id=SUBMITTED, reason="cancelled")
    scene = purse().when(offer(), id=COMMAND_ID).when(refund)
    back = EscrowRefunded(
        job_id=SUBMITTED,
        amount=0,
        reason="cancelled",
        ciphertext=handle(PRICE, 0),
        pending=sealed(50 * UNITS, b"own"),
        credit=1,
    )
    scene.then(back)
    assert scene.states.state("accounts").private.pending == sealed(50 * UNITS, b"own")
    scene.when(refund).then_rejected("no_escrow")


def test_the_treasury_adds_sealed_fees_up_and_books_each_once() -> None:
    scene = given(subject=TREASURY).when(income(CollectFees))
    scene.then(income(FeesDistributed, sealed_fees=sealed(UNITS, b"own")))
    scene.when(income(CollectFees)).then_rejected("already_booked")
    scene.when(income(CollectFees, attempt=2))
    assert scene.states.state("accounts").sealed_fees == sealed(2 * UNITS, b"own")
    # A plain income leaves the sealed sum as it is, and a sealed one has no plain part.
    plain = income(CollectFees, attempt=3, amount=5, burnt=5, ciphertext=b"")
    scene.when(plain).then(income(FeesDistributed, attempt=3, amount=5, burnt=5, ciphertext=b""))
    assert scene.states.state("accounts").sealed_fees == sealed(2 * UNITS, b"own")
    scene.when(income(CollectFees, attempt=4, amount=5, burnt=5)).then_rejected("amount_out_of_range")


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
DUE = PaymentDue(
    job_id=SUBMITTED,
    worker=WORKER,
    amount=0,
    payment_key=PAYMENT_KEY,
    proof_commitment=COMMITMENT,
    payment_nonce=1,
    ciphertext=FOR_ESCROW,
)


def paying(**changes: Any) -> PayWorker:
    values: dict[str, Any] = {
        "ciphertext": FOR_ESCROW,
        "key": ESCROW_KEY,
        "recipients": [PAYMENT_KEY],
        "context": payment_context(RULES, COMMITMENT, SUBMITTED, 1, WORKER),
    }
    proof = good_reencryption(**(values | changes))
    return PayWorker(job_id=SUBMITTED, payment=proof, proof_commitment=COMMITMENT, payment_nonce=1)


def test_the_worker_gets_four_fifths_of_the_sealed_price_once() -> None:
    scene = given(wallet(), REGISTERED).when(owed()).then(DUE).when(paying())
    scene.then(
        PaymentEncrypted(
            job_id=SUBMITTED,
            worker=WORKER,
            payment=paying().payment,
            proof_commitment=COMMITMENT,
            payment_nonce=1,
            ciphertext=sealed(UNITS, PAYMENT_KEY),
            pending=sealed(8 * SAGE // PAYMENT_UNIT, b"own"),
            credit=1,
        )
    )
    assert scene.states.state("accounts").hidden == 0
    scene.when(paying()).then_rejected("already_paid")
    scene.when(owed()).then_rejected("already_booked")


@pytest.mark.parametrize(
    "body",
    [
        paying(ciphertext=sealed(UNITS + 1, ESCROW_KEY)),
        paying(key=PAYMENT_KEY),
        paying(recipients=[ESCROW_KEY]),
        paying(recipients=[PAYMENT_KEY, ESCROW_KEY]),
        paying(context=payment_context(RULES, bytes(32), SUBMITTED, 1, WORKER)),
        paying(context=payment_context(RULES, COMMITMENT, JOB, 1, WORKER)),
        paying(context=payment_context(RULES, COMMITMENT, SUBMITTED, 2, WORKER)),
        paying(context=payment_context(RULES, COMMITMENT, SUBMITTED, 1, OTHER_WORKER)),
        paying(context=price_context(RULES, SUBMITTED, 1, WORKER)),
    ],
)
def test_a_payment_of_anything_else_is_refused(body: PayWorker) -> None:
    given(wallet(), REGISTERED).when(owed()).when(body).then_rejected("payment_invalid")


def test_what_is_owed_is_plain_or_sealed() -> None:
    given(wallet(), REGISTERED).when(owed(amount=1)).then_rejected("amount_out_of_range")
    given(wallet(), REGISTERED).when(owed(ciphertext=b"")).then_rejected("amount_out_of_range")


def job(price: bytes = FOR_ESCROW) -> Scene:
    return given(
        JobSubmitted(job_id=JOB, client=CLIENT, spec=spec(max_cost=0), price=price),
        JobAssigned(job_id=JOB, attempt=1, worker=WORKER, cost=0, expires_at=NOW + HOUR),
        subject=JOB.hex(),
    )


def sharing(attempt: int = 1, worker: bytes = WORKER, **changes: Any) -> SharePrice:
    values: dict[str, Any] = {
        "ciphertext": FOR_ESCROW,
        "key": ESCROW_KEY,
        "recipients": [PAYMENT_KEY],
        "context": price_context(RULES, JOB, 1, WORKER),
    }
    proof = good_reencryption(**(values | changes))
    return SharePrice(attempt=attempt, worker=worker, payment_key=PAYMENT_KEY, proof=proof)


def test_the_assigned_worker_is_given_the_price_once() -> None:
    scene = job().when(sharing())
    scene.then(
        PriceShared(
            job_id=JOB,
            attempt=1,
            worker=WORKER,
            payment_key=PAYMENT_KEY,
            proof=sharing().proof,
            ciphertext=sealed(UNITS, PAYMENT_KEY),
        )
    )
    scene.when(sharing()).then_rejected("already_shared")


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        (sharing(attempt=2), "wrong_attempt"),
        (sharing(worker=OTHER_WORKER), "wrong_attempt"),
        (sharing(ciphertext=sealed(UNITS + 1, ESCROW_KEY)), "price_invalid"),
        (sharing(context=price_context(RULES, JOB, 2, WORKER)), "price_invalid"),
        (sharing(context=payment_context(RULES, COMMITMENT, JOB, 1, WORKER)), "price_invalid"),
    ],
)
def test_another_price_or_another_worker_is_refused(body: SharePrice, reason: str) -> None:
    job().when(body).then_rejected(reason)


def test_an_open_price_is_not_shared() -> None:
    job(price=b"").when(sharing()).then_rejected("price_invalid")


def test_a_deposit_may_not_reach_what_a_hidden_balance_holds() -> None:
    purse().when(Deposit(amount=PAYMENT_UNIT << 48)).then_rejected("amount_out_of_range")


def test_the_shares_are_exact_for_any_percentages() -> None:
    assert shares(Parameters()) == Shares(50, 40, 7, 2, 1)
    for worker, burnt, treasury in ((80, 70, 20), (90, 33, 33), (77, 1, 98), (100, 70, 20), (1, 100, 0)):
        split = shares(Parameters(worker_percent=worker, fee_burnt_percent=burnt, fee_treasury_percent=treasury))
        assert split.worker + split.burnt + split.treasury + split.stakers == split.price
        assert 100 * split.worker == worker * split.price
        assert 100 * split.burnt == burnt * split.protocol
        assert 100 * split.treasury == treasury * split.protocol


def test_every_context_is_bound_to_its_purpose_and_parts() -> None:
    contexts = [
        escrow_context(RULES, CLIENT, 1),
        escrow_context(RULES, CLIENT, 2),
        escrow_context(RULES, WORKER, 1),
        escrow_context(replace(RULES, chain_id="tes"), CLIENT, 1),
        payment_context(RULES, COMMITMENT, JOB, 1, WORKER),
        price_context(RULES, JOB, 1, WORKER),
    ]
    assert len(set(contexts)) == len(contexts)
    assert opened(b"") == 0


def test_a_sealed_price_is_declined_without_penalty_until_the_work_begins() -> None:
    declined = JobReassigned(job_id=JOB, worker=WORKER, next_attempt=2, reason="declined")
    job().when(DeclineJob(attempt=1, reason="price"), by=WORKER).then(declined)
    started = job().when(StartJob(attempt=1), by=WORKER)
    started.when(DeclineJob(attempt=1, reason="price"), by=WORKER)
    assert started.events == [replace(declined, reason="abandoned")]
    # Its price is one: who declined it does not get it again.
    scene = job().when(DeclineJob(attempt=1, reason="price"), by=WORKER)
    state = scene.states.state("jobs")
    assert (state.blamed, state.reluctant, state.declined) == ((WORKER,), (), 1)


def test_a_sealed_job_cannot_be_held_and_then_declined_for_nothing() -> None:
    for told, late, reason in (
        # Who was never told may wait for the price.
        (False, HOUR - 1, "declined"),
        (True, 5_000 + READING_MS - 1, "declined"),
        (True, 5_000 + READING_MS, "abandoned"),
        (True, HOUR - 1, "abandoned"),
    ):
        scene = job().when(sharing(), at=NOW + 5_000) if told else job()
        scene.when(DeclineJob(attempt=1, reason="price"), by=WORKER, at=NOW + late)
        assert [getattr(event, "reason", "") for event in scene.events] == [reason]


def test_a_lock_time_ends_the_free_choice_of_a_sealed_offer_too() -> None:
    locked = JobAssigned(job_id=JOB, attempt=1, worker=WORKER, cost=0, expires_at=NOW + HOUR, lock_until=NOW + 10)
    submitted = JobSubmitted(job_id=JOB, client=CLIENT, spec=spec(max_cost=0, lock_timeout_ms=10), price=FOR_ESCROW)
    for at, reason in ((NOW + 9, "declined"), (NOW + 10, "abandoned")):
        scene = given(submitted, locked, subject=JOB.hex())
        scene.when(DeclineJob(attempt=1, reason="price"), by=WORKER, at=at)
        assert [getattr(event, "reason", "") for event in scene.events] == [reason]


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"min_cost": SAGE}, "offer_invalid"),
        ({"ramp_ms": 60_000}, "offer_invalid"),
        ({"ramp_start": NOW}, "offer_invalid"),
        ({"lock_timeout_ms": 1}, "lock_timeout_out_of_range"),
        ({"collateral": 10**28}, "collateral_too_large"),
    ],
)
def test_a_sealed_offer_has_no_ramp_but_may_have_a_lock_and_a_collateral(changes: dict[str, int], reason: str) -> None:
    purse().when(replace(offer(), spec=spec(max_cost=0, **changes)), id=COMMAND_ID).then_rejected(reason)
    good = replace(offer(), spec=spec(max_cost=0, lock_timeout_ms=60_000, collateral=SAGE))
    assert isinstance(purse().when(good, id=COMMAND_ID).events[0], EscrowLocked)


def test_the_market_matches_a_sealed_offer_whatever_the_worker_asks() -> None:
    capacity = OfferCapacity(
        worker=WORKER,
        tier="consumer",
        reputation=500,
        slots=1,
        attested=False,
        job_types=["matmul"],
        asks=[SAGE],
    )
    job_at = {"job_id": JOB, "attempt": 1, "job_type": "matmul", "tier": "", "tee": False, "priority": 0}
    sealed_job = EnqueueJob(**job_at, submitted_at=NOW, excluded=[], rows=64)
    scene = given(subject=NETWORK).when(capacity).when(sealed_job)
    assert scene.events[1:] == [JobMatched(job_id=JOB, attempt=1, worker=WORKER, price=0)]
    # An open one of one unit less than the ask waits.
    waits = given(subject=NETWORK).when(capacity).when(replace(sealed_job, max_cost=64 * SAGE - 1))
    assert len(waits.events) == 1
