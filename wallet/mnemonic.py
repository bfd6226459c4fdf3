"""From words to a key: BIP-39, BIP-32, BIP-44 and the grinding of EIP-2645, as Starknet wallets do it.

seed  = BIP-39 of the words and the passphrase
child = BIP-32 private key at m/44'/9004'/0'/0/index
key   = sha256(child || i) mod n for the first i = 0, 1, ... whose sha256 lies below the largest multiple of n
"""

import hashlib
import hmac
from functools import lru_cache

from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from mnemonic import Mnemonic

from .curve import ORDER
from .errors import KeyInvalid, MnemonicInvalid
from .keys import Key

WORD_COUNTS = (12, 15, 18, 21, 24)
_STRENGTH_BITS = 256
_HARDENED = 2**31
_SECP256K1_ORDER = 0xFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFEBAAEDCE6AF48A03BBFD25E8CD0364141


def new_mnemonic() -> str:
    """24 English words with 256 bits of the operating system's randomness."""
    return str(_english().generate(_STRENGTH_BITS))


def key_from_mnemonic(words: str, passphrase: str = "", *, index: int = 0) -> Key:
    """The key of the words' account number `index`; MnemonicInvalid for words that are no mnemonic."""
    text = " ".join(words.lower().split())
    count = len(text.split())
    if count not in WORD_COUNTS:
        raise MnemonicInvalid(f"there are {count} words, not 12, 15, 18, 21 or 24")
    if not _english().check(text):
        raise MnemonicInvalid("a word is not in the English list, or the checksum does not agree")
    seed = Mnemonic.to_seed(text, passphrase)
    path = (44 + _HARDENED, 9004 + _HARDENED, 0 + _HARDENED, 0, index)
    child, _ = derive_path(seed, path)
    return Key(grind_key(child))


def derive_path(seed: bytes, path: tuple[int, ...]) -> tuple[bytes, bytes]:
    """BIP-32: private key and chain code, 32 bytes each, at `path` (hardened indices have 2^31 added)."""
    digest = hmac.digest(b"Bitcoin seed", seed, "sha512")
    key, chain = digest[:32], digest[32:]
    _check(int.from_bytes(key, "big"))
    for index in path:
        if not 0 <= index < 2 * _HARDENED:
            raise KeyInvalid("an index of the derivation path is out of range")
        data = b"\0" + key if index >= _HARDENED else _compressed(key)
        digest = hmac.digest(chain, data + index.to_bytes(4, "big"), "sha512")
        tweak = int.from_bytes(digest[:32], "big")
        child = (tweak + int.from_bytes(key, "big")) % _SECP256K1_ORDER
        if tweak >= _SECP256K1_ORDER:
            child = 0
        _check(child)
        key, chain = child.to_bytes(32, "big"), digest[32:]
    return key, chain


def grind_key(seed: bytes) -> int:
    """EIP-2645: a STARK key, uniform in [0, n), from the 32 bytes of a secp256k1 key."""
    limit = 2**256 - 2**256 % ORDER
    for counter in range(256):
        candidate = int.from_bytes(hashlib.sha256(seed + bytes([counter])).digest(), "big")
        if candidate < limit:
            return candidate % ORDER
    raise KeyInvalid("grinding found no key")  # at most 2^-1000: the limit leaves out less than 1 in 16


def _check(scalar: int) -> None:
    # BIP-32 leaves such an index out; it comes up once in 2^127.
    if not 0 < scalar < _SECP256K1_ORDER:
        raise KeyInvalid("the derivation path has no key at this index; take the next one")


def _compressed(key: bytes) -> bytes:
    private = ec.derive_private_key(int.from_bytes(key, "big"), ec.SECP256K1())
    return private.public_key().public_bytes(Encoding.X962, PublicFormat.CompressedPoint)


@lru_cache(maxsize=1)
def _english() -> Mnemonic:
    return Mnemonic("english")
