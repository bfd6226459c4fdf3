from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bitsage.privacy import (
    UNIT,
    DiscreteLog,
    PaymentBundle,
    PaymentKey,
    decrypt_payment,
    errors,
    make_claim,
    make_key_proof,
    make_payment,
    payment_public_key,
    payments,
    verify_claim,
    verify_key_proof,
    verify_payment,
)
from bitsage.privacy.curve import FIELD_PRIME, ORDER, G, encode_point

WORKER = bytes(range(200, 232))
OTHERS: dict[str, list[Any]] = {
    "proof_commitment": [bytes(32), bytes(range(1, 33)), b"", bytes(31), bytes(33)],
    "job_id": [bytes(16), b"", bytes(15), bytes(17)],
    "payment_nonce": [0, 8, -1, 2**64, 7 + 2**64],
    "worker": [bytes(32), bytes(range(201, 233)), b"", bytes(31), bytes(33)],
}
ELEMENTS = [(name, other) for name, others in OTHERS.items() for other in others]
every_other_context = pytest.mark.parametrize(("name", "other"), ELEMENTS)


@pytest.fixture(scope="module")
def claim(key: PaymentKey, payment: bytes, amount: int) -> bytes:
    context = {"proof_commitment": bytes(range(32)), "job_id": bytes(range(100, 116)), "payment_nonce": 7}
    return make_claim(payment, key.secret, amount=amount, worker=WORKER, **context)  # type: ignore[arg-type]


def test_a_payment_holds(key: PaymentKey, payment: bytes, amount: int, context: dict[str, Any]) -> None:
    assert len(payment) == PaymentBundle.SIZE == 481
    assert verify_payment(payment, payment_key=key.public, amount=amount, **context)
    assert decrypt_payment(payment, key.secret, hint=amount) == amount
    assert PaymentBundle.from_bytes(payment).to_bytes() == payment


@settings(max_examples=15, deadline=None)
@given(units=st.integers(min_value=0, max_value=2**40 - 1), secret=st.integers(min_value=1, max_value=ORDER - 1))
def test_payments_and_claims_of_any_amount(units: int, secret: int) -> None:
    context: dict[str, Any] = {"proof_commitment": bytes(32), "job_id": bytes(16), "payment_nonce": 0}
    context["worker"] = WORKER
    public = payment_public_key(secret)
    paid = make_payment(amount=units * UNIT, payment_key=public, **context)
    assert verify_payment(paid, payment_key=public, amount=units * UNIT, **context)
    claimed = make_claim(paid, secret, amount=units * UNIT, **context)
    assert verify_claim(paid, claimed, payment_key=public, amount=units * UNIT, **context)


@every_other_context
def test_a_payment_is_bound_to_its_context(
    key: PaymentKey, payment: bytes, amount: int, context: dict[str, Any], name: str, other: Any
) -> None:
    assert not verify_payment(payment, payment_key=key.public, amount=amount, **{**context, name: other})


@every_other_context
def test_a_claim_is_bound_to_its_context(
    key: PaymentKey, payment: bytes, claim: bytes, amount: int, context: dict[str, Any], name: str, other: Any
) -> None:
    assert verify_claim(payment, claim, payment_key=key.public, amount=amount, **context)
    assert not verify_claim(payment, claim, payment_key=key.public, amount=amount, **{**context, name: other})


WRONG_AMOUNTS = [0, 1, -UNIT, 5 * UNIT, 800_000_124 * UNIT, 800_000_123 * UNIT + 1, UNIT << 40, ORDER * UNIT]


@pytest.mark.parametrize("wrong", WRONG_AMOUNTS)
def test_another_amount_is_refused(
    key: PaymentKey, payment: bytes, claim: bytes, context: dict[str, Any], wrong: int
) -> None:
    assert not verify_payment(payment, payment_key=key.public, amount=wrong, **context)
    assert not verify_claim(payment, claim, payment_key=key.public, amount=wrong, **context)


