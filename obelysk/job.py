"""What a job type is: a computation that can be run, proven and checked by those who know its input.

A job type never does I/O and keeps no state: every node of a network must come to the same answer.  A request
is a mapping of plain values (and of bytes, for arrays); an output belongs to the type that made it and has one
canonical encoding, whose BLAKE3 hash names it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Protocol, runtime_checkable

from bitsage.stark import Air, Backend, Params, Trace

from .schema import InputSchema

Request = Mapping[str, Any]
#: Called with (stage, stages done, stages in all).
Progress = Callable[[str, int, int], None]


@dataclass(frozen=True, slots=True)
class Limits:
    """Bounds of a job type: sizes it accepts, bytes of its request and of its proof, security bits.

    `max_request_bytes` counts the request as JSON in UTF-8; a network may take less (`job_input_max_bytes`).
    """

    sizes: tuple[int, ...]
    max_request_bytes: int
    max_proof_bytes: int
    max_compressed_proof_bytes: int
    required_bits: int


class JobType(Protocol):
    """One kind of provable work.

    `binding` is 32 bytes that the network derives from job, worker and attempt: it enters the transcript
    before the first challenge, so that a proof serves for one job of one worker only.
    """

    @property
    def name(self) -> str:
        """Name of the type in requests and events."""

    @property
    def input_schema(self) -> InputSchema:
        """The fields of a request; fields of bytes travel as base64."""

    @property
    def limits(self) -> Limits:
        """Bounds that admission and verification apply."""

    def validate(self, request: Request) -> None:
        """Raise JobInputInvalid unless the request can be run."""

    def run(self, request: Request) -> Any:
        """Do the work.  Raises JobInputInvalid."""

    def encode_output(self, output: Any) -> bytes:
        """The canonical bytes of an output.  Raises JobInputInvalid."""

    def decode_output(self, data: bytes) -> Any:
        """The output of canonical bytes.  Raises JobInputInvalid."""

    def output_hash(self, output: Any) -> bytes:
        """BLAKE3 of the canonical bytes (32 bytes).  Raises JobInputInvalid."""

    def statement(self, request: Request, binding: bytes) -> tuple[Air, Params]:
        """The AIR and the parameters under which a proof of this request is verified."""

    def prove(
        self,
        request: Request,
        output: Any,
        binding: bytes,
        *,
        progress: Progress | None = None,
        backend: Backend | None = None,
    ) -> bytes:
        """A proof in the compact binary form.  Raises JobInputInvalid, stark.TraceInvalid for a wrong output."""

    def verify(self, request: Request, output_or_hash: Any, proof: bytes, binding: bytes) -> None:
        """Check a proof against the request, the output (or its 32-byte hash) and the binding.

        Raises stark.ProofRefused, whatever the bytes; JobInputInvalid when request or binding are invalid.
        """


@runtime_checkable
class CountedJob(Protocol):
    """A job type that says how large a job is before it runs, for workers that ask a price per row."""

    def rows(self, request: Request) -> int:
        """Rows of the main trace of a valid request's proof, or the most that they may be.  Raises JobInputInvalid."""


@runtime_checkable
class MeasuredJob(CountedJob, Protocol):
    """A job type whose speed can be told in rows per second: its rows follow from the request, and a job to measure with."""

    def benchmark(self) -> Request:
        """The same request on every device, so that two measurements are of the same work."""


@runtime_checkable
class WitnessedJob(Protocol):
    """A job type that shows the columns it proves, for provers outside of this program."""

    def witness(self, request: Request) -> Trace:
        """Run the request; all its preprocessed and trace columns in stored order.  Raises JobInputInvalid."""
