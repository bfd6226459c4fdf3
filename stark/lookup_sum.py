"""Public lookup terms by the thousand: a check whose value is computed on arrays.

A statement that lists a program or a tape contributes one fraction 1 / combine(row) for every row.  As nodes of a
`Check` these are four for each row, which a verifier would make and walk one by one; `LookupSum` keeps the rows and
computes the same sum at once.  `check()` writes the nodes out: they are what the JSON form and other verifiers see, and
they decide wherever a value is not of the usual kind.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from . import vectors
from .build import CheckBuilder, Expr
from .errors import ProofRefused
from .fields import QM31, ZERO, P, qadd, qscale, qsub
from .graph import Check, Node
from .params import PublicList
from .transcript import Environment, run_check
from .vectors import U32


class Terms(NamedTuple):
    """One fraction for each row, the first of them `first` times.

    `words` names the public list whose k-th entry is the last value of row k, or is None.
    """

    relation: str
    rows: tuple[tuple[int, ...], ...]
    words: str | None = None
    first: int = 1


@dataclass(frozen=True, slots=True)
class LookupSum:
    """The check that the claimed sums of the first `components` components add up to the terms' sum."""

    name: str
    components: int
    terms: tuple[Terms, ...]

    def check(self) -> Check:
        """The same check as nodes."""
        check = CheckBuilder()
        claimed = _sum([check.claimed(k) for k in range(self.components)])
        public = [fraction for terms in self.terms for fraction in _fractions(check, terms)]
        return check.zero(self.name, claimed - _sum(public) if public else claimed)

    @property
    def nodes(self) -> tuple[Node, ...]:
        """Nodes of `check()`."""
        return self.check().nodes

    @property
    def zero(self) -> tuple[int, ...]:
        """Nodes of `check()` that must be 0."""
        return self.check().zero

    def run(self, env: Environment) -> None:
        """Raise ProofRefused unless the sums are equal, with the reasons that `check()` has."""
        total = ZERO
        for k in range(self.components):
            total = qadd(total, env.claimed_sum(k))
        for terms in filter(_has_rows, self.terms):
            values = _values(terms, env)
            if values is None:
                run_check(self.check(), env)
                return
            total = qsub(total, _sum_of(terms, values, env))
        if total != ZERO:
            raise ProofRefused("check_failed", f"the check {self.name[:60]!r} does not hold")


def _has_rows(terms: Terms) -> bool:
    return len(terms.rows) > 0


def _sum(terms: Sequence[Expr]) -> Expr:
    total = terms[0]
    for term in terms[1:]:
        total = total + term
    return total


def _fractions(check: CheckBuilder, terms: Terms) -> list[Expr]:
    made = []
    for k, row in enumerate(terms.rows):
        values: Sequence[Expr | int] = row if terms.words is None else (*row, check.public(terms.words, k))
        made.append(check.inverse(check.combine(terms.relation, values)))
    if made and terms.first != 1:
        made[0] = made[0] * terms.first
    return made


def _values(terms: Terms, env: Environment) -> U32 | None:
    """The values of all rows as columns; None where a value is missing or no canonical element of the base field."""
    columns = np.array(terms.rows, dtype=np.int64).T % P
    if terms.words is None:
        return columns.astype(np.uint32)
    public = env.params.public.get(terms.words)
    words = public.entries[: len(terms.rows)] if isinstance(public, PublicList) else ()
    if len(words) < len(terms.rows) or not all(type(word) is int and 0 <= word < P for word in words):
        return None
    return np.vstack([columns, np.array(words, dtype=np.int64)]).astype(np.uint32)


def _sum_of(terms: Terms, values: U32, env: Environment) -> QM31:
    """sum of 1 / (sum of alpha^j v_j - z) over the rows, the first counted as often as it says."""
    relation = env.relation(terms.relation)
    combined = np.repeat(vectors.neg(vectors.qscalar(relation.z)), values.shape[1], axis=1)
    for power, column in zip(relation.powers, values, strict=False):
        combined = vectors.add(combined, vectors.mul(vectors.qscalar(power), column))
    try:
        inverses = vectors.qinverse(combined)
    except ZeroDivisionError:
        raise ProofRefused("check_failed", "a public check divides by 0") from None
    a, b, c, d = (int(total) % P for total in inverses.sum(axis=1, dtype=np.uint64))
    e, f, g, h = (int(limb) for limb in inverses[:, 0])
    return qadd((a, b, c, d), qscale((e, f, g, h), terms.first - 1))
