"""Jobs that no worker can finish: the worker gives them back and keeps its record and its stake."""

import json
from pathlib import Path

from testnetwork import running, spec, wait

from bitsage.nodes.client import Client
from bitsage.nodes.jobwork import ProofWork, prove_attempt
from bitsage.nodes.openjobs import OpenJob
from bitsage.nodes.worker import Progress
from bitsage.opencl import DeviceUnknown
from bitsage.schemas.events import JobReassigned, ReputationChanged, Slashed, WorkerWentOffline
from bitsage.streams.memory_log import InMemoryLog

ENDLESS = json.dumps({"assembly": "loop:\njmp loop", "max_cycles": 64})


def _given_back(client: Client, job_id: bytes) -> list[JobReassigned]:
    return [a.body for a in client.history(("jobs",), job_id.hex()) if isinstance(a.body, JobReassigned)]


def test_three_jobs_that_trap_cost_an_honest_worker_nothing(tmp_path: Path) -> None:
    with running(InMemoryLog(), tmp_path) as network:
        worker, client = network.worker(10), network.funded(20)
        for _ in range(3):
            job_id, _ = client.submit_job(spec(job_type="vm", input=ENDLESS))
            given_back = wait(lambda j=job_id: _given_back(client, j))
            assert [body.reason for body in given_back] == ["unprovable"]
        told = [a.body for a in client.history(("workers", "accounts"), worker.subject)]
        assert not [b for b in told if isinstance(b, ReputationChanged | Slashed | WorkerWentOffline)]


def test_a_worker_whose_device_is_not_there_gives_the_job_back_and_says_so(tmp_path: Path) -> None:
    def produce(job: OpenJob, worker: bytes, progress: Progress | None) -> ProofWork:
        return prove_attempt(job, worker, progress, device="no such device")

    with running(InMemoryLog(), tmp_path) as network:
        network.worker(10, produce=produce)
        client = network.funded(20)
        job_id, _ = client.submit_job(spec())
        assert [body.reason for body in wait(lambda: _given_back(client, job_id))] == ["abandoned"]
        failure = wait(lambda: network.failures.pop() if network.failures else None)
        assert isinstance(failure, DeviceUnknown)
