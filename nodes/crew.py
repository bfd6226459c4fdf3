"""Several workers in one process, each with its account, its heartbeats and its thread; they read the log once for all.

For a machine that offers many accounts: following the job topics costs the same for one worker as for fifty.
"""

import threading
from dataclasses import dataclass, field
from pathlib import Path

from bitsage.schemas.events import JobAssigned
from bitsage.schemas.types import EventBody, EventEnvelope
from bitsage.streams.log import Record

from .follower import Keep
from .openjobs import OpenJobs, job_follower
from .worker import WorkerNode, guard


@dataclass(slots=True)
class Crew:
    """At least one worker; `folder` holds what they remember together."""

    workers: list[WorkerNode]
    folder: Path
    stop: threading.Event = field(default_factory=threading.Event)
    open_jobs: OpenJobs = field(default_factory=OpenJobs)
    _by_account: dict[bytes, WorkerNode] = field(default_factory=dict)

    def run(self) -> None:
        """Work until `stop` is set; proofs that are being made are finished and submitted first.

        Raises:
            BaseException: what ended one of them; the others are stopped first.
        """
        failure: list[BaseException] = []
        follower = job_follower(self.workers[0].client, self.folder / "crew.db", self._fold, self.open_jobs)
        threads = [threading.Thread(target=guard, args=(follower.run, self.stop, failure), name="follow")]
        for worker in self.workers:
            worker.stop, worker.open_jobs = self.stop, self.open_jobs
            self._by_account[worker.client.key.address] = worker
            threads.append(threading.Thread(target=self._serve, args=(worker, follower.caught_up, failure)))
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        if failure:
            raise failure[0]

    def _serve(self, worker: WorkerNode, caught_up: threading.Event, failure: list[BaseException]) -> None:
        guard(lambda _: worker.serve(caught_up, failure), self.stop, failure)

    def _fold(self, record: Record, envelope: EventEnvelope, body: EventBody) -> tuple[str, Keep]:
        for worker in self.workers:
            worker.hear(envelope, body)
        found = self.open_jobs.fold(record, envelope, body)
        mine = self._by_account.get(body.worker) if isinstance(body, JobAssigned) else None
        if mine is not None:
            # Only whom it concerns: fifty threads that look at every event would do nothing else.
            mine.wake.set()
        return found