def test_another_key_is_refused(
    key: PaymentKey, payment: bytes, claim: bytes, amount: int, context: dict[str, Any]
) -> None:
    keys = [PaymentKey.generate().public, encode_point(-key.point), encode_point(G), b"", bytes(64), b"\xff" * 64]
    keys += [key.public[:-1], key.public + b"\0", (key.point.x + FIELD_PRIME).to_bytes(32, "big") + key.public[32:]]
    for other in keys:
        assert not verify_payment(payment, payment_key=other, amount=amount, **context)
        assert not verify_claim(payment, claim, payment_key=other, amount=amount, **context)


def test_every_changed_byte_of_a_payment_is_refused(
    key: PaymentKey, payment: bytes, amount: int, context: dict[str, Any]
) -> None:
    for i in range(len(payment)):
        changed = payment[:i] + bytes([payment[i] ^ (1 << i % 8)]) + payment[i + 1 :]
        assert not verify_payment(changed, payment_key=key.public, amount=amount, **context), i


def test_every_changed_byte_of_a_claim_is_refused(
    key: PaymentKey, payment: bytes, claim: bytes, amount: int, context: dict[str, Any]
) -> None:
    for i in range(len(claim)):
        changed = claim[:i] + bytes([claim[i] ^ (1 << i % 8)]) + claim[i + 1 :]
        assert not verify_claim(payment, changed, payment_key=key.public, amount=amount, **context), i


def test_parts_of_two_good_payments_do_not_mix(
    key: PaymentKey, payment: bytes, claim: bytes, amount: int, context: dict[str, Any]
) -> None:
    other = make_payment(amount=amount, payment_key=key.public, **context)
    assert verify_payment(other, payment_key=key.public, amount=amount, **context)
    for start, end in ((1, 65), (65, 129), (1, 129), (129, 321), (321, 481)):
        mixed = payment[:start] + other[start:end] + payment[end:]
        assert not verify_payment(mixed, payment_key=key.public, amount=amount, **context)
    assert not verify_claim(other, claim, payment_key=key.public, amount=amount, **context)


def test_a_senders_proof_is_no_claim(
    key: PaymentKey, payment: bytes, claim: bytes, amount: int, context: dict[str, Any]
) -> None:
    assert not verify_claim(payment, payment[321:], payment_key=key.public, amount=amount, **context)
    swapped = payment[:321] + claim
    assert not verify_payment(swapped, payment_key=key.public, amount=amount, **context)


@pytest.mark.parametrize("garbage", [b"", b"\0", bytes(160), bytes(481), b"\xff" * 481, b"\x01" + b"\xff" * 480])
def test_garbage_is_refused_without_an_exception(
    key: PaymentKey, payment: bytes, claim: bytes, amount: int, context: dict[str, Any], garbage: bytes
) -> None:
    assert not verify_payment(garbage, payment_key=key.public, amount=amount, **context)
    assert not verify_claim(garbage, claim, payment_key=key.public, amount=amount, **context)
    assert not verify_claim(payment, garbage, payment_key=key.public, amount=amount, **context)
    assert not verify_key_proof(key.public, garbage, WORKER)


@settings(max_examples=200, deadline=None)
@given(st.binary(max_size=600), st.binary(max_size=200), st.binary(max_size=100))
def test_random_bytes_never_raise(payment: bytes, proof: bytes, public: bytes) -> None:
    context: dict[str, Any] = {"proof_commitment": bytes(32), "job_id": bytes(16), "payment_nonce": 0}
    context["worker"] = WORKER
    assert not verify_payment(payment, payment_key=public, amount=UNIT, **context)
    assert not verify_claim(payment, proof, payment_key=public, amount=UNIT, **context)
    assert not verify_key_proof(public, proof, WORKER)


def test_amounts_that_cannot_be_encrypted(key: PaymentKey, context: dict[str, Any]) -> None:
    with pytest.raises(errors.AmountNotInUnits):
        make_payment(amount=UNIT + 1, payment_key=key.public, **context)
    for amount in (-UNIT, UNIT << 40):
        with pytest.raises(errors.AmountOutOfRange):
            make_payment(amount=amount, payment_key=key.public, **context)


def test_malformed_parts_make_no_payment(key: PaymentKey, context: dict[str, Any]) -> None:
    for public in (b"", bytes(64), key.public[:-1]):
        with pytest.raises(errors.EncodingInvalid):
            make_payment(amount=UNIT, payment_key=public, **context)
    for name, other in (("worker", b""), ("job_id", b"x"), ("proof_commitment", b""), ("payment_nonce", -1)):
        with pytest.raises(errors.EncodingInvalid):
            make_payment(amount=UNIT, payment_key=key.public, **{**context, name: other})


