"""A wrong decision on a real (in-memory) network, disputed and reversed; and what a coordinator cannot make of disputes."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from forgery import checks, command_of_the_coordinator, rewritten, verdict_of
from testnetwork import FAST, TestNetwork, running, spec, wait

from bitsage.nodes.client import Client
from bitsage.nodes.errors import CommandRefused
from bitsage.nodes.execution import FollowUp
from bitsage.nodes.register import register_validator
from bitsage.processors.model import TREASURY
from bitsage.schemas.commands import (
    FileDispute,
    GrantRestitution,
    PayRestitution,
    SettleBond,
    SlashStake,
)
from bitsage.schemas.events import (
    BondReturned,
    ConsensusReached,
    DisputeResolved,
    FeesDistributed,
    RestitutionClaimed,
    RestitutionGranted,
    RestitutionPaid,
    Slashed,
)
from bitsage.schemas.parameters import SAGE
from bitsage.schemas.types import CommandBody
from bitsage.streams.memory_log import InMemoryLog

Lie = Callable[..., tuple[bool, str]]
PATIENT = replace(FAST, consensus_timeout_ms=20_000, heartbeat_timeout_ms=60_000)


def events(client: Client, topic: str, subject: str, kind: type) -> list[Any]:
    return [a.body for a in client.history((topic,), subject) if isinstance(a.body, kind)]


def wrongly_rejected(network: TestNetwork, lie: Lie) -> tuple[Client, bytes]:
    """The only validator that has not crashed lies: (the worker that was slashed for a valid proof, the job)."""
    network.validator(1, judgement=lie)
    worker = network.worker(10)
    client = network.funded(20)
    job_id, _ = client.submit_job(spec())
    (decision,) = wait(lambda: events(client, "votes", job_id.hex(), ConsensusReached), 60)
    assert decision.outcome == "rejected"
    wait(lambda: events(worker, "accounts", worker.subject, Slashed))
    for n in (2, 3, 4):
        network.validator(n)
    return worker, job_id


@pytest.fixture(scope="module")
def reversed_network(tmp_path_factory: pytest.TempPathFactory) -> tuple[InMemoryLog, TestNetwork, Client, bytes]:
    """The life that most tests here look at."""
    import importlib.util

    place = Path(__file__).with_name("conftest.py")
    found = importlib.util.spec_from_file_location("dispute_fixtures", place)
    assert found is not None
    assert found.loader is not None
    module = importlib.util.module_from_spec(found)
    found.loader.exec_module(module)
    log = InMemoryLog()
    with running(log, tmp_path_factory.mktemp("reversed"), parameters=PATIENT) as network:
        worker, job_id = wrongly_rejected(network, module.load("lying_validator").lie)
        worker.ask(worker.subject, FileDispute(job_id=job_id, attempt=1))
        wait(lambda: events(worker, "votes", job_id.hex(), DisputeResolved), 60)
        liar = network.client(1)
        wait(lambda: [e for e in events(liar, "accounts", liar.subject, Slashed) if e.reporter != bytes(32)])
        wait(lambda: events(worker, "accounts", worker.subject, RestitutionGranted))
        wait(lambda: events(worker, "accounts", worker.subject, BondReturned))
        with pytest.raises(CommandRefused, match="lowest tier"):
            network.funded(21).ask(network.client(21).subject, FileDispute(job_id=job_id, attempt=1))
    return log, network, worker, job_id


def test_a_wrong_rejection_is_disputed_and_reversed(reversed_network: Any) -> None:
    _, network, worker, job_id = reversed_network
    (verdict,) = events(worker, "votes", job_id.hex(), DisputeResolved)
    assert (verdict.outcome, verdict.verdict, verdict.threshold) == ("overturned", "approved", 3)
    # The validators verified the proof themselves, and the liar still lied.
    assert (verdict.votes_valid, verdict.disputer) == (3, worker.key.address)
    (claim,) = events(worker, "accounts", worker.subject, RestitutionClaimed)
    (paid,) = events(worker, "accounts", TREASURY, RestitutionPaid)
    (granted,) = events(worker, "accounts", worker.subject, RestitutionGranted)
    slash = events(worker, "accounts", worker.subject, Slashed)[0]
    assert claim.amount == slash.burnt + slash.treasury == paid.amount + paid.shortfall
    assert granted.amount == paid.amount
    assert events(worker, "accounts", TREASURY, FeesDistributed)
    liar = network.client(1)
    reasons = [(e.reason, e.round) for e in events(liar, "accounts", liar.subject, Slashed)]
    assert ("contrary_vote", 0) in reasons


def test_the_audit_of_a_reversed_decision_holds_and_remarks_it(reversed_network: Any) -> None:
    log, network, *_ = reversed_network
    verdict = verdict_of(log, network)
    assert verdict.holds, verdict.findings
    assert any("rejected, but the verifier accepts it; a dispute overturned it" in r for r in verdict.remarks)
    assert verdict.counts["tallies"] == 2


def test_restitution_that_nobody_is_owed(tmp_path: Path) -> None:
    log = InMemoryLog()
    with running(log, tmp_path) as network:
        friend = network.funded(20)
        granting = GrantRestitution(amount=SAGE, reason="invalid_proof", job_id=bytes(16), attempt=1)
        assert isinstance(command_of_the_coordinator(network, friend.subject, granting), RestitutionGranted)
        paying = PayRestitution(
            account=friend.key.address, amount=SAGE, reason="invalid_proof", job_id=bytes(16), attempt=1
        )
        assert isinstance(command_of_the_coordinator(network, TREASURY, paying), RestitutionPaid)
    verdict = verdict_of(log, network)
    assert {"origin", "cause"} <= checks(verdict)
    assert {f.detail.split(" ")[0] for f in verdict.findings if f.check == "cause"} == {
        "RestitutionGranted", "RestitutionPaid",
    }  # fmt: skip


def test_a_slash_for_malice_that_was_none(tmp_path: Path) -> None:
    log = InMemoryLog()
    with running(log, tmp_path) as network:
        victim = network.funded(20, 2_500, "consumer")
        slash = SlashStake(reason="malicious", job_id=bytes(16), attempt=1)
        assert isinstance(command_of_the_coordinator(network, victim.subject, slash), Slashed)
    verdict = verdict_of(log, network)
    assert {"origin", "cause"} <= checks(verdict)
    assert any("there is no malicious" in f.detail for f in verdict.findings)


def test_a_bond_that_is_given_back_though_the_dispute_was_lost(tmp_path: Path) -> None:
    def kind(follow: FollowUp) -> CommandBody | None:
        body = follow.body
        return replace(body, lost=False) if isinstance(body, SettleBond) else None

    log = InMemoryLog()
    with rewritten(kind), running(log, tmp_path, parameters=PATIENT) as network:
        network.validator(1)
        worker = network.worker(10)
        client = network.funded(20, 2_000, "consumer")
        job_id, _ = client.submit_job(spec())
        wait(lambda: events(client, "votes", job_id.hex(), ConsensusReached), 60)
        client.ask(client.subject, FileDispute(job_id=job_id, attempt=1))
        (verdict,) = wait(lambda: events(worker, "votes", job_id.hex(), DisputeResolved), 60)
        assert verdict.outcome == "upheld"
        wait(lambda: events(client, "accounts", client.subject, BondReturned))
    verdict = verdict_of(log, network)
    assert {"follow-up", "origin", "cause"} <= checks(verdict)
    assert any("no dispute ended so" in f.detail for f in verdict.findings)


def test_a_dispute_that_nobody_judges_is_closed_by_the_timer(tmp_path: Path) -> None:
    log = InMemoryLog()
    with running(log, tmp_path) as network:
        register_validator(network.funded(3, 10_000, "validator"))
        network.validator(1)
        worker = network.worker(10)
        client = network.funded(20)
        # One of two is silent: no decision, so there is nothing to dispute and the bond comes back.
        job_id, _ = client.submit_job(spec())
        (decision,) = wait(lambda: events(client, "votes", job_id.hex(), ConsensusReached), 60)
        assert decision.outcome == "expired"
        worker.ask(worker.subject, FileDispute(job_id=job_id, attempt=1))
        (back,) = wait(lambda: events(worker, "accounts", worker.subject, BondReturned))
        assert back.outcome == "not_decided"
    assert verdict_of(log, network).holds


def test_a_dispute_without_a_quorum_expires(tmp_path: Path) -> None:
    log = InMemoryLog()
    with running(log, tmp_path) as network:
        network.validator(1)
        worker = network.worker(10)
        client = network.funded(20)
        job_id, _ = client.submit_job(spec())
        wait(lambda: events(client, "votes", job_id.hex(), ConsensusReached), 60)
        for n in (3, 4, 5):
            register_validator(network.funded(n, 10_000, "validator"))
        worker.ask(worker.subject, FileDispute(job_id=job_id, attempt=1))
        (verdict,) = wait(lambda: events(worker, "votes", job_id.hex(), DisputeResolved), 60)
        assert verdict.outcome == "expired"
        (back,) = wait(lambda: events(worker, "accounts", worker.subject, BondReturned))
        assert back.amount == network.parameters.dispute_bond
    assert verdict_of(log, network).holds
