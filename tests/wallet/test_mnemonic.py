"""Words to keys, against published vectors of every step."""

import pytest
from mnemonic import Mnemonic

from bitsage.wallet import key_from_mnemonic, new_mnemonic
from bitsage.wallet.curve import ORDER
from bitsage.wallet.errors import KeyInvalid, MnemonicInvalid
from bitsage.wallet.mnemonic import derive_path, grind_key

H = 2**31
ALPHABET = "123456789ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz"
ABANDON = "abandon " * 23 + "art"

# The test vectors of the BIP-32 text, 1 to 3: seed, path, extended private key.
SEED_1 = "000102030405060708090a0b0c0d0e0f"
SEED_3 = (
    "4b381541583be4423346c643850da4b320e46a87ae3d2a4e6da11eba819cd4ac"
    "ba45d239319ac14f863b8d5ab5a0d0c64d2e8a1e7d1457df2e5a3c51c73235be"
)
BIP32 = [
    (
        SEED_1,
        (),
        "xprv9s21ZrQH143K3QTDL4LXw2F7HEK3wJUD2nW2nRk4stbPy6cq3jPPqjiChkVvvNKmPGJxWUtg6LnF5kejMRNNU3TGtRBeJgk33yuGBxrMPHi",
    ),
    (
        SEED_1,
        (H, 1, 2 + H, 2, 1000000000),
        "xprvA41z7zogVVwxVSgdKUHDy1SKmdb533PjDz7J6N6mV6uS3ze1ai8FHa8kmHScGpWmj4WggLyQjgPie1rFSruoUihUZREPSL39UNdE3BBDu76",
    ),
    (
        SEED_3,
        (H,),
        "xprv9uPDJpEQgRQfDcW7BkF7eTya6RPxXeJCqCJGHuCJ4GiRVLzkTXBAJMu2qaMWPrS7AANYqdq6vcBcBUdJCVVFceUvJFjaPdGZ2y9WACViL4L",
    ),
]


@pytest.mark.parametrize(("seed", "path", "extended"), BIP32)
def test_bip32(seed: str, path: tuple[int, ...], extended: str) -> None:
    number = 0
    for character in extended:
        number = number * 58 + ALPHABET.index(character)
    data = number.to_bytes(82, "big")
    assert derive_path(bytes.fromhex(seed), path) == (data[46:78], data[13:45])


def test_bip39_seed() -> None:
    # The first 256-bit vector of the reference implementation, passphrase TREZOR.
    assert Mnemonic.to_seed(ABANDON, "TREZOR").hex() == (
        "bda85446c68413707090a52022edd26a1c9462295029f2e60cd7c4f2bbd30971"
        "70af7a4d73245cafa9c3cca8d561a7c3de6f5d4a10be8ed2a5e608d68f92fcc8"
    )


@pytest.mark.parametrize(
    ("seed", "key"),
    [
        # Tests of @scure/starknet; the second seed needs more than one round.
        (
            "86F3E7293141F20A8BAFF320E8EE4ACCB9D4A4BF2B4D295E8CEE784DB46E0519",
            "5c8c8683596c732541a59e03007b2d30dbbbb873556fe65b5fb63c16688f941",
        ),
        (
            "94F3E7293141F20A8BAFF320E8EE4ACCB9D4A4BF2B4D295E8CEE784DB46E0595",
            "33880b9aba464c1c01c9f8f5b4fc1134698f9b0a8d18505cab6cdd34d93dc02",
        ),
    ],
)
def test_grinding(seed: str, key: str) -> None:
    assert f"{grind_key(bytes.fromhex(seed)):x}" == key


def test_new_words_are_24_and_never_the_same() -> None:
    several = {new_mnemonic() for _ in range(20)}
    assert len(several) == 20
    for words in several:
        assert len(words.split()) == 24
        assert 0 < key_from_mnemonic(words).secret < ORDER


def test_the_key_depends_on_words_passphrase_and_index() -> None:
    keys = {
        key_from_mnemonic(ABANDON),
        key_from_mnemonic(ABANDON, "TREZOR"),
        key_from_mnemonic(ABANDON, index=1),
        key_from_mnemonic("zoo " * 23 + "vote"),
    }
    assert len(keys) == 4


def test_spaces_and_capitals_do_not_matter() -> None:
    assert key_from_mnemonic("  " + ABANDON.upper().replace(" ", "\n ")) == key_from_mnemonic(ABANDON)


@pytest.mark.parametrize(
    "words", ["", "abandon", "abandon " * 24, "abandon " * 23 + "arts", ABANDON + " art", "abandon " * 22 + "art"]
)
def test_words_that_are_no_mnemonic_are_refused_without_being_repeated(words: str) -> None:
    with pytest.raises(MnemonicInvalid) as caught:
        key_from_mnemonic(words)
    assert caught.value.code == "mnemonic_invalid"
    assert "abandon" not in str(caught.value)


@pytest.mark.parametrize("index", [-1, 2**32])
def test_an_index_outside_the_path_is_refused(index: int) -> None:
    with pytest.raises(KeyInvalid):
        key_from_mnemonic(ABANDON, index=index)
