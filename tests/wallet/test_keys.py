"""Keys, their derived secrets and what never leaves them."""

import copy
import pickle

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from hypothesis import given
from hypothesis import strategies as st
from starknet_py.hash.utils import private_to_stark_key

from bitsage.wallet import Key
from bitsage.wallet.curve import ORDER
from bitsage.wallet.errors import KeyInvalid

SECRETS = st.integers(1, ORDER - 1)


@given(SECRETS)
def test_the_public_key_is_that_of_another_library(secret: int) -> None:
    assert int.from_bytes(Key(secret).public_key, "big") == private_to_stark_key(secret)


@pytest.mark.parametrize("secret", [0, -1, ORDER, ORDER + 1, 2**256, True, 1.0, "1", None])
def test_a_number_that_is_no_key_is_refused(secret: object) -> None:
    with pytest.raises(KeyInvalid) as caught:
        Key(secret)  # type: ignore[arg-type]
    assert caught.value.code == "key_invalid"


def test_the_refusal_does_not_repeat_the_number() -> None:
    with pytest.raises(KeyInvalid) as caught:
        Key(ORDER + 123456789)
    assert str(ORDER + 123456789) not in str(caught.value)


@given(SECRETS)
def test_the_further_secrets_have_their_form_and_differ(secret: int) -> None:
    key = Key(secret)
    assert len(key.seal_secret) == 32
    Ed25519PrivateKey.from_private_bytes(key.seal_secret)
    assert 0 < key.payment_secret < ORDER
    assert len({secret, key.payment_secret, int.from_bytes(key.seal_secret, "big")}) == 3


def test_the_further_secrets_follow_from_the_key_alone() -> None:
    # Written down once: a change of the derivation would lose every account's payments.
    key = Key(12345)
    assert key.seal_secret.hex() == "4f13d7b80574f1818b916894c38279fb5fd8e0e312351c30091cda617ef7f115"
    assert hex(key.payment_secret) == "0x4988cdc55c132f2afad7070d741999a6e6f5d40f23dbd8fc5765013bdc90ca2"


@given(st.integers(2**64, ORDER - 1))
def test_a_printed_key_shows_its_address_alone(secret: int) -> None:
    key = Key(secret)
    shown = f"{key!r} {key} {[key]}"
    assert key.address.hex() in shown
    for form in (str(secret), f"{secret:x}", key.seal_secret.hex(), str(key.payment_secret)):
        assert form not in shown


def test_a_key_is_not_pickled() -> None:
    for attempt in (pickle.dumps, copy.copy):
        with pytest.raises(TypeError, match="not pickled"):
            attempt(Key(5))


def test_keys_are_compared_by_value() -> None:
    assert Key(5) == Key(5)
    assert hash(Key(5)) == hash(Key(5))
    assert Key(5) != Key(6)
    assert Key(5) != 5
