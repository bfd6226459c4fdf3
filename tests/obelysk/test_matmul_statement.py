"""Which matrices a proof of a product is of: what is absorbed, and what is compared at the point outside the domain."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from test_matrices import npy

from bitsage.obelysk import MatmulJob, generate_inputs
from bitsage.obelysk.matmul import interaction_columns, matmul_air, matmul_params, matmul_trace, trace_columns
from bitsage.obelysk.matmul_job import TRACE_TREE, matrices_hash
from bitsage.obelysk.matrices import Matrix, product
from bitsage.obelysk.statement import has_values_at
from bitsage.stark import P, Proof, ProofRefused, fft, prove, read_proof, verify
from bitsage.stark.circle import SecurePoint, secure_point
from bitsage.stark.fold import values_at
from bitsage.stark.layout import make_layout
from bitsage.stark.linear import evaluate_at

JOB = MatmulJob()
BINDING = bytes(range(32))
REQUEST = {"size": 16, "seed": 42}
POINT = secure_point((5, 6, 7, 8))


@pytest.fixture(scope="module")
def proven() -> tuple[Matrix, bytes]:
    output = JOB.run(REQUEST)
    return output, JOB.prove(REQUEST, output, BINDING)


def reason(request: Any, claim: Any, proof: bytes) -> str:
    """Why the job's verifier refuses a proof."""
    with pytest.raises(ProofRefused) as error:
        JOB.verify(request, claim, proof, BINDING)
    return error.value.reason


def forged(claimed: tuple[Matrix, Matrix, Matrix], committed: tuple[Matrix, Matrix, Matrix]) -> bytes:
    """A prover's best: it absorbs the hash of the claimed matrices and commits to others, whose product is right."""
    params = matmul_params(len(claimed[0]), BINDING, matrices_hash(*claimed))
    trace, make = matmul_trace(*committed), lambda drawn: interaction_columns(*committed, drawn)
    return prove(matmul_air(), params, trace, interaction=make, check=False).proof.to_bytes()


def request_of(a: Matrix, b: Matrix) -> dict[str, bytes]:
    return {"a": npy(a), "b": npy(b)}


def plus_one(matrix: Matrix, row: int, column: int) -> Matrix:
    changed = matrix.copy()
    changed[row, column] = (int(changed[row, column]) + 1) % P
    return changed


@pytest.mark.parametrize("log_size", range(1, 14))
def test_the_values_at_a_point_are_those_of_the_interpolated_polynomials(log_size: int) -> None:
    columns = np.random.default_rng(log_size).integers(0, P, (3, 1 << log_size), dtype=np.uint32)
    columns[2] = P - 1
    before = columns.copy()
    assert values_at(list(columns), POINT) == evaluate_at(list(fft.interpolate(columns)), POINT)
    assert np.array_equal(columns, before)


def test_a_column_longer_than_a_tile() -> None:
    columns = np.random.default_rng(0).integers(0, P, (2, 1 << 17), dtype=np.uint32)
    assert values_at(list(columns), POINT) == evaluate_at(list(fft.interpolate(columns)), POINT)


@pytest.mark.parametrize("shape", [(16, 16, 16), (1, 1, 1), (3, 20, 7), (33, 2, 5)])
def test_an_honest_proof_is_accepted_by_output_and_by_hash(shape: tuple[int, int, int]) -> None:
    chance = np.random.default_rng(sum(shape))
    a, b = (chance.integers(0, P, shape[k : k + 2], dtype=np.uint32) for k in range(2))
    request = request_of(a, b)
    output = JOB.run(request)
    proof = JOB.prove(request, output, BINDING)
    JOB.verify(request, output, proof, BINDING)
    JOB.verify(request, JOB.output_hash(output), proof, BINDING)
    if shape[1] > 1:
        assert reason(request_of(plus_one(a, 0, 1), b), output, proof) == "oods_mismatch"


