"""The timer: what it says, when, and how often."""

from pathlib import Path
from typing import Any

import pytest
from testnetwork import TestNetwork, key, spec

from bitsage.nodes.signing import now_ms
from bitsage.nodes.timer import Presence, Timer
from bitsage.processors.model import NETWORK, account_subject, job_subject
from bitsage.schemas import events as e
from bitsage.schemas.commands import CloseTally, RaisePrice, ReportPresence, TimeoutElapsed
from bitsage.schemas.heartbeat import Heartbeat
from bitsage.schemas.types import EventEnvelope
from bitsage.streams.log import Outgoing, Record
from bitsage.streams.memory_log import InMemoryLog
from bitsage.streams.topics import topic_name

JOB, WORKER = b"j" * 16, key(1).address
SUBJECT = account_subject(WORKER)


@pytest.fixture
def timer(tmp_path: Path) -> Timer:
    network = TestNetwork(InMemoryLog(), tmp_path)
    found = Timer(network.log, network.network, network.client(0).signer, tmp_path)
    found.heard_until = 2**62
    return found


def tell(timer: Timer, *bodies: Any) -> None:
    for body in bodies:
        subject = job_subject(JOB) if hasattr(body, "job_id") else SUBJECT
        head = EventEnvelope(
            id=bytes(16), type="", subject=subject, sequence=1, previous=bytes(32), at=0, cause=bytes(16),
            correlation=bytes(16), actor=bytes(32), public_key=bytes(32), signature=bytes(64), command="", nonce=0,
            payload_hash=bytes(32),
        )  # fmt: skip
        timer.fold(Record("t", 0, 0, 0, None, None, ()), head, body)


def registered() -> e.WorkerRegistered:
    return e.WorkerRegistered(
        worker=WORKER, tier="consumer", gpu_model="T4", stake=1, payment_key=b"", job_types=[], slots=1, attested=False
    )


def submitted() -> e.JobSubmitted:
    return e.JobSubmitted(job_id=JOB, client=WORKER, spec=spec(deadline=50_000))


def assigned(attempt: int = 1, expires_at: int = 40_000) -> e.JobAssigned:
    return e.JobAssigned(job_id=JOB, attempt=attempt, worker=WORKER, cost=1, expires_at=expires_at)


def proof() -> e.ProofGenerated:
    return e.ProofGenerated(
        job_id=JOB, attempt=1, worker=WORKER, output_hash=bytes(32), public_inputs="", proof=b"", proof_hash=bytes(32),
        proof_system="", security_bits=96, backend="", run_ms=0, prove_ms=0,
    )  # fmt: skip


def opened() -> e.TallyOpened:
    return e.TallyOpened(
        job_id=JOB, attempt=1, worker=WORKER, proof_hash=bytes(32), output_hash=bytes(32), validators=[], epoch=1,
        threshold=1, expires_at=45_000,
    )  # fmt: skip


def test_an_attempt_and_a_job_run_out_of_time(timer: Timer) -> None:
    tell(timer, submitted())
    assert timer.due(49_999) == []
    assert timer.due(50_000) == [(job_subject(JOB), TimeoutElapsed(kind="deadline", attempt=1))]
    tell(timer, assigned())
    timer.workers[SUBJECT] = Presence(True, 10**9)
    assert timer.due(39_999) == []
    assert timer.due(40_000) == [(job_subject(JOB), TimeoutElapsed(kind="attempt", attempt=1))]


def test_nothing_is_said_while_a_proof_is_judged_and_the_tally_has_its_own_end(timer: Timer) -> None:
    tell(timer, submitted(), assigned(), proof(), opened())
    timer.workers[SUBJECT] = Presence(True, 10**9)
    assert timer.due(44_999) == []
    assert timer.due(45_000) == [(job_subject(JOB), CloseTally(proof_hash=bytes(32)))]


def test_an_observation_is_repeated_only_after_a_while(timer: Timer) -> None:
    tell(timer, submitted())
    assert len(timer.due(60_000)) == 1
    assert timer.due(69_999) == []
    assert len(timer.due(70_000)) == 1


def test_only_what_this_process_decides_for(timer: Timer) -> None:
    tell(timer, submitted())
    timer.owns = lambda subject: False
    assert timer.due(60_000) == []


def test_a_silent_worker_is_reported_and_a_returning_one_too(timer: Timer) -> None:
    timer.workers[SUBJECT] = Presence(True, 10_000)
    assert timer.due(12_000) == []
    assert timer.due(12_001) == [(SUBJECT, ReportPresence(online=False, last_seen=10_000))]
    timer.workers[SUBJECT] = Presence(False, 20_000)
    assert timer.due(21_000) == [(SUBJECT, ReportPresence(online=True, last_seen=20_000))]


def test_the_jobs_of_an_offline_worker_are_given_away(timer: Timer) -> None:
    tell(timer, registered(), submitted(), assigned())
    tell(timer, e.WorkerWentOffline(worker=WORKER, reason="heartbeat_lost"))
    assert (job_subject(JOB), TimeoutElapsed(kind="worker_offline", attempt=1)) in timer.due(30_000)


def test_who_left_gave_its_jobs_up_and_who_was_put_out_may_finish(timer: Timer) -> None:
    tell(timer, registered(), submitted(), assigned())
    tell(timer, e.WorkerDeparted(worker=WORKER, reason="stake_insufficient"))
    assert timer.due(30_000) == []
    tell(timer, registered(), e.WorkerDeparted(worker=WORKER, reason="own_wish"))
    assert timer.due(30_000) == [(job_subject(JOB), TimeoutElapsed(kind="worker_offline", attempt=1))]
    tell(timer, registered())
    assert timer.due(35_000) == []


