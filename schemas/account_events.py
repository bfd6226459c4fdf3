"""Events of the accounts stream: wallet, faucet, stake, escrow, payment (subject: account address, or `treasury`)."""

from dataclasses import dataclass

from .types import Amount, Bytes16, Bytes32, EventBody, Millis, Rejection


@dataclass(frozen=True, slots=True, kw_only=True)
class WalletCreated(EventBody):
    """An account announced its public key."""

    address: Bytes32
    public_key: Bytes32


@dataclass(frozen=True, slots=True, kw_only=True)
class TokensGranted(EventBody):
    """The faucet credited test tokens: `amount` of SAGE, `gas_amount` of the gas token (base units)."""

    amount: Amount
    gas_amount: Amount


@dataclass(frozen=True, slots=True, kw_only=True)
class Staked(EventBody):
    """Balance moved into stake; `total` is the stake afterwards, for `tier`."""

    amount: Amount
    total: Amount
    tier: str


@dataclass(frozen=True, slots=True, kw_only=True)
class StakeRejected(Rejection):
    """Stake that was refused; `required` and `current` in base units."""

    required: Amount = 0
    current: Amount = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class UnstakeRequested(EventBody):
    """Stake stopped counting and is locked until `unlock_at`."""

    amount: Amount
    unlock_at: Millis


@dataclass(frozen=True, slots=True, kw_only=True)
class Unstaked(EventBody):
    """Unlocked stake moved back to the balance."""

    amount: Amount


@dataclass(frozen=True, slots=True, kw_only=True)
class Slashed(EventBody):
    """Stake was taken; `reporter_amount` + `burnt` + `treasury` = `amount`; `remaining` is the stake left.

    `round` is 0 for the decision on the proof, and counts the disputes of the attempt from 1.
    """

    amount: Amount
    reason: str
    job_id: Bytes16
    attempt: int
    reporter: Bytes32
    reporter_amount: Amount
    burnt: Amount
    treasury: Amount
    remaining: Amount
    round: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class RewardGranted(EventBody):
    """The reporter's part of a slash or of a lost bond, credited to the reporter's balance."""

    amount: Amount
    slashed: Bytes32
    reason: str
    job_id: Bytes16
    attempt: int
    round: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class DisputeFiled(EventBody):
    """The account contests the decision on an attempt's proof, as its `filing`-th dispute; `bond` left its balance."""

    job_id: Bytes16
    attempt: int
    filing: int
    bond: Amount


@dataclass(frozen=True, slots=True, kw_only=True)
class BondReturned(EventBody):
    """The bond went back to the balance: overturned, expired, or not admitted (`outcome` is the refusal's code)."""

    job_id: Bytes16
    attempt: int
    amount: Amount
    outcome: str


@dataclass(frozen=True, slots=True, kw_only=True)
class BondForfeited(EventBody):
    """The dispute was lost and its bond divided like a slash; the parts add up to `amount`."""

    job_id: Bytes16
    attempt: int
    amount: Amount
    reporter: Bytes32
    reporter_amount: Amount
    burnt: Amount
    treasury: Amount


@dataclass(frozen=True, slots=True, kw_only=True)
class RestitutionClaimed(EventBody):
    """A slash of the account was overturned; `amount` of it went to the protocol and is asked back. Nothing moved yet."""

    amount: Amount
    reason: str
    job_id: Bytes16
    attempt: int


@dataclass(frozen=True, slots=True, kw_only=True)
class RestitutionPaid(EventBody):
    """The treasury paid `amount` for an overturned slash; `shortfall` is what it could not pay, now or later."""

    account: Bytes32
    amount: Amount
    shortfall: Amount
    reason: str
    job_id: Bytes16
    attempt: int


@dataclass(frozen=True, slots=True, kw_only=True)
class RestitutionGranted(EventBody):
    """What the treasury paid, credited to the balance."""

    amount: Amount
    reason: str
    job_id: Bytes16
    attempt: int


@dataclass(frozen=True, slots=True, kw_only=True)
class EscrowLocked(EventBody):
    """Funds for a job left the client's balance: `amount`, or for a sealed offer a hidden one.

    `transfer` is the proof, `ciphertext` the price's unit with the handles of client, escrow and any auditor.
    """

    job_id: Bytes16
    amount: Amount
    transfer: bytes = b""
    ciphertext: bytes = b""
    available: bytes = b""
    sequence: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class EscrowReleased(EventBody):
    """An approved job's escrow was divided; the parts and `refund` add up to what was locked.

    Of a sealed offer the amounts are 0 and `ciphertext` is the price's unit for the escrow's key.
    """

    job_id: Bytes16
    worker: Bytes32
    worker_amount: Amount
    protocol_amount: Amount
    refund: Amount
    proof_commitment: Bytes32
    payment_nonce: int
    ciphertext: bytes = b""


@dataclass(frozen=True, slots=True, kw_only=True)
class EscrowRefunded(EventBody):
    """The escrow went back to the client: `amount` to the balance, or a sealed price to `pending`."""

    job_id: Bytes16
    amount: Amount
    reason: str
    ciphertext: bytes = b""
    pending: bytes = b""
    credit: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class PaymentDue(EventBody):
    """The worker's part of a released escrow, waiting to be encrypted under `payment_key`.

    Either `amount`, or 0 and the `ciphertext` of a sealed price's unit for the escrow's key.
    """

    job_id: Bytes16
    worker: Bytes32
    amount: Amount
    payment_key: bytes
    proof_commitment: Bytes32
    payment_nonce: int
    ciphertext: bytes = b""


@dataclass(frozen=True, slots=True, kw_only=True)
class PaymentEncrypted(EventBody):
    """The payment as a twisted ElGamal ciphertext with its proofs, bound to the proof, the job and the nonce.

    `ciphertext` is for the worker: what is paid, or of a sealed offer the price's unit, which counts by the worker's share.
    """

    job_id: Bytes16
    worker: Bytes32
    payment: bytes
    proof_commitment: Bytes32
    payment_nonce: int
    ciphertext: bytes = b""
    pending: bytes = b""
    credit: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class FeesDistributed(EventBody):
    """The treasury took in a fee (`source` is `job_fee`) or a slash (its reason); the parts add up to `amount`.

    Of a sealed fee the amounts are 0: `ciphertext` is the price's unit, `sealed_fees` the sum of them after the event.
    """

    job_id: Bytes16
    attempt: int
    payer: Bytes32
    source: str
    amount: Amount
    burnt: Amount
    treasury: Amount
    stakers: Amount
    round: int = 0
    ciphertext: bytes = b""
    sealed_fees: bytes = b""


@dataclass(frozen=True, slots=True, kw_only=True)
class JobRejected(Rejection):
    """A job that was not admitted; no funds moved."""

    job_id: Bytes16
