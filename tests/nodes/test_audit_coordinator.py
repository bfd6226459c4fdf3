"""What a coordinator does with its own keys, against its own rules, the audit notices."""

import dataclasses
from pathlib import Path
from typing import Any

import pytest
from forgery import checks, command_of_the_coordinator, rewritten, verdict_of
from testnetwork import claimed, key, running, spec, wait

from bitsage.nodes import handler
from bitsage.nodes.audit_rights import FIRST, MORE
from bitsage.nodes.errors import AnswerTimeout
from bitsage.nodes.execution import FollowUp
from bitsage.nodes.register import register_validator, register_worker
from bitsage.nodes.validator import ValidatorNode
from bitsage.processors.model import job_subject
from bitsage.schemas.commands import (
    COMMANDS,
    GrantReward,
    OpenTally,
    OwePayment,
    ReleaseEscrow,
    RequestTokens,
    ReviewStanding,
    SettleAttempt,
    SlashStake,
    SubmitProof,
    TimeoutElapsed,
)
from bitsage.schemas.events import (
    EVENTS,
    ConsensusReached,
    EscrowReleased,
    JobAssigned,
    JobCompleted,
    JobReassigned,
    RewardGranted,
)
from bitsage.schemas.parameters import SAGE, Parameters
from bitsage.schemas.types import CommandBody
from bitsage.streams.errors import PermanentFailure
from bitsage.streams.log import Record
from bitsage.streams.memory_log import InMemoryLog


def test_tokens_out_of_nothing(tmp_path: Path) -> None:
    log = InMemoryLog()
    with running(log, tmp_path) as network:
        friend = network.funded(20)
        reward = GrantReward(amount=999_000_000 * SAGE, slashed=bytes(32), reason="x", job_id=bytes(16), attempt=1)
        assert isinstance(command_of_the_coordinator(network, friend.subject, reward), RewardGranted)
        friend.stake(500_000_000 * SAGE, "validator")
    verdict = verdict_of(log, network)
    assert {"origin", "cause", "supply"} <= checks(verdict)
    assert "supply conserved" not in verdict.counts


def test_an_escrow_released_without_a_job_done(tmp_path: Path) -> None:
    log = InMemoryLog()
    with running(log, tmp_path) as network:
        accomplice = network.funded(10, 2500, "consumer")
        register_worker(accomplice, tier="consumer", gpu_model="T4", slots=1)
        victim = network.funded(20)
        job_id, _ = victim.submit_job(spec(cost=10_000, tier="frontier"))  # a tier that nobody has: it waits
        release = ReleaseEscrow(
            job_id=job_id,
            worker=accomplice.key.address,
            cost=10_000 * SAGE,
            proof_commitment=bytes(32),
            payment_nonce=1,
        )
        assert isinstance(command_of_the_coordinator(network, victim.subject, release), EscrowReleased)
        assert claimed(accomplice) == 8_000 * SAGE
    verdict = verdict_of(log, network)
    assert {"origin", "cause"} <= checks(verdict)
    assert any("ReleaseEscrow" in finding.detail for finding in verdict.findings)


def test_a_job_settled_without_votes(tmp_path: Path) -> None:
    log = InMemoryLog()
    patient = Parameters(consensus_timeout_ms=60_000, heartbeat_timeout_ms=60_000)
    with running(log, tmp_path, parameters=patient) as network:
        register_validator(network.funded(1, 10_000, "validator"))  # it never votes
        accomplice = network.funded(10, 2500, "consumer")
        register_worker(accomplice, tier="consumer", gpu_model="T4", slots=1)
        job_id, _ = network.funded(20).submit_job(spec())
        subject = job_subject(job_id)
        wait(lambda: [e for e in accomplice.history(("jobs",), subject) if isinstance(e.body, JobAssigned)])
        garbage: dict[str, Any] = {"output_hash": bytes(32), "proof_hash": bytes(32), "proof": b"garbage"}
        plain = {"public_inputs": "", "proof_system": "", "security_bits": 0, "backend": "", "run_ms": 0, "prove_ms": 0}
        accomplice.ask(subject, SubmitProof(attempt=1, **garbage, **plain))
        settled = SettleAttempt(
            attempt=1, worker=accomplice.key.address, proof_hash=bytes(32), output_hash=bytes(32), outcome="approved"
        )
        assert isinstance(command_of_the_coordinator(network, subject, settled), JobCompleted)
    verdict = verdict_of(log, network)
    assert {"origin", "cause"} <= checks(verdict)
    assert any("JobCompleted" in f.detail for f in verdict.findings if f.check == "cause")


