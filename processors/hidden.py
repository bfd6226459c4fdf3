"""What every rule about hidden amounts shares: a private account's place, the split of a price, proof contexts.

A ciphertext is a commitment C and one handle for each reader, 64 bytes each (`schemas/hidden_events.py`); nothing here
reads it. A sealed price is a whole multiple of a hidden unit, so that its split is exact by scaling alone.
"""

from dataclasses import dataclass
from math import gcd

from bitsage.schemas.parameters import PAYMENT_UNIT, Parameters

from .model import Rules

_POINT = 64
#: A hidden balance is below 2^48 units (privacy specification, section 2); base units.
HIDDEN_MAX = PAYMENT_UNIT << 48
#: Which handle of an escrow's ciphertext is whose.
CLIENT, ESCROW = 0, 1
#: Which handle of a transfer's ciphertext is whose.
SENDER, RECIPIENT = 0, 1


@dataclass(frozen=True, slots=True)
class PrivateAccount:
    """`available` can be spent, `pending` is what arrived since; ciphertexts under `payment_key`, empty for nothing.

    `sequence` rises with every change of `available`, so a proof about it holds once. `credits` counts what arrived in
    `pending`, `folded` how many of those have been folded into `available`.
    """

    payment_key: bytes = b""
    available: bytes = b""
    pending: bytes = b""
    sequence: int = 0
    credits: int = 0
    folded: int = 0

    @property
    def waiting(self) -> int:
        """How many credits are in `pending`."""
        return self.credits - self.folded


@dataclass(frozen=True, slots=True)
class Shares:
    """A price of `price` hidden units: the worker's, the burnt, the treasury's and the stakers' part of it."""

    price: int
    worker: int
    burnt: int
    treasury: int
    stakers: int

    @property
    def protocol(self) -> int:
        """The protocol's part."""
        return self.price - self.worker


def shares(parameters: Parameters) -> Shares:
    """The smallest whole shares that divide a price as the percentages say; by default 50 = 40 + 7 + 2 + 1."""
    fee = 100 - parameters.worker_percent
    worker = 100 * parameters.worker_percent
    burnt, treasury = fee * parameters.fee_burnt_percent, fee * parameters.fee_treasury_percent
    stakers = 10_000 - worker - burnt - treasury
    common = gcd(worker, burnt, treasury, stakers)
    return Shares(*(part // common for part in (10_000, worker, burnt, treasury, stakers)))


def handle(ciphertext: bytes, reader: int) -> bytes:
    """C and the one handle of reader `reader` (from 0)."""
    return ciphertext[:_POINT] + ciphertext[_POINT * (1 + reader) : _POINT * (2 + reader)]


def units_of(amount: int) -> int | None:
    """Units of an amount in base units; None when it is no whole number of them."""
    units, rest = divmod(amount, PAYMENT_UNIT)
    return None if rest else units


def readers(first: bytes, rules: Rules) -> list[bytes]:
    """The keys that can read an amount besides the sender's: `first`, and the auditor's where the network has one."""
    return [first, rules.auditor_key] if rules.auditor_key else [first]


def _context(purpose: str, rules: Rules, *parts: bytes | int) -> bytes:
    data = [purpose.encode(), rules.chain_id.encode()]
    data += [part if isinstance(part, bytes) else part.to_bytes(8, "big") for part in parts]
    return b"".join(len(part).to_bytes(4, "big") + part for part in data)


def escrow_context(rules: Rules, client: bytes, sequence: int) -> bytes:
    """What the transfer into an escrow is bound to; the ciphertexts are part of its statement."""
    return _context("bitsage escrow v1", rules, client, sequence)


def transfer_context(rules: Rules, sender: bytes, sequence: int, recipient: bytes) -> bytes:
    """What a transfer is bound to."""
    return _context("bitsage transfer v1", rules, sender, sequence, recipient)


def withdrawal_context(rules: Rules, owner: bytes, sequence: int) -> bytes:
    """What a withdrawal is bound to."""
    return _context("bitsage withdrawal v1", rules, owner, sequence)


def payment_context(rules: Rules, proof_commitment: bytes, job_id: bytes, nonce: int, worker: bytes) -> bytes:
    """What the worker's part of a sealed price is bound to."""
    return _context("bitsage payment v1", rules, proof_commitment, job_id, nonce, worker)


def price_context(rules: Rules, job_id: bytes, attempt: int, worker: bytes) -> bytes:
    """What a price that is shared with a worker is bound to."""
    return _context("bitsage price v1", rules, job_id, attempt, worker)


def is_sequence(value: int) -> bool:
    """Whether the number fits the eight bytes that contexts give it."""
    return 0 <= value < 1 << 63
