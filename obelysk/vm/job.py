"""The job type `vm`: a program of the Obelysk machine on a public input.

Request: {"assembly": text} or {"program": bytes of the binary form}, optionally "inputs" (the input tape, u32
little-endian words below p) and "max_cycles" (default DEFAULT_CYCLES).  The output is the output tape, a tuple
of words; its canonical bytes are the number of words and the words as u32 little-endian.

The verifier never runs the program.  The proof's outputs are compared with the claimed output or its hash and
enter the statement, as do the program, the input and the cycles that were needed.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

import numpy as np
from blake3 import blake3

from bitsage.obelysk.errors import JobInputInvalid
from bitsage.obelysk.job import Progress, Request
from bitsage.obelysk.schema import InputField, InputSchema, check_fields
from bitsage.stark import Air, Backend, P, Params, ProofRefused, Trace, TraceInvalid

from .assembler import assemble
from .isa import MAX_TAPE, Program
from .machine import MAX_CYCLES, Execution, run
from .proof import VmProof
from .proving import LIMITS, prove_run, statement_of, verify_run
from .trace import vm_trace

DEFAULT_CYCLES = 1 << 18
Words = tuple[int, ...]


class VmJob:
    """See the module's text."""

    name: ClassVar = "vm"
    input_schema: ClassVar[InputSchema] = {
        "assembly": InputField("text", "the program as assembly text", False),
        "program": InputField("bytes", "the program in binary form, instead of assembly", False),
        "inputs": InputField("bytes", f"input tape, up to {MAX_TAPE} u32 little-endian words below 2^31 - 1", False),
        "max_cycles": InputField("integer", f"cycles after which the run fails, 1 to {MAX_CYCLES}", False),
    }
    limits: ClassVar = LIMITS

    def validate(self, request: Request) -> None:
        """Raise JobInputInvalid unless the request can be run; whether the program halts is not looked at."""
        self._parts(request)

    def rows(self, request: Request) -> int:
        """The most that they may be: the cycle limit. How many a program takes is known when it has run."""
        return self._parts(request)[2]

    def _parts(self, request: Request) -> tuple[Program, Words, int]:
        check_fields(self.input_schema, request)
        if ("assembly" in request) == ("program" in request):
            raise JobInputInvalid("fields", "either assembly or program is expected")
        cycles: int = request.get("max_cycles", DEFAULT_CYCLES)
        if not 1 <= cycles <= MAX_CYCLES:
            raise JobInputInvalid("cycles", f"max_cycles must be in 1..{MAX_CYCLES}")
        return _program(request), decode_words(request.get("inputs", b"")), cycles

    def run(self, request: Request) -> Words:
        """The words that the program writes.  Raises JobInputInvalid; Trap when it does not halt properly."""
        return self._execute(request).outputs

    def _execute(self, request: Request) -> Execution:
        return run(*self._parts(request))

    def encode_output(self, output: Any) -> bytes:
        """Canonical bytes of the output tape.  Raises JobInputInvalid."""
        if not isinstance(output, tuple | list) or len(output) > MAX_TAPE:
            raise JobInputInvalid("output_format", f"the output is a sequence of up to {MAX_TAPE} words")
        if any(type(word) is not int or not 0 <= word < P for word in output):
            raise JobInputInvalid("output_format", "a word of the output is no integer in 0..p-1")
        return len(output).to_bytes(4, "little") + encode_words(output)

    def decode_output(self, data: bytes) -> Words:
        """The output tape of canonical bytes.  Raises JobInputInvalid."""
        try:
            words = decode_words(data[4:])
        except JobInputInvalid as error:
            raise JobInputInvalid("output_format", error.detail) from None
        if len(data) < 4 or int.from_bytes(data[:4], "little") != len(words):
            raise JobInputInvalid("output_format", "the number of words is wrong")
        return words

    def output_hash(self, output: Any) -> bytes:
        """BLAKE3 of the canonical bytes.  Raises JobInputInvalid."""
        return blake3(self.encode_output(output)).digest()

    def statement(self, request: Request, binding: bytes) -> tuple[Air, Params]:
        """AIR and parameters of a request's proof, without the claimed sums, which the proof brings along."""
        execution = self._execute(request)
        statement = statement_of(execution, binding)
        return statement.air(), statement.params(vm_trace(execution)[0])

    def witness(self, request: Request) -> Trace:
        """Run the request; all preprocessed and trace columns in stored order.  Raises JobInputInvalid."""
        return vm_trace(self._execute(request))[1]

    def prove(
        self,
        request: Request,
        output: Any,
        binding: bytes,
        *,
        progress: Progress | None = None,
        backend: Backend | None = None,
    ) -> bytes:
        """Prove the run.  Raises JobInputInvalid, TraceInvalid when the program writes something else."""
        expected = self.decode_output(self.encode_output(output))
        execution = self._execute(request)
        if execution.outputs != expected:
            raise TraceInvalid("the program does not write this output")
        return prove_run(execution, binding, progress=progress, backend=backend).to_bytes()

    def verify(self, request: Request, output_or_hash: Any, proof: bytes, binding: bytes) -> None:
        """Check a proof against request, output (or its hash) and binding; see the module's text."""
        program, inputs, max_cycles = self._parts(request)
        if len(proof) > self.limits.max_proof_bytes:
            raise ProofRefused("unreadable", f"the proof has more than {self.limits.max_proof_bytes} bytes")
        claimed = VmProof.from_bytes(proof)
        try:
            wanted = output_or_hash if isinstance(output_or_hash, bytes) else self.output_hash(output_or_hash)
        except JobInputInvalid as error:
            raise ProofRefused("output_mismatch", error.detail) from None
        if self.output_hash(claimed.outputs) != wanted:
            raise ProofRefused("output_mismatch")
        verify_run(program, inputs, max_cycles, claimed, binding)


def _program(request: Mapping[str, Any]) -> Program:
    return assemble(request["assembly"]) if "assembly" in request else Program.from_bytes(request["program"])


def encode_words(words: Words | list[int]) -> bytes:
    """Words as u32 little-endian."""
    return np.array(words, dtype="<u4").tobytes()


def decode_words(data: bytes) -> Words:
    """Words of a tape.  Raises JobInputInvalid("words")."""
    if len(data) % 4 or len(data) > 4 * MAX_TAPE:
        raise JobInputInvalid("words", f"up to {MAX_TAPE} words of four bytes are expected")
    words: list[int] = np.frombuffer(data, dtype="<u4").tolist()
    if any(word >= P for word in words):
        raise JobInputInvalid("words")
    return tuple(words)