def test_a_claim_of_another_amount_or_by_another_key_is_not_made(
    key: PaymentKey, payment: bytes, amount: int, context: dict[str, Any]
) -> None:
    with pytest.raises(errors.ProofInvalid) as caught:
        make_claim(payment, key.secret, amount=amount + UNIT, **context)
    assert caught.value.code == "proof_invalid"
    with pytest.raises(errors.ProofInvalid):
        make_claim(payment, PaymentKey.generate().secret, amount=amount, **context)


def test_decryption_takes_the_hint_or_a_table(
    key: PaymentKey, context: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    payment = make_payment(amount=70_000 * UNIT, payment_key=key.public, **context)
    small, asked = DiscreteLog.build(12), []

    def shared() -> DiscreteLog:
        asked.append(True)
        return small

    monkeypatch.setattr(payments, "shared_table", shared)
    assert decrypt_payment(payment, key.secret, hint=70_000 * UNIT) == 70_000 * UNIT
    assert decrypt_payment(payment, key.secret, hint=UNIT, table=small) == 70_000 * UNIT
    assert not asked
    assert decrypt_payment(payment, key.secret) == 70_000 * UNIT
    assert decrypt_payment(payment, key.secret, hint=UNIT) == 70_000 * UNIT
    assert len(asked) == 2


def test_what_cannot_be_decrypted_is_refused(
    key: PaymentKey, payment: bytes, amount: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Empty:
        def find(self, *_: object) -> int:
            raise errors.NotDecryptable

    monkeypatch.setattr(payments, "shared_table", Empty)
    with pytest.raises(errors.NotDecryptable) as caught:
        decrypt_payment(payment, PaymentKey.generate().secret, hint=amount)
    assert str(amount // UNIT) not in str(caught.value)
    with pytest.raises(errors.EncodingInvalid):
        decrypt_payment(payment[1:], key.secret)
    with pytest.raises(errors.EncodingInvalid):
        decrypt_payment(payment, 0)
    with pytest.raises(errors.AmountInvalid):
        decrypt_payment(payment, key.secret, hint=amount + 1)


def test_a_key_proof_is_bound_to_key_and_worker(key: PaymentKey) -> None:
    proof = make_key_proof(key.secret, WORKER)
    assert len(proof) == 96
    assert verify_key_proof(payment_public_key(key.secret), proof, WORKER)
    for other in (bytes(32), WORKER[:-1], WORKER + b"\0", b""):
        assert not verify_key_proof(key.public, proof, other)
    assert not verify_key_proof(PaymentKey.generate().public, proof, WORKER)
    for i in range(len(proof)):
        assert not verify_key_proof(key.public, proof[:i] + bytes([proof[i] ^ 1]) + proof[i + 1 :], WORKER)
    with pytest.raises(errors.EncodingInvalid):
        make_key_proof(key.secret, WORKER[:-1])
    with pytest.raises(errors.EncodingInvalid):
        make_key_proof(0, WORKER)


def test_a_changed_payment_is_not_opened_by_accident(key: PaymentKey, payment: bytes, amount: int) -> None:
    changed = b"\x02" + payment[1:]
    with pytest.raises(errors.EncodingInvalid):
        decrypt_payment(changed, key.secret, hint=amount)


def test_error_codes_are_stable() -> None:
    codes = {
        "PrivacyError": "privacy_error",
        "EncodingInvalid": "encoding_invalid",
        "AmountInvalid": "amount_invalid",
        "AmountNotInUnits": "amount_invalid",
        "AmountOutOfRange": "amount_invalid",
        "NotDecryptable": "not_decryptable",
        "ProofInvalid": "proof_invalid",
        "TableInvalid": "table_invalid",
    }
    found = {n: c.code for n, c in vars(errors).items() if isinstance(c, type) and issubclass(c, Exception)}
    assert found == codes
    drawn = (errors.__doc__ or "").splitlines()
    assert all(any(name in line for line in drawn) for name in codes)
