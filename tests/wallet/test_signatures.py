"""Signed commands: published vectors, every part bound, nothing hostile raises or prints."""

import fast_stark_crypto
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from poseidon_py.poseidon_hash import poseidon_hash_many
from starknet_py.hash.utils import message_signature, verify_message_signature

from bitsage.wallet import Key, command_hash, sign_command, signatures, verify_command
from bitsage.wallet.curve import BETA, FIELD, ORDER, is_public_key
from bitsage.wallet.errors import MessageInvalid

KEY = Key(0x2DCCCE1DA22003777062EE0870E9881B460A8B7ECA276870F57C601F182136C)
COMMAND = ("bitsage-test", "SubmitJob", "job/01", bytes(range(32)), 7)
TEXTS = st.text(max_size=60)


def with_part(position: int, value: object) -> tuple[object, ...]:
    return (*COMMAND[:position], value, *COMMAND[position + 1 :])


def test_the_library_signs_as_the_published_vector_says() -> None:
    # Tests of StarkWare's crypto utilities, message hash of 61 digits.
    r, s = fast_stark_crypto.sign(KEY.secret, 0xC465DD6B1BBFFDB05442EB17F5CA38AD1AA78A6F56BF4415BDEE219114A47)
    assert r == 0x5F496F6F210B5810B2711C74C15C05244DAD43D18ECBBDBE6ED55584BC3B0A2
    assert s == 0x4E8657B153787F741A67C0666BAD6426C3741B478C8EAA3155196FC571416F3


@settings(deadline=None, max_examples=30)
@given(st.integers(1, ORDER - 1), TEXTS, TEXTS, TEXTS, st.binary(min_size=32, max_size=32), st.integers(0, 2**64 - 1))
def test_another_library_signs_and_accepts_the_same(
    secret: int, chain: str, kind: str, subject: str, digest: bytes, nonce: int
) -> None:
    key = Key(secret)
    signature = sign_command(key, chain, kind, subject, digest, nonce)
    assert verify_command(key.public_key, chain, kind, subject, digest, nonce, signature)
    pair = [int.from_bytes(signature[:32], "big"), int.from_bytes(signature[32:], "big")]
    message = command_hash(chain, kind, subject, digest, nonce)
    assert list(message_signature(message, secret, None)) == pair
    assert verify_message_signature(message, pair, int.from_bytes(key.public_key, "big"))


def test_the_hash_is_poseidon_of_the_seven_elements() -> None:
    chain, kind, subject, digest, nonce = COMMAND
    elements = [
        signatures._digest("domain", "bitsage command v1"),
        signatures._digest("chain", chain),
        signatures._digest("type", kind),
        signatures._digest("subject", subject),
        nonce,
        int.from_bytes(digest[:16], "big"),
        int.from_bytes(digest[16:], "big"),
    ]
    assert command_hash(*COMMAND) == poseidon_hash_many(elements) % 2**250
    assert command_hash(*COMMAND) == EXPECTED


# Written down once: a change makes every signature on a log invalid.
EXPECTED = 0x1BFBC01553AD932A19C678A616C0C3309AEC8F48DC4D338E313AF4D37AEE13B


@pytest.mark.parametrize(
    ("position", "value"),
    [
        (0, "bitsage-tesu"),
        (0, ""),
        (1, "SubmitJoc"),
        (1, "SubmitJob\0"),
        (2, "job/02"),
        (2, "job/01 "),
        (3, bytes(32)),
        (3, bytes(range(16)) + bytes(16)),
        (3, bytes(range(16, 32)) + bytes(range(16))),
        (4, 8),
        (4, 7 + 2**63),
    ],
)
def test_every_part_of_a_command_is_bound(position: int, value: object) -> None:
    signature = sign_command(KEY, *COMMAND)
    assert verify_command(KEY.public_key, *COMMAND, signature)
    assert not verify_command(KEY.public_key, *with_part(position, value), signature)  # type: ignore[arg-type]


