"""What a node remembers of jobs that are over: enough for topics that are read side by side, and no more."""

from typing import Any

import pytest
from testnetwork import spec

from bitsage.nodes import openjobs
from bitsage.nodes.follower import REMEMBERED, Keep
from bitsage.nodes.openjobs import OpenJobs
from bitsage.schemas.events import JobAssigned, JobCompleted, JobFailed, JobSubmitted, VoteCast
from bitsage.schemas.types import EventBody, EventEnvelope
from bitsage.streams.log import Record

KEPT = 50


@pytest.fixture(autouse=True)
def few(monkeypatch: pytest.MonkeyPatch) -> None:
    assert openjobs.REMEMBERED == REMEMBERED
    monkeypatch.setattr(openjobs, "REMEMBERED", KEPT)


def name(n: int) -> bytes:
    return n.to_bytes(16, "big")


def tell(jobs: OpenJobs, body: EventBody) -> Keep:
    job_id: Any = getattr(body, "job_id", b"")
    head = EventEnvelope(
        id=bytes(16), type="", subject=job_id.hex(), sequence=1, previous=bytes(32), at=1, cause=bytes(16),
        correlation=bytes(16), actor=bytes(32), public_key=bytes(32), signature=bytes(64), command="", nonce=0,
        payload_hash=bytes(32),
    )  # fmt: skip
    return jobs.fold(Record("bitsage.jobs", 0, 0, 1, None, None, ()), head, body)[1]


def life(n: int) -> list[EventBody]:
    held: dict[str, Any] = {"job_id": name(n), "attempt": 1, "worker": bytes(32)}
    end: EventBody = JobFailed(job_id=name(n), reason="deadline_passed")
    if n % 2:
        end = JobCompleted(**held, proof_hash=bytes(32), output_hash=bytes(32))
    return [
        JobSubmitted(job_id=name(n), client=bytes(32), spec=spec()), JobAssigned(**held, cost=1, expires_at=9), end
    ]  # fmt: skip


def late(n: int) -> VoteCast:
    words: dict[str, Any] = {"reason": "", "signed_at": 0, "signed_correlation": bytes(16)}
    return VoteCast(job_id=name(n), attempt=1, proof_hash=bytes(32), validator=bytes(32), valid=True, **words)


def test_what_is_remembered_of_jobs_that_are_over_is_bounded() -> None:
    jobs = OpenJobs()
    tell(jobs, life(0)[0])
    for n in range(1, 10 * KEPT):
        for body in life(n):
            tell(jobs, body)
        assert len(jobs._over) <= KEPT
        assert list(jobs.jobs) == [name(0)], "open jobs are not forgotten, and those that are over are"


def test_the_last_jobs_that_ended_do_not_come_back() -> None:
    jobs, count = OpenJobs(), 10 * KEPT
    for n in range(1, count + 1):
        for body in life(n):
            tell(jobs, body)
        for before in range(max(1, n - KEPT + 1), n + 1):
            assert tell(jobs, late(before)) is Keep.IGNORE
            assert tell(jobs, life(before)[1]) is Keep.IGNORE
        assert jobs.jobs == {}


def test_a_job_that_ends_twice_is_remembered_once() -> None:
    jobs = OpenJobs()
    for n in range(1, KEPT + 1):
        tell(jobs, life(n)[2])
    for _ in range(3):
        assert tell(jobs, life(1)[2]) is Keep.DONE
    assert len(jobs._over) == KEPT
    assert tell(jobs, late(2)) is Keep.IGNORE
