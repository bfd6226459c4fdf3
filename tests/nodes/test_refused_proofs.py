"""A worker hears that its command was refused: it says it again, or gives the attempt up before its time runs out."""

import os
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from testnetwork import running, spec, wait

import bitsage.nodes.outbox
from bitsage.nodes.audit import audit
from bitsage.nodes.client import Client
from bitsage.nodes.jobwork import ProofWork, prove_attempt
from bitsage.nodes.signing import CommandSigner, now_ms
from bitsage.schemas.events import (
    CommandRejected,
    JobCompleted,
    JobReassigned,
    ProofRefused,
    ReputationChanged,
)
from bitsage.schemas.parameters import Parameters
from bitsage.streams.memory_log import InMemoryLog


def badly_signed_once(monkeypatch: pytest.MonkeyPatch, kinds: set[str], **options: Any) -> None:
    """The first command of each kind is signed with these options."""
    sign = CommandSigner.sign

    def signed(self: CommandSigner, subject: str, body: Any, **given: Any) -> Any:
        if type(body).__name__ in kinds:
            kinds.remove(type(body).__name__)
            given |= options
        return sign(self, subject, body, **given)

    monkeypatch.setattr(CommandSigner, "sign", signed)


def rejections(client: Client, job_id: bytes) -> list[tuple[str, str]]:
    found = [a.body for a in client.history(("jobs", "proofs"), job_id.hex())]
    return [(body.command, body.reason) for body in found if isinstance(body, CommandRejected)]


def test_a_proof_refused_for_its_clock_is_handed_in_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bitsage.nodes.outbox, "_REPEAT_S", 0.3)
    badly_signed_once(monkeypatch, {"SubmitProof"}, at=now_ms() + 86_400_000)
    log = InMemoryLog()
    with running(log, tmp_path) as network:
        network.validator(1)
        network.worker(10)
        client = network.funded(20)
        job_id, _ = client.submit_job(spec())
        assert isinstance(client.wait_job(job_id, 30).body, JobCompleted)
        assert rejections(client, job_id) == [("SubmitProof", "clock_skew")]
    assert audit(log, network.network, proofs=False).findings == []


def test_a_job_is_given_back_again_when_the_nonce_was_used_up(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bitsage.nodes.outbox, "_REPEAT_S", 0.3)
    badly_signed_once(monkeypatch, {"AbandonJob"}, nonce=1)
    with running(InMemoryLog(), tmp_path) as network:
        network.worker(10)
        client = network.funded(20)
        job_id, _ = client.submit_job(spec(job_type="vm", input='{"assembly": "loop: jmp loop", "max_cycles": 64}'))
        assert wait(lambda: reassigned(client, job_id)) == ["unprovable"]
        assert rejections(client, job_id) == [("AbandonJob", "nonce_reused")]


def too_long_a_name(job: Any, worker: bytes, progress: Any) -> ProofWork:
    return replace(prove_attempt(job, worker, progress), backend="x" * 65)


def too_large_a_proof(job: Any, worker: bytes, progress: Any) -> ProofWork:
    return replace(prove_attempt(job, worker, progress), proof=os.urandom(Parameters().proof_max_bytes + 1))


def reassigned(client: Client, job_id: bytes) -> list[str]:
    return [a.body.reason for a in client.history(("jobs",), job_id.hex()) if isinstance(a.body, JobReassigned)]


def costs(client: Client, worker: Client) -> list[str]:
    moved = [a.body for a in client.history(("workers",), worker.subject)]
    return [body.reason for body in moved if isinstance(body, ReputationChanged)]


@pytest.mark.parametrize(
    ("produce", "refusal", "end", "cost"),
    [(too_long_a_name, "malformed", "abandoned", ["failure"]), (too_large_a_proof, "too_large", "unprovable", [])],
)
def test_an_attempt_whose_proof_is_not_admitted_is_given_up(
    tmp_path: Path, produce: Callable[..., ProofWork], refusal: str, end: str, cost: list[str]
) -> None:
    with running(InMemoryLog(), tmp_path) as network:
        worker, client = network.worker(10, produce=produce), network.funded(20)
        job_id, _ = client.submit_job(spec())
        assert wait(lambda: reassigned(client, job_id)) == [end]
        refused = [a.body.reason for a in client.history(("proofs",), job_id.hex()) if isinstance(a.body, ProofRefused)]
        assert refused == [refusal]
        assert wait(lambda: costs(client, worker) == cost)


def test_a_worker_remembers_its_last_nonce(tmp_path: Path) -> None:
    with running(InMemoryLog(), tmp_path) as network:
        worker = network.worker(10)
        file = tmp_path / "w10" / "worker.nonce"
        wait(file.is_file)
        assert int(file.read_text(encoding="utf-8")) <= worker.signer._last_nonce
