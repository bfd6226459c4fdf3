"""The job type vm: requests, proofs, sizes."""

from __future__ import annotations

import json
import random
import time
from dataclasses import replace
from typing import Any

import pytest
import zstandard
from samples import SAMPLES, program, text

from bitsage.obelysk import JobInputInvalid, get_job_type
from bitsage.obelysk.schema import read_input, write_input
from bitsage.obelysk.vm import Trap, VmJob, assemble, run
from bitsage.obelysk.vm.isa import MAX_PROGRAM, MAX_TAPE
from bitsage.obelysk.vm.job import decode_words, encode_words
from bitsage.obelysk.vm.proof import VmProof
from bitsage.obelysk.vm.proving import prove_run, statement_of, verify_run
from bitsage.obelysk.vm.statement import PREPROCESSED_ROOTS
from bitsage.obelysk.vm.trace import preprocessed_columns
from bitsage.stark import Air, P, Params, Proof, ProofRefused, TraceInvalid, verify
from bitsage.stark.numpy_backend import NumpyBackend

JOB = VmJob()
BINDING = bytes(range(32))


def request(name: str, **more: Any) -> dict[str, Any]:
    return {"assembly": text(name), "inputs": encode_words(SAMPLES[name][0]), **more}


@pytest.fixture(scope="module")
def proven() -> tuple[tuple[int, ...], bytes]:
    wanted = request("sort")
    output = JOB.run(wanted)
    return output, JOB.prove(wanted, output, BINDING)


def refused(reason: str | None, wanted: Any, output: Any, proof: bytes, binding: bytes = BINDING) -> None:
    with pytest.raises(ProofRefused) as error:
        JOB.verify(wanted, output, proof, binding)
    if reason is not None:
        assert error.value.reason == reason


def test_an_honest_proof_is_accepted_by_output_and_by_hash(proven: tuple[tuple[int, ...], bytes]) -> None:
    output, proof = proven
    assert list(output) == SAMPLES["sort"][1]()
    JOB.verify(request("sort"), output, proof, BINDING)
    JOB.verify(request("sort"), list(output), proof, BINDING)
    JOB.verify(request("sort"), JOB.output_hash(output), proof, BINDING)
    binary = {"program": program("sort").to_bytes(), "inputs": encode_words(SAMPLES["sort"][0])}
    JOB.verify(binary, output, proof, BINDING)
    JOB.verify(request("sort", max_cycles=VmProof.from_bytes(proof).cycles), output, proof, BINDING)


def test_a_proof_has_96_bits_and_less_than_256_kib(proven: tuple[tuple[int, ...], bytes]) -> None:
    _, proof = proven
    assert JOB.limits.required_bits >= 96
    assert Proof.from_bytes(VmProof.from_bytes(proof).proof).config.security_bits >= 96
    assert len(zstandard.compress(proof)) < 256 << 10
    assert JOB.limits.max_compressed_proof_bytes == 256 << 10


def test_proofs_of_anything_else_are_refused(proven: tuple[tuple[int, ...], bytes]) -> None:
    output, proof = proven
    good = request("sort")
    refused(None, good, output, proof, bytes(32))
    refused("output_mismatch", good, output[:-1], proof)
    refused("output_mismatch", good, output[::-1], proof)
    refused("output_mismatch", good, (), proof)
    refused("output_mismatch", good, bytes(32), proof)
    for no_output in (None, "text", [P], [-1], [True], {}, [0] * (MAX_TAPE + 1)):
        refused("output_mismatch", good, no_output, proof)
    words = list(SAMPLES["sort"][0])
    refused(None, {**good, "inputs": encode_words([*words[:-2], words[-1], words[-2]])}, output, proof)
    refused("statement_mismatch", {**good, "inputs": encode_words(words[:-1])}, output, proof)
    # The tape is part of the statement even where the program does not read it.
    refused(None, {**good, "inputs": encode_words([*words, 1])}, output, proof)
    refused("statement_mismatch", {**good, "max_cycles": VmProof.from_bytes(proof).cycles - 1}, output, proof)
    refused(None, {**good, "assembly": text("sort").replace("lt    r7, r4, r6", "lt    r7, r6, r4")}, output, proof)
    refused(None, {**good, "assembly": text("sort") + "nop"}, output, proof)


