"""The matmul job: completeness, soundness against a prover that skips its own checks, sizes."""

from __future__ import annotations

import random
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import zstandard
from test_matrices import npy

from bitsage.obelysk import JOB_TYPES, JobInputInvalid, MatmulJob, UnknownJobType, generate_inputs, get_job_type
from bitsage.obelysk.errors import INPUT_REASONS
from bitsage.obelysk.matmul import (
    PREPROCESSED_ROOTS,
    interaction_columns,
    matmul_air,
    matmul_params,
    matmul_trace,
    selectors,
    trace_columns,
)
from bitsage.obelysk.matmul_job import matrices_hash
from bitsage.obelysk.matrices import SIZES, product
from bitsage.obelysk.statement import commitment
from bitsage.stark import P, Params, Proof, ProofRefused, Trace, TraceInvalid, prove, verify

JOB = MatmulJob()
BINDING = bytes(range(32))
REQUEST = {"size": 16, "seed": 42}
INTERACTION_NAMES = [f"{name}{k}" for name in ("p", "q", "a", "b", "u", "d") for k in range(4)]


def quick(params: Params) -> Params:
    """The same statement with less grinding; everything else as in production."""
    return replace(params, config=replace(params.config, pow_bits=4))


@pytest.fixture(scope="module")
def proven() -> tuple[Any, bytes]:
    output = JOB.run(REQUEST)
    return output, JOB.prove(REQUEST, output, BINDING)


def refused(reason: str | None, request: Any, output: Any, proof: bytes, binding: bytes = BINDING) -> None:
    with pytest.raises(ProofRefused) as error:
        JOB.verify(request, output, proof, binding)
    if reason is not None:
        assert error.value.reason == reason


def test_an_honest_proof_is_accepted_by_output_and_by_hash(proven: tuple[Any, bytes]) -> None:
    output, proof = proven
    JOB.verify(REQUEST, output, proof, BINDING)
    JOB.verify(REQUEST, JOB.output_hash(output), proof, BINDING)


def test_proofs_of_anything_else_are_refused(proven: tuple[Any, bytes]) -> None:
    output, proof = proven
    refused("oods_mismatch", REQUEST, output, proof, bytes(32))
    refused("oods_mismatch", REQUEST, output, proof, BINDING[:-1] + b"\0")
    refused("oods_mismatch", {"size": 16, "seed": 43}, output, proof)
    refused("output_mismatch", {"size": 16, "seed": 43}, JOB.output_hash(output), proof)
    refused("output_mismatch", REQUEST, bytes(32), proof)
    other = {"size": 32, "seed": 42}
    refused(None, other, JOB.run(other), proof)
    wrong = output.copy()
    wrong[3, 4] = (int(wrong[3, 4]) + 1) % P
    refused("oods_mismatch", REQUEST, wrong, proof)
    refused("output_mismatch", REQUEST, JOB.output_hash(wrong), proof)
    for no_output in (None, [[1]], wrong[:8], wrong.astype(np.int64), b"", b"short"):
        refused("output_mismatch", REQUEST, no_output, proof)


@pytest.mark.parametrize("data", [b"", b"BSP1", b"\0" * 100, b"{}", b"[" * 100_000, b"\xff" * 10, b"x" * (2 << 20)])
def test_what_is_no_proof_is_refused(data: bytes) -> None:
    refused("unreadable", REQUEST, JOB.run(REQUEST), data)


def test_changed_truncated_and_extended_proofs_are_refused(proven: tuple[Any, bytes]) -> None:
    output, proof = proven
    seed = random.randrange(2**32)
    print("seed", seed)
    chance = random.Random(seed)
    for position in chance.sample(range(len(proof)), 150):
        changed = bytearray(proof)
        changed[position] ^= 1 << chance.randrange(8)
        refused(None, REQUEST, output, bytes(changed))
    for cut in chance.sample(range(len(proof)), 20):
        refused(None, REQUEST, output, proof[:cut])
    refused("unreadable", REQUEST, output, proof + b"\0")


def test_the_binding_must_be_32_bytes(proven: tuple[Any, bytes]) -> None:
    output, proof = proven
    for binding in (b"", bytes(31), bytes(33), "0" * 32):
        with pytest.raises(JobInputInvalid) as error:
            JOB.verify(REQUEST, output, proof, binding)  # type: ignore[arg-type]
        assert error.value.reason == "binding"


def test_the_prover_itself_refuses_a_wrong_product() -> None:
    wrong = JOB.run(REQUEST)
    wrong[0, 15] ^= 1
    with pytest.raises(TraceInvalid, match="matmul"):
        JOB.prove(REQUEST, wrong, BINDING)


