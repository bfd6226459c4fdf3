"""The error terms of a proof, added up (docs/soundness.md explains them; spec stark.md section 17).

Every challenge lets a false claim through with some probability; a proof is as strong as the weakest of them,
counted in attempts of a prover who may try again.  All terms are upper bounds, in bits: a term of k bits is a
probability of at most 2^-k in one attempt.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import log2, sqrt

from .fields import P
from .graph import Air
from .layout import Layout, make_layout
from .params import Params, PcsConfig

#: Bits of QM31, from which every challenge is drawn.
FIELD_BITS = 4 * log2(P)


@dataclass(frozen=True, slots=True)
class ErrorTerms:
    """Bits of each term; `challenges` are the AIR's own draws, `queries` include the proof of work.

    `combination` to `folding` are proven up to half the minimal distance (unique decoding).  The three `queries_*`
    differ in how far from the code a word is counted as wrong: up to capacity (a conjecture), to the Johnson
    radius, to half the minimal distance; `johnson` holds all terms together at the Johnson radius.
    """

    challenges: Mapping[str, float]
    combination: float
    out_of_domain: float
    quotients: float
    folding: float
    queries_capacity: float
    queries_johnson: float
    queries_unique: float
    johnson: float

    @property
    def algebraic(self) -> float:
        """All terms but the queries, together."""
        return total([*self.challenges.values(), self.combination, self.out_of_domain, self.quotients, self.folding])

    @property
    def conjectured(self) -> float:
        """Everything together, words counted as wrong up to capacity."""
        return total([self.algebraic, self.queries_capacity])

    @property
    def proven(self) -> float:
        """Everything together under proven theorems alone: the better of the two radii."""
        return max(total([self.algebraic, self.queries_unique]), self.johnson)


def total(bits: Sequence[float]) -> float:
    """Bits of the sum of probabilities."""
    return -log2(sum(2.0**-b for b in bits))


def error_terms(air: Air, params: Params, own: Mapping[str, float] | None = None) -> ErrorTerms:
    """The terms of an AIR's proof under these parameters.

    `own` gives the bits of arguments that live in the AIR's constraints, such as a random product check; lookups
    are counted here.  Raises ProofRefused when the parameters do not fit the AIR.
    """
    layout = make_layout(air, params)
    constraints = sum(component.constraint_count for component in air.components)
    rows, domain = 2.0**layout.degree_log, 2.0**layout.lifting_log
    entries = _entries(layout)
    paired = sum(len(column.mask) == 2 for column in layout.columns)
    # The constraints have degree 3 in columns of `rows` coefficients; a paired column repeats with its length.
    zeros = 3 * rows + paired * rows
    curves = sum((2**step - 1) * size for step, size in _folds(layout))
    config = params.config
    rate = 2.0**-config.log_blowup_factor
    challenges = {**(own or {}), **_lookups(air, params)}
    return ErrorTerms(
        challenges=challenges,
        combination=FIELD_BITS - log2(max(constraints - 1, 1)),
        out_of_domain=FIELD_BITS - log2(zeros),
        quotients=FIELD_BITS - log2(max(entries - 1, 1) * domain),
        folding=FIELD_BITS - log2(curves),
        queries_capacity=config.security_bits,
        queries_johnson=config.pow_bits + config.n_queries * config.log_blowup_factor / 2,
        queries_unique=config.pow_bits + config.n_queries * log2(2 / (1 + rate)),
        johnson=_johnson(config, layout, entries, [*challenges.values(), FIELD_BITS - log2(max(constraints - 1, 1))]),
    )


def _entries(layout: Layout) -> int:
    """Terms of the quotients' random combination: one a sample, and one more for every pair (section 10)."""
    return sum(len(column.mask) + (len(column.mask) == 2) for column in layout.columns)


def _folds(layout: Layout) -> list[tuple[int, float]]:
    """(folds, domain size) of every committed FRI layer."""
    result, log_size = [], layout.lifting_log
    for step in layout.fri_steps:
        result.append((step, 2.0**log_size))
        log_size -= step
    return result


def _lookups(air: Air, params: Params) -> dict[str, float]:
    """One term a relation: sums of u fractions over m-tuples, equal as functions of (z, alpha) or at few points.

    Clearing denominators gives a polynomial of total degree at most u * max(m - 1, 1); as many points again may
    make denominators 0.
    """
    terms = {}
    for relation in air.relations:
        uses = sum(
            (1 << log_size) * sum(fraction.relation == relation.name for fraction in component.logup)
            for component, log_size in zip(air.components, params.log_sizes, strict=True)
        )
        if uses:
            terms[f"lookups in {relation.name}"] = FIELD_BITS - log2(2 * uses * max(relation.size - 1, 1))
    return terms


def _johnson(config: PcsConfig, layout: Layout, entries: int, others: Sequence[float]) -> float:
    """All terms at the Johnson radius, with the constants of Ben-Sasson, Carmon, Ishai, Kopparty and Saraf 2020.

    The radius is 1 - sqrt(rate) * (1 + 1/2m); a larger m is a larger radius and a larger error of every random
    combination, so that the best m is searched.
    """
    root = sqrt(2.0**-config.log_blowup_factor)
    rows, domain = 2.0**layout.degree_log, 2.0**layout.lifting_log
    paired = sum(len(column.mask) == 2 for column in layout.columns)
    best = 0.0
    for m in range(3, 200):
        combined = (m + 0.5) ** 7 / (2 * root**3) * domain**2
        folded = (2 * m + 1) / root * sum((2**step - 1) * (size + 1) for step, size in _folds(layout))
        listed = (m + 0.5) / root  # words of the code near a committed one
        bits = [
            FIELD_BITS - log2(max(entries - 1, 1) * combined),
            FIELD_BITS - log2(folded),
            FIELD_BITS - log2(listed * (3 + paired) * rows),
            config.pow_bits - config.n_queries * log2(root * (1 + 1 / (2 * m))),
        ]
        best = max(best, total([*bits, *others]))
    return best
