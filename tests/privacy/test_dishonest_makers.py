"""Makers that skip their own checks: what they send is well formed, proven as well as it can be, and refused."""

from typing import Any

import pytest

from bitsage.privacy import reencryption, transfers, withdrawals
from bitsage.privacy.balances import EMPTY, credited, deposited
from bitsage.privacy.curve import ORDER, G, H, random_scalar
from bitsage.privacy.elgamal import Ciphertext, PaymentKey
from bitsage.privacy.payments import payment_public_key
from bitsage.privacy.range_proof import prove_range

SECRET, OTHER = random_scalar(), random_scalar()
KEY, OTHER_KEY = payment_public_key(SECRET), payment_public_key(OTHER)


def encrypt_anything(units: int, recipients: Any, randomness: int, bits: int = 0) -> Ciphertext:
    return Ciphertext(G * (units % ORDER) + H * randomness, tuple(key * randomness for key in recipients))


def prove_what_can_be_proven(values: Any, blindings: Any, bits: Any, context: bytes, rng: Any = None) -> Any:
    """The range of every value modulo its range: a proof that is true for other commitments."""
    return prove_range([v % (1 << width) for v, width in zip(values, bits, strict=True)], blindings, bits, context)


@pytest.fixture
def careless(monkeypatch: pytest.MonkeyPatch) -> None:
    for module in (transfers, withdrawals, reencryption):
        monkeypatch.setattr(module, "encrypt", encrypt_anything)
        monkeypatch.setattr(module, "holds_units", lambda *_: True)
        if hasattr(module, "prove_range"):
            monkeypatch.setattr(module, "prove_range", prove_what_can_be_proven)


def transfer(have: int, said: int, units: int, factor: int) -> Any:
    parts: dict[str, Any] = {"balance": deposited(EMPTY, have), "recipients": [OTHER_KEY], "factor": factor}
    data = transfers.make_transfer(secret=SECRET, units=units, available_units=said, context=b"", **parts)
    return transfers.verify_transfer(data, sender_key=KEY, context=b"", **parts)


@pytest.mark.usefixtures("careless")
@pytest.mark.parametrize(
    ("have", "said", "units", "factor"),
    [
        (10, 10, 3, 5),  # overspent: what remains is -5
        (10, 10, 2**40 - 1, 2**16 - 1),
        (10, 1000, 3, 5),  # what remains is said to be more than it is
        (10, 10, -1, 1),  # a negative amount would make what remains grow
        (10, 10, ORDER - 3, 1),
        (10, 10, 2**40, 1),
        (2**41, 2**41, 2**40, 1),  # enough is there, but it is no payment
        (2**41, 2**41, 2**48 + 5, 1),
    ],
)
def test_a_transfer_that_makes_money_is_refused(have: int, said: int, units: int, factor: int) -> None:
    assert transfer(have, said, units, factor) is None


@pytest.mark.usefixtures("careless")
def test_the_careless_maker_is_believed_when_it_says_the_truth() -> None:
    assert transfer(10, 10, 2, 5) is not None
    assert withdraw(10, 10, 10) is not None
    assert reencrypt(7) is not None


def withdraw(have: int, said: int, units: int) -> Any:
    parts: dict[str, Any] = {"balance": deposited(EMPTY, have), "units": units, "context": b""}
    data = withdrawals.make_withdrawal(secret=SECRET, available_units=said, **parts)
    return withdrawals.verify_withdrawal(data, key=KEY, **parts)


@pytest.mark.usefixtures("careless")
@pytest.mark.parametrize(("have", "said", "units"), [(10, 10, 11), (10, 11, 11), (10, 1000, 5), (0, 0, 2**48 - 1)])
def test_a_withdrawal_of_more_than_there_is_is_refused(have: int, said: int, units: int) -> None:
    assert withdraw(have, said, units) is None


def reencrypt(units: int) -> Any:
    source = encrypt_anything(7, [PaymentKey(SECRET).point], random_scalar()).to_bytes()
    parts: dict[str, Any] = {"ciphertext": source, "recipients": [OTHER_KEY], "context": b""}
    data = reencryption.make_reencryption(secret=SECRET, units=units, **parts)
    return reencryption.verify_reencryption(data, key=KEY, **parts)


@pytest.mark.usefixtures("careless")
@pytest.mark.parametrize("units", [0, 6, 8, -7, 7 + ORDER // 2])
def test_an_escrow_that_pays_another_amount_is_refused(units: int) -> None:
    assert reencrypt(units) is None


@pytest.mark.usefixtures("careless")
def test_money_of_somebody_else_is_not_spent() -> None:
    """The thief knows the amount and not the secret: its own secret opens nothing under the owner's key."""
    theirs = credited(EMPTY, encrypt_anything(50, [PaymentKey(OTHER).point], random_scalar()).to_bytes())
    parts: dict[str, Any] = {"balance": theirs, "units": 5, "context": b""}
    data = withdrawals.make_withdrawal(secret=SECRET, available_units=50, **parts)
    assert withdrawals.verify_withdrawal(data, key=OTHER_KEY, **parts) is None
    # Under the thief's own key the ciphertext does not decrypt to 50.
    assert withdrawals.verify_withdrawal(data, key=KEY, **parts) is None