def cheat(
    request: dict[str, int], columns: Any = None, interaction: Any = None, output: Any = None
) -> tuple[Params, Proof]:
    """A proof by a prover that alters columns and skips its own checks."""
    a, b = generate_inputs(request["size"], request["seed"])
    c = product(a, b) if output is None else output
    trace = matmul_trace(a, b, c)
    if columns is not None:
        trace = Trace(trace.preprocessed, (columns(list(trace.trace[0])),))

    def make(challenges: Any) -> Any:
        made = interaction_columns(a, b, c, challenges)
        return made if interaction is None else [interaction(made[0])]

    params = quick(matmul_params(request["size"], BINDING, matrices_hash(a, b, c)))
    bundle = prove(matmul_air(), params, trace, interaction=make, check=False)
    return params, bundle.proof


def assert_not_accepted(params: Params, proof: Proof, request: dict[str, int], claimed: Any) -> str:
    """Refused by the proof's own verification, or for its commitment to something else."""
    try:
        verified = verify(matmul_air(), params, proof)
    except ProofRefused as error:
        return error.reason
    a, b = generate_inputs(request["size"], request["seed"])
    assert verified.commitments[1] != commitment(trace_columns(a, b, claimed))
    return "statement_mismatch"


def test_the_cheating_prover_is_accepted_when_it_does_not_cheat() -> None:
    params, proof = cheat(REQUEST)
    a, b = generate_inputs(16, 42)
    assert verify(matmul_air(), params, proof).commitments[1] == commitment(trace_columns(a, b, product(a, b)))


@pytest.mark.parametrize("column", range(3))
def test_every_trace_column_altered_at_random_rows_is_refused(column: int) -> None:
    seed = random.randrange(2**32)
    print("seed", seed)
    chance = random.Random(seed)
    for _ in range(4):
        row, delta = chance.randrange(256), chance.randrange(1, P)

        def alter(columns: list[Any], row: int = row, delta: int = delta) -> tuple[Any, ...]:
            columns[column] = columns[column].copy()
            columns[column][row] = (int(columns[column][row]) + delta) % P
            return tuple(columns)

        params, proof = cheat(REQUEST, columns=alter)
        assert assert_not_accepted(params, proof, REQUEST, JOB.run(REQUEST)) == "oods_mismatch"


@pytest.mark.parametrize("column", range(24), ids=INTERACTION_NAMES)
def test_every_interaction_column_altered_at_random_rows_is_refused(column: int) -> None:
    seed = random.randrange(2**32)
    print("seed", seed)
    chance = random.Random(seed)
    row, delta = chance.randrange(256), chance.randrange(1, P)

    def alter(columns: list[Any]) -> list[Any]:
        columns[column][row] = (int(columns[column][row]) + delta) % P
        return columns

    params, proof = cheat(REQUEST, interaction=alter)
    assert assert_not_accepted(params, proof, REQUEST, JOB.run(REQUEST)) == "oods_mismatch"


@pytest.mark.parametrize("entry", [(0, 0), (0, 15), (15, 0), (15, 15), (7, 9)])
def test_a_wrong_entry_with_its_own_interaction_columns_is_refused(entry: tuple[int, int]) -> None:
    wrong = JOB.run(REQUEST)
    wrong[entry] = (int(wrong[entry]) + 1) % P
    params, proof = cheat(REQUEST, output=wrong)
    assert assert_not_accepted(params, proof, REQUEST, wrong) == "oods_mismatch"


def test_running_sums_that_are_shifted_as_a_whole_are_refused() -> None:
    """The sum column plus a constant closes cyclically; only its value before the first row shows it."""

    def shift(columns: list[Any]) -> list[Any]:
        columns[20] = ((columns[20].astype(np.uint64) + 5) % P).astype(np.uint32)
        return columns

    params, proof = cheat(REQUEST, interaction=shift)
    assert assert_not_accepted(params, proof, REQUEST, JOB.run(REQUEST)) == "oods_mismatch"


def test_swapped_inputs_are_another_statement() -> None:
    a, b = generate_inputs(16, 42)
    trace = matmul_trace(b, a, product(b, a))
    params = quick(matmul_params(16, BINDING, matrices_hash(a, b, product(a, b))))
    bundle = prove(matmul_air(), params, trace, interaction=lambda ch: interaction_columns(b, a, product(b, a), ch))
    assert assert_not_accepted(params, bundle.proof, REQUEST, product(a, b)) == "statement_mismatch"


def test_other_selectors_are_refused() -> None:
    """With first_row = 0 everywhere the closing constraint would be empty: the root is pinned."""
    a, b = generate_inputs(16, 42)
    wrong = JOB.run(REQUEST)
    wrong[1, 1] ^= 1
    trace = matmul_trace(a, b, wrong)
    forged = Trace((*trace.preprocessed[:2], np.zeros_like(trace.preprocessed[2])), trace.trace)
    params = quick(matmul_params(16, BINDING, matrices_hash(a, b, wrong)))
    bundle = prove(
        matmul_air(), params, forged, interaction=lambda ch: interaction_columns(a, b, wrong, ch), check=False
    )
    assert assert_not_accepted(params, bundle.proof, REQUEST, wrong) == "preprocessed_root_mismatch"


