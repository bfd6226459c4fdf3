"""A base class for job types whose output is a function of the request and whose statement names both.

A subclass says what is computed (`run`), how an output is written (`encode_output`, `decode_output`) and what is
proven (`air`, `public_inputs`, `selectors`, `trace`, for lookups and sums `interaction`); the protocol around it is here.
An output must not be of type bytes, which always mean its hash.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from functools import lru_cache
from typing import Any, ClassVar

from blake3 import blake3

from bitsage.stark import QM31, Air, Backend, Params, ProofRefused, PublicList, PublicValue, Trace, prove, verify
from bitsage.stark.fields import ZERO
from bitsage.stark.params import PublicInput
from bitsage.stark.vectors import U32

from .errors import JobInputInvalid
from .job import Limits, Progress, Request
from .schema import InputSchema, check_fields
from .statement import CONFIG, binding_limbs, commitment, parse_proof


class ProvenJob(ABC):
    """See the module's text.  One component; its trace has the preprocessed columns' length."""

    name: ClassVar[str]
    input_schema: ClassVar[InputSchema]
    limits: ClassVar[Limits]

    def validate(self, request: Request) -> None:
        """Raise JobInputInvalid unless the request can be run; subclasses add what the schema cannot say."""
        check_fields(self.input_schema, request)

    @abstractmethod
    def run(self, request: Request) -> Any:
        """Do the work.  Raises JobInputInvalid."""

    @abstractmethod
    def encode_output(self, output: Any) -> bytes:
        """The one canonical form of an output.  Raises JobInputInvalid for what is none."""

    @abstractmethod
    def decode_output(self, data: bytes) -> Any:
        """The output of its canonical form.  Raises JobInputInvalid."""

    def check_output(self, request: Request, output: Any) -> None:
        """Raise JobInputInvalid unless the output has the form, right or wrong, that this request's has."""
        self.encode_output(output)

    @abstractmethod
    def air(self) -> Air:
        """The AIR of all requests: one component, every public value mixed in before tree 1 is committed."""

    @abstractmethod
    def public_inputs(self, request: Request, output: Any) -> Mapping[str, PublicInput]:
        """The public values of the statement, without the binding."""

    @abstractmethod
    def selectors(self, request: Request, output: Any) -> tuple[U32, ...]:
        """The preprocessed columns in storage order, known to prover and verifier; their root is pinned."""

    def root(self, request: Request, output: Any) -> bytes:
        """Root of the tree of the preprocessed columns; a subclass may know a shorter way to it."""
        return commitment(self.selectors(request, output))

    @abstractmethod
    def trace(self, request: Request, output: Any) -> tuple[U32, ...]:
        """The trace columns in storage order."""

    def witness(self, request: Request) -> Trace:
        """All columns of the honest run, for provers outside of this program."""
        output = self.run(request)
        return Trace(self.selectors(request, output), (self.trace(request, output),))

    def interaction(self, request: Request, output: Any, challenges: Mapping[str, QM31]) -> Sequence[U32]:
        """The explicit interaction columns in storage order, once the challenges are drawn."""
        return ()

    def output_hash(self, output: Any) -> bytes:
        """BLAKE3 of the canonical form (32 bytes)."""
        return blake3(self.encode_output(output)).digest()

    def statement(self, request: Request, binding: bytes) -> tuple[Air, Params]:
        """The AIR and the parameters of a request's proof, which name its output."""
        self.validate(request)
        return self._statement(request, self.run(request), binding)

    def prove(
        self,
        request: Request,
        output: Any,
        binding: bytes,
        *,
        progress: Progress | None = None,
        backend: Backend | None = None,
    ) -> bytes:
        """A proof of the output in the compact binary form.  Raises JobInputInvalid, TraceInvalid."""
        self.validate(request)
        self.check_output(request, output)
        air, params = self._statement(request, output, binding)
        trace = Trace(self.selectors(request, output), (self.trace(request, output),))
        bundle = prove(
            air,
            params,
            trace,
            interaction=lambda challenges: [self.interaction(request, output, challenges)],
            backend=backend,
            progress=progress,
        )
        return bundle.proof.to_bytes()

    def verify(self, request: Request, output_or_hash: Any, proof: bytes, binding: bytes) -> None:
        """Check a proof against request, output and binding; a hash of the output is opened by running the job.

        Raises ProofRefused, whatever the bytes; JobInputInvalid when request or binding are invalid.
        """
        self.validate(request)
        output = self._claimed(request, output_or_hash)
        air, params = self._statement(request, output, binding)
        verify(air, params, parse_proof(proof, self.limits), required_bits=self.limits.required_bits)

    def _claimed(self, request: Request, output_or_hash: Any) -> Any:
        if isinstance(output_or_hash, bytes):
            output = self.run(request)
            if self.output_hash(output) != output_or_hash:
                raise ProofRefused("output_mismatch")
            return output
        try:
            self.check_output(request, output_or_hash)
        except JobInputInvalid as error:
            raise ProofRefused("output_mismatch", error.detail) from None
        return output_or_hash

    def _statement(self, request: Request, output: Any, binding: bytes) -> tuple[Air, Params]:
        air, columns = self.air(), self.selectors(request, output)
        check_bound(air)
        log_size = len(columns[0]).bit_length() - 1
        params = Params(
            config=CONFIG,
            log_sizes=(log_size,),
            preprocessed_log_sizes=(log_size,) * len(columns),
            public={**self.public_inputs(request, output), "binding": binding_limbs(binding)},
            claimed_sums=(ZERO,) if air.has_interaction else (),
            preprocessed_root=self.root(request, output),
        )
        _check_mixed(air, params)
        return air, params


@lru_cache(maxsize=64)
def _mixed(air: Air) -> frozenset[tuple[str, int | None]]:
    """The public values that enter the transcript before tree 1 is committed."""
    names: set[tuple[str, int | None]] = set()
    for step in air.transcript:
        if step.op == "commit" and step.tree == 1:
            break
        names |= {(v.name, v.index) for v in step.values if isinstance(v, PublicValue)}
    return frozenset(names)


def check_bound(air: Air) -> None:
    """Raise TypeError unless the configuration is mixed in and there is one component only."""
    if len(air.components) != 1 or air.transcript[0].op != "mix_config":
        raise TypeError("one component is expected, and mix_config as the first step")


def _check_mixed(air: Air, params: Params) -> None:
    mixed = _mixed(air)
    for name, value in params.public.items():
        wanted = [(name, k) for k in range(len(value.entries))] if isinstance(value, PublicList) else [(name, None)]
        if not mixed.issuperset(wanted):
            # A value that is fixed after the challenges could be chosen to fit them.
            raise TypeError(f"the public value {name!r} is not mixed into the transcript before tree 1")
