"""What the processes say about a job names the job, in every line."""

import json
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import structlog
from testnetwork import running, spec, wait

from bitsage.cli import logs
from bitsage.nodes.claims import claimable
from bitsage.nodes.execution import Emitted
from bitsage.nodes.handler import CoordinatorHandler
from bitsage.nodes.jobwork import ProofWork
from bitsage.nodes.openjobs import OpenJob
from bitsage.processors.kernel import Streams
from bitsage.processors.model import job_subject
from bitsage.schemas.events import JobCancelled, JobCompleted, Slashed
from bitsage.streams.deadletters import waiting
from bitsage.streams.log import Outgoing
from bitsage.streams.memory_log import InMemoryLog
from bitsage.streams.topics import partition_for, topic_name

#: Lines that are about the process as a whole.
GENERAL = {"started", "stopped", "partition_recovered", "duties_taken", "duties_left"}


@pytest.fixture
def lines(capsys: pytest.CaptureFixture[str]) -> Iterator[Callable[[], list[dict[str, Any]]]]:
    logs.set_up("info", "json")
    yield lambda: [json.loads(line) for line in capsys.readouterr().err.splitlines() if line.startswith("{")]
    structlog.reset_defaults()


def garbage(job: OpenJob, *_: Any) -> ProofWork:
    return ProofWork(
        output_hash=bytes(32), public_inputs="{}", proof=b"garbage", proof_hash=bytes(32), proof_system="none",
        security_bits=0, backend="none", run_ms=0, prove_ms=0,
    )  # fmt: skip


def test_every_line_about_a_job_names_it(tmp_path: Path, lines: Callable[[], list[dict[str, Any]]]) -> None:
    log = InMemoryLog()
    with running(log, tmp_path) as network:
        for n in range(1, 5):
            network.validator(n)
        worker = network.worker(10, produce=garbage)
        client = network.funded(20)
        job_id, _ = client.submit_job(spec())
        subject = job_subject(job_id)
        wait(lambda: any(isinstance(a.body, Slashed) for a in client.history(("accounts",), worker.subject)))
        producer = log.producer()
        # Garbage, and a record that nobody sealed, under the job's key.
        for topic in ("commands", "jobs"):
            producer.send(
                Outgoing(topic_name(topic), partition_for(subject.encode()), subject.encode(), b"garbage", ())
            )
        producer.close()
        other = network.worker(11)
        assert isinstance(client.wait_job(job_id, 60).body, JobCompleted)
        wait(lambda: waiting(log))
        wait(lambda: claimable(other))
    said = lines()
    of_job = [line for line in said if line["event"] not in GENERAL and line.get("observation") != "ReportPresence"]
    assert {line["event"] for line in of_job} >= {
        *("job_started", "proof_submitted", "judged", "voted", "decided", "payment_encrypted", "dead_letter"),
        "record_passed_over",
    }
    assert {line.get("job") for line in of_job} == {subject}
    turns = [line["what"] for line in of_job if line["event"] == "decided"]
    assert turns[:2] == ["JobSubmitted", "JobAssigned"]
    assert {"Slashed", "JobReassigned", "ConsensusReached", "JobCompleted"} <= set(turns)
    assert turns.count("JobCompleted") == turns.count("JobSubmitted") == 1


def test_a_batch_that_is_aborted_is_not_told(lines: Callable[[], list[dict[str, Any]]]) -> None:
    """Only what is durable happened."""
    handler = CoordinatorHandler.__new__(CoordinatorHandler)
    handler.streams, handler._turns, handler._dirty = Streams(), [], set()
    body = JobCancelled(job_id=b"\1" * 16, attempt=1)
    envelope = SimpleNamespace(subject="01" * 16)
    handler._turns.append(Emitted("jobs", envelope, body, b""))  # type: ignore[arg-type]
    handler.aborted()
    handler._saved_at = time.monotonic()
    handler.committed({})
    assert lines() == []
    handler._turns.append(Emitted("jobs", envelope, body, b""))  # type: ignore[arg-type]
    handler.committed({})
    (line,) = lines()
    assert (line["event"], line["what"], line["job"]) == ("decided", "JobCancelled", "01" * 16)