def test_fewer_security_bits_are_refused(proven: tuple[Any, bytes]) -> None:
    _, proof = proven
    params = quick(JOB.statement(REQUEST, BINDING)[1])
    with pytest.raises(ProofRefused) as error:
        verify(matmul_air(), params, Proof.from_bytes(proof), required_bits=96)
    assert error.value.reason == "security_too_low"
    params, weak = cheat(REQUEST)
    refused("config_mismatch", REQUEST, JOB.run(REQUEST), weak.to_bytes())


def test_the_statement_names_what_a_third_party_needs(proven: tuple[Any, bytes]) -> None:
    output, proof = proven
    air, params = JOB.statement(REQUEST, BINDING)
    assert params.config.security_bits == JOB.limits.required_bits == 96
    a, b = generate_inputs(16, 42)
    assert verify(air, params, proof, required_bits=96).commitments[1] == commitment(trace_columns(a, b, output))


def test_inline_matrices_prove_the_same_statement() -> None:
    from blake3 import blake3

    a, b = generate_inputs(16, 42)
    request = {"a": npy(a), "b": npy(b)}
    assert np.array_equal(JOB.run(request), JOB.run(REQUEST))
    hashed = {**request, "a_hash": blake3(request["a"]).hexdigest()}
    JOB.validate(hashed)
    with pytest.raises(JobInputInvalid) as error:
        JOB.validate({**hashed, "b_hash": hashed["a_hash"]})
    assert error.value.reason == "matrix_hash"


@pytest.mark.parametrize(
    ("request_", "reason"),
    [
        ({}, "fields"),
        ([], "fields"),
        ({"size": 16}, "fields"),
        ({"size": 16, "seed": 1, "a": b""}, "fields"),
        ({"a": b""}, "fields"),
        ({"size": 3, "seed": 1}, "size"),
        ({"size": 16, "seed": "1"}, "seed"),
        ({"a": "text", "b": b""}, "matrix_format"),
        (
            {"a": npy(np.zeros((16, 16), dtype=np.uint32)), "b": npy(np.zeros((32, 32), dtype=np.uint32))},
            "matrix_shape",
        ),
    ],
)
def test_bad_requests(request_: Any, reason: str) -> None:
    with pytest.raises(JobInputInvalid) as error:
        JOB.validate(request_)
    assert error.value.reason == reason
    assert reason in INPUT_REASONS


def test_an_output_of_another_size_cannot_be_proven() -> None:
    with pytest.raises(JobInputInvalid) as error:
        JOB.prove(REQUEST, JOB.run({"size": 32, "seed": 1}), BINDING)
    assert error.value.reason == "output_format"


def test_progress_goes_through_all_stages() -> None:
    calls: list[tuple[str, int, int]] = []
    JOB.prove(REQUEST, JOB.run(REQUEST), BINDING, progress=lambda *call: calls.append(call))
    assert [done for _, done, _ in calls] == list(range(len(calls)))
    assert calls[0][0] == "preprocessed"
    assert calls[-1] == ("done", 9, 9)


def test_the_registry() -> None:
    assert get_job_type("matmul") is JOB_TYPES["matmul"]
    with pytest.raises(UnknownJobType):
        get_job_type("nonsense")


@pytest.mark.parametrize("size", SIZES[:4])
def test_preprocessed_roots_are_those_of_the_selectors(size: int) -> None:
    assert commitment(selectors(size)).hex() == PREPROCESSED_ROOTS[size]


@pytest.mark.slow
@pytest.mark.parametrize("size", SIZES[4:])
def test_preprocessed_roots_of_the_large_sizes(size: int) -> None:
    assert commitment(selectors(size)).hex() == PREPROCESSED_ROOTS[size]


def prove_and_check(size: int) -> None:
    request = {"size": size, "seed": 9}
    output = JOB.run(request)
    proof = JOB.prove(request, output, BINDING)
    assert len(zstandard.compress(proof)) <= JOB.limits.max_compressed_proof_bytes
    JOB.verify(request, JOB.output_hash(output), proof, BINDING)
    wrong = output.copy()
    wrong[-1, -1] ^= 1
    refused("oods_mismatch", request, wrong, proof)


@pytest.mark.parametrize("size", [32, 64])
def test_proofs_fit_in_256_kib(size: int) -> None:
    prove_and_check(size)


@pytest.mark.slow
@pytest.mark.parametrize("size", SIZES[3:-1])
def test_proofs_of_the_large_sizes_fit_in_256_kib(size: int) -> None:
    prove_and_check(size)