def test_a_payment_a_hundred_times_as_large(tmp_path: Path) -> None:
    def more(follow: FollowUp) -> CommandBody | None:
        body = follow.body
        return dataclasses.replace(body, amount=body.amount * 100) if isinstance(body, OwePayment) else None

    log = InMemoryLog()
    with rewritten(more), running(log, tmp_path) as network:
        network.validator(1)
        worker = network.worker(10)
        network.funded(20).submit_job(spec())
        assert claimed(worker) == 800 * SAGE
    verdict = verdict_of(log, network)
    assert {"follow-up", "origin", "cause", "supply"} <= checks(verdict)


def test_a_slash_that_is_sent_as_something_else(tmp_path: Path) -> None:
    def harmless(follow: FollowUp) -> CommandBody | None:
        return ReviewStanding(reason="x") if isinstance(follow.body, SlashStake) else None

    log = InMemoryLog()
    with rewritten(harmless), running(log, tmp_path) as network:
        network.validator(1)
        cheater = network.worker(10, produce=_garbage)
        client = network.funded(20)
        job_id, _ = client.submit_job(spec())
        wait(lambda: [e for e in client.history(("votes",), job_id.hex()) if isinstance(e.body, ConsensusReached)], 60)
        wait(
            lambda: [e for e in client.history(("workers",), cheater.subject) if e.envelope.command == "ReviewStanding"]
        )
    verdict = verdict_of(log, network)
    assert {"follow-up", "origin"} <= checks(verdict)
    assert any("SlashStake" in f.detail for f in verdict.findings if f.check == "follow-up")


def _garbage(job: Any, worker: bytes, progress: Any) -> SubmitProof:
    return SubmitProof(
        attempt=job.current.attempt, output_hash=bytes(32), public_inputs="", proof=b"garbage", proof_hash=bytes(32),
        proof_system="", security_bits=0, backend="", run_ms=0, prove_ms=0,
    )  # fmt: skip


def test_a_tally_of_strangers(tmp_path: Path) -> None:
    def friends(follow: FollowUp) -> CommandBody | None:
        body = follow.body
        return dataclasses.replace(body, validators=[key(66).address]) if isinstance(body, OpenTally) else None

    log = InMemoryLog()
    with rewritten(friends), running(log, tmp_path) as network:
        network.validator(1)
        network.worker(10)
        network.run(ValidatorNode(network.client(66), tmp_path / "stranger"))
        client = network.funded(20)
        job_id, _ = client.submit_job(spec())
        assert isinstance(client.wait_job(job_id, 60).body, JobCompleted)
    verdict = verdict_of(log, network)
    assert {"follow-up", "origin", "cause"} <= checks(verdict)
    assert any("not the set of epoch" in f.detail for f in verdict.findings)


@pytest.mark.parametrize(
    ("code", "park"),
    [
        ("unroutable", False),
        ("malformed", False),
        ("decider_failed", True),
        ("parked", True),
        ("answer_too_large", False),
    ],
)
def test_a_command_skipped_by_a_false_dead_letter(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, code: str, park: bool
) -> None:
    real = handler.CoordinatorHandler.handle

    def skip(self: Any, record: Record) -> Any:
        if b"RequestTokens" in (record.value or b""):
            raise PermanentFailure(code, "it is said", park=park)
        return real(self, record)

    monkeypatch.setattr(handler.CoordinatorHandler, "handle", skip)
    log = InMemoryLog()
    with running(log, tmp_path) as network:
        victim = network.client(20)
        victim.create_wallet()
        with pytest.raises(AnswerTimeout):
            victim.ask(victim.subject, RequestTokens(), timeout=1)
    verdict = verdict_of(log, network)
    assert checks(verdict) == {"dead letter"}


def test_a_worker_that_was_never_gone_is_not_to_blame(tmp_path: Path) -> None:
    log = InMemoryLog()
    with running(log, tmp_path, parameters=Parameters()) as network:
        worker = network.funded(10, 2500, "consumer")
        register_worker(worker, tier="consumer", gpu_model="T4", slots=1)
        job_id, _ = network.funded(20).submit_job(spec())
        subject = job_subject(job_id)
        wait(lambda: [e for e in worker.history(("jobs",), subject) if isinstance(e.body, JobAssigned)])
        gone = TimeoutElapsed(kind="worker_offline", attempt=1)
        assert isinstance(command_of_the_coordinator(network, subject, gone), JobReassigned)
    assert checks(verdict_of(log, network)) == {"cause"}


def test_every_command_has_its_answers_in_the_table() -> None:
    assert set(FIRST) == set(COMMANDS)
    assert set(MORE) <= set(COMMANDS)
    assert {name for names in (*FIRST.values(), *MORE.values()) for name in names} <= set(EVENTS)
