"""given(events).when(command).then(events), and the small cast that the tests share."""

import json
from dataclasses import dataclass, field, replace
from typing import Any

from bitsage.processors.bindings import binding_for
from bitsage.processors.kernel import subject_kind
from bitsage.processors.model import Checks, Command, PaymentContext, Rules, account_subject, job_subject
from bitsage.processors.policies import follow_ups
from bitsage.schemas.commands import COMMANDS
from bitsage.schemas.events import EVENT_TOPIC, CommandRejected, JobSpec, WalletCreated
from bitsage.schemas.parameters import DAY_MS, PAYMENT_UNIT, SAGE, Parameters
from bitsage.schemas.types import CommandBody, EventBody

NOW = 1_800_000_000_000
HOUR = 3_600_000
AUTHORITY = b"\xaa" * 32
CLIENT = b"\x0c" * 32
WORKER, OTHER_WORKER = b"\x11" * 32, b"\x12" * 32
VALIDATORS = [bytes([0x21 + i]) * 32 for i in range(7)]
JOB = b"\x77" * 16
HASH, OUTPUT = b"\x50" * 32, b"\x51" * 32
PAYMENT_KEY, ESCROW_KEY, AUDITOR_KEY = b"payment key", b"escrow key", b"auditor key"
COMMITMENT = b"\x60" * 32


