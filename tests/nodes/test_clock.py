"""Whose clock counts: every period is measured on the broker's, whatever a signer writes into its command."""

import time
from pathlib import Path
from typing import Any

import pytest
from testnetwork import FAST, TestNetwork, key, running, spec, wait

from bitsage.nodes.audit import audit
from bitsage.nodes.checks import ProductChecks
from bitsage.nodes.client import Client
from bitsage.nodes.errors import CommandRefused
from bitsage.nodes.execution import execute
from bitsage.nodes.jobwork import prove_attempt
from bitsage.nodes.openjobs import OpenJobs
from bitsage.nodes.register import register_worker
from bitsage.nodes.signing import CommandSigner, now_ms
from bitsage.nodes.worker import WorkerNode
from bitsage.processors.kernel import Streams
from bitsage.processors.model import account_subject, job_subject
from bitsage.schemas.commands import CreateWallet, RequestTokens, SubmitJob, SubmitProof
from bitsage.schemas.events import (
    ConsensusReached,
    EscrowLocked,
    JobAssigned,
    JobCompleted,
    JobSubmitted,
    ReputationChanged,
    Slashed,
)
from bitsage.schemas.ids import job_id as job_id_of
from bitsage.schemas.parameters import Parameters
from bitsage.schemas.types import EventEnvelope
from bitsage.streams.log import Record
from bitsage.streams.memory_log import Clock, InMemoryLog

PATIENT = Parameters(consensus_timeout_ms=5_000, heartbeat_timeout_ms=10**8)


def bodies(client: Client, topics: tuple[str, ...], subject: str, kind: type) -> list[Any]:
    return [a.body for a in client.history(topics, subject) if isinstance(a.body, kind)]


def shift_clock(client: Client, ms: int) -> None:
    """The signer's clock is off by `ms`."""
    sign = client.signer.sign

    def shifted(*arguments: Any, **options: Any) -> Any:
        return sign(*arguments, **{"at": now_ms() + ms, **options})

    client.signer.sign = shifted  # type: ignore[method-assign]


def test_events_and_follow_ups_carry_the_time_of_the_record(tmp_path: Path) -> None:
    network = TestNetwork(InMemoryLog(), tmp_path)
    signer, streams, rules = CommandSigner(key(1), "test"), Streams(), network.network.rules(ProductChecks())
    logged = now_ms()
    subject = account_subject(signer.key.address)
    for n, body in enumerate((CreateWallet(), RequestTokens(), SubmitJob(spec=spec()))):
        sent = signer.sign(subject, body, at=logged - 200_000).record
        record = Record(sent.topic, sent.partition, n, logged + n, sent.key, sent.value, sent.headers)
        done = execute(record, streams, rules, "test")
        streams.commit()
        assert [event.envelope.at for event in done.events] == [logged + n]
    assert [follow.at for follow in done.follow_ups] == [logged + 2]


def test_a_proof_that_is_dated_back_is_voted_down_all_the_same(tmp_path: Path) -> None:
    log = InMemoryLog()
    with running(log, tmp_path, parameters=PATIENT) as network:
        for n in range(1, 5):
            network.validator(n)
        cheat = network.funded(10, 2_500, "consumer")
        register_worker(cheat, tier="consumer", gpu_model="T4", slots=1)
        client = network.funded(20)
        job_id, _ = client.submit_job(spec())
        subject = job_subject(job_id)
        wait(lambda: bodies(client, ("jobs",), subject, JobAssigned))
        garbage = SubmitProof(
            attempt=1, output_hash=bytes(32), public_inputs="", proof=b"garbage", proof_hash=bytes(32), proof_system="",
            security_bits=0, backend="", run_ms=0, prove_ms=0,
        )  # fmt: skip
        cheat.ask_prepared(cheat.signer.sign(subject, garbage, at=now_ms() - 60_000))
        slashed = wait(lambda: bodies(cheat, ("accounts",), cheat.subject, Slashed))
        assert slashed[0].reason == "invalid_proof"
        assert [d.outcome for d in bodies(client, ("votes",), subject, ConsensusReached)] == ["rejected"]
    assert audit(log, network.network).findings == []


