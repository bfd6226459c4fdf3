"""Public lookup terms on arrays: the verdict and the reasons are those of the same check as nodes."""

import random
from dataclasses import replace
from typing import Any

import pytest

from bitsage.stark import QM31, AirBuilder, LookupSum, P, Params, PcsConfig, PublicList, Relation, StarkError, Terms
from bitsage.stark.fields import ZERO, qadd, qinv, qpowers, qscale, qsub
from bitsage.stark.transcript import Environment, RelationValues, run_check, run_checks

SEED = random.SystemRandom().randrange(2**32)
RELATIONS = (Relation("List", 4), Relation("Tape", 3))
WORDS = (0, 1, P - 1, 12345, 7)
TAPE = PublicList(WORDS)


@pytest.fixture
def chance() -> random.Random:
    print("seed", SEED)
    return random.Random(SEED)


def felt(chance: random.Random) -> QM31:
    return chance.randrange(P), chance.randrange(P), chance.randrange(P), chance.randrange(P)


def check(rows: int, chance: random.Random, first: int = 1) -> LookupSum:
    listed = tuple((k, chance.randrange(P), 0, P - 1) for k in range(rows))
    return LookupSum(
        "sums", 2, (Terms("List", listed, first=first), Terms("Tape", tuple((1, k) for k in range(len(WORDS))), "tape"))
    )


def environment(made: LookupSum, chance: random.Random, words: Any = TAPE) -> Environment:
    """An environment under which the check holds."""
    air = AirBuilder("sums", relations=RELATIONS).check(made).build()
    env = Environment(
        air, Params(config=PcsConfig(), log_sizes=(5, 5), public={} if words is None else {"tape": words})
    )
    for relation in RELATIONS:
        env.relations[relation.name] = RelationValues(felt(chance), tuple(qpowers(felt(chance), relation.size)))
    rest = felt(chance)
    env.claimed = qsub(expected(made, env), rest), rest
    return env


def expected(made: LookupSum, env: Environment) -> QM31:
    total = ZERO
    for terms in made.terms:
        for k, row in enumerate(terms.rows):
            values = (*row, WORDS[k]) if terms.words else row
            one = qinv(env.relations[terms.relation].combine([(v % P, 0, 0, 0) for v in values]))
            total = qadd(total, qscale(one, terms.first if k == 0 else 1))
    return total


def verdict(run: Any) -> str | None:
    try:
        run()
    except StarkError as error:
        return f"{type(error).__name__}: {error}"
    return None


def both(made: LookupSum, env: Environment) -> str | None:
    """The verdict, which must be the same on arrays and on nodes."""
    found = verdict(lambda: made.run(env))
    assert found == verdict(lambda: run_check(made.check(), env))
    return found


@pytest.mark.parametrize("rows", [1, 2, 63, 64, 65, 300])
@pytest.mark.parametrize("first", [1, 5])
def test_a_sum_that_holds_is_accepted_and_no_other(rows: int, first: int, chance: random.Random) -> None:
    made = check(rows, chance, first)
    env = environment(made, chance)
    assert both(made, env) is None
    run_checks(env)
    other = replace(made, terms=(made.terms[0]._replace(first=first + 1), made.terms[1]))
    assert "check_failed" in str(both(other, env))
    place = chance.randrange(rows)
    listed = list(made.terms[0].rows)
    listed[place] = (*listed[place][:3], 1)
    assert "check_failed" in str(
        both(replace(made, terms=(made.terms[0]._replace(rows=tuple(listed)), made.terms[1])), env)
    )
    assert env.claimed is not None
    for k in range(4):
        env.claimed = tuple((v + (j == k)) % P for j, v in enumerate(env.claimed[0])), env.claimed[1]  # type: ignore[assignment]
        assert "check_failed" in str(both(made, env))


@pytest.mark.parametrize(
    "words",
    [
        None,
        5,
        PublicList(WORDS[:-1]),
        PublicList((*WORDS[:-1], (1, 0, 0, 0))),
        PublicList((*WORDS[:-1], (7, 0, 0, 0))),
        PublicList((*WORDS[:-1], WORDS[-1] + P)),
        PublicList((*WORDS[:-1], 8)),
        PublicList((*WORDS, 1)),
    ],
)
def test_words_of_any_kind_meet_the_same_verdict(words: Any, chance: random.Random) -> None:
    made = check(3, chance)
    both(made, environment(made, chance, words))


def test_another_word_is_refused(chance: random.Random) -> None:
    made = check(3, chance)
    assert "check_failed" in str(both(made, environment(made, chance, PublicList((*WORDS[:-1], 8)))))


@pytest.mark.parametrize("rows", [2, 300])
def test_an_entry_without_inverse_is_refused(rows: int, chance: random.Random) -> None:
    made = check(rows, chance)
    env = environment(made, chance)
    powers = env.relations["List"].powers
    row = made.terms[0].rows[chance.randrange(rows)]
    z = ZERO
    for power, value in zip(powers, row, strict=True):
        z = qadd(z, qscale(power, value))
    env.relations["List"] = RelationValues(z, powers)
    assert "divides by 0" in str(both(made, env))


def test_a_relation_that_is_not_drawn_is_named(chance: random.Random) -> None:
    made = check(2, chance)
    env = environment(made, chance)
    del env.relations["List"]
    assert "List" in str(both(made, env))


def test_terms_without_rows_add_nothing(chance: random.Random) -> None:
    made = LookupSum("sums", 1, (Terms("List", ()), Terms("Tape", (), "tape")))
    env = environment(made, chance)
    env.claimed = (ZERO,)
    assert both(made, env) is None
    env.claimed = ((1, 0, 0, 0),)
    assert "check_failed" in str(both(made, env))
