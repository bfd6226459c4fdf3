"""The job type `matmul`: C = A * B over M31, every side from 1 to 2048.

Request: {"size": n, "seed": k} for the generated square matrices of `matrices.generate_inputs`, or {"a": npy
bytes, "b": npy bytes}, optionally with "a_hash" and "b_hash" (BLAKE3, hex) that the bytes must have.  Matrices
that are not squares of a power of two are padded with zeros to the smallest that holds all three sides; the
statement names the claimed shape, and the verifier pads what it knows in the same way, so the padding of C is
proven to be 0 like every other entry.

What the verifier trusts: nothing in the proof.  It knows the request, hence A and B, and it identifies what the
trace tree commits to, in O(n^2) and without committing anything again:

* A hash of A, B and C is absorbed before any challenge is drawn.  So the matrices are fixed before z, the point
  outside the domain, is.
* The values that the columns (A transposed, B, C) have at z are computed and compared with those that the proof
  has shown of its committed columns.  Different polynomials agree at a random z for a share of at most n^2 / p^4
  <= 2^-102 of the points.

Without the first the second would show nothing: the values at z are four linear equations over M31 for the entries
of each matrix, and whoever knows z solves them for a C that is no product.

The claimed output reaches the verifier in one of two ways:

* As the matrix C.  Then no product is computed, and the proof alone shows that C = A * B.
* As the hash of C, which is what the network's events carry.  The verifier computes C = A * B itself (exact, by
  BLAS), compares the hash and continues as above.  That is sound, and cheap for n <= 2048; the proof then binds
  the worker, the job and the attempt to that output.

Both ways refuse a wrong product, a proof of another job, worker or size, and every changed byte.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

import numpy as np
from blake3 import blake3

from bitsage.stark import Air, Backend, Params, ProofRefused, Trace, prove, verify

from .errors import JobInputInvalid
from .job import Limits, Progress, Request
from .matmul import interaction_columns, matmul_air, matmul_params, matmul_trace, trace_columns
from .matrices import (
    SIZES,
    Matrix,
    check_size,
    decode_matrix,
    encode_matrix,
    generate_inputs,
    padded,
    padded_size,
    product,
    read_npy,
)
from .schema import InputField
from .statement import CONFIG, MAX_COMPRESSED_PROOF_BYTES, MAX_PROOF_BYTES, has_values_at, parse_proof

_SEEDED = {"size", "seed"}
_INLINE = {"a", "b"}
#: Side of the matrices that a device is measured with.
BENCHMARK_SIZE = 128
_HASHES = {"a_hash", "b_hash"}
#: Index of the tree of the columns A transposed, B and C.
TRACE_TREE = 1
_MATRICES_CONTEXT = b"bitsage matmul matrices v1"
_MAX_NPY_BYTES = 8 * SIZES[-1] ** 2 + 4096


class MatmulJob:
    """See the module's text."""

    name = "matmul"
    input_schema: ClassVar = {
        "size": InputField("integer", f"side of the generated matrices: {', '.join(map(str, SIZES))}", False),
        "seed": InputField("integer", "seed of the generated matrices, 0 to 2^64 - 1", False),
        "a": InputField("bytes", "left matrix as .npy, instead of size and seed", False),
        "b": InputField("bytes", "right matrix as .npy", False),
        "a_hash": InputField("text", "BLAKE3 of the bytes of a, hex", False),
        "b_hash": InputField("text", "BLAKE3 of the bytes of b, hex", False),
    }
    limits = Limits(
        sizes=SIZES,
        max_request_bytes=(2 * _MAX_NPY_BYTES + 4096) * 4 // 3,
        max_proof_bytes=MAX_PROOF_BYTES,
        max_compressed_proof_bytes=MAX_COMPRESSED_PROOF_BYTES,
        required_bits=CONFIG.security_bits,
    )

    def validate(self, request: Request) -> None:
        """Raise JobInputInvalid unless the request can be run."""
        if not isinstance(request, Mapping):
            raise JobInputInvalid("fields", "the request must be an object")
        if set(request) == _SEEDED:
            check_size(request["size"])
            if type(request["seed"]) is not int or not 0 <= request["seed"] < 2**64:
                raise JobInputInvalid("seed")
            return
        self._inline(request)

    def rows(self, request: Request) -> int:
        """n^2, n being the side of the padded matrices."""
        if "size" in request:
            return int(request["size"]) ** 2
        a, b = self._inline(request)
        return padded_size(*a.shape, b.shape[1]) ** 2

    def inputs(self, request: Request) -> tuple[Matrix, Matrix]:
        """A and B of a request.  Raises JobInputInvalid."""
        self.validate(request)
        if "seed" in request:
            return generate_inputs(request["size"], request["seed"])
        return self._inline(request)

    def _inline(self, request: Request) -> tuple[Matrix, Matrix]:
        if not set(request) >= _INLINE or set(request) - _INLINE - _HASHES:
            raise JobInputInvalid("fields", "either size and seed or the matrices a and b are expected")
        matrices = []
        for name in ("a", "b"):
            data = request[name]
            if not isinstance(data, bytes) or len(data) > _MAX_NPY_BYTES:
                raise JobInputInvalid("matrix_format")
            expected = request.get(f"{name}_hash")
            if expected is not None and blake3(data).hexdigest() != expected:
                raise JobInputInvalid("matrix_hash")
            matrices.append(read_npy(data))
        a, b = matrices
        if a.shape[1] != b.shape[0]:
            raise JobInputInvalid("matrix_shape", "the first matrix needs as many columns as the second has rows")
        return a, b

    def benchmark(self) -> Request:
        """A product that takes about as long as small jobs do."""
        return {"size": BENCHMARK_SIZE, "seed": 0}

    def run(self, request: Request) -> Matrix:
        """C = A * B mod p."""
        return product(*self.inputs(request))

    def encode_output(self, output: Any) -> bytes:
        """Canonical bytes of C."""
        return encode_matrix(output)

    def decode_output(self, data: bytes) -> Matrix:
        """C of canonical bytes."""
        return decode_matrix(data)

    def output_hash(self, output: Any) -> bytes:
        """BLAKE3 of the canonical bytes of C."""
        return blake3(encode_matrix(output)).digest()

    def statement(self, request: Request, binding: bytes) -> tuple[Air, Params]:
        """AIR and parameters of a request's proof, which name its output by a hash; so the product is computed."""
        a, b = self.inputs(request)
        return matmul_air(), _params(a, b, product(a, b), binding)

    def witness(self, request: Request) -> Trace:
        """The columns of the honest run, from which `stark.prove` solves the interaction columns."""
        a, b = self.inputs(request)
        return matmul_trace(*_squares(a, b, product(a, b)))

    def prove(
        self,
        request: Request,
        output: Any,
        binding: bytes,
        *,
        progress: Progress | None = None,
        backend: Backend | None = None,
    ) -> bytes:
        """Prove C = A * B for this binding; about 0.1 to 0.3 MiB in the compact binary form."""
        a, b = self.inputs(request)
        params = _params(a, b, _output(output, a, b), binding)
        square = _squares(a, b, output)
        bundle = prove(
            matmul_air(),
            params,
            matmul_trace(*square),
            interaction=lambda challenges: interaction_columns(*square, challenges),
            backend=backend,
            progress=progress,
        )
        return bundle.proof.to_bytes()

    def verify(self, request: Request, output_or_hash: Any, proof: bytes, binding: bytes) -> None:
        """Check a proof against the job; see the module's text for what is recomputed."""
        a, b = self.inputs(request)
        parsed = parse_proof(proof, self.limits)
        c = self._claimed_output(a, b, output_or_hash)
        params = _params(a, b, c, binding)
        verified = verify(matmul_air(), params, parsed, required_bits=self.limits.required_bits)
        # `point` is the verifier's own z, and every column of the trace tree is read there and nowhere else.
        if not has_values_at(trace_columns(*_squares(a, b, c)), verified.point, parsed.sampled_values[TRACE_TREE]):
            raise ProofRefused("statement_mismatch", "the committed columns are not this job's matrices")

    def _claimed_output(self, a: Matrix, b: Matrix, output_or_hash: Any) -> Matrix:
        if not isinstance(output_or_hash, bytes):
            try:
                return _output(output_or_hash, a, b)
            except JobInputInvalid as error:
                raise ProofRefused("output_mismatch", error.detail) from None
        c = product(a, b)
        if self.output_hash(c) != output_or_hash:
            raise ProofRefused("output_mismatch")
        return c


def matrices_hash(a: Matrix, b: Matrix, c: Matrix) -> bytes:
    """BLAKE3 of "bitsage matmul matrices v1" and of the BLAKE3 hashes of the canonical bytes of A, B and C."""
    return blake3(_MATRICES_CONTEXT + b"".join(blake3(encode_matrix(m)).digest() for m in (a, b, c))).digest()


def _params(a: Matrix, b: Matrix, c: Matrix, binding: bytes) -> Params:
    shape = (*a.shape, b.shape[1])
    return matmul_params(padded_size(*shape), binding, matrices_hash(a, b, c), shape)


def _squares(a: Matrix, b: Matrix, c: Matrix) -> tuple[Matrix, Matrix, Matrix]:
    size = padded_size(*a.shape, *b.shape)
    return padded(a, size), padded(b, size), padded(c, size)


def _output(output: Any, a: Matrix, b: Matrix) -> Matrix:
    encode_matrix(output)
    if not isinstance(output, np.ndarray) or output.shape != (a.shape[0], b.shape[1]):
        raise JobInputInvalid("output_format")
    return output
