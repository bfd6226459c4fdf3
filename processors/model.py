"""What every decider sees: the command, the rules, and the states that live under the command's subject."""

from dataclasses import dataclass, field
from typing import Protocol

from bitsage.schemas.parameters import Parameters
from bitsage.schemas.types import CommandBody

NETWORK = "network"
TREASURY = "treasury"


def account_subject(address: bytes) -> str:
    """The subject (and Kafka key) of an account, worker or validator: 0x and 64 hex digits."""
    return "0x" + address.hex()


def job_subject(job_id: bytes) -> str:
    """The subject of a job's streams: 32 hex digits."""
    return job_id.hex()


@dataclass(frozen=True, slots=True)
class Command:
    """A command whose signature, signer's key, clock, nonce and role have been checked by the kernel.

    `at` (ms) is when the broker appended it, not the time that its signer wrote into it: whatever starts or ends a
    period (attempts, tallies, locks, cooldowns) is measured on one clock that no signer sets.
    """

    body: CommandBody
    id: bytes
    subject: str
    at: int
    correlation: bytes
    actor: bytes
    public_key: bytes
    #: What the signer wrote as the time; copied into evidence, and never compared with anything.
    signed_at: int = 0


class Checks(Protocol):
    """Pure verifications that other rooms know how to do; wired in `nodes/`."""

    def job_input(self, job_type: str, job_input: str) -> tuple[str, str] | None:
        """None when the input suits the job type, else (reason code, sentence)."""

    def job_rows(self, job_type: str, job_input: str) -> int:
        """How many rows a proof of this valid input has, or may have; at least 1, and 1 where the job type does not say."""

    def key_proof(self, payment_key: bytes, key_proof: bytes, worker: bytes) -> bool:
        """Whether the proof shows knowledge of the payment key's secret, bound to the worker's address."""

    def payment(self, payment: bytes, payment_key: bytes, amount: int, context: "PaymentContext") -> bytes | None:
        """The payment's ciphertext, if it holds exactly `amount` base units under the key, bound to the context."""

    def deposited(self, balance: bytes, units: int) -> bytes:
        """The hidden balance (empty: nothing) with a public number of units more."""

    def credited(self, balance: bytes, ciphertext: bytes, factor: int) -> bytes:
        """The hidden balance with `factor` times a ciphertext (C and one handle) more."""

    def folded(self, balance: bytes, other: bytes) -> bytes:
        """The sum of two hidden balances under one key."""

    def transfer(
        self,
        transfer: bytes,
        *,
        balance: bytes,
        sender_key: bytes,
        recipients: list[bytes],
        factor: int,
        context: bytes,
    ) -> tuple[bytes, bytes] | None:
        """(ciphertext of one unit of the amount, balance that remains), if the proof holds that nothing is overdrawn."""

    def withdrawal(self, proof: bytes, *, balance: bytes, key: bytes, units: int, context: bytes) -> bytes | None:
        """The hidden balance that remains when a public number of units leaves it, if the proof holds."""

    def reencryption(
        self, proof: bytes, *, ciphertext: bytes, key: bytes, recipients: list[bytes], context: bytes
    ) -> bytes | None:
        """The ciphertext for the recipients, if the proof holds that it has what `ciphertext` under `key` has."""

    def proof_commitment(self, proof_hash: bytes, job_id: bytes, worker: bytes) -> bytes:
        """blake3(domain || proof_hash || job_id || worker): what a payment is bound to."""


@dataclass(frozen=True, slots=True)
class PaymentContext:
    """What an encrypted payment is bound to."""

    proof_commitment: bytes
    job_id: bytes
    payment_nonce: int
    worker: bytes


@dataclass(frozen=True, slots=True)
class Rules:
    """The network's numbers, the keys that may sign follow-ups, and the injected verifications.

    `escrow_key` and `auditor_key` (empty: none) are payment keys that can read sealed prices.
    """

    parameters: Parameters
    checks: Checks
    authorities: frozenset[bytes] = field(default_factory=frozenset)
    chain_id: str = ""
    escrow_key: bytes = b""
    auditor_key: bytes = b""


class Local(Protocol):
    """The states under one subject, by the stream (topic) that they are folded from; read only."""

    def state(self, topic: str) -> object:
        """The state folded from `topic` for this subject (the decider's initial state when there is no event yet)."""