def test_texts_do_not_run_into_each_other() -> None:
    signature = sign_command(KEY, "ab", "c", "", bytes(32), 0)
    for parts in [("a", "bc", ""), ("ab", "", "c"), ("", "abc", ""), ("c", "ab", "")]:
        assert not verify_command(KEY.public_key, *parts, bytes(32), 0, signature)


def test_every_bit_of_a_signature_counts() -> None:
    signature = sign_command(KEY, *COMMAND)
    for bit in range(512):
        changed = bytearray(signature)
        changed[bit // 8] ^= 1 << bit % 8
        assert not verify_command(KEY.public_key, *COMMAND, bytes(changed))


def test_another_key_does_not_verify() -> None:
    assert not verify_command(Key(2).public_key, *COMMAND, sign_command(KEY, *COMMAND))


def wide(number: int) -> bytes:
    return number.to_bytes(32, "big")


@pytest.mark.parametrize("r", [0, 1, ORDER, 2**251, FIELD, 2**256 - 1])
@pytest.mark.parametrize("s", [0, 1, 2**251, 2**251 + 1, ORDER - 3, ORDER - 1, ORDER, FIELD, 2**256 - 1])
def test_hostile_numbers_give_false_and_no_output(r: int, s: int, capfd: pytest.CaptureFixture[str]) -> None:
    assert not verify_command(KEY.public_key, *COMMAND, wide(r) + wide(s))
    assert capfd.readouterr() == ("", "")


@pytest.mark.parametrize(
    "public", [b"", bytes(31), bytes(32), bytes(33), wide(5), wide(FIELD), wide(FIELD + 1), b"\xff" * 32]
)
def test_hostile_public_keys_give_false_and_no_output(public: bytes, capfd: pytest.CaptureFixture[str]) -> None:
    assert not verify_command(public, *COMMAND, sign_command(KEY, *COMMAND))
    assert capfd.readouterr() == ("", "")


@given(st.binary(max_size=40), st.binary(max_size=70))
def test_any_bytes_give_false(public: bytes, signature: bytes) -> None:
    assert not verify_command(public, *COMMAND, signature)


@pytest.mark.parametrize(
    ("position", "value"),
    [(0, "\ud800"), (1, "\ud800"), (2, "\ud800"), (3, b""), (3, bytes(31)), (3, bytes(33)), (4, -1), (4, 2**64)],
)
def test_a_malformed_command_is_not_signed_and_not_accepted(position: int, value: object) -> None:
    parts = with_part(position, value)
    with pytest.raises(MessageInvalid) as caught:
        sign_command(KEY, *parts)  # type: ignore[arg-type]
    assert caught.value.code == "message_invalid"
    assert not verify_command(KEY.public_key, *parts, sign_command(KEY, *COMMAND))  # type: ignore[arg-type]


def test_a_panic_of_the_library_is_a_bad_signature_and_an_interrupt_is_not(monkeypatch: pytest.MonkeyPatch) -> None:
    class PanicException(BaseException):
        pass

    def raising(error: BaseException) -> None:
        def verify(*_: int) -> bool:
            raise error

        monkeypatch.setattr(fast_stark_crypto, "verify", verify)

    signature = sign_command(KEY, *COMMAND)
    for error in (PanicException(), ValueError()):
        raising(error)
        assert not verify_command(KEY.public_key, *COMMAND, signature)
    raising(KeyboardInterrupt())
    with pytest.raises(KeyboardInterrupt):
        verify_command(KEY.public_key, *COMMAND, signature)


@given(st.integers(0, FIELD - 1))
def test_public_keys_are_the_x_coordinates_of_the_curve(x: int) -> None:
    square = (x**3 + x + BETA) % FIELD
    # Multiplying a non-residue by the least one, 3, gives a residue: exactly one of the two has a root.
    assert is_public_key(x) != (pow(3 * square, (FIELD - 1) // 2, FIELD) == 1) or x == 0
