"""Supply in the dark: the commitments of all balances add up to the public total.

A deposit of a adds a*G to a commitment and a withdrawal takes it away; nothing else may change their sum but re-encryption,
whose fresh randomness moves a commitment by a multiple of H alone (that is what its equality proof shows). So

    sum of all commitments - sum of all shifts = (deposits - withdrawals) * G        exactly

where the shift of a re-encryption is the commitment after it less the commitment that it stands for.
"""

from .balances import check_factor, decode_any, decode_balance, encode_any
from .curve import ORDER, POINT_BYTES, decode_point
from .errors import EncodingInvalid
from .fixed_base import times_g
from .jacobian import IDENTITY

NO_COMMITMENT = bytes(POINT_BYTES)
"""The commitment to nothing: what an empty balance has."""


def commitment(balance: bytes) -> bytes:
    """The 64-byte commitment of a balance (b"" or C || D) or of a ciphertext with any number of handles.

    Raises:
        EncodingInvalid: it is neither.
    """
    if len(balance) <= 2 * POINT_BYTES:
        return encode_any(decode_balance(balance).commitment)
    if len(balance) % POINT_BYTES:
        raise EncodingInvalid("a ciphertext is a row of points")
    decode_point(balance[:POINT_BYTES])
    return balance[:POINT_BYTES]


class CommitmentSum:
    """A running sum of commitments."""

    def __init__(self) -> None:
        self._total = IDENTITY

    def add(self, value: bytes, factor: int = 1) -> None:
        """Add factor * commitment.

        Raises:
            EncodingInvalid: not a commitment.
            AmountOutOfRange: the factor is not in [1, 2^16).
        """
        point = decode_any(value)
        self._total = self._total + (point if check_factor(factor) == 1 else point * factor)

    def subtract(self, value: bytes, factor: int = 1) -> None:
        """Subtract factor * commitment; raises what `add` raises."""
        point = decode_any(value)
        self._total = self._total - (point if check_factor(factor) == 1 else point * factor)

    def to_bytes(self) -> bytes:
        """The sum as a commitment."""
        return encode_any(self._total)

    def opens_to(self, units: int) -> bool:
        """Whether the sum is units * G exactly, with no H in it; units may be negative."""
        return bool(self._total == times_g(units % ORDER))


def transfer_shift(before: bytes, amount: bytes, factor: int, remaining: bytes) -> bytes:
    """remaining - (before - factor * amount): the shift of a transfer's remaining balance.

    Raises what `CommitmentSum.add` raises.
    """
    total = CommitmentSum()
    total.add(commitment(remaining))
    total.add(commitment(amount), factor)
    total.subtract(commitment(before))
    return total.to_bytes()


def withdrawal_shift(before: bytes, units: int, remaining: bytes) -> bytes:
    """remaining - (before - units * G).

    Raises what `CommitmentSum.add` raises.
    """
    total = CommitmentSum()
    total.add(commitment(remaining))
    total.add(encode_any(times_g(units % ORDER)))
    total.subtract(commitment(before))
    return total.to_bytes()


def reencryption_shift(before: bytes, after: bytes) -> bytes:
    """after - before, of one ciphertext.

    Raises what `CommitmentSum.add` raises.
    """
    total = CommitmentSum()
    total.add(commitment(after))
    total.subtract(commitment(before))
    return total.to_bytes()