def test_an_honest_proof_is_of_no_other_job_and_no_other_output(proven: tuple[Matrix, bytes]) -> None:
    output, proof = proven
    a, b = generate_inputs(16, 42)
    for other in ({"size": 16, "seed": 43}, request_of(plus_one(a, 3, 4), b), request_of(a, plus_one(b, 15, 0))):
        for claim in (output, JOB.run(other), JOB.output_hash(JOB.run(other))):
            assert reason(other, claim, proof) == "oods_mismatch"
    assert reason(REQUEST, plus_one(output, 3, 4), proof) == "oods_mismatch"
    large = {"size": 32, "seed": 42}
    assert reason(large, JOB.run(large), proof) in ("shape", "preprocessed_root_mismatch", "fri_layers")


@pytest.mark.parametrize("column", range(3))
def test_a_prover_that_says_one_matrix_and_commits_to_another_is_refused(column: int) -> None:
    """Row 5 of B and column 6 of A are 0: A has entries, and so has B, that the product does not depend on."""
    a, b = (m.copy() for m in generate_inputs(16, 42))
    a[:, 6], b[5] = 0, 0
    c = product(a, b)
    claimed = a, b, c
    JOB.verify(request_of(a, b), c, forged(claimed, claimed), BINDING)
    committed = ((plus_one(a, 2, 5), b, c), (a, plus_one(b, 6, 2), c), (a, b, plus_one(c, 1, 2)))[column]
    refusals = {reason(request_of(a, b), claim, forged(claimed, committed)) for claim in (c, JOB.output_hash(c))}
    # A wrong product is what no constraint allows; the inputs are nobody's but the comparison's to find out.
    assert refusals == {"oods_mismatch" if column == 2 else "statement_mismatch"}


def test_swapped_and_other_matrices_under_the_hash_of_the_job_s_are_refused() -> None:
    a, b = generate_inputs(16, 42)
    x, y = generate_inputs(16, 43)
    for committed in ((b, a, product(b, a)), (x, y, product(x, y))):
        proof = forged((a, b, product(a, b)), committed)
        assert reason(REQUEST, product(a, b), proof) == "statement_mismatch"


def test_a_false_output_under_its_own_hash_is_refused() -> None:
    """The true product is committed to, and the hash of a false one is absorbed and claimed."""
    a, b = generate_inputs(16, 42)
    wrong = plus_one(product(a, b), 7, 7)
    proof = forged((a, b, wrong), (a, b, product(a, b)))
    assert reason(REQUEST, wrong, proof) == "statement_mismatch"
    assert reason(REQUEST, JOB.output_hash(wrong), proof) == "output_mismatch"


def vanishing(point: SecurePoint, size: int) -> Matrix:
    """A matrix, not 0, whose polynomial is 0 at a point: five entries that solve the four equations over M31."""
    weights = []
    for entry in range(5):
        single = np.zeros((size, size), dtype=np.uint32)
        single[0, entry] = 1
        weights.append(list(values_at([trace_columns(single, single, single)[2]], point)[0]))
    rows = [list(row) for row in zip(*weights, strict=True)]
    for k in range(4):
        pivot = next(r for r in range(k, 4) if rows[r][k])
        rows[k], rows[pivot] = rows[pivot], rows[k]
        inverse = pow(rows[k][k], -1, P)
        rows[k] = [v * inverse % P for v in rows[k]]
        for r in set(range(4)) - {k}:
            rows[r] = [(v - rows[r][k] * w) % P for v, w in zip(rows[r], rows[k], strict=True)]
    result = np.zeros((size, size), dtype=np.uint32)
    result[0, :5] = [*((P - rows[k][4]) % P for k in range(4)), 1]
    return result


def test_an_output_that_is_chosen_once_z_is_known_is_refused(proven: tuple[Matrix, bytes]) -> None:
    """It has the values of the true one at z: only that its hash is absorbed before z is drawn keeps it out."""
    output, proof = proven
    air, params = JOB.statement(REQUEST, BINDING)
    point = verify(air, params, proof).point
    a, b = generate_inputs(16, 42)
    wrong = ((output.astype(np.uint64) + vanishing(point, 16)) % P).astype(np.uint32)
    assert not np.array_equal(wrong, output)
    assert has_values_at(trace_columns(a, b, wrong), point, read_proof(proof).sampled_values[TRACE_TREE])
    assert reason(REQUEST, wrong, proof) == "oods_mismatch"
    assert reason(REQUEST, JOB.output_hash(wrong), proof) == "output_mismatch"


