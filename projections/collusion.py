"""Validators that vote alike against the result: how often, and how likely that would be by chance.

All integers: of `n` decided votes that both took part in, one voted against the result `a` times, the other `b` times,
both on the same `k` of them. If the two did not know of each other, k would be hypergeometric; the chance of at least k is
a ratio of two integers, and is compared with a bound as such.
"""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Set
from dataclasses import dataclass
from math import comb

#: A vote: (job id, attempt, proof hash).
Tally = tuple[str, int, str]


@dataclass(frozen=True, slots=True)
class Pair:
    """Two validators, `first` < `second`, and the tallies on which both voted against the result.

    `chance` is (numerator, denominator) of having as many or more of them by chance.
    """

    first: str
    second: str
    votes: int
    first_against: int
    second_against: int
    together: tuple[Tally, ...]
    chance: tuple[int, int]

    def rarer_than(self, one_in: int, tests: int) -> bool:
        """Whether the chance is at most 1 in `one_in` even if it was looked for among `tests` pairs."""
        return self.chance[0] * tests * one_in <= self.chance[1]

    @property
    def one_in(self) -> int:
        """The chance as 1 in so many, rounded down."""
        return self.chance[1] // self.chance[0]


def at_least(n: int, a: int, b: int, k: int) -> tuple[int, int]:
    """The chance that two independent choices of `a` and `b` among `n` share at least `k`: a fraction of integers."""
    return sum(comb(a, i) * comb(n - a, b - i) for i in range(k, min(a, b) + 1)), comb(n, b)


def pairs(voted: Mapping[str, Set[Tally]], against: Mapping[str, Set[Tally]]) -> list[Pair]:
    """Every pair that voted against the same result at least once; `voted` and `against` by validator."""
    by_tally: dict[Tally, list[str]] = defaultdict(list)
    for validator, tallies in against.items():
        for tally in tallies:
            by_tally[tally].append(validator)
    found = []
    for first, second in sorted(_meetings(by_tally.values())):
        both = voted[first] & voted[second]
        of_first, of_second = against[first] & both, against[second] & both
        together = tuple(sorted(of_first & of_second))
        counts = (len(both), len(of_first), len(of_second))
        found.append(Pair(first, second, *counts, together, at_least(*counts, len(together))))
    return found


def _meetings(groups: Iterable[list[str]]) -> set[tuple[str, str]]:
    met: set[tuple[str, str]] = set()
    for group in groups:
        ordered = sorted(group)
        met.update((one, other) for i, one in enumerate(ordered) for other in ordered[i + 1 :])
    return met
