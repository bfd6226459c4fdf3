"""Commitments on a device: the same roots as NumPy's, and no device that can change a verdict."""

import threading
import time
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import pytest

from bitsage.nodes import committing
from bitsage.nodes.committing import DeviceCommitter, verify_assisted
from bitsage.nodes.jobwork import binding, job_input, judge, pack, prove_request
from bitsage.obelysk import MatmulJob
from bitsage.obelysk.inference import InferenceJob, default_model
from bitsage.obelysk.matmul import commitment, selectors, trace_columns
from bitsage.obelysk.matrices import generate_inputs, product
from bitsage.opencl import DeviceInfo, DeviceLost, DeviceOutOfMemory, choose, discover
from bitsage.schemas.events import ProofGenerated
from bitsage.schemas.parameters import Parameters
from bitsage.stark import ProofRefused
from bitsage.stark.vectors import U32

JOB = MatmulJob()
REQUEST = {"size": 16, "seed": 42}
JOB_ID, WORKER = b"\x07" * 16, b"\x09" * 32
BINDING = binding(JOB_ID, 1, WORKER)
Columns = Sequence[U32]


@pytest.fixture(scope="module")
def columns() -> Columns:
    a, b = generate_inputs(64, 5)
    return trace_columns(a, b, product(a, b))


@pytest.fixture(scope="module")
def proof() -> ProofGenerated:
    work = prove_request(JOB, REQUEST, BINDING, "job", None, "numpy")
    return ProofGenerated(
        job_id=JOB_ID,
        attempt=1,
        worker=WORKER,
        **{
            name: getattr(work, name)
            for name in ("output_hash", "public_inputs", "proof", "proof_hash", "proof_system")
        },
        **{name: getattr(work, name) for name in ("security_bits", "backend", "run_ms", "prove_ms")},
    )


@pytest.fixture
def there(monkeypatch: pytest.MonkeyPatch) -> DeviceInfo:
    """Some device, whether or not this machine has one: what is done on it is a test's own."""
    info = DeviceInfo(0, "stand-in", "", "", "", "", "cpu", 0, 0, 1, 1, 1)
    monkeypatch.setattr(committing, "choose", lambda wanted: info)
    monkeypatch.setattr(committing, "open_device", lambda info: type("Opened", (), {"pool": _Pool()}))
    return info


class _Pool:
    def trim(self) -> None:
        """Nothing is held."""


def device(root_on: Any, **given: Any) -> DeviceCommitter:
    return DeviceCommitter(least_rows=1, root_on=root_on, **given)


def judged(proof: ProofGenerated, committer: DeviceCommitter | None, request: Any = REQUEST) -> tuple[bool, str]:
    return judge("matmul", job_input(request), proof, Parameters(), committer=committer)


@pytest.mark.parametrize("size", [16, 64, 256])
def test_a_device_commits_to_the_same_root_as_numpy(size: int) -> None:
    if not discover():
        pytest.skip("no OpenCL device is present")
    a, b = generate_inputs(size, 11)
    found = DeviceCommitter(discover()[0].index, least_rows=1)
    for known in (trace_columns(a, b, product(a, b)), selectors(size)):
        root = found(known)
        assert root is not None
        assert root == commitment(known)


def test_a_device_judges_as_numpy_does(proof: ProofGenerated) -> None:
    if not discover():
        pytest.skip("no OpenCL device is present")
    committer = DeviceCommitter(discover()[0].index, least_rows=1)
    false = replace(proof, output_hash=bytes(32))
    for request in (REQUEST, {"size": 16, "seed": 43}, {"size": 32, "seed": 42}):
        for given in (proof, false, replace(proof, attempt=2)):
            assert judged(given, committer, request) == judged(given, None, request)
    assert judged(proof, committer) == (True, "valid")


def test_short_columns_and_numpy_ask_no_device(columns: Columns) -> None:
    def never(*_: object) -> bytes:
        raise AssertionError("a device was asked")

    assert DeviceCommitter(root_on=never)(columns) is None
    assert device(never, wanted="numpy")(columns) is None


def test_a_device_that_is_not_there_is_told_once_and_numpy_judges(proof: ProofGenerated, columns: Columns) -> None:
    committer = DeviceCommitter("no such device", least_rows=1)
    assert judged(proof, committer) == (True, "valid")
    assert committer(columns) is None
    assert committer._off


