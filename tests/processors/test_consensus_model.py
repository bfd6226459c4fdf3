"""The tally in every order of messages for 4 and 7 validators, and proof that the check finds what is wrong."""

from collections.abc import Callable
from dataclasses import replace

import pytest

from bitsage.processors import votes
from bitsage.processors.model import Command, Local, Rules
from bitsage.schemas.commands import CastVote, CloseTally
from bitsage.schemas.events import ConsensusReached, TallyOpened, VoteCast, VoteRejected
from bitsage.schemas.types import EventBody
from tests.processors.consensus_model import Broken, Checker, Decide
from tests.processors.dsl import HASH, JOB


@pytest.mark.parametrize("valid", [True, False])
@pytest.mark.parametrize(
    ("n", "liars"),
    [(1, 0), (2, 0), (3, 0), (4, 0), (4, 1), (7, 0), (7, 1), pytest.param(7, 2, marks=pytest.mark.slow)],
)
def test_no_history_breaks_the_tally(n: int, liars: int, valid: bool) -> None:
    checker = Checker(n, liars, valid)
    states = checker.run()
    print(f"n={n} liars={liars} valid={valid}: {states} states")
    assert checker.outcomes == {"approved" if valid else "rejected", "expired"}


@pytest.mark.parametrize("valid", [True, False])
def test_no_history_breaks_the_tally_of_four_and_names_make_no_difference(valid: bool) -> None:
    """The same without taking states together that differ in names only."""
    checker = Checker(4, 1, valid, symmetric=False)
    states = checker.run()
    print(f"n=4 liars=1 valid={valid}, no symmetry: {states} states")
    assert states > Checker(4, 1, valid).run()


@pytest.mark.parametrize("liars", [2, 3, 4])
def test_with_too_many_liars_a_decision_still_takes_the_quorum_and_slashing_evidence(liars: int) -> None:
    checker = Checker(4, liars, True)
    print(f"n=4 liars={liars} valid=True: {checker.run()} states")
    assert ("rejected" in checker.outcomes) == (liars >= 3)


# ---- deciders that are broken on purpose: the check has to find each ----


def threshold_one_too_low(local: Local, command: Command, rules: Rules) -> list[EventBody]:
    events = votes.decide(local, command, rules)
    return [replace(e, threshold=e.threshold - 1) if isinstance(e, TallyOpened) else e for e in events]


def quietly_one_vote_too_few(local: Local, command: Command, rules: Rules) -> list[EventBody]:
    """The threshold that is shown is right; the decision comes one vote early."""
    events = votes.decide(local, command, rules)
    state = local.state("votes")
    assert isinstance(state, votes.Votes)
    if len(events) == 1 and isinstance(events[0], VoteCast):
        tally = state.tallies[-1].voted(command.actor, events[0].valid)
        if tally.valid == tally.threshold - 1:
            return [events[0], votes._decided(tally, JOB, "approved")]
    return events


def duplicates_count(local: Local, command: Command, rules: Rules) -> list[EventBody]:
    events = votes.decide(local, command, rules)
    state, body = local.state("votes"), command.body
    assert isinstance(state, votes.Votes)
    doubled = any(isinstance(e, VoteRejected) and e.reason == "duplicate" for e in events)
    if doubled and isinstance(body, CastVote) and not state.tallies[-1].outcome:
        cast = VoteCast(
            job_id=JOB, attempt=1, proof_hash=HASH, validator=command.actor, valid=body.valid, reason=body.reason
        )
        after = state.tallies[-1].voted(command.actor, body.valid)
        return [cast, votes._decided(after, JOB, "approved")] if after.valid >= after.threshold else [cast]
    return events


def late_votes_count(local: Local, command: Command, rules: Rules) -> list[EventBody]:
    if isinstance(command.body, CastVote):
        state = local.state("votes")
        assert isinstance(state, votes.Votes)
        if state.tallies and not state.tallies[-1].outcome:
            command = replace(command, at=min(command.at, state.tallies[-1].expires_at - 1))
    return votes.decide(local, command, rules)


def closes_early(local: Local, command: Command, rules: Rules) -> list[EventBody]:
    if isinstance(command.body, CloseTally):
        command = replace(command, at=command.at + 1)
    return votes.decide(local, command, rules)


def never_closes(local: Local, command: Command, rules: Rules) -> list[EventBody]:
    if isinstance(command.body, CloseTally):
        command = replace(command, at=0)
    return votes.decide(local, command, rules)


def decides_again(local: Local, command: Command, rules: Rules) -> list[EventBody]:
    state = local.state("votes")
    assert isinstance(state, votes.Votes)
    if isinstance(command.body, CloseTally) and state.tallies and state.tallies[-1].outcome == "approved":
        return [votes._decided(state.tallies[-1], JOB, "expired")]
    return votes.decide(local, command, rules)


def waits_for_everybody(local: Local, command: Command, rules: Rules) -> list[EventBody]:
    events = votes.decide(local, command, rules)
    state = local.state("votes")
    assert isinstance(state, votes.Votes)
    early = len(events) == 2 and len(state.tallies[-1].order) + 1 < len(state.tallies[-1].validators)
    return events[:1] if early else events


def blames_the_silent(local: Local, command: Command, rules: Rules) -> list[EventBody]:
    events = votes.decide(local, command, rules)
    state = local.state("votes")
    assert isinstance(state, votes.Votes)
    return [
        replace(e, contrary=[v for v in state.tallies[-1].validators if v not in state.tallies[-1].order][:1])
        if isinstance(e, ConsensusReached) and e.outcome == "expired"
        else e
        for e in events
    ]


def calls_a_duplicate_an_equivocation(local: Local, command: Command, rules: Rules) -> list[EventBody]:
    events = votes.decide(local, command, rules)
    return [replace(e, reason="equivocation") if isinstance(e, VoteRejected) and e.reason == "duplicate" else e
            for e in events]  # fmt: skip


def strangers_count(local: Local, command: Command, rules: Rules) -> list[EventBody]:
    events = votes.decide(local, command, rules)
    if any(isinstance(e, VoteRejected) and e.reason == "stranger" for e in events):
        assert isinstance(command.body, CastVote)
        return [VoteCast(job_id=JOB, attempt=1, proof_hash=HASH, validator=command.actor,
                         valid=command.body.valid, reason="")]  # fmt: skip
    return events


BROKEN: dict[Callable[..., list[EventBody]], str] = {
    threshold_one_too_low: "the threshold is floor",
    quietly_one_vote_too_few: "no decision without floor",
    duplicates_count: "floor",
    late_votes_count: "only votes that count",
    closes_early: "no tally expires before its time",
    never_closes: "the timer that comes in time",
    decides_again: "there is one decision",
    waits_for_everybody: "a quorum is a decision",
    blames_the_silent: "nobody is slashed without evidence",
    calls_a_duplicate_an_equivocation: "nobody is slashed without evidence",
    strangers_count: "only votes that count",
}


@pytest.mark.parametrize("decide", BROKEN, ids=lambda f: f.__name__)
def test_the_check_finds_a_decider_that_is_broken(decide: Decide) -> None:
    with pytest.raises(Broken, match=BROKEN[decide]):
        Checker(4, 1, True, decide=decide).run()
