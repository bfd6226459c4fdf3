"""Encrypted balances as opaque bytes: C || D under the owner's key, 64 bytes each; b"" is a balance of nothing.

Balances grow without their owner's help: public deposits add units*G to C, credits add whole ciphertexts. A sum can hit
infinity, which has no coordinates: it is written as 64 zero bytes, and (0, 0) is not on the curve. There is one encoding of
everything: both parts at infinity are b"" and nothing else. Whoever writes a balance has checked the proofs of what goes in.
"""

from fastecdsa.rust import Point

from .curve import ORDER, POINT_BYTES, decode_point, encode_point, is_identity
from .dlog import Table, decrypt, shared_table
from .elgamal import BALANCE_BITS, Ciphertext, PaymentKey
from .errors import AmountOutOfRange, EncodingInvalid
from .fixed_base import times_g
from .jacobian import IDENTITY

EMPTY = b""
FACTOR_LIMIT = 1 << 16
"""Factors lie below: a payment of 2^40 units times this is far below n, so nothing wraps around."""
BALANCE_BYTES = 2 * POINT_BYTES
_INFINITY = bytes(POINT_BYTES)


def encode_any(point: Point) -> bytes:
    """64 bytes; zeros for infinity."""
    return _INFINITY if is_identity(point) else encode_point(point)


def decode_any(data: bytes) -> Point:
    """What `encode_any` wrote.

    Raises:
        EncodingInvalid: wrong length or not a point.
    """
    return IDENTITY if data == _INFINITY else decode_point(data)


def encode_balance(balance: Ciphertext) -> bytes:
    """The one encoding of a balance."""
    data = encode_any(balance.commitment) + encode_any(balance.handle)
    return EMPTY if data == 2 * _INFINITY else data


def decode_balance(data: bytes) -> Ciphertext:
    """What `encode_balance` wrote.

    Raises:
        EncodingInvalid: anything else.
    """
    if data == EMPTY:
        return Ciphertext(IDENTITY, (IDENTITY,))
    if len(data) != BALANCE_BYTES:
        raise EncodingInvalid(f"a balance has {BALANCE_BYTES} bytes or none, not {len(data)}")
    if data == 2 * _INFINITY:
        raise EncodingInvalid("an empty balance has no bytes")
    return Ciphertext(decode_any(data[:POINT_BYTES]), (decode_any(data[POINT_BYTES:]),))


def check_factor(factor: int) -> int:
    """The factor itself.

    Raises:
        AmountOutOfRange: not in [1, 2^16).
    """
    if not 0 < factor < FACTOR_LIMIT:
        raise AmountOutOfRange(16)
    return factor


def deposited(balance: bytes, units: int) -> bytes:
    """The balance with a public amount of units added.

    Raises:
        EncodingInvalid: the balance is none.
        AmountOutOfRange: units are not in [0, 2^48).
    """
    if not 0 <= units < 1 << BALANCE_BITS:
        raise AmountOutOfRange(BALANCE_BITS)
    before = decode_balance(balance)
    return encode_balance(Ciphertext(before.commitment + times_g(units), before.handles))


def credited(balance: bytes, ciphertext: bytes, factor: int = 1) -> bytes:
    """The balance with `factor` times a ciphertext (C || D under the balance's key) added.

    Raises:
        EncodingInvalid: one of them is not what it should be.
        AmountOutOfRange: the factor is not in [1, 2^16).
    """
    part = Ciphertext.from_bytes(ciphertext)
    if check_factor(factor) != 1:
        part = part.scale(factor)
    return encode_balance(decode_balance(balance) + part)


def combined(balance: bytes, other: bytes) -> bytes:
    """The sum of two balances under one key: what was pending becomes available.

    Raises:
        EncodingInvalid: one of them is none.
    """
    return encode_balance(decode_balance(balance) + decode_balance(other))


def scaled(ciphertext: bytes, factor: int) -> bytes:
    """`factor` times a ciphertext with any number of handles: the same bytes for 5 times the amount.

    Raises:
        EncodingInvalid: it is no ciphertext.
        AmountOutOfRange: the factor is not in [1, 2^16).
    """
    handles = len(ciphertext) // POINT_BYTES - 1
    if handles < 1:
        raise EncodingInvalid("a ciphertext has a commitment and a handle at least")
    return Ciphertext.from_bytes(ciphertext, handles).scale(check_factor(factor)).to_bytes()


def decrypt_balance(
    balance: bytes, secret: int, *, hint: int | None = None, table: Table | None = None, bits: int = BALANCE_BITS
) -> int:
    """The units of a balance or of one ciphertext; `hint`, of any size, is tried first, then 0, then `table` up to 2^bits.

    The search (default: in the shared table) goes upwards: within a second up to 2^40 units, minutes near 2^48.

    Raises:
        EncodingInvalid: malformed balance or secret.
        NotDecryptable: not for this secret, or neither the hint nor below 2^bits units.
    """
    ciphertext, key = decode_balance(balance), PaymentKey(secret)
    for guess in (hint, 0):
        if guess is not None and 0 <= guess < ORDER and holds_units(ciphertext, key, guess):
            return guess
    return decrypt(key, ciphertext, table=table or shared_table(), bits=bits)


def holds_units(ciphertext: Ciphertext, key: PaymentKey, units: int) -> bool:
    """Whether the ciphertext decrypts to exactly these units under the key."""
    return bool(ciphertext.commitment - ciphertext.handle * key.secret == times_g(units % ORDER))