def test_a_header_that_says_something_else_is_refused(proven: tuple[tuple[int, ...], bytes]) -> None:
    output, proof = proven
    good = VmProof.from_bytes(proof)
    assert good.to_bytes() == proof
    zero = (0, 0, 0, 0)
    changes: list[dict[str, Any]] = [
        {"cycles": good.cycles - 1},
        {"cycles": 0},
        {"inputs_read": good.inputs_read - 1},
        {"inputs_read": good.inputs_read + 1},
        {"sizes": (good.sizes[0] + 1, *good.sizes[1:])},
        {"sizes": (4, *good.sizes[1:])},
        {"sizes": (*good.sizes[:1], good.sizes[1] - 1, *good.sizes[2:])},
        {"sizes": (*good.sizes[:6], 17, *good.sizes[7:])},
        {"sizes": (0,) * 9},
        {"sizes": (255,) * 9},
        {"claimed_sums": (zero, *good.claimed_sums[1:])},
        {"claimed_sums": (*good.claimed_sums[1:], good.claimed_sums[0])},
        {"proof": b""},
        {"proof": good.proof[:-1]},
        {"proof": good.proof + b"\0"},
    ]
    for change in changes:
        refused(None, request("sort"), output, replace(good, **change).to_bytes())
    other = replace(good, outputs=(*good.outputs[:-1], 1))
    refused("check_failed", request("sort"), other.outputs, other.to_bytes())


def test_changed_truncated_and_extended_bytes_are_refused(proven: tuple[tuple[int, ...], bytes]) -> None:
    output, proof = proven
    seed = random.randrange(2**32)
    print("seed", seed)
    chance = random.Random(seed)
    positions = [*range(260), *(chance.randrange(len(proof)) for _ in range(80))]
    for position in chance.sample(positions, 200):
        changed = bytearray(proof)
        changed[position] ^= 1 << chance.randrange(8)
        refused(None, request("sort"), output, bytes(changed))
    for cut in [*range(60), *(chance.randrange(len(proof)) for _ in range(20))]:
        refused(None, request("sort"), output, proof[:cut])
    for data in (b"", b"{}", b"OBVP" * 100, b"\xff" * 1000, bytes(2 << 20)):
        refused("unreadable", request("sort"), output, data)


def test_the_prover_refuses_a_wrong_output_and_a_forged_run() -> None:
    with pytest.raises(TraceInvalid):
        JOB.prove(request("fibonacci"), (1,), BINDING)
    honest = run(program("fibonacci"), [20])
    with pytest.raises(TraceInvalid, match=r"lookups"):
        prove_run(replace(honest, outputs=(1,)), BINDING)


@pytest.mark.parametrize(
    ("wanted", "reason"),
    [
        ({}, "fields"),
        ([], "fields"),
        ({"assembly": "halt", "program": b""}, "fields"),
        ({"assembly": "halt", "extra": 1}, "fields"),
        ({"assembly": b"halt"}, "fields"),
        ({"program": "halt"}, "fields"),
        ({"assembly": "fly"}, "program"),
        ({"assembly": "nop\n" * (MAX_PROGRAM + 1)}, "program"),
        ({"program": b"OBVM"}, "program"),
        ({"assembly": "halt", "inputs": b"123"}, "words"),
        ({"assembly": "halt", "inputs": P.to_bytes(4, "little")}, "words"),
        ({"assembly": "halt", "inputs": bytes(4 * MAX_TAPE + 4)}, "words"),
        ({"assembly": "halt", "inputs": [1]}, "fields"),
        ({"assembly": "halt", "max_cycles": 0}, "cycles"),
        ({"assembly": "halt", "max_cycles": (1 << 20) + 1}, "cycles"),
        ({"assembly": "halt", "max_cycles": True}, "fields"),
    ],
)
def test_requests_that_cannot_be_run(wanted: Any, reason: str) -> None:
    for call in (JOB.validate, JOB.run, lambda r: JOB.verify(r, (), b"", BINDING), lambda r: JOB.statement(r, BINDING)):
        with pytest.raises(JobInputInvalid) as error:
            call(wanted)
        assert error.value.reason == reason


def test_a_trap_yields_no_proof() -> None:
    wanted = {"assembly": "div r1, r0, r0\nhalt"}
    JOB.validate(wanted)
    for call in (JOB.run, lambda r: JOB.prove(r, (), BINDING)):
        with pytest.raises(Trap, match="division by zero"):
            call(wanted)


