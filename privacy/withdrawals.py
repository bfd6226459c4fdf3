"""A public amount taken out of an encrypted balance: what remains is made afresh and is not negative.

    version 1 (1 byte) || remaining: C', D' || opening and equality proof of what remains || range proof (48 bits)

The equality proof's source is (C - units*G, D): the balance less the public amount.
"""

import secrets
from dataclasses import dataclass

from fastecdsa.rust import Point

from .balances import BALANCE_BYTES, decode_balance, holds_units
from .curve import RandomBits, decode_point, random_scalar
from .elgamal import BALANCE_BITS, Ciphertext, PaymentKey, encrypt
from .errors import AmountOutOfRange, PrivacyError, ProofInvalid
from .fixed_base import times_g
from .range_proof import RangeProof, prove_range, range_equations
from .sameness import prove_sameness, sameness_equations, sameness_size
from .transcript import Transcript
from .verification import Batch, settle

LABEL = "BITSAGE_WITHDRAWAL_V1"
_BITS = (BALANCE_BITS,)
_VERSION = b"\x01"
_HEAD = 1 + BALANCE_BYTES
WITHDRAWAL_BYTES = _HEAD + sameness_size() + RangeProof.size(_BITS)


@dataclass(frozen=True, slots=True)
class _Statement:
    """What a withdrawal says: everything public."""

    balance: Ciphertext
    owner: Point
    units: int
    context: bytes
    remaining: Ciphertext

    @property
    def source(self) -> Ciphertext:
        """The balance less the units; computed, so it may be infinity."""
        return Ciphertext(self.balance.commitment - times_g(self.units), self.balance.handles)

    def digest(self) -> bytes:
        transcript = Transcript(LABEL)
        transcript.absorb_bytes(self.context)
        transcript.absorb_number(self.units)
        transcript.absorb_computed(self.balance.commitment, self.balance.handle)
        transcript.absorb_points(self.owner, self.remaining.commitment, self.remaining.handle)
        return transcript.digest()


def make_withdrawal(
    *,
    secret: int,
    balance: bytes,
    units: int,
    available_units: int,
    context: bytes,
    rng: RandomBits = secrets.randbits,
) -> bytes:
    """Take public `units` from the balance, which holds `available_units`. `rng` is for published vectors only.

    Raises:
        EncodingInvalid: the balance or the secret does not have its form.
        AmountOutOfRange: the units or what would remain is out of range.
        ProofInvalid: the balance does not hold `available_units`.
    """
    key, before = PaymentKey(secret), decode_balance(balance)
    _check_units(units)
    if not holds_units(before, key, available_units):
        raise ProofInvalid("balance")
    left, fresh = available_units - units, random_scalar(rng)
    remaining = encrypt(left, [key.point], fresh, BALANCE_BITS)
    statement = _Statement(before, key.point, units, context, remaining)
    digest = statement.digest()
    rest = prove_sameness(key, statement.source, left, fresh, remaining, [key.point], digest + b"remaining", rng)
    ranges = prove_range((left,), (fresh,), _BITS, digest + b"range", rng)
    return _VERSION + remaining.to_bytes() + rest + ranges.to_bytes()


def verify_withdrawal(
    withdrawal: bytes, *, balance: bytes, key: bytes, units: int, context: bytes, batch: Batch | None = None
) -> bytes | None:
    """The remaining balance, or None if the withdrawal does not hold; with a batch it is checked there.

    Never raises on hostile bytes.
    """
    try:
        if len(withdrawal) != WITHDRAWAL_BYTES or withdrawal[:1] != _VERSION:
            return None
        remaining = Ciphertext.from_bytes(withdrawal[1:_HEAD])
        owner = decode_point(key)
        statement = _Statement(decode_balance(balance), owner, _check_units(units), context, remaining)
        digest, middle = statement.digest(), _HEAD + sameness_size()
        ranges = RangeProof.from_bytes(withdrawal[middle:], _BITS)
        rest = sameness_equations(
            withdrawal[_HEAD:middle], statement.source, owner, remaining, [owner], digest + b"remaining"
        )
        bounds = range_equations(ranges, (remaining.commitment,), _BITS, digest + b"range")
    except PrivacyError:
        return None
    equations = None if rest is None or bounds is None else rest + bounds
    return withdrawal[1:_HEAD] if settle(equations, batch) else None


def _check_units(units: int) -> int:
    if not 0 <= units < 1 << BALANCE_BITS:
        raise AmountOutOfRange(BALANCE_BITS)
    return units