def test_every_proof_has_its_own_point_and_is_compared_there(proven: tuple[Matrix, bytes]) -> None:
    output, proof = proven
    columns = trace_columns(*generate_inputs(16, 42), output)
    points, samples = [], []
    for binding, made in ((BINDING, proof), (bytes(32), JOB.prove(REQUEST, output, bytes(32)))):
        points.append(verify(*JOB.statement(REQUEST, binding), made).point)
        samples.append(read_proof(made).sampled_values[TRACE_TREE])
    assert [[has_values_at(columns, z, shown) for shown in samples] for z in points] == [[True, False], [False, True]]


def with_samples(proof: bytes, samples: Any) -> bytes:
    parsed: Proof = read_proof(proof)
    trees = list(parsed.sampled_values)
    trees[TRACE_TREE] = samples
    return replace(parsed, sampled_values=tuple(trees)).to_bytes()


def test_values_that_a_proof_shows_of_other_columns_are_refused_by_the_proof_itself() -> None:
    """What is compared are the proof's own words; the verifier holds them against the commitment and the constraints."""
    a, b = generate_inputs(16, 42)
    x, y = generate_inputs(16, 43)
    claimed = a, b, product(a, b)
    proof = forged(claimed, (x, y, product(x, y)))
    air, params = JOB.statement(REQUEST, BINDING)
    point = verify(air, params, proof).point
    shown = tuple((value,) for value in values_at(trace_columns(*claimed), point))
    assert reason(REQUEST, claimed[2], with_samples(proof, shown)) == "oods_mismatch"


@pytest.mark.parametrize("count", [0, 2, 4])
def test_the_trace_tree_has_three_columns_with_one_value_each(proven: tuple[Matrix, bytes], count: int) -> None:
    output, proof = proven
    samples = read_proof(proof).sampled_values[TRACE_TREE]
    assert reason(REQUEST, output, with_samples(proof, (*samples, *samples)[:count])) == "shape"
    doubled = (samples[0] * 2, *samples[1:])
    assert reason(REQUEST, output, with_samples(proof, doubled)) == "shape"
    layout = make_layout(*JOB.statement(REQUEST, BINDING))
    assert [column.mask for column in layout.trees[TRACE_TREE]] == [(0,)] * 3


def test_the_comparison_is_of_every_column_and_of_canonical_values() -> None:
    columns = trace_columns(*(np.arange(256, dtype=np.uint32).reshape(16, 16) + k for k in range(3)))
    samples = [(value,) for value in values_at(columns, POINT)]
    assert has_values_at(columns, POINT, samples)
    for k in range(3):
        others = [column.copy() for column in columns]
        others[k][77] += 1
        assert not has_values_at(others, POINT, samples)
        (first, *rest) = samples[k][0]
        large = [*samples[:k], ((first + P, *rest),), *samples[k + 1 :]]
        assert not has_values_at(columns, POINT, large)  # type: ignore[arg-type]
    assert not has_values_at(columns, POINT, samples[:2])
    assert not has_values_at(columns, POINT, [*samples[:2], samples[2] * 2])


def test_the_hash_is_of_all_three_matrices_and_their_order() -> None:
    a, b = generate_inputs(16, 42)
    c = product(a, b)
    hashes = [matrices_hash(*m) for m in ((a, b, c), (b, a, c), (a, b, plus_one(c, 0, 0)), (plus_one(a, 0, 0), b, c))]
    assert len({*hashes, matrices_hash(a, plus_one(b, 0, 0), c)}) == 5
    assert (
        JOB.statement(REQUEST, BINDING)[1].public["matrices"]
        == matmul_params(16, BINDING, hashes[0]).public["matrices"]
    )