def test_the_binding_must_be_32_bytes(proven: tuple[tuple[int, ...], bytes]) -> None:
    output, proof = proven
    for binding in (b"", bytes(31), bytes(33), "0" * 32):
        for call in (
            lambda b: JOB.verify(request("sort"), output, proof, b),
            lambda b: JOB.prove(request("sort"), output, b),
        ):
            with pytest.raises(JobInputInvalid) as error:
                call(binding)
            assert error.value.reason == "binding"


def test_outputs_have_one_form() -> None:
    for words in ((), (0,), (1, P - 1)):
        assert JOB.decode_output(JOB.encode_output(words)) == words
    for data in (b"", b"\1\0\0\0", b"\1\0\0\0\xff\xff\xff\xff", b"\0\0\0\0\0\0\0\0", b"\0\0\0"):
        with pytest.raises(JobInputInvalid) as error:
            JOB.decode_output(data)
        assert error.value.reason == "output_format"
    assert decode_words(encode_words([7, 8])) == (7, 8)


def test_the_type_is_registered_and_its_requests_travel_as_json() -> None:
    found = get_job_type("vm")
    assert isinstance(found, VmJob)
    wanted = {"program": program("sort").to_bytes(), "inputs": encode_words([1, 5]), "max_cycles": 99}
    assert read_input(found.input_schema, write_input(wanted)) == wanted


@pytest.mark.parametrize("n", [pytest.param(n, marks=pytest.mark.slow if n > 8 else ()) for n in PREPROCESSED_ROOTS])
def test_the_pinned_roots_are_those_of_the_preprocessed_columns(n: int) -> None:
    backend = NumpyBackend()
    evaluations = backend.extend(backend.interpolate(preprocessed_columns(n)), 2)
    assert backend.root(backend.commit(evaluations, max(n, 16) + 2)).hex() == PREPROCESSED_ROOTS[n]


def test_air_and_parameters_survive_their_json_forms(proven: tuple[tuple[int, ...], bytes]) -> None:
    """So the generic verifiers, ours and the Rust one, take the proof too."""
    claimed = VmProof.from_bytes(proven[1])
    execution = run(program("sort"), SAMPLES["sort"][0])
    statement = statement_of(execution, BINDING)
    air = Air.from_json(json.dumps(statement.air().to_json()))
    assert air.to_json() == statement.air().to_json()
    params = Params.from_json(json.dumps(statement.params(claimed.sizes, claimed.claimed_sums).to_json()))
    verify(air, params, claimed.proof, required_bits=96)
    known, named = JOB.statement(request("sort"), BINDING)
    assert known.to_json() == air.to_json()
    assert replace(named, claimed_sums=claimed.claimed_sums) == statement.params(claimed.sizes, claimed.claimed_sums)


@pytest.mark.slow
@pytest.mark.parametrize("name", SAMPLES)
def test_every_sample_is_proven_and_verified(name: str) -> None:
    output = JOB.run(request(name))
    proof = JOB.prove(request(name), output, BINDING)
    JOB.verify(request(name), JOB.output_hash(output), proof, BINDING)
    assert len(zstandard.compress(proof)) < 256 << 10


@pytest.mark.slow
def test_a_run_of_2_to_the_18_cycles_fits_the_limits() -> None:
    wanted = {"assembly": text("fibonacci"), "inputs": encode_words([43_000])}
    output = JOB.run(wanted)
    proof = JOB.prove(wanted, output, BINDING)
    claimed = VmProof.from_bytes(proof)
    assert claimed.sizes[0] == 18
    assert claimed.cycles > 250_000
    JOB.verify(wanted, output, proof, BINDING)
    assert len(zstandard.compress(proof)) < 256 << 10


@pytest.mark.slow
def test_verification_takes_less_than_150_ms_with_full_tapes_and_a_full_program() -> None:
    source = [f"loadi r9, 1\nloadi r3, {MAX_TAPE}\nl: read r1\nwrite r1\nsub r3, r3, r9\njnz r3, l"]
    wanted = assemble("\n".join(source + ["add r1, r1, r2"] * (MAX_PROGRAM - 7) + ["halt"]))
    inputs = list(range(MAX_TAPE))
    claimed = prove_run(run(wanted, inputs), BINDING)
    spent = []
    for _ in range(5):
        started = time.thread_time()
        verify_run(wanted, inputs, 1 << 20, claimed, BINDING)
        spent.append(time.thread_time() - started)
    assert min(spent) < 0.15, spent