@pytest.mark.parametrize(
    ("error", "calls"), [(DeviceOutOfMemory("full"), 3), (DeviceLost("gone"), 1), (RuntimeError("driver"), 1)]
)
def test_a_device_that_fails_costs_the_verdict_nothing(
    there: DeviceInfo, proof: ProofGenerated, error: Exception, calls: int
) -> None:
    asked = []

    def failing(info: DeviceInfo, known: Columns) -> bytes:
        asked.append(info)
        raise error

    committer = device(failing)
    assert [judged(proof, committer) for _ in range(3)] == [(True, "valid")] * 3
    # What is lost is not asked again; memory may be free the next time.
    assert asked == [there] * calls


def test_a_device_that_hangs_is_not_waited_for_and_asked_again_when_it_answers(there, proof, columns) -> None:
    gate, asked = threading.Event(), []

    def hanging(info: DeviceInfo, known: Columns) -> bytes:
        asked.append(info)
        assert gate.wait(60)
        return commitment(known)

    committer = device(hanging, patience_s=0.2)
    started = time.monotonic()
    assert judged(proof, committer) == (True, "valid")
    assert committer(columns) is None
    assert time.monotonic() - started < 30
    assert len(asked) == 1
    gate.set()
    committer._call.join(60)
    committer(columns)
    assert len(asked) == 2


def test_a_device_that_computes_nonsense_refuses_no_honest_proof_and_is_not_asked_again(there, proof) -> None:
    asked = []

    def wrong(info: DeviceInfo, known: Columns) -> bytes:
        asked.append(info)
        return bytes(32)

    committer = device(wrong)
    assert [judged(proof, committer) for _ in range(2)] == [(True, "valid")] * 2
    assert asked == [there]


def test_a_device_that_knows_the_wanted_root_gets_no_false_output_accepted(there, proof) -> None:
    """The proof of one job, shown for another whose output is right: only the columns tell them apart."""
    other = {"size": 16, "seed": 43}
    claimed = replace(proof, output_hash=JOB.output_hash(JOB.run(other)))
    a, b = generate_inputs(16, 42)
    root = commitment(trace_columns(a, b, product(a, b)))
    committer = device(lambda info, known: root)
    assert judged(claimed, committer, other) == (False, "statement_mismatch")
    assert not committer._off, "NumPy refused it as well"
    assert judged(proof, committer) == (True, "valid")


def test_a_refusal_that_no_device_had_a_part_in_is_not_looked_at_twice(there, proof, monkeypatch) -> None:
    looked = []
    plain = MatmulJob.verify

    def counted(self: MatmulJob, *arguments: Any) -> None:
        looked.append(arguments)
        plain(self, *arguments)

    monkeypatch.setattr(MatmulJob, "verify", counted)
    committer = device(lambda info, known: bytes(32))
    false = replace(proof, proof=pack(b"no proof"))
    with pytest.raises(ProofRefused):
        verify_assisted(JOB, REQUEST, false.output_hash, b"no proof", BINDING, committer)
    assert looked == []


def test_a_job_type_that_cannot_use_a_device_is_verified_without(there) -> None:
    def never(*_: object) -> bytes:
        raise AssertionError("a device was asked")

    job, request = InferenceJob(), {"model": default_model().hash.hex(), "digits": "0-1"}
    output = job.run(request)
    raw = job.prove(request, output, BINDING)
    verify_assisted(job, request, job.output_hash(output), raw, BINDING, device(never))


def test_the_process_that_proves_waits_for_its_device(there, columns) -> None:
    def slow(info: DeviceInfo, known: Columns) -> bytes:
        time.sleep(0.3)
        return b"\x01" * 32

    assert device(slow, patience_s=0.01)(columns) is None
    assert device(slow, patience_s=0.01, with_prover=True)(columns) == b"\x01" * 32


@pytest.mark.slow
def test_the_largest_product_on_the_device() -> None:
    """2^22 rows: some 48 s of processor time and 9 GiB on a CPU's runtime."""
    info = choose(None)
    if info is None or info.memory < 12 << 30:
        pytest.skip("no OpenCL device with 12 GiB is present")
    request = {"size": 2048, "seed": 9}
    work = prove_request(JOB, request, BINDING, "job", None, None)
    assert work.backend == info.label
    assert len(work.proof) <= JOB.limits.max_compressed_proof_bytes
