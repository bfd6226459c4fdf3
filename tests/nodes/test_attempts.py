"""One attempt of a job: what a worker hands in or gives up for, and what a validator makes of what it cannot check."""

import ast
import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from testnetwork import spec

import bitsage.nodes
from bitsage.nodes import jobwork
from bitsage.nodes.checks import ProductChecks
from bitsage.nodes.jobwork import judge, prove_attempt, request_of
from bitsage.nodes.openjobs import OpenJob
from bitsage.obelysk import JobInputInvalid, ProofTooLarge, get_job_type
from bitsage.obelysk.matmul_job import MatmulJob
from bitsage.opencl import DeviceUnknown
from bitsage.opencl.fallback import prove_with_fallback
from bitsage.processors.refusal import NAME_MAX
from bitsage.schemas.events import JobAssigned, JobSubmitted, ProofGenerated
from bitsage.schemas.parameters import Parameters

JOB, WORKER = b"\x01" * 16, b"\x02" * 32


def attempt(**changes: Any) -> OpenJob:
    assigned = JobAssigned(job_id=JOB, attempt=1, worker=WORKER, cost=1, expires_at=1)
    return OpenJob(JOB, JobSubmitted(job_id=JOB, client=b"\x03" * 32, spec=spec(**changes)), assigned)


def test_a_job_that_is_not_assigned_is_not_proven() -> None:
    with pytest.raises(JobInputInvalid):
        prove_attempt(OpenJob(JOB), WORKER, None)


def test_a_long_device_name_is_cut_to_what_the_network_admits(monkeypatch: pytest.MonkeyPatch) -> None:
    def on_a_long_name(made: Callable[..., Any], **options: Any) -> Any:
        return replace(prove_with_fallback(made, **options), device="opencl gpu: " + "x" * NAME_MAX)

    monkeypatch.setattr(jobwork, "prove_with_fallback", on_a_long_name)
    work = prove_attempt(attempt(), WORKER, None)
    assert work.backend == ("opencl gpu: " + "x" * NAME_MAX)[:NAME_MAX]


def test_an_unknown_device_is_named_and_not_blamed_on_the_job_type() -> None:
    with pytest.raises(DeviceUnknown):
        prove_attempt(attempt(), WORKER, None, device="no such device")


def test_a_proof_larger_than_its_job_type_allows_is_not_handed_in(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(MatmulJob, "limits", replace(MatmulJob.limits, max_compressed_proof_bytes=100))
    with pytest.raises(ProofTooLarge) as raised:
        prove_attempt(attempt(), WORKER, None)
    assert raised.value.code == "too_large"


@pytest.mark.parametrize("name", ["matmul", "vm", "inference"])
def test_an_input_of_more_bytes_than_its_job_type_takes_is_refused(name: str) -> None:
    job_type = get_job_type(name)
    text = json.dumps({"model": "é" * job_type.limits.max_request_bytes}, ensure_ascii=False)
    with pytest.raises(JobInputInvalid) as raised:
        request_of(job_type, text)
    assert raised.value.reason == "too_large"
    refused = ProductChecks().job_input(name, text)
    assert refused is not None
    assert refused[0] == "input_too_large"


def test_the_machine_takes_no_more_than_the_network_does() -> None:
    assert get_job_type("vm").limits.max_request_bytes <= Parameters().job_input_max_bytes


def _exhausted(*_: Any, **__: Any) -> None:
    raise MemoryError


def test_a_validator_without_memory_votes_no_and_lives(monkeypatch: pytest.MonkeyPatch) -> None:
    work = prove_attempt(attempt(), WORKER, None)
    proof = ProofGenerated(
        job_id=JOB,
        attempt=1,
        worker=WORKER,
        **{name: getattr(work, name) for name in work.__slots__},
    )
    text = spec().input
    assert judge("matmul", text, proof, Parameters()) == (True, "valid")
    monkeypatch.setattr(MatmulJob, "verify", _exhausted)
    assert judge("matmul", text, proof, Parameters()) == (False, "job_type_failed")


def test_an_input_that_takes_all_memory_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(MatmulJob, "validate", _exhausted)
    refused = ProductChecks().job_input("matmul", spec().input)
    assert refused is not None
    assert refused[0] == "job_type_failed"


def test_no_node_leans_on_assert_which_an_optimised_python_leaves_out() -> None:
    for file in Path(bitsage.nodes.__file__).parent.glob("*.py"):
        tree = ast.parse(file.read_text(encoding="utf-8"))
        assert not [n.lineno for n in ast.walk(tree) if isinstance(n, ast.Assert)], file.name