@pytest.mark.parametrize("off", [-40_000, 40_000])
def test_an_honest_worker_and_validators_with_wrong_clocks_are_heard(tmp_path: Path, off: int) -> None:
    log = InMemoryLog()
    with running(log, tmp_path, parameters=PATIENT) as network:
        for n in range(1, 4):
            shift_clock(network.validator(n), -off)
        worker = network.funded(10, 2_500, "consumer")
        register_worker(worker, tier="consumer", gpu_model="T4", slots=1)
        shift_clock(worker, off)
        network.run(WorkerNode(worker, tmp_path / "worker"))
        client = network.funded(20)
        job_id, _ = client.submit_job(spec())
        assert isinstance(client.wait_job(job_id, 60).body, JobCompleted)
    assert audit(log, network.network, proofs=False).findings == []


def test_an_outage_longer_than_an_attempt_slashes_nobody(tmp_path: Path) -> None:
    clock = Clock()
    log = InMemoryLog(clock)
    outage = 2 * FAST.attempt_timeout_ms
    parameters = Parameters(consensus_timeout_ms=5_000, heartbeat_timeout_ms=10**9)
    with running(log, tmp_path, parameters=parameters) as network:
        worker = network.funded(10, 2_500, "consumer")
        register_worker(worker, tier="consumer", gpu_model="T4", slots=1)
        client = network.funded(20)
    # Sent when the coordinator has just gone; it comes back two attempts later.
    clock.offset_ms = -outage
    sent_at = now_ms() - outage
    prepared = client.signer.sign(client.subject, SubmitJob(spec=spec(deadline=now_ms() + 10 * outage)), at=sent_at)
    log.producer().send(prepared.record)
    clock.offset_ms = 0

    def produce(*arguments: Any) -> Any:
        time.sleep(1.5)
        return prove_attempt(*arguments)

    job_id = job_id_of(client.key.address, prepared.envelope.id)
    with running(log, tmp_path, parameters=parameters) as again:
        again.validator(1)
        again.run(WorkerNode(worker, tmp_path / "worker", produce=produce))
        assert isinstance(client.wait_job(job_id, 60).body, JobCompleted)
        moved = wait(lambda: bodies(worker, ("workers",), worker.subject, ReputationChanged))
        assert [r.reason for r in moved] == ["job_done"]
        assert bodies(worker, ("accounts",), worker.subject, Slashed) == []
    assert audit(log, network.network, proofs=False).findings == []


@pytest.mark.parametrize(("deadline", "ends"), [(90_000, 75_000), (40_000, 40_000)])
def test_an_assignment_that_was_written_late_leaves_the_worker_its_whole_time(deadline: int, ends: int) -> None:
    """The record that assigns lay in the log from 10 s on, its event was written at 45 s; the attempt takes 30 s."""
    jobs, job = OpenJobs(), b"j" * 16
    head = EventEnvelope(
        id=bytes(16), type="", subject=job.hex(), sequence=1, previous=bytes(32), at=10_000, cause=bytes(16),
        correlation=bytes(16), actor=bytes(32), public_key=bytes(32), signature=bytes(64), command="", nonce=0,
        payload_hash=bytes(32),
    )  # fmt: skip
    record = Record("bitsage.jobs", 0, 0, 45_000, None, None, ())
    jobs.fold(record, head, JobSubmitted(job_id=job, client=bytes(32), spec=spec(deadline=deadline)))
    jobs.fold(record, head, JobAssigned(job_id=job, attempt=1, worker=bytes(32), cost=1, expires_at=40_000))
    attempt = jobs.jobs[job].current
    assert attempt is not None
    assert attempt.expires_at == ends


def test_a_command_that_was_refused_as_too_early_cannot_be_told_again_by_a_stranger(tmp_path: Path) -> None:
    clock, hour = Clock(), 3_600_000
    log = InMemoryLog(clock)
    with running(log, tmp_path, parameters=PATIENT) as network:
        client = network.funded(20)
        body = SubmitJob(spec=spec(deadline=now_ms() + 5 * hour))
        early = client.signer.sign(client.subject, body, at=now_ms() + hour, nonce=(now_ms() + hour) * 1_000)
        with pytest.raises(CommandRefused) as refused:
            client.ask_prepared(early)
        assert refused.value.code == "clock_skew"
        # The clock set right, the client is heard at once.
        client.submit_job(spec())
        clock.offset_ms = hour
        with pytest.raises(CommandRefused) as again:
            network.client(21).ask_prepared(early)
        assert again.value.code == "nonce_reused"
        assert len(bodies(client, ("accounts",), client.subject, EscrowLocked)) == 1
    assert audit(log, network.network).findings == []
