"""A transfer of factor * units out of an encrypted balance, with everything that makes it true.

    version 1 (1 byte) || recipients k (1 byte) || amount: C, D_0 .. D_k || remaining: C', D'
    || opening proof of the amount || opening and equality proof of what remains || range proof (40 and 48 bits)

D_0 is the sender's handle. The remaining ciphertext is made afresh and becomes the sender's balance; that it holds
balance - factor*amount is shown with the sender's secret, so it does not matter who made the credits in the balance.
Every sub-proof's context is the digest of the whole statement and the sub-proof's name.
"""

import secrets
from collections.abc import Sequence
from dataclasses import dataclass

from fastecdsa.rust import Point

from .balances import check_factor, decode_balance, holds_units
from .curve import POINT_BYTES, RandomBits, decode_point, random_scalar
from .elgamal import BALANCE_BITS, PAYMENT_BITS, Ciphertext, PaymentKey, encrypt
from .equations import Equation
from .errors import EncodingInvalid, PrivacyError, ProofInvalid
from .opening_proof import OpeningProof, opening_equations, prove_opening
from .range_proof import RangeProof, prove_range, range_equations
from .sameness import prove_sameness, sameness_equations, sameness_size
from .transcript import Transcript
from .verification import Batch, settle

LABEL = "BITSAGE_TRANSFER_V1"
MAX_RECIPIENTS = 8
_BITS = (PAYMENT_BITS, BALANCE_BITS)
_VERSION = 1


@dataclass(frozen=True, slots=True)
class Transfer:
    """amount: C || D_sender || D_1 .. D_k, of `units` (not of factor * units); remaining: the sender's new balance."""

    amount: bytes
    remaining: bytes

    def handle(self, index: int) -> bytes:
        """C || D_index, the amount as one recipient sees it; 0 is the sender.

        Raises:
            IndexError: there is no such recipient.
        """
        start = POINT_BYTES * (1 + index)
        if index < 0 or start >= len(self.amount):
            raise IndexError("the transfer has no such recipient")
        return self.amount[:POINT_BYTES] + self.amount[start : start + POINT_BYTES]


@dataclass(frozen=True, slots=True)
class _Statement:
    """What a transfer says: everything public."""

    balance: Ciphertext
    sender: Point
    recipients: tuple[Point, ...]
    factor: int
    context: bytes
    amount: Ciphertext
    remaining: Ciphertext

    @property
    def keys(self) -> tuple[Point, ...]:
        return (self.sender, *self.recipients)

    @property
    def source(self) -> Ciphertext:
        """balance - factor * amount, under the sender's key; computed, so it may be infinity."""
        taken = Ciphertext(self.amount.commitment, self.amount.handles[:1]).scale(self.factor)
        balance = self.balance
        return Ciphertext(balance.commitment - taken.commitment, (balance.handle - taken.handle,))

    def digest(self) -> bytes:
        transcript = Transcript(LABEL)
        transcript.absorb_bytes(self.context)
        transcript.absorb_number(self.factor)
        transcript.absorb_number(len(self.recipients))
        transcript.absorb_computed(self.balance.commitment, self.balance.handle)
        transcript.absorb_points(*self.keys, self.amount.commitment, *self.amount.handles)
        transcript.absorb_points(self.remaining.commitment, self.remaining.handle)
        return transcript.digest()


def transfer_size(recipients: int) -> int:
    """Bytes of a transfer to so many recipients."""
    parts = POINT_BYTES * (2 + recipients) + 2 * POINT_BYTES + OpeningProof.size(1 + recipients)
    return 2 + parts + sameness_size() + RangeProof.size(_BITS)


