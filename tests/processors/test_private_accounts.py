"""Private accounts: what opens, fills, empties and connects hidden balances, and every refusal on the way."""

from typing import Any

import pytest

from bitsage.processors.hidden import handle, transfer_context, withdrawal_context
from bitsage.processors.model import account_subject
from bitsage.schemas.commands import RegisterWorker
from bitsage.schemas.events import Staked, TokensGranted, WorkerRegistered
from bitsage.schemas.hidden_commands import (
    ClaimPayment,
    CreditTransfer,
    Deposit,
    OpenPrivateAccount,
    ReturnTransfer,
    Transfer,
    Withdraw,
)
from bitsage.schemas.hidden_events import (
    Deposited,
    PaymentClaimed,
    PrivateAccountOpened,
    TransferBounced,
    TransferReceived,
    TransferReturned,
    TransferSent,
    Withdrawn,
)
from bitsage.schemas.parameters import PAYMENT_UNIT, SAGE
from tests.processors.dsl import (
    CLIENT,
    RULES,
    WORKER,
    Scene,
    given,
    good_transfer,
    good_withdrawal,
    opened,
    sealed,
    wallet,
)

PURSE, OTHER = account_subject(CLIENT), account_subject(WORKER)
KEY, OTHER_KEY = b"client key", b"other key"
OPENED = PrivateAccountOpened(payment_key=KEY, key_proof=b"knows " + KEY + CLIENT)
OPEN = OpenPrivateAccount(payment_key=KEY, key_proof=b"knows " + KEY + CLIENT)
FULL = sealed(1_000, b"own")


def public(grant: int = 10 * SAGE) -> Scene:
    return given(wallet(CLIENT), TokensGranted(amount=grant, gas_amount=0), subject=PURSE)


def private() -> Scene:
    """1,000 hidden units, sequence 1."""
    scene = public().when(OPEN).then(OPENED).when(Deposit(amount=1_000 * PAYMENT_UNIT))
    return scene.then(Deposited(amount=1_000 * PAYMENT_UNIT, available=FULL, sequence=1))


def withdraw(units: int = 400, sequence: int = 1, proof: bytes | None = None, at: int = 1) -> Withdraw:
    good = good_withdrawal(FULL, KEY, units, withdrawal_context(RULES, CLIENT, at))
    return Withdraw(amount=units * PAYMENT_UNIT, sequence=sequence, proof=good if proof is None else proof)


def transfer(units: int = 300, sequence: int = 1, to: bytes = WORKER, **changes: Any) -> Transfer:
    values: dict[str, Any] = {
        "balance": FULL,
        "sender_key": KEY,
        "recipients": [OTHER_KEY],
        "factor": 1,
        "context": transfer_context(RULES, CLIENT, 1, WORKER),
    }
    proof = good_transfer(units, **(values | changes))
    return Transfer(recipient=to, recipient_key=OTHER_KEY, sequence=sequence, transfer=proof)


def test_a_deposit_moves_public_funds_into_the_hidden_balance() -> None:
    state = private().states.state("accounts")
    assert (state.balance, state.hidden) == (10 * SAGE - 1_000 * PAYMENT_UNIT, 1_000 * PAYMENT_UNIT)


def test_a_withdrawal_brings_them_back_and_holds_once() -> None:
    scene = private().when(withdraw())
    rest = sealed(600, b"own")
    scene.then(Withdrawn(amount=400 * PAYMENT_UNIT, proof=withdraw().proof, available=rest, sequence=2))
    state = scene.states.state("accounts")
    assert (state.balance, state.hidden) == (10 * SAGE - 600 * PAYMENT_UNIT, 600 * PAYMENT_UNIT)
    scene.when(withdraw()).then_rejected("stale_sequence")
    # Sent again under the new sequence, the proof is about another state.
    scene.when(withdraw(sequence=2)).then_rejected("withdrawal_invalid")


@pytest.mark.parametrize(
    ("scene", "body", "reason"),
    [
        (given(subject=PURSE), OPEN, "no_wallet"),
        (private(), OPEN, "private_account_exists"),
        (public(), OpenPrivateAccount(payment_key=KEY, key_proof=b"trust me"), "key_proof_invalid"),
        (public(), Deposit(amount=SAGE), "no_private_account"),
        (private(), Deposit(amount=0), "amount_out_of_range"),
        (private(), Deposit(amount=-PAYMENT_UNIT), "amount_out_of_range"),
        (private(), Deposit(amount=PAYMENT_UNIT + 1), "not_in_units"),
        (private(), Deposit(amount=11 * SAGE), "insufficient_balance"),
        (public(), withdraw(), "no_private_account"),
        (private(), withdraw(units=0), "amount_out_of_range"),
        (private(), Withdraw(amount=1, sequence=1, proof=b""), "not_in_units"),
        (private(), withdraw(units=1_001), "withdrawal_invalid"),
        (private(), withdraw(at=0), "withdrawal_invalid"),
        (private(), withdraw(proof=b""), "withdrawal_invalid"),
        (private(), withdraw(sequence=0), "stale_sequence"),
        (public(), transfer(), "no_private_account"),
        (private(), transfer(sequence=2), "stale_sequence"),
        (private(), transfer(units=1_001), "transfer_invalid"),
        (private(), transfer(units=-1), "transfer_invalid"),
        (private(), transfer(factor=2), "transfer_invalid"),
        (private(), transfer(recipients=[KEY]), "transfer_invalid"),
        (private(), transfer(to=CLIENT), "transfer_invalid"),
        (private(), ClaimPayment(), "nothing_pending"),
        (public(), ClaimPayment(), "no_private_account"),
    ],
)
def test_what_is_refused_moves_nothing(scene: Scene, body: Any, reason: str) -> None:
    before = scene.states.state("accounts")
    scene.when(body).then_rejected(reason).entails()
    assert scene.states.state("accounts") == before