class TestChecks:
    """Stand-in verifications: a text says of itself whether it is good. The real ones live in other rooms."""

    __test__ = False

    def job_input(self, job_type: str, job_input: str) -> tuple[str, str] | None:
        if job_type != "matmul":
            return "unknown_job_type", ""
        return None if job_input.startswith("{") else ("not_json", "the input is not JSON")

    def job_rows(self, job_type: str, job_input: str) -> int:
        return int(json.loads(job_input).get("rows", 64))

    def key_proof(self, payment_key: bytes, key_proof: bytes, worker: bytes) -> bool:
        return key_proof == b"knows " + payment_key + worker

    def payment(self, payment: bytes, payment_key: bytes, amount: int, context: PaymentContext) -> bytes | None:
        good = payment == good_payment(payment_key, amount, context)
        return sealed(amount // PAYMENT_UNIT, payment_key) if good else None

    def deposited(self, balance: bytes, units: int) -> bytes:
        return sealed(opened(balance) + units, b"own")

    def credited(self, balance: bytes, ciphertext: bytes, factor: int) -> bytes:
        assert len(ciphertext) == 128, "C and one handle"
        return sealed(opened(balance) + factor * opened(ciphertext), b"own")

    def folded(self, balance: bytes, other: bytes) -> bytes:
        return sealed(opened(balance) + opened(other), b"own")

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
        units = _units_in(transfer)
        good = good_transfer(units, balance, sender_key, recipients, factor, context)
        remaining = opened(balance) - factor * units
        if transfer != good or remaining < 0 or units < 0:
            return None
        return sealed(units, sender_key, *recipients), sealed(remaining, b"own")

    def withdrawal(self, proof: bytes, *, balance: bytes, key: bytes, units: int, context: bytes) -> bytes | None:
        good = proof == good_withdrawal(balance, key, units, context) and units <= opened(balance)
        return sealed(opened(balance) - units, b"own") if good else None

    def reencryption(
        self, proof: bytes, *, ciphertext: bytes, key: bytes, recipients: list[bytes], context: bytes
    ) -> bytes | None:
        good = proof == good_reencryption(ciphertext, key, recipients, context)
        return sealed(opened(ciphertext), *recipients) if good else None

    def proof_commitment(self, proof_hash: bytes, job_id: bytes, worker: bytes) -> bytes:
        return bytes(a ^ b for a, b in zip(proof_hash, job_id * 2, strict=True))


def sealed(units: int, *keys: bytes) -> bytes:
    """A stand-in ciphertext: what it holds, and a handle that names its reader, 64 bytes each."""
    return units.to_bytes(64, "big", signed=True) + b"".join(key.ljust(64, b"\0") for key in keys)


def opened(ciphertext: bytes) -> int:
    """What a stand-in ciphertext holds; nothing when it is empty."""
    return int.from_bytes(ciphertext[:64], "big", signed=True)


def _units_in(proof: bytes) -> int:
    return int.from_bytes(proof[:8], "big", signed=True) if len(proof) >= 8 else -1


def good_transfer(
    units: int, balance: bytes, sender_key: bytes, recipients: list[bytes], factor: int, context: bytes
) -> bytes:
    return units.to_bytes(8, "big", signed=True) + repr((balance, sender_key, recipients, factor, context)).encode()


def good_withdrawal(balance: bytes, key: bytes, units: int, context: bytes) -> bytes:
    return repr((balance, key, units, context)).encode()


def good_reencryption(ciphertext: bytes, key: bytes, recipients: list[bytes], context: bytes) -> bytes:
    return repr((ciphertext, key, recipients, context)).encode()


def good_payment(payment_key: bytes, amount: int, context: PaymentContext) -> bytes:
    return repr((payment_key, amount, context)).encode()


CHECKS: Checks = TestChecks()
RULES = Rules(Parameters(), CHECKS, frozenset({AUTHORITY}), "test", ESCROW_KEY)
ACCOUNT, JOB_SUBJECT = account_subject(WORKER), job_subject(JOB)


def spec(**changes: Any) -> JobSpec:
    base = JobSpec(
        job_type="matmul",
        input='{"size":64}',
        max_cost=10 * SAGE,
        tier="",
        tee=False,
        priority=0,
        deadline=NOW + DAY_MS,
    )
    return replace(base, **changes)


@dataclass(slots=True)
class States:
    """The co-located states of one subject (`model.Local`)."""

    subject: str
    held: dict[str, Any] = field(default_factory=dict)

    def state(self, topic: str) -> Any:
        if topic not in self.held:
            binding = binding_for(topic, subject_kind(self.subject) or "")
            assert binding is not None, f"{topic} has no decider for {self.subject}"
            self.held[topic] = binding.initial
        return self.held[topic]

    def fold(self, topic: str, body: EventBody, at: int) -> None:
        binding = binding_for(topic, subject_kind(self.subject) or "")
        assert binding is not None
        self.held[topic] = binding.evolve(self.state(topic), body, at)


@dataclass(slots=True)
class Scene:
    """What happened to a subject so far, and what a command does to it."""

    states: States
    rules: Rules = RULES
    at: int = NOW
    events: list[EventBody] = field(default_factory=list)
    entailed: list[tuple[str, CommandBody]] = field(default_factory=list)

    def when(self, body: CommandBody, by: bytes | None = None, at: int | None = None, id: bytes = JOB) -> "Scene":
        """`by` signs; by default the subject itself, or for authority's commands the coordinator."""
        rule = COMMANDS[type(body).__name__]
        subject = self.states.subject
        if by is None:
            by = bytes.fromhex(subject[2:]) if rule.signer == "owner" else AUTHORITY
        self.at = self.at if at is None else at
        command = Command(body, id, subject, self.at, bytes(16), by, by)
        kind = subject_kind(subject)
        assert kind is not None
        binding = binding_for(rule.topic, kind)
        assert binding is not None
        self.events = binding.decide(self.states, command, self.rules)
        self.entailed = []
        for event in self.events:
            self.states.fold(rule.topic, event, self.at)
            self.entailed += follow_ups(command, event, self.states, self.rules)
        return self

    def then(self, *expected: EventBody) -> "Scene":
        assert self.events == list(expected)
        return self

    def then_rejected(self, reason: str) -> "Scene":
        """One CommandRejected, or another refusal, for `reason`."""
        assert [getattr(event, "reason", None) for event in self.events] == [reason]
        assert type(self.events[0]).__name__.endswith(("Rejected", "Refused")), self.events
        if isinstance(self.events[0], CommandRejected):
            assert self.events[0].command in COMMANDS
        return self

    def entails(self, *expected: tuple[str, CommandBody]) -> "Scene":
        assert self.entailed == list(expected)
        return self

    @property
    def state(self) -> Any:
        """The state of the stream that the last command wrote."""
        return self.states.held


def given(*events: EventBody, subject: str = ACCOUNT, at: int = NOW, rules: Rules = RULES) -> Scene:
    """A subject with a past; each event goes to the stream of its topic."""
    states = States(subject)
    for body in events:
        states.fold(EVENT_TOPIC[type(body).__name__], body, at)
    return Scene(states, rules, at)


def wallet(address: bytes = WORKER) -> WalletCreated:
    return WalletCreated(address=address, public_key=address)