def make_transfer(
    *,
    secret: int,
    balance: bytes,
    units: int,
    available_units: int,
    recipients: Sequence[bytes],
    factor: int,
    context: bytes,
    rng: RandomBits = secrets.randbits,
) -> bytes:
    """Take factor * units from the balance, which holds `available_units` under the secret.

    `recipients` are 1 to 8 public keys; each of them can decrypt `units`. `rng` is for published vectors only.

    Raises:
        EncodingInvalid: a key, the balance or the secret does not have its form.
        AmountOutOfRange: units, the factor or what would remain is out of range.
        ProofInvalid: the balance does not hold `available_units`.
    """
    key, before, publics = PaymentKey(secret), decode_balance(balance), _keys(recipients)
    remaining_units = available_units - check_factor(factor) * units
    if not holds_units(before, key, available_units):
        raise ProofInvalid("balance")
    r, fresh = random_scalar(rng), random_scalar(rng)
    amount = encrypt(units, [key.point, *publics], r)
    remaining = encrypt(remaining_units, [key.point], fresh, BALANCE_BITS)
    statement = _Statement(before, key.point, publics, factor, context, amount, remaining)
    digest = statement.digest()
    opening = prove_opening(units, r, amount, statement.keys, digest + b"amount", rng)
    rest = prove_sameness(
        key, statement.source, remaining_units, fresh, remaining, [key.point], digest + b"remaining", rng
    )
    ranges = prove_range((units, remaining_units), (r, fresh), _BITS, digest + b"range", rng)
    head = bytes([_VERSION, len(publics)]) + amount.to_bytes() + remaining.to_bytes()
    return head + opening.to_bytes() + rest + ranges.to_bytes()


def verify_transfer(
    transfer: bytes,
    *,
    balance: bytes,
    sender_key: bytes,
    recipients: Sequence[bytes],
    factor: int,
    context: bytes,
    batch: Batch | None = None,
) -> Transfer | None:
    """What the transfer says, or None if it does not hold; with a batch it is checked there.

    It shows: all keys decrypt one amount of units with 0 <= units < 2^40; the remaining ciphertext holds the balance less
    factor * units; that is not negative and below 2^48. Never raises on hostile bytes.
    """
    try:
        publics = _keys(recipients)
        if len(transfer) != transfer_size(len(publics)) or transfer[:2] != bytes([_VERSION, len(publics)]):
            return None
        amount_end = 2 + POINT_BYTES * (2 + len(publics))
        head_end = amount_end + 2 * POINT_BYTES
        statement = _Statement(
            decode_balance(balance),
            decode_point(sender_key),
            publics,
            check_factor(factor),
            context,
            Ciphertext.from_bytes(transfer[2:amount_end], 1 + len(publics)),
            Ciphertext.from_bytes(transfer[amount_end:head_end]),
        )
        equations = _equations(statement, transfer[head_end:])
    except PrivacyError:
        return None
    if not settle(equations, batch):
        return None
    return Transfer(transfer[2:amount_end], transfer[amount_end:head_end])


def _equations(statement: _Statement, proofs: bytes) -> list[Equation] | None:
    digest, recipients = statement.digest(), len(statement.keys)
    first = OpeningProof.size(recipients)
    second = first + sameness_size()
    opening = OpeningProof.from_bytes(proofs[:first], recipients)
    ranges = RangeProof.from_bytes(proofs[second:], _BITS)
    remaining, sender = statement.remaining, statement.sender
    parts = (
        opening_equations(opening, statement.amount, statement.keys, digest + b"amount"),
        sameness_equations(proofs[first:second], statement.source, sender, remaining, [sender], digest + b"remaining"),
        range_equations(ranges, (statement.amount.commitment, remaining.commitment), _BITS, digest + b"range"),
    )
    equations: list[Equation] = []
    for part in parts:
        if part is None:
            return None
        equations += part
    return equations


def _keys(recipients: Sequence[bytes]) -> tuple[Point, ...]:
    if not 0 < len(recipients) <= MAX_RECIPIENTS:
        raise EncodingInvalid(f"a transfer has 1 to {MAX_RECIPIENTS} recipients")
    return tuple(map(decode_point, recipients))