def sent() -> Scene:
    return private().when(transfer())


CIPHERTEXT = sealed(300, KEY, OTHER_KEY)
CREDIT = CreditTransfer(sender=CLIENT, transfer_sequence=2, recipient_key=OTHER_KEY, ciphertext=CIPHERTEXT)
BACK = ReturnTransfer(recipient=WORKER, transfer_sequence=2, ciphertext=handle(CIPHERTEXT, 0))


def test_a_transfer_leaves_the_sender_and_is_on_its_way() -> None:
    scene = sent().then(
        TransferSent(
            recipient=WORKER,
            recipient_key=OTHER_KEY,
            transfer=transfer().transfer,
            ciphertext=CIPHERTEXT,
            available=sealed(700, b"own"),
            sequence=2,
        )
    )
    scene.entails((OTHER, CREDIT))


def test_it_arrives_once_in_what_is_pending() -> None:
    recipient = given(wallet(), PrivateAccountOpened(payment_key=OTHER_KEY, key_proof=b"")).when(CREDIT)
    pending = sealed(300, b"own")
    recipient.then(
        TransferReceived(
            sender=CLIENT, transfer_sequence=2, ciphertext=handle(CIPHERTEXT, 1), pending=pending, credit=1
        )
    ).entails()
    recipient.when(CREDIT).then_rejected("already_booked")
    recipient.when(ClaimPayment()).then(PaymentClaimed(available=pending, sequence=1, credit=1))
    recipient.when(CREDIT).then_rejected("already_booked")


@pytest.mark.parametrize("account", [[], [PrivateAccountOpened(payment_key=KEY, key_proof=b"")]])
def test_without_that_key_it_goes_back_and_never_arrives_later(account: list[Any]) -> None:
    recipient = given(wallet(), *account).when(CREDIT)
    recipient.then(TransferBounced(sender=CLIENT, transfer_sequence=2)).entails((PURSE, BACK))
    recipient.when(CREDIT).then_rejected("already_booked").entails()
    if not account:
        recipient.when(OpenPrivateAccount(payment_key=OTHER_KEY, key_proof=b"knows " + OTHER_KEY + WORKER))
        recipient.when(CREDIT).then_rejected("already_booked").entails()


def test_what_comes_back_is_pending_for_the_sender_once() -> None:
    scene = sent().when(BACK)
    scene.then(
        TransferReturned(
            recipient=WORKER,
            transfer_sequence=2,
            ciphertext=handle(CIPHERTEXT, 0),
            pending=sealed(300, b"own"),
            credit=1,
        )
    )
    scene.when(BACK).then_rejected("already_booked")
    scene.when(ClaimPayment())
    assert opened(scene.states.state("accounts").private.available) == 1_000


def test_numbers_that_no_transfer_has_are_malformed() -> None:
    huge = {"transfer_sequence": 1 << 63, "ciphertext": CIPHERTEXT}
    private().when(CreditTransfer(sender=CLIENT, recipient_key=KEY, **huge)).then_rejected("malformed")
    private().when(ReturnTransfer(recipient=WORKER, **huge)).then_rejected("malformed")
    public().when(BACK).then_rejected("malformed")


def registered(key: bytes) -> WorkerRegistered:
    return WorkerRegistered(
        worker=CLIENT,
        tier="consumer",
        gpu_model="",
        stake=SAGE,
        payment_key=key,
        job_types=["matmul"],
        slots=1,
        attested=False,
    )


def test_worker_and_private_account_have_one_key() -> None:
    worker = given(wallet(CLIENT), registered(OTHER_KEY), subject=PURSE)
    worker.when(OPEN).then_rejected("payment_key_differs")
    owner = given(wallet(CLIENT), OPENED, Staked(amount=0, total=1_000 * SAGE, tier="consumer"), subject=PURSE)
    register = RegisterWorker(
        tier="consumer",
        gpu_model="",
        payment_key=OTHER_KEY,
        key_proof=b"knows " + OTHER_KEY + CLIENT,
        job_types=["matmul"],
        slots=1,
    )
    owner.when(register).then_rejected("payment_key_differs")
    given(wallet(CLIENT), registered(KEY), subject=PURSE).when(OPEN).then(OPENED)
