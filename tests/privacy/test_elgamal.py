import pickle

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bitsage.privacy.curve import ORDER, G, H, encode_point, is_identity, random_scalar
from bitsage.privacy.elgamal import BALANCE_BITS, UNIT, Ciphertext, PaymentKey, encrypt, to_units, unblind
from bitsage.privacy.errors import AmountNotInUnits, AmountOutOfRange, EncodingInvalid
from bitsage.privacy.fixed_base import times_g

amounts = st.integers(min_value=0, max_value=2**40 - 1)


def test_the_public_key_is_h_divided_by_the_secret(key: PaymentKey) -> None:
    assert key.point * key.secret == H


@settings(max_examples=20, deadline=None)
@given(amounts)
def test_decryption_removes_the_blinding(units: int) -> None:
    key = PaymentKey.generate()
    assert unblind(key, encrypt(units, [key.point], random_scalar())) == times_g(units)


def test_several_recipients_read_one_commitment() -> None:
    keys = [PaymentKey.generate() for _ in range(3)]
    ciphertext = encrypt(42, [k.point for k in keys], random_scalar())
    for i, key in enumerate(keys):
        assert unblind(key, ciphertext, i) == G * 42
        assert unblind(key, ciphertext, (i + 1) % 3) != G * 42


@settings(max_examples=10, deadline=None)
@given(amounts, amounts, st.integers(min_value=1, max_value=1000))
def test_ciphertexts_add_and_scale(first: int, second: int, factor: int) -> None:
    key = PaymentKey.generate()
    a, b = (encrypt(m, [key.point], random_scalar()) for m in (first, second))
    assert unblind(key, (a + b).scale(factor)) == times_g((first + second) * factor)


def test_ciphertexts_of_different_shapes_do_not_add(key: PaymentKey) -> None:
    one, two = encrypt(1, [key.point], 5), encrypt(1, [key.point, G], 5)
    with pytest.raises(ValueError, match="recipients"):
        one + two


def test_the_same_amount_never_looks_the_same(key: PaymentKey) -> None:
    assert len({encrypt(1, [key.point], random_scalar()).to_bytes() for _ in range(20)}) == 20


def test_ciphertexts_travel(key: PaymentKey) -> None:
    ciphertext = encrypt(9, [key.point, G], random_scalar())
    assert Ciphertext.from_bytes(ciphertext.to_bytes(), 2) == ciphertext
    for recipients in (0, 1, 3):
        with pytest.raises(EncodingInvalid):
            Ciphertext.from_bytes(ciphertext.to_bytes(), recipients)


def test_a_part_at_infinity_is_refused(key: PaymentKey) -> None:
    with pytest.raises(EncodingInvalid):
        encrypt(0, [key.point], 0).to_bytes()


@pytest.mark.parametrize("units", [-1, 2**40])
def test_amounts_out_of_range_are_not_encrypted(key: PaymentKey, units: int) -> None:
    with pytest.raises(AmountOutOfRange):
        encrypt(units, [key.point], 5)


def test_a_ciphertext_needs_a_recipient() -> None:
    with pytest.raises(ValueError, match="recipient"):
        encrypt(1, [], 5)


@pytest.mark.parametrize("amount", [1, UNIT - 1, UNIT + 1, 5 * UNIT + 10**11])
def test_amounts_between_units_are_refused_not_rounded(amount: int) -> None:
    with pytest.raises(AmountNotInUnits) as caught:
        to_units(amount)
    assert caught.value.code == "amount_invalid"
    assert len(str(amount)) < 4 or str(amount) not in str(caught.value)


@pytest.mark.parametrize("amount", [-UNIT, UNIT << 40])
def test_amounts_beyond_the_range_are_refused(amount: int) -> None:
    with pytest.raises(AmountOutOfRange) as caught:
        to_units(amount)
    assert caught.value.code == "amount_invalid"


def test_the_ends_of_the_ranges() -> None:
    assert to_units(0) == 0
    assert to_units(UNIT * (2**40 - 1)) == 2**40 - 1
    assert to_units(UNIT << 40, BALANCE_BITS) == 2**40


@pytest.mark.parametrize("secret", [0, ORDER, -1])
def test_secrets_out_of_range_are_refused(secret: int) -> None:
    with pytest.raises(EncodingInvalid):
        PaymentKey(secret)


def test_the_secret_shows_nowhere() -> None:
    key = PaymentKey(0x1234567890ABCDEF1234567890ABCDEF)
    for text in (repr(key), str(key), f"{key!r}"):
        assert "1234567890abcdef1234567890abcdef" not in text.lower()
        assert str(key.secret) not in text
        assert encode_point(key.point).hex() in text
    with pytest.raises(TypeError):
        pickle.dumps(key)


def test_generated_keys_differ() -> None:
    assert len({PaymentKey.generate().secret for _ in range(10)}) == 10
    assert not is_identity(PaymentKey.generate().point)
