"""Commands to the accounts stream: wallet, faucet, stake, escrow, payment and disputes."""

from dataclasses import dataclass

from .parts import JobSpec
from .types import Amount, Bytes16, Bytes32, CommandBody


@dataclass(frozen=True, slots=True, kw_only=True)
class CreateWallet(CommandBody):
    """Announce the signer's public key."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RequestTokens(CommandBody):
    """Ask the faucet for its grant."""


@dataclass(frozen=True, slots=True, kw_only=True)
class StakeTokens(CommandBody):
    """Move `amount` of the balance into stake for `tier`."""

    amount: Amount
    tier: str


@dataclass(frozen=True, slots=True, kw_only=True)
class RequestUnstake(CommandBody):
    """Take `amount` out of the stake; it unlocks after the lock time."""

    amount: Amount


@dataclass(frozen=True, slots=True, kw_only=True)
class WithdrawStake(CommandBody):
    """Move unlocked stake back to the balance."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SubmitJob(CommandBody):
    """Ask for a job; the subject is the client, so that funds are escrowed where they lie.

    A sealed offer has its price in `transfer`, which is made at the private account's `sequence`.
    """

    spec: JobSpec
    sequence: int = 0
    transfer: bytes = b""


@dataclass(frozen=True, slots=True, kw_only=True)
class ReleaseEscrow(CommandBody):
    """An approved job: divide the escrow."""

    job_id: Bytes16
    worker: Bytes32
    cost: Amount
    proof_commitment: Bytes32
    payment_nonce: int


@dataclass(frozen=True, slots=True, kw_only=True)
class RefundEscrow(CommandBody):
    """A failed or cancelled job: give the escrow back."""

    job_id: Bytes16
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class OwePayment(CommandBody):
    """A released escrow's part for the worker (the subject)."""

    job_id: Bytes16
    amount: Amount
    proof_commitment: Bytes32
    payment_nonce: int
    ciphertext: bytes = b""


@dataclass(frozen=True, slots=True, kw_only=True)
class PayWorker(CommandBody):
    """The encrypted form of a payment that is due."""

    job_id: Bytes16
    payment: bytes
    proof_commitment: Bytes32
    payment_nonce: int


@dataclass(frozen=True, slots=True, kw_only=True)
class CollectFees(CommandBody):
    """Income of the treasury (the subject): a job's fee (`source` is `job_fee`) or a slash (its reason) of `payer`."""

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


@dataclass(frozen=True, slots=True, kw_only=True)
class SlashStake(CommandBody):
    """Take the share that `reason` stands for from the subject's stake, but `collateral` at least; once per (reason, job,
    attempt, round)."""

    reason: str
    job_id: Bytes16
    attempt: int
    reporter: Bytes32 | None = None
    collateral: Amount = 0
    round: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class GrantReward(CommandBody):
    """Credit the reporter (the subject) with its part of a slash."""

    amount: Amount
    slashed: Bytes32
    reason: str
    job_id: Bytes16
    attempt: int
    round: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class FileDispute(CommandBody):
    """Contest the decision on an attempt's proof; a bond leaves the signer's balance until the dispute is over."""

    job_id: Bytes16
    attempt: int


@dataclass(frozen=True, slots=True, kw_only=True)
class SettleBond(CommandBody):
    """The subject's dispute is over or was not admitted: give its bond back, or divide it when `lost`."""

    job_id: Bytes16
    attempt: int
    filing: int
    outcome: str
    lost: bool
    reporter: Bytes32 | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class RestoreStake(CommandBody):
    """A slash of the subject followed from a decision that was overturned: claim it back."""

    reason: str
    job_id: Bytes16
    attempt: int


@dataclass(frozen=True, slots=True, kw_only=True)
class PayRestitution(CommandBody):
    """The treasury (the subject) owes `account` what it lost by a slash that was overturned."""

    account: Bytes32
    amount: Amount
    reason: str
    job_id: Bytes16
    attempt: int


@dataclass(frozen=True, slots=True, kw_only=True)
class GrantRestitution(CommandBody):
    """Credit the subject with what the treasury paid."""

    amount: Amount
    reason: str
    job_id: Bytes16
    attempt: int
