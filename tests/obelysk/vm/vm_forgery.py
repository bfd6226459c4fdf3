"""What a dishonest prover can try: traces with altered cells, and proofs made without the prover's own checks.

`Judge` evaluates every constraint in every row and the public check on the sums for drawn challenges, which is
what a proof is about; it is fast, for many cells.  `proof_is_accepted` makes and verifies a real proof.
"""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from bitsage.obelysk.vm import Execution, Program, run
from bitsage.obelysk.vm.air import COMPONENTS
from bitsage.obelysk.vm.chips import (
    BITWISE_COLUMNS,
    BYTES_COLUMNS,
    COMPARE_COLUMNS,
    MEMORY_COLUMNS,
    PROGRAM_COLUMNS,
    STORAGE_COLUMNS,
    TAPE_COLUMNS,
    WORDS_COLUMNS,
)
from bitsage.obelysk.vm.cpu import CPU_COLUMNS
from bitsage.obelysk.vm.proving import statement_of
from bitsage.obelysk.vm.trace import vm_trace
from bitsage.stark import QM31, Backend, P, Params, ProofBundle, ProofRefused, Trace, prove, rows, verify
from bitsage.stark.circle import coset_positions
from bitsage.stark.fields import ZERO, qadd, qpowers
from bitsage.stark.graph import pairs
from bitsage.stark.logup import logup_columns, trace_reader
from bitsage.stark.params import PublicInput
from bitsage.stark.transcript import Environment, RelationValues, run_checks
from bitsage.stark.vectors import U32

BINDING = bytes(range(32))
NAMES: dict[str, tuple[str, ...]] = {
    "cpu": CPU_COLUMNS,
    "storage": STORAGE_COLUMNS,
    "tape": TAPE_COLUMNS,
    "compare": COMPARE_COLUMNS,
    "bitwise": BITWISE_COLUMNS,
    "program": PROGRAM_COLUMNS,
    "memory": MEMORY_COLUMNS,
    "words": WORDS_COLUMNS,
    "bytes": BYTES_COLUMNS,
}
#: Relations whose terms all come from components.
PRIVATE = ("Program", "Memory", "Bus", "Range16", "Range8", "And")
CELLS = [(component, column) for component in COMPONENTS for column in NAMES[component]]


def changed(trace: Trace, component: str, column: str, stored: int, value: int) -> Trace:
    """A trace with one cell replaced; `stored` is the position in the stored column."""
    index, k = COMPONENTS.index(component), NAMES[component].index(column)
    cells = trace.trace[index][k].copy()
    cells[stored] = value % P
    columns = (*trace.trace[index][:k], cells, *trace.trace[index][k + 1 :])
    return Trace(trace.preprocessed, (*trace.trace[:index], columns, *trace.trace[index + 1 :]))


def cell(trace: Trace, component: str, column: str, stored: int) -> int:
    """The value of a cell."""
    return int(trace.trace[COMPONENTS.index(component)][NAMES[component].index(column)][stored])


def cpu_row(trace: Trace, cycle: int) -> int:
    """Stored position of a cycle."""
    return int(coset_positions(len(trace.trace[0][0]).bit_length() - 1)[cycle])


class Claim:
    """A statement with a trace for it, true or not."""

    def __init__(self, execution: Execution, trace: Trace | None = None) -> None:
        self.statement = statement_of(execution, BINDING)
        self.sizes, honest = vm_trace(execution)
        self.trace = honest if trace is None else trace
        self.air = self.statement.air()

    @classmethod
    def of(cls, program: Program, inputs: Sequence[int]) -> Claim:
        return cls(run(program, inputs))

    def params(self) -> Params:
        """Parameters with few queries and little grinding; sizes, public values and AIR as in production."""
        params = self.statement.params(self.sizes)
        quick = replace(params.config, log_blowup_factor=1, n_queries=10, pow_bits=0)
        return replace(params, config=quick, preprocessed_root=None)


