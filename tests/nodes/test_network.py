"""The whole life of jobs over the stand-in log: real keys, real proofs, real payments, all processors."""

import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from testnetwork import running, spec, wait

from bitsage.nodes.audit import audit
from bitsage.nodes.claims import claimable
from bitsage.nodes.errors import CommandRefused
from bitsage.nodes.jobwork import judge
from bitsage.nodes.purse import Holdings, Purse
from bitsage.schemas.events import (
    ConsensusReached,
    EscrowRefunded,
    JobCompleted,
    JobReassigned,
    PaymentDue,
    Slashed,
    VoteCast,
)
from bitsage.schemas.parameters import SAGE
from bitsage.streams.memory_log import InMemoryLog


def slowly(*arguments: Any) -> tuple[bool, str]:
    """An honest judgement that comes after the liar's."""
    time.sleep(0.3)
    return judge(*arguments)


def events(client: Any, topics: tuple[str, ...], subject: str, kind: type) -> list[Any]:
    return [a.body for a in client.history(topics, subject) if isinstance(a.body, kind)]


def test_a_job_is_proven_judged_and_paid_and_the_log_replays(tmp_path: Path) -> None:
    log = InMemoryLog()
    with running(log, tmp_path) as network:
        for n in range(1, 5):
            network.validator(n)
        worker = network.worker(10)
        client = network.funded(20)
        job_id = network.sealed(client)
        ended = client.wait_job(job_id, 60)
        assert isinstance(ended.body, JobCompleted)
        assert ended.body.worker == worker.key.address
        wait(lambda: claimable(worker))
        purse = Purse(worker)
        paid, _ = purse.claim(job_id)
        assert paid == [(job_id, 8 * SAGE)]
        with pytest.raises(CommandRefused) as refused:
            worker.claim(job_id)
        assert refused.value.code == "already_claimed"
        assert claimable(worker) == []
        assert purse.withdraw()[0] == 8 * SAGE
        assert purse.holdings() == Holdings(public=17_508 * SAGE, available=0, pending=0)
    verdict = audit(log, network.network, live=tmp_path / "coordinator" / "projections")
    assert verdict.findings == []
    assert verdict.counts["proofs verified again"] == 1
    assert verdict.counts["state hashes"] == 7
    assert verdict.counts["commands executed again"] > 20


@pytest.mark.parametrize("kind", ["flip", "empty", "foreign", "wrong"])
def test_a_cheat_is_voted_down_and_slashed_and_the_job_goes_to_another(
    tmp_path: Path, cheat: Callable[..., Any], kind: str
) -> None:
    log = InMemoryLog()
    with running(log, tmp_path) as network:
        for n in range(1, 5):
            network.validator(n)
        # Who failed a job does not get it again: it waits for another worker.
        cheater = network.worker(
            10, stake=1_000, produce=lambda job, worker, progress: cheat(kind, job, worker, progress)
        )
        client = network.funded(20)
        job_id, _ = client.submit_job(spec())
        slashed = wait(lambda: events(client, ("accounts",), cheater.subject, Slashed), 60)
        assert (slashed[0].reason, slashed[0].amount) == ("invalid_proof", 100 * SAGE)
        honest = network.worker(11)
        ended = client.wait_job(job_id, 60)
        assert isinstance(ended.body, JobCompleted)
        assert ended.body.worker == honest.key.address
        decisions = events(client, ("votes",), job_id.hex(), ConsensusReached)
        assert [d.outcome for d in decisions] == ["rejected", "approved"]
        assert events(client, ("accounts",), cheater.subject, PaymentDue) == []
    verdict = audit(log, network.network, live=tmp_path / "coordinator" / "projections")
    assert verdict.findings == []


def test_one_liar_of_four_changes_nothing_and_pays_for_it(tmp_path: Path, lie: Callable[..., Any]) -> None:
    log = InMemoryLog()
    with running(log, tmp_path) as network:
        liar = network.validator(1, judgement=lie)
        for n in range(2, 5):
            network.validator(n, judgement=slowly)
        network.worker(10)
        client = network.funded(20)
        job_id, _ = client.submit_job(spec())
        assert isinstance(client.wait_job(job_id, 60).body, JobCompleted)
        slashed = wait(lambda: events(client, ("accounts",), liar.subject, Slashed))
        assert (slashed[0].reason, slashed[0].amount) == ("contrary_vote", 1_000 * SAGE)
    verdict = audit(log, network.network)
    assert verdict.findings == []
    assert any(liar.subject in remark for remark in verdict.remarks)


@pytest.mark.parametrize("reason", ["job_type_failed", "unknown_job_type"])
def test_a_validator_that_cannot_verify_withholds_its_vote(tmp_path: Path, reason: str) -> None:
    log = InMemoryLog()
    with running(log, tmp_path) as network:
        for n in range(1, 4):
            network.validator(n)
        unable = network.validator(4, judgement=lambda *_: (False, reason))
        network.worker(10)
        client = network.funded(20)
        job_id, _ = client.submit_job(spec())
        assert isinstance(client.wait_job(job_id, 60).body, JobCompleted)
        votes = events(client, ("votes",), job_id.hex(), VoteCast)
        assert len(votes) == 3
        assert events(client, ("accounts",), unable.subject, Slashed) == []


def test_without_a_quorum_the_tally_expires_and_nobody_is_slashed(tmp_path: Path, lie: Callable[..., Any]) -> None:
    log = InMemoryLog()
    with running(log, tmp_path) as network:
        for n in range(1, 3):
            network.validator(n)
            network.validator(n + 10, judgement=lie)
        worker = network.worker(30)
        client = network.funded(20)
        job_id, _ = client.submit_job(spec())
        reassigned = wait(lambda: events(client, ("jobs",), job_id.hex(), JobReassigned), 60)
        assert reassigned[0].reason == "consensus_expired"
        assert events(client, ("accounts",), worker.subject, Slashed) == []


def test_a_job_that_is_cancelled_before_its_proof_is_refunded(tmp_path: Path) -> None:
    log = InMemoryLog()
    with running(log, tmp_path) as network:
        client = network.funded(20)
        job_id, _ = client.submit_job(spec())
        wait(lambda: client.history(("jobs",), job_id.hex()))
        client.cancel_job(job_id)
        refunds = wait(lambda: events(client, ("accounts",), client.subject, EscrowRefunded))
        assert refunds[0].amount == 10 * SAGE
    assert audit(log, network.network).findings == []
