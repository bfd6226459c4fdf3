"""Twisted ElGamal on the STARK curve (privacy specification, section 2; Chen et al., PGC, ESORICS 2020).

secret s in [1, n), public key P = s^-1 * H.  Encryption of m with randomness r: C = m*G + r*H, D_i = r*P_i for each
recipient i. C - s*D = m*G. C is a Pedersen commitment to m; ciphertexts under the same keys add up.
"""

import secrets
from collections.abc import Sequence
from dataclasses import dataclass
from typing import NoReturn, Self

from fastecdsa.rust import Point

from .curve import ORDER, POINT_BYTES, RandomBits, decode_point, encode_point, random_scalar
from .errors import AmountNotInUnits, AmountOutOfRange, EncodingInvalid
from .fixed_base import times_g, times_h

UNIT = 10**12
"""Base units in one unit of an encrypted amount: a micro-SAGE."""
PAYMENT_BITS = 40
"""A payment is below 2^40 units."""
BALANCE_BITS = 48
"""A balance is below 2^48 units."""


def to_units(amount: int, bits: int = PAYMENT_BITS) -> int:
    """The amount, given in base units, in units of 10^12; never rounded.

    Raises:
        AmountNotInUnits: no multiple of the unit.
        AmountOutOfRange: negative, or 2^bits units or more.
    """
    units, rest = divmod(amount, UNIT)
    if rest:
        raise AmountNotInUnits
    if not 0 <= units < 1 << bits:
        raise AmountOutOfRange(bits)
    return units


class PaymentKey:
    """A payment secret and its public key. `repr` shows the public key alone; it is not pickled.

    Raises EncodingInvalid for a secret outside [1, n).
    """

    __slots__ = ("_secret", "point")

    def __init__(self, secret: int) -> None:
        if not 0 < secret < ORDER:
            raise EncodingInvalid("a payment secret lies in [1, n)")
        self._secret = secret
        self.point: Point = times_h(pow(secret, -1, ORDER))

    @classmethod
    def generate(cls, rng: RandomBits = secrets.randbits) -> Self:
        """A fresh key from the operating system's randomness."""
        return cls(random_scalar(rng))

    @property
    def secret(self) -> int:
        """The secret itself, for provers."""
        return self._secret

    @property
    def public(self) -> bytes:
        """The public key as 64 bytes."""
        return encode_point(self.point)

    def __repr__(self) -> str:
        return f"PaymentKey(public=0x{self.public.hex()})"

    def __reduce__(self) -> NoReturn:
        raise TypeError("a payment key is not pickled")


@dataclass(frozen=True, slots=True)
class Ciphertext:
    """A commitment C and one handle D_i for each recipient."""

    commitment: Point
    handles: tuple[Point, ...]

    @property
    def handle(self) -> Point:
        """The first recipient's handle."""
        return self.handles[0]

    def __add__(self, other: "Ciphertext") -> "Ciphertext":
        """The encryption of the sum, for ciphertexts under the same keys in the same order.

        Raises:
            ValueError: they have different numbers of recipients.
        """
        if len(self.handles) != len(other.handles):
            raise ValueError("ciphertexts with different numbers of recipients do not add up")
        handles = tuple(a + b for a, b in zip(self.handles, other.handles, strict=True))
        return Ciphertext(self.commitment + other.commitment, handles)

    def scale(self, factor: int) -> "Ciphertext":
        """The encryption of `factor` times the amount; factor in [1, n)."""
        return Ciphertext(self.commitment * factor, tuple(handle * factor for handle in self.handles))

    def to_bytes(self) -> bytes:
        """64 * (1 + recipients) bytes.

        Raises:
            EncodingInvalid: a part is infinity.
        """
        return b"".join(encode_point(point) for point in (self.commitment, *self.handles))

    @classmethod
    def from_bytes(cls, data: bytes, recipients: int = 1) -> Self:
        """What `to_bytes` wrote.

        Raises:
            EncodingInvalid: wrong length, or a part that is not a point.
        """
        commitment, *handles = decode_points(data, 1 + recipients)
        return cls(commitment, tuple(handles))


def decode_points(data: bytes, count: int) -> list[Point]:
    """Exactly `count` points of 64 bytes each.

    Raises:
        EncodingInvalid: wrong length, or a part that is not a point.
    """
    if len(data) != count * POINT_BYTES:
        raise EncodingInvalid(f"{count} points have {count * POINT_BYTES} bytes, not {len(data)}")
    return [decode_point(data[i : i + POINT_BYTES]) for i in range(0, len(data), POINT_BYTES)]


def encrypt(units: int, recipients: Sequence[Point], randomness: int, bits: int = PAYMENT_BITS) -> Ciphertext:
    """The ciphertext of `units` under the recipients' public keys; `randomness` is fresh from `random_scalar`.

    Raises:
        AmountOutOfRange: units outside [0, 2^bits).
        ValueError: no recipient.
    """
    if not 0 <= units < 1 << bits:
        raise AmountOutOfRange(bits)
    if not recipients:
        raise ValueError("a ciphertext needs a recipient")
    return Ciphertext(times_g(units) + times_h(randomness), tuple(key * randomness for key in recipients))


def unblind(key: PaymentKey, ciphertext: Ciphertext, recipient: int = 0) -> Point:
    """m*G = C - s*D; the amount follows by a discrete logarithm (`dlog`) or by comparing with a known one."""
    return ciphertext.commitment - ciphertext.handles[recipient] * key.secret
