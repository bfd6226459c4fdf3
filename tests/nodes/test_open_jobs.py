"""What a node remembers of jobs that are over: enough for topics that are read side by side, and no more."""

import sqlite3
import threading
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from testnetwork import running, spec

from bitsage.nodes import openjobs
from bitsage.nodes.follower import Keep
from bitsage.nodes.openjobs import OpenJobs, job_follower
from bitsage.schemas.events import JobAssigned, JobCompleted, JobFailed, JobSubmitted, VoteCast
from bitsage.schemas.types import EventBody, EventEnvelope
from bitsage.streams.log import Record
from bitsage.streams.memory_log import InMemoryLog

KEPT = 50


@pytest.fixture(autouse=True)
def few(monkeypatch: pytest.MonkeyPatch) -> None:
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


# ---- a long log that is read from its beginning ----


@dataclass
class Uneven:
    """A log that hands out all of `jobs` before anything else: a thousand of its records are as long as one proof."""

    log: InMemoryLog
    after_jobs: Callable[[], object] = lambda: None

    def reader(self, positions: Any, *, follow: bool) -> Any:
        short = {place: offset for place, offset in positions.items() if place[0] == "bitsage.jobs"}
        first, rest, told = self.log.reader(short, follow=follow), self.log.reader(positions, follow=follow), []

        class Both:
            def read(self, most: int, timeout: float) -> list[Record]:
                if not told and (records := first.read(most, 0.0)):
                    return records
                if not told:
                    told.append(outer.after_jobs())
                    return []
                return [record for record in rest.read(most, timeout) if record.topic != "bitsage.jobs"]

            def __getattr__(self, name: str) -> Any:
                return getattr(rest, name)

        outer = self
        return Both()


@pytest.mark.parametrize("restarted", [False, True])
def test_jobs_that_ended_long_before_their_proofs_are_read_do_not_come_back(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, restarted: bool
) -> None:
    monkeypatch.setattr(openjobs, "REMEMBERED", 1)
    log, path, stop = InMemoryLog(), tmp_path / "new.db", threading.Event()
    with running(log, tmp_path / "n") as network:
        network.validator(1)
        network.worker(10)
        client = network.funded(20, 0)
        for n in range(3):
            client.wait_job(client.submit_job(spec(seed=n))[0])
    newcomer = OpenJobs()
    if restarted:
        client.log = Uneven(log, stop.set)  # type: ignore[assignment]
        job_follower(client, path, newcomer.fold, newcomer).run(stop)
        stop, newcomer = threading.Event(), OpenJobs()
    client.log = Uneven(log)  # type: ignore[assignment]
    follower = job_follower(client, path, newcomer.fold, newcomer)
    follower.run(stop, stop.set)
    assert follower.caught_up.is_set()
    assert newcomer.version > 3
    assert newcomer.jobs == {}
    kept = sqlite3.connect(path)
    assert kept.execute("select count(*) from retained").fetchone() == (0,)
    kept.close()
