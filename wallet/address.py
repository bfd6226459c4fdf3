"""Account addresses: where Starknet deploys the account contract of a public key.

address = H(prefix, deployer 0, salt, class hash, H(constructor arguments)) mod 2^251 - 256, H the Pedersen hash chain that
ends with the length; salt and the only constructor argument are the public key. Source: the Starknet documentation,
"Contract address". The class is OpenZeppelin's account 1.0.0 unless another is named.
"""

from collections.abc import Sequence
from functools import lru_cache, reduce

import fast_stark_crypto

from .curve import is_public_key
from .errors import AddressInvalid

OPENZEPPELIN_ACCOUNT_1_0_0 = 0x05B4B537EAA2399E3AA99C4E2E0208EBD6C71BC1467938CD52C798C601E43564
ADDRESS_BYTES = 32
_PREFIX = int.from_bytes(b"STARKNET_CONTRACT_ADDRESS", "big")
_BOUND = 2**251 - 256


@lru_cache(maxsize=65536)
def address_of(public_key: bytes, class_hash: int = OPENZEPPELIN_ACCOUNT_1_0_0) -> bytes:
    """The 32-byte address of the account of `public_key` (32 bytes, x coordinate); AddressInvalid for other bytes."""
    x = int.from_bytes(public_key, "big")
    if len(public_key) != 32 or not is_public_key(x):
        raise AddressInvalid("the public key is not a point of the STARK curve")
    parts = [_PREFIX, 0, x, class_hash, _hash_chain([x])]
    return (_hash_chain(parts) % _BOUND).to_bytes(ADDRESS_BYTES, "big")


@lru_cache(maxsize=65536)
def address_matches(address: bytes, public_key: bytes) -> bool:
    """Whether `address` is the account of `public_key`; False, never an error, for hostile bytes."""
    try:
        return address_of(public_key) == address
    except AddressInvalid:
        return False


def format_address(address: bytes) -> str:
    """`0x` and 64 lower-case digits; AddressInvalid for bytes that are no address."""
    _check(address)
    return "0x" + address.hex()


def parse_address(text: str) -> bytes:
    """The address written as `0x` and up to 64 hexadecimal digits (leading zeros may be left out); else AddressInvalid."""
    digits = text.strip()
    if digits[:2] not in ("0x", "0X"):
        raise AddressInvalid("it does not start with 0x")
    digits = digits[2:]
    if not 0 < len(digits) <= 64:
        raise AddressInvalid("it does not have between 1 and 64 hexadecimal digits")
    if not set(digits) <= set("0123456789abcdefABCDEF"):
        raise AddressInvalid("it holds a character that is no hexadecimal digit")
    address = bytes.fromhex(digits.rjust(64, "0"))
    _check(address)
    return address


def _check(address: bytes) -> None:
    if len(address) != ADDRESS_BYTES:
        raise AddressInvalid("it is not 32 bytes long")
    if not 0 < int.from_bytes(address, "big") < _BOUND:
        raise AddressInvalid("it is outside the range of Starknet addresses")


def _hash_chain(values: Sequence[int]) -> int:
    return reduce(lambda left, right: int(fast_stark_crypto.pedersen_hash(left, right)), [*values, len(values)], 0)
