"""A verification whose commitment comes from elsewhere: what a liar there can do, and that it is nothing."""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import pytest

from bitsage.obelysk import AssistedJob, MatmulJob, ProvenJob
from bitsage.obelysk.matmul import commitment, trace_columns
from bitsage.obelysk.statement import has_values_at
from bitsage.stark import NumpyBackend, P, ProofRefused, fft, read_proof
from bitsage.stark.circle import secure_point
from bitsage.stark.fold import value_at
from bitsage.stark.linear import evaluate_at
from bitsage.stark.vectors import U32

JOB = MatmulJob()
BINDING = bytes(range(32))
REQUEST = {"size": 16, "seed": 42}
POINT = secure_point((5, 6, 7, 8))
Commit = Callable[[Sequence[U32]], bytes | None]


@pytest.fixture(scope="module")
def proven() -> tuple[Any, bytes]:
    output = JOB.run(REQUEST)
    return output, JOB.prove(REQUEST, output, BINDING)


@pytest.mark.parametrize("log_size", [1, 2, 5, 10])
def test_the_value_at_a_point_is_that_of_the_interpolated_polynomial(log_size: int) -> None:
    column = np.random.default_rng(log_size).integers(0, P, 1 << log_size, dtype=np.uint32)
    coefficients = fft.interpolate(column[np.newaxis].copy())
    assert value_at(column, POINT) == evaluate_at([coefficients[0]], POINT)[0]


def test_the_values_of_other_columns_differ() -> None:
    columns = trace_columns(*(np.arange(256, dtype=np.uint32).reshape(16, 16) + k for k in range(3)))
    values = [value_at(column, POINT) for column in columns]
    assert has_values_at(columns, POINT, values)
    for changed in range(3):
        others = [column.copy() for column in columns]
        others[changed][77] += 1
        assert not has_values_at(others, POINT, values)


@pytest.mark.parametrize(
    "commit", [commitment, lambda columns: commitment(columns, NumpyBackend()), lambda columns: None]
)
def test_an_honest_proof_is_accepted_wherever_the_commitment_is_made(proven: tuple[Any, bytes], commit: Commit) -> None:
    output, proof = proven
    for claim in (output, JOB.output_hash(output)):
        JOB.verify_with(REQUEST, claim, proof, BINDING, commit)


def test_a_wrong_commitment_refuses_an_honest_proof(proven: tuple[Any, bytes]) -> None:
    """Which is why whoever asks a device has to ask NumPy before it says so."""
    output, proof = proven
    with pytest.raises(ProofRefused) as error:
        JOB.verify_with(REQUEST, output, proof, BINDING, lambda columns: bytes(32))
    assert error.value.reason == "statement_mismatch"


@pytest.mark.parametrize("what", ["another job", "another output"])
def test_a_commitment_that_repeats_the_proofs_root_gets_nothing_accepted(proven: tuple[Any, bytes], what: str) -> None:
    output, proof = proven
    request, claim = REQUEST, output.copy()
    if what == "another job":
        request = {"size": 16, "seed": 43}
        claim = JOB.run(request)
    else:
        claim[3, 4] = (int(claim[3, 4]) + 1) % P
    root = read_proof(proof).commitments[1]
    for commit in (lambda columns: root, lambda columns: None, commitment):
        with pytest.raises(ProofRefused) as error:
            JOB.verify_with(request, claim, proof, BINDING, commit)
        assert error.value.reason == "statement_mismatch"


def test_job_types_without_long_columns_are_not_assisted() -> None:
    assert isinstance(JOB, AssistedJob)
    assert not issubclass(ProvenJob, AssistedJob)
