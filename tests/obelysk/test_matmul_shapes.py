"""matmul of matrices that are no squares of a power of two: padded, proven, and the shape is part of the statement."""

from __future__ import annotations

import numpy as np
import pytest
from test_matrices import npy

from bitsage.obelysk import JobInputInvalid, MatmulJob
from bitsage.stark import P, ProofRefused

JOB = MatmulJob()
BINDING = bytes(range(32))


def matrices(rows: int, inner: int, columns: int) -> tuple[np.ndarray, np.ndarray]:
    chance = np.random.default_rng(rows * 10_000 + inner * 100 + columns)
    a, b = chance.integers(0, P, (rows, inner)), chance.integers(0, P, (inner, columns))
    return a, b


@pytest.mark.parametrize("shape", [(1, 1, 1), (3, 20, 5), (17, 2, 9), (1, 40, 1)])
def test_rectangles_are_multiplied_proven_and_verified(shape: tuple[int, int, int]) -> None:
    a, b = matrices(*shape)
    request = {"a": npy(a), "b": npy(b)}
    c = JOB.run(request)
    assert c.tolist() == [[sum(int(x) * int(y) for x, y in zip(r, k, strict=True)) % P for k in b.T] for r in a]
    proof = JOB.prove(request, c, BINDING)
    JOB.verify(request, c, proof, BINDING)
    JOB.verify(request, JOB.output_hash(c), proof, BINDING)
    wrong = c.copy()
    wrong[-1, -1] ^= 1
    for claim in (wrong, np.zeros((16, 16), dtype=np.uint32), c[:, :0], np.pad(c, ((0, 1), (0, 0)))):
        with pytest.raises(ProofRefused):
            JOB.verify(request, claim, proof, BINDING)


def test_the_claimed_shape_is_part_of_the_statement() -> None:
    """Trailing zeros do not change the padded matrices; the shape alone tells these jobs apart."""
    a, b = matrices(3, 4, 5)
    request = {"a": npy(a), "b": npy(b)}
    longer = {"a": npy(np.pad(a, ((0, 0), (0, 2)))), "b": npy(np.pad(b, ((0, 2), (0, 0))))}
    c = JOB.run(request)
    assert np.array_equal(c, JOB.run(longer))
    proof = JOB.prove(request, c, BINDING)
    with pytest.raises(ProofRefused) as error:
        JOB.verify(longer, c, proof, BINDING)
    assert error.value.reason == "oods_mismatch"


def test_matrices_that_do_not_fit_are_refused() -> None:
    a, b = matrices(3, 4, 5)
    with pytest.raises(JobInputInvalid) as error:
        JOB.validate({"a": npy(b), "b": npy(a)})
    assert error.value.reason == "matrix_shape"
