"""A private key of the STARK curve and what follows from it.

Two further secrets are derived from it with HKDF-SHA256 (RFC 5869), so that one keystore is enough to hold an account:

    material       = the private key, 32 bytes, big-endian
    salt           = "bitsage wallet v1"
    seal secret    = HKDF(material, salt, "seal ed25519", 32 bytes)                    an Ed25519 seed
    payment secret = HKDF(material, salt, "payment elgamal", 48 bytes) mod (n - 1) + 1  uniform up to 2^-132
"""

from functools import cached_property
from typing import NoReturn

import fast_stark_crypto
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from .address import address_of
from .curve import ORDER
from .errors import KeyInvalid

_SALT = b"bitsage wallet v1"


class Key:
    """A private key in [1, n). Never printed: `repr` and `str` show the address alone.

    Raises KeyInvalid for a number outside the range.
    """

    def __init__(self, secret: int) -> None:
        if isinstance(secret, bool) or not isinstance(secret, int):
            raise KeyInvalid("it is not a whole number")
        if not 0 < secret < ORDER:
            raise KeyInvalid("it is not between 1 and the order of the curve")
        self._secret = secret

    @property
    def secret(self) -> int:
        """The private key itself, for the keystore and for signing."""
        return self._secret

    @cached_property
    def public_key(self) -> bytes:
        """x coordinate of secret * G, 32 bytes big-endian."""
        return int(fast_stark_crypto.get_public_key(self._secret)).to_bytes(32, "big")

    @cached_property
    def address(self) -> bytes:
        """The account's address, 32 bytes."""
        return address_of(self.public_key)

    @cached_property
    def seal_secret(self) -> bytes:
        """Ed25519 seed, 32 bytes, for the seals of the event log."""
        return self._derive(b"seal ed25519", 32)

    @cached_property
    def payment_secret(self) -> int:
        """ElGamal secret in [1, n) for encrypted payments."""
        return int.from_bytes(self._derive(b"payment elgamal", 48), "big") % (ORDER - 1) + 1

    def _derive(self, info: bytes, length: int) -> bytes:
        kdf = HKDF(algorithm=SHA256(), length=length, salt=_SALT, info=info)
        return kdf.derive(self._secret.to_bytes(32, "big"))

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Key) and self._secret == other._secret

    def __hash__(self) -> int:
        return hash(self.public_key)

    def __repr__(self) -> str:
        return f"Key(address=0x{self.address.hex()})"

    def __reduce__(self) -> NoReturn:
        # A pickled key would be a private key in clear on a disk or in a pipe.
        raise TypeError("a key is not pickled; hand over its keystore")
