"""Random histories of one job's votes: several attempts, any number of validators, disputes; against a count of our own."""

from typing import Any

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from bitsage.processors.serialise import dump, load
from bitsage.processors.vote_state import Votes
from bitsage.schemas.commands import CastDisputeVote, CastVote, CloseDispute, CloseTally, OpenDispute, OpenTally
from bitsage.schemas.events import (
    ConsensusReached,
    DisputeOpened,
    DisputeResolved,
    DisputeVoteCast,
    TallyOpened,
    VoteCast,
    VoteRejected,
)
from bitsage.schemas.types import CommandBody
from tests.processors.dsl import HASH, JOB_SUBJECT, NOW, OUTPUT, WORKER, given

PEOPLE = [bytes([0x20 + i]) * 32 for i in range(12)]
people = st.integers(0, 11)
#: (attempt, round): round 0 is the decision itself
Trial = tuple[int, int]


class Tallies(RuleBasedStateMachine):
    """`counted`, `first`, `outcomes` are what an onlooker writes down; the decider is asked and never believed."""

    def __init__(self) -> None:
        super().__init__()
        self.scene = given(subject=JOB_SUBJECT)
        self.now = NOW
        self.filings = 0
        self.judges: dict[Trial, list[bytes]] = {}
        self.ends: dict[Trial, int] = {}
        self.counted: dict[Trial, dict[bytes, bool]] = {}
        self.outcomes: dict[Trial, str] = {}

    @initialize(n=st.integers(1, 10))
    def begin(self, n: int) -> None:
        self.open(n)

    def say(self, body: CommandBody, by: bytes | None = None) -> list[Any]:
        self.scene.when(body, by=by, at=self.now)
        return self.scene.events

    @property
    def attempt(self) -> int:
        return max((attempt for attempt, _ in self.judges), default=0)

    @precondition(lambda self: (self.attempt, 0) in self.outcomes and self.attempt < 3)
    @rule(n=st.integers(0, 10))
    def open(self, n: int) -> None:
        trial = (self.attempt + 1, 0)
        body = OpenTally(
            attempt=trial[0], worker=WORKER, proof_hash=HASH, output_hash=OUTPUT, validators=PEOPLE[:n], epoch=1
        )
        opened, *rest = self.say(body)
        assert isinstance(opened, TallyOpened)
        self.started(trial, opened, rest)

    @rule()
    def open_again(self) -> None:
        body = OpenTally(
            attempt=self.attempt, worker=WORKER, proof_hash=HASH, output_hash=OUTPUT, validators=PEOPLE, epoch=2
        )
        self.scene.when(body, at=self.now).then_rejected("tally_exists")

    def started(self, trial: Trial, opened: Any, rest: list[Any]) -> None:
        n = len(opened.validators)
        assert opened.threshold == 2 * n // 3 + 1
        assert opened.expires_at == self.now + 30_000
        self.judges[trial], self.ends[trial], self.counted[trial] = opened.validators, opened.expires_at, {}
        assert [getattr(e, "outcome", None) for e in rest] == ([] if n else ["expired"])
        if not n:
            self.outcomes[trial] = "expired"

    @rule(i=people, n=st.integers(0, 12), attempt=st.integers(1, 3))
    def dispute(self, i: int, n: int, attempt: int) -> None:
        rounds = [r for a, r in self.judges if a == attempt and r]
        self.filings += 1
        body = OpenDispute(
            attempt=attempt, disputer=PEOPLE[i], filing=self.filings, filed_at=self.now, validators=PEOPLE[:n], epoch=1
        )
        opened, *rest = self.say(body)
        may = self.outcomes.get((attempt, 0)) in ("approved", "rejected") and len(rounds) < 3
        if may and all(self.outcomes.get((attempt, r)) == "expired" for r in rounds):
            assert isinstance(opened, DisputeOpened)
            assert opened.validators == [p for p in PEOPLE[:n] if p != PEOPLE[i]]
            self.started((attempt, len(rounds) + 1), opened, rest)
        else:
            assert opened.reason in ("not_decided", "dispute_exists", "too_many_disputes")

    @rule(i=people, valid=st.booleans(), attempt=st.integers(1, 3), round_=st.integers(0, 3))
    def vote(self, i: int, valid: bool, attempt: int, round_: int) -> None:
        trial, who = (attempt, round_), PEOPLE[i]
        body: CommandBody = CastVote(attempt=attempt, proof_hash=HASH, valid=valid, reason="")
        if round_:
            body = CastDisputeVote(attempt=attempt, round=round_, proof_hash=HASH, valid=valid, reason="")
        cast, *decided = self.say(body, who)
        expected = self.expected(trial, who, valid)
        if expected:
            assert isinstance(cast, VoteRejected)
            assert cast.reason == expected
            assert [b.reason for _, b in self.scene.entailed if hasattr(b, "reporter")] == (
                ["equivocation"] if expected == "equivocation" else []
            )
            return
        assert isinstance(cast, DisputeVoteCast if round_ else VoteCast)
        self.counted[trial][who] = valid
        self.decided(trial, decided)

    def expected(self, trial: Trial, who: bytes, valid: bool) -> str:
        if trial not in self.judges:
            return "unknown_proof"
        if who not in self.judges[trial]:
            return "stranger"
        before = self.counted[trial].get(who)
        if before is not None:
            return "duplicate" if before == valid else "equivocation"
        return "late" if trial in self.outcomes or self.now >= self.ends[trial] else ""

    def decided(self, trial: Trial, decided: list[Any]) -> None:
        needed = 2 * len(self.judges[trial]) // 3 + 1
        said = list(self.counted[trial].values())
        outcome = "approved" if sum(said) >= needed else "rejected" if len(said) - sum(said) >= needed else ""
        if not outcome:
            assert decided == []
            return
        (event,) = decided
        assert isinstance(event, DisputeResolved if trial[1] else ConsensusReached)
        assert (event.verdict if trial[1] else event.outcome) == outcome
        assert event.contrary == sorted(
            v for v, valid in self.counted[trial].items() if valid != (outcome == "approved")
        )
        if trial[1]:
            kept = outcome == self.outcomes[trial[0], 0]
            assert event.outcome == ("upheld" if kept else "overturned")
        self.outcomes[trial] = outcome

    @rule(attempt=st.integers(1, 3), round_=st.integers(1, 3))
    def close(self, attempt: int, round_: int) -> None:
        for trial, body in (
            ((self.attempt, 0), CloseTally(proof_hash=HASH)),
            ((attempt, round_), CloseDispute(attempt=attempt, round=round_)),
        ):
            (event,) = self.say(body)
            if trial not in self.judges or trial in self.outcomes:
                assert event.reason == "no_open_tally"
            elif self.now < self.ends[trial]:
                assert event.reason == "not_due"
            else:
                assert event.outcome == "expired"
                self.outcomes[trial] = "expired"

    @rule(ms=st.sampled_from([1, 10_000, 29_999, 30_000]))
    def wait(self, ms: int) -> None:
        self.now += ms

    @invariant()
    def what_was_decided_stays(self) -> None:
        state = self.scene.states.state("votes")
        assert {(t.attempt, 0): t.outcome for t in state.tallies if t.outcome} | {
            (d.tally.attempt, d.round): d.tally.outcome for d in state.disputes if d.tally.outcome
        } == self.outcomes
        assert load(Votes, dump(state)) == state


Tallies.TestCase.settings = settings(max_examples=60, stateful_step_count=40, deadline=None)
TestTallies = Tallies.TestCase
