"""The STARK curve and strict encodings of its points and scalars (privacy specification, section 1).

y^2 = x^3 + x + beta over p = 2^251 + 17*2^192 + 1, of prime order n (cofactor 1: every point but infinity generates the
group). Point arithmetic is `fastecdsa`'s. Its multiplication is not constant in time: run provers on machines of their
own.
"""

import secrets
from collections.abc import Callable

from fastecdsa.rust import Curve, Point
from gmpy2 import jacobi, mpz

from .errors import EncodingInvalid

FIELD_PRIME = 2**251 + 17 * 2**192 + 1
ORDER = 0x800000000000010FFFFFFFFFFFFFFFFB781126DCAE7B2321E66A241ADC64D2F
ALPHA = 1
BETA = 0x6F21413EFBE40DE150E596D72F7A8C5609AD26C15C915C1F4CDFCB99CEE9E89

CURVE = Curve(
    "stark",
    FIELD_PRIME,
    ALPHA,
    BETA,
    ORDER,
    0x1EF15C18599971B7BECED415A40F0C7DEACFD9B0D1819E03D723D8BC943CFCA,
    0x5668060AA49730B7BE4801DF46EC62DE53ECD11ABE43A32873000C36E8DC1F,
)
G: Point = CURVE.G
"""The standard generator."""

H: Point = Point(
    0x66ECBEF11B5B2F0F83FB683F3DD71CC154BE0B5AA7B575B2A00F49F8FD74286,
    0x17B9BEEFC3464486E4E723F5A2996F2A7776E4160CBD81162D7CB22EB953447,
    CURVE,
)
"""The second base: nobody knows log_G H. By try-and-increment from Poseidon, as docs/payments.md says."""

POINT_BYTES = 64
COMPRESSED_BYTES = 33
SCALAR_BYTES = 32

RandomBits = Callable[[int], int]
"""Uniform integers of so many bits, as `secrets.randbits` gives them."""


def square_root(value: int) -> int | None:
    """The smaller square root of `value` mod p, or None when it is no square (Tonelli-Shanks, p - 1 = 2^192 * q)."""
    p, value = mpz(FIELD_PRIME), mpz(value % FIELD_PRIME)
    if value == 0:
        return 0
    if jacobi(value, p) != 1:
        return None
    q = (p - 1) >> 192
    # 3 generates the multiplicative group of the field, so it is no square.
    order, c, t, root = 192, pow(mpz(3), q, p), pow(value, q, p), pow(value, (q + 1) // 2, p)
    while t != 1:
        i, square = 0, t
        while square != 1:
            square = square * square % p
            i += 1
        b = pow(c, 1 << (order - i - 1), p)
        order, c = i, b * b % p
        t, root = t * c % p, root * b % p
    return int(min(root, p - root))


def right_side(x: int) -> int:
    """x^3 + x + beta mod p."""
    return (x * x * x + ALPHA * x + BETA) % FIELD_PRIME


def is_identity(point: Point) -> bool:
    """Whether the point is infinity."""
    return point.z == 0


def random_scalar(rng: RandomBits = secrets.randbits) -> int:
    """Uniform in [1, n) by rejection. `rng` is for published vectors only; the default is the operating system's."""
    while True:
        candidate = rng(252)
        if 0 < candidate < ORDER:
            return candidate


def encode_point(point: Point) -> bytes:
    """64 bytes: x and y, big-endian.

    Raises:
        EncodingInvalid: infinity has no encoding.
    """
    if is_identity(point):
        raise EncodingInvalid("the point at infinity has no encoding")
    return point.x.to_bytes(32, "big") + point.y.to_bytes(32, "big")


def decode_point(data: bytes) -> Point:
    """The point that `encode_point` wrote.

    Raises:
        EncodingInvalid: wrong length, a coordinate >= p, or not on the curve (infinity never is).
    """
    if len(data) != POINT_BYTES:
        raise EncodingInvalid(f"a point has {POINT_BYTES} bytes, not {len(data)}")
    x, y = int.from_bytes(data[:32], "big"), int.from_bytes(data[32:], "big")
    # The library reduces coordinates silently and panics beyond 2^256: both are settled here.
    if x >= FIELD_PRIME or y >= FIELD_PRIME:
        raise EncodingInvalid("a coordinate of the point is not a field element")
    if y * y % FIELD_PRIME != right_side(x):
        raise EncodingInvalid("the point is not on the curve")
    return Point(x, y, CURVE)


def compress_point(point: Point) -> bytes:
    """33 bytes: 02 or 03 by the parity of y, then x big-endian (SEC 1, section 2.3.3).

    Raises:
        EncodingInvalid: infinity has no encoding.
    """
    if is_identity(point):
        raise EncodingInvalid("the point at infinity has no encoding")
    return bytes([2 | (point.y & 1)]) + point.x.to_bytes(32, "big")


def decompress_point(data: bytes) -> Point:
    """The point that `compress_point` wrote; takes a square root, so 64-byte encodings are the faster ones.

    Raises:
        EncodingInvalid: wrong length or prefix, x >= p, or no point of the curve has this x.
    """
    if len(data) != COMPRESSED_BYTES or data[0] not in (2, 3):
        raise EncodingInvalid("a compressed point has 33 bytes and begins with 02 or 03")
    x = int.from_bytes(data[1:], "big")
    if x >= FIELD_PRIME:
        raise EncodingInvalid("a coordinate of the point is not a field element")
    y = square_root(right_side(x))
    if y is None:
        raise EncodingInvalid("the point is not on the curve")
    # y is never 0: the order of the group is odd, so no point has order two.
    return Point(x, y if y & 1 == data[0] & 1 else FIELD_PRIME - y, CURVE)


def encode_scalar(scalar: int) -> bytes:
    """32 bytes, big-endian, of a scalar in [1, n).

    Raises:
        EncodingInvalid: zero, negative or >= n.
    """
    if not 0 < scalar < ORDER:
        raise EncodingInvalid("a scalar lies in [1, n)")
    return scalar.to_bytes(SCALAR_BYTES, "big")


def decode_scalar(data: bytes) -> int:
    """The scalar that `encode_scalar` wrote.

    Raises:
        EncodingInvalid: wrong length, zero or >= n.
    """
    if len(data) != SCALAR_BYTES:
        raise EncodingInvalid(f"a scalar has {SCALAR_BYTES} bytes, not {len(data)}")
    scalar = int.from_bytes(data, "big")
    if not 0 < scalar < ORDER:
        raise EncodingInvalid("a scalar lies in [1, n)")
    return scalar