def test_a_suspended_worker_is_not_brought_back_by_heartbeats(timer: Timer) -> None:
    tell(timer, registered(), e.WorkerWentOffline(worker=WORKER, reason="repeated_failures"))
    assert timer.due(10**6) == []


def test_silence_is_counted_up_to_what_was_heard(timer: Timer) -> None:
    """A timer whose own reader lags calls nobody silent: the beats may wait in the log."""
    timer.workers[SUBJECT] = Presence(True, 10_000)
    for heard in (-1, 9_000, 12_000):
        timer.heard_until = heard
        assert timer.due(20_000) == []
    timer.heard_until = 12_001
    assert timer.due(20_000) == [(SUBJECT, ReportPresence(online=False, last_seen=10_000))]


def test_what_was_heard_follows_the_reader_and_not_the_clock(timer: Timer) -> None:
    """The mark is set at the ends of the topic, and counts when the reader is past them; an open transaction hides beats."""
    place = (topic_name("heartbeats"), 0)
    log: Any = timer.log
    producer, reader = log.producer(), log.reader({place: 0}, follow=True)
    beat = Outgoing(*place, b"k", b"beat")
    timer.heard_until = -1
    producer.send(beat)
    mark = timer._measure(reader, None)
    assert mark is not None
    producer.send(beat)
    assert timer._measure(reader, mark) is mark
    assert timer.heard_until == -1
    assert len(reader.read(1, 0.0)) == 1
    timer._measure(reader, mark)
    assert timer.heard_until == mark.at
    transaction = log.begin()
    log.append(beat, transaction)
    timer._asked = 0.0
    hidden = timer._measure(reader, None)
    assert hidden is not None
    while reader.read(10, 0.0):
        pass
    assert timer._measure(reader, hidden) is hidden
    log.end(transaction, commit=False)
    reader.read(10, 0.0)
    timer._measure(reader, hidden)
    assert timer.heard_until == hidden.at


def test_a_late_timer_takes_a_beat_for_as_fresh_as_it_was(timer: Timer, tmp_path: Path) -> None:
    signer = TestNetwork(InMemoryLog(), tmp_path).client(1).signer
    timer.workers[SUBJECT] = Presence(True, 5)
    beat = signer.sign(SUBJECT, Heartbeat(running=0, slots=1, version=""), topic="heartbeats", at=1_000_000)
    timer._hear(Record("t", 0, 0, 9_000_000, None, beat.record.value, ()))
    assert timer.workers[SUBJECT].last_seen == 5
    timer._hear(Record("t", 0, 0, 1_000_100, None, beat.record.value, ()))
    assert timer.workers[SUBJECT].last_seen == 1_000_000


def hear(timer: Timer, signer: Any, subject: str, **changes: Any) -> None:
    signed = signer.sign(subject, Heartbeat(running=0, slots=1, version=""), topic="heartbeats", **changes)
    timer._hear(Record("t", 0, 0, now_ms(), None, signed.record.value, ()))


def test_a_heartbeat_counts_when_it_is_fresh_and_the_workers_own(timer: Timer, tmp_path: Path) -> None:
    network = TestNetwork(InMemoryLog(), tmp_path)
    own, stranger = network.client(1).signer, network.client(2).signer
    timer.workers[SUBJECT] = Presence(True, 5)
    hear(timer, stranger, SUBJECT)
    hear(timer, own, SUBJECT, at=1_000)
    timer._hear(Record("t", 0, 0, 0, None, b"garbage", ()))
    timer._hear(Record("t", 0, 0, 0, None, None, ()))
    assert timer.workers[SUBJECT].last_seen == 5
    hear(timer, own, SUBJECT)
    assert timer.workers[SUBJECT].last_seen > 1_700_000_000_000


def queued(attempt: int = 1) -> e.JobQueued:
    return e.JobQueued(
        job_id=JOB, attempt=attempt, job_type="matmul", tier="", tee=False, priority=0, submitted_at=0, excluded=[],
        price=5 * 10**12, min_cost=5 * 10**12, max_cost=325 * 10**12, ramp_start=0, ramp_ms=32_000,
    )  # fmt: skip


@pytest.mark.parametrize("first", [submitted(), queued()])
def test_a_price_rises_step_by_step_whichever_topic_is_read_first(timer: Timer, first: Any) -> None:
    tell(timer, first, queued() if isinstance(first, e.JobSubmitted) else submitted())

    def due(now: int) -> list[Any]:
        return [(subject, body.price) for subject, body in timer.due(now) if isinstance(body, RaisePrice)]

    assert due(999) == []
    assert due(1_000) == [(NETWORK, 15 * 10**12)]
    tell(timer, e.PriceRaised(job_id=JOB, attempt=1, price=15 * 10**12))
    assert due(1_999) == []
    assert due(2_000) == [(NETWORK, 25 * 10**12)]
    tell(timer, assigned())
    assert due(9_000) == []
    tell(timer, e.JobReassigned(job_id=JOB, worker=WORKER, next_attempt=2, reason="declined"), queued(2))
    assert due(9_500) == [(NETWORK, 95 * 10**12)]


def test_a_price_of_a_job_that_is_over_or_unknown_brings_nothing_back(timer: Timer) -> None:
    raised = e.PriceRaised(job_id=JOB, attempt=1, price=15 * 10**12)
    tell(timer, raised)
    assert not timer.jobs.jobs
    tell(timer, submitted(), queued(), e.JobFailed(job_id=JOB, reason="deadline_passed"), raised, queued())
    assert not timer.jobs.jobs