class Judge:
    """Evaluates claims under challenges drawn from a seed."""

    def __init__(self, claim: Claim, seed: int) -> None:
        self.claim, self.params = claim, claim.params()
        self.env = Environment(claim.air, self.params)
        chance = random.Random(seed)

        def draw() -> QM31:
            return chance.randrange(P), chance.randrange(P), chance.randrange(P), chance.randrange(P)

        for relation in claim.air.relations:
            self.env.relations[relation.name] = RelationValues(draw(), tuple(qpowers(draw(), relation.size)))
        self.sums = [self._sum(index, claim.trace) for index in range(len(COMPONENTS))]

    def _columns(self, index: int, trace: Trace) -> dict[int, Sequence[U32]]:
        names = self.claim.air.components[index].preprocessed
        own = [trace.preprocessed[self.claim.air.preprocessed.index(name)] for name in names]
        return {0: own, 1: trace.trace[index]}

    def _sum(self, index: int, trace: Trace) -> QM31:
        return logup_columns(self.env, index, self._columns(index, trace))[1]

    def objection(self, trace: Trace, *, known: bool = True) -> str | None:
        """Why the trace is refused: the first violated constraint, or the sums; None when it is accepted.

        `known`: components whose columns are the claim's own need no look.
        """
        sums = list(self.sums)
        for index, component in enumerate(self.claim.air.components):
            if trace.trace[index] is self.claim.trace.trace[index] and known:
                continue
            read = trace_reader(self.params.log_sizes[index], self._columns(index, trace))
            values = rows.node_values(component, self.env, read, component.constraints)
            for k, node in enumerate(component.constraints):
                if np.any(values[node]):
                    return f"{component.name} constraint {k}"
            sums[index] = self._sum(index, trace)
        self.env.claimed = tuple(sums)
        try:
            run_checks(self.env)
        except ProofRefused as error:
            return error.reason
        return None

    def objections(self, trace: Trace) -> set[str]:
        """All violated constraints, and the relations without public terms that do not balance."""
        found = set()
        sums = dict.fromkeys(PRIVATE, ZERO)
        for index, component in enumerate(self.claim.air.components):
            columns = self._columns(index, trace)
            values = rows.node_values(
                component, self.env, trace_reader(self.params.log_sizes[index], columns), component.constraints
            )
            found |= {f"{component.name} {k}" for k, node in enumerate(component.constraints) if np.any(values[node])}
            for name in PRIVATE:
                own = tuple(f for f in component.logup if f.relation == name)
                if own:
                    parts = list(self.claim.air.components)
                    parts[index] = replace(component, logup=own, batching=pairs(len(own)))
                    env = replace(self.env, air=replace(self.claim.air, components=tuple(parts)))
                    sums[name] = qadd(sums[name], logup_columns(env, index, columns)[1])
        return found | {name for name, total in sums.items() if total != ZERO}


def proof_of(claim: Claim, backend: Backend | None = None) -> ProofBundle:
    """A proof by a prover that does not look whether the claim is true."""
    return prove(claim.air, claim.params(), claim.trace, check=False, backend=backend)


def accepts(claim: Claim, bundle: ProofBundle, **public: PublicInput) -> bool:
    """Whether the verifier takes the proof for the claim, or for the claim with other public values."""
    try:
        verify(claim.air, replace(bundle.params, public={**bundle.params.public, **public}), bundle.proof)
    except ProofRefused:
        return False
    return True


def proof_is_accepted(claim: Claim, *, backend: Backend | None = None) -> bool:
    """Make a proof without the prover's own checks, and verify it."""
    return accepts(claim, proof_of(claim, backend))


def seeded() -> random.Random:
    seed = random.randrange(2**32)
    print("seed", seed)
    return random.Random(seed)


def other_value(chance: random.Random, old: int) -> int:
    new = old
    while new == old:
        new = chance.choice([old + 1, old - 1, 0, 1, 2 * old, chance.randrange(P)]) % P
    return new


def with_uses(trace: Trace, component: str, column: str, row: int, more: int) -> Trace:
    return changed(trace, component, column, row, cell(trace, component, column, row) + more)
