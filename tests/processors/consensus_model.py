"""Every history of one tally, breadth first, over the product's own `decide`, `evolve` and `follow_ups`.

A step is a message that somebody may send at that moment: any validator any vote (honest ones only what is true), a
stranger, a vote on other bytes, another request for the tally, the timer. Messages may come twice, in any order, late, or
never (every state is also one in which whoever has not spoken is crashed). After each step the invariants are checked
against a count of our own, which is part of the state. States that differ by a renaming of honest validators, or of
liars, are one state.
"""

from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace

from bitsage.processors import votes
from bitsage.processors.model import Command, Local, Rules, account_subject, job_subject
from bitsage.processors.policies import follow_ups
from bitsage.processors.serialise import dump
from bitsage.processors.vote_state import Votes
from bitsage.schemas.commands import CastVote, CloseTally, OpenTally, SettleAttempt, SlashStake
from bitsage.schemas.events import ConsensusReached, TallyOpened, VoteCast
from bitsage.schemas.types import CommandBody, EventBody
from tests.processors.dsl import AUTHORITY, HASH, JOB, NOW, OUTPUT, RULES, WORKER, States

Decide = Callable[[Local, Command, Rules], list[EventBody]]
SUBJECT = job_subject(JOB)
#: ms since the tally was opened: at once, the last moment in time, the first one too late, much later
MOMENTS = (0, 29_999, 30_000, 3_600_000)
STRANGER = b"\x99" * 32


class Broken(AssertionError):
    """An invariant does not hold; the text says which, and after which messages."""


@dataclass(frozen=True, slots=True)
class Ghost:
    """What an onlooker counts: votes in time of registered validators, what each has signed, the decision, slashes."""

    counted: tuple[tuple[bytes, bool], ...] = ()
    signed: frozenset[tuple[bytes, bool]] = frozenset()
    decision: str = ""
    slashed: frozenset[tuple[bytes, str]] = frozenset()
    moment: int = 0


@dataclass(frozen=True, slots=True)
class Node:
    """A state of the network; `path`: how it came about."""

    state: Votes
    ghost: Ghost
    path: "Path | None" = None


#: The last message, its signer and time (ms), and what came before; None: the passing of time
Path = tuple[CommandBody | None, bytes, int, "Path | None"]


def told(path: "Path | None") -> str:
    """The messages of a path, for people."""
    steps = []
    while path is not None:
        body, by, at, path = path
        what = (
            "time passes" if body is None else f"{type(body).__name__} {getattr(body, 'valid', '')} by {by[:1].hex()}"
        )
        steps.append(f"{what} at {at} ms")
    return "; ".join(reversed(steps))


@dataclass
class Checker:
    """`n` validators, the last `liars` of which say anything; the proof is `valid` or not."""

    n: int
    liars: int
    valid: bool
    decide: Decide = votes.decide
    symmetric: bool = True
    seen: set[bytes] = field(default_factory=set)
    outcomes: set[str] = field(default_factory=set)

    def __post_init__(self) -> None:
        self.validators = [bytes([0x20 + i]) * 32 for i in range(self.n)]
        self.honest = self.validators[: self.n - self.liars]
        self.needed = self.n - (self.n - 1) // 3 if self.n % 3 == 1 else 2 * self.n // 3 + 1
        self.opening = OpenTally(
            attempt=1, worker=WORKER, proof_hash=HASH, output_hash=OUTPUT, validators=self.validators, epoch=1
        )

    def run(self) -> int:
        """Visit every state; how many there are.

        Raises:
            Broken: an invariant does not hold.
        """
        start = self.step(Node(Votes(), Ghost()), self.opening, AUTHORITY)
        queue = deque([start])
        messages = list(self.messages())
        self.seen.add(self.canonical(start))
        while queue:
            node = queue.popleft()
            for body, by in messages:
                after = self.step(node, body, by)
                # A refusal that changes nothing leads back to where it came from.
                if after.state is not node.state or after.ghost != node.ghost:
                    self._note(after, queue)
            if node.ghost.moment < len(MOMENTS) - 1:
                later = replace(node.ghost, moment=node.ghost.moment + 1)
                self._note(Node(node.state, later, (None, b"", MOMENTS[later.moment], node.path)), queue)
        return len(self.seen)

    def _note(self, node: Node, queue: deque[Node]) -> None:
        key = self.canonical(node)
        if key not in self.seen:
            self.seen.add(key)
            queue.append(node)

    def messages(self) -> Iterator[tuple[CommandBody, bytes]]:
        """Everything that may be said, by whom."""
        for validator in self.validators:
            for valid in (True, False):
                if validator not in self.honest or valid == self.valid:
                    yield CastVote(attempt=1, proof_hash=HASH, valid=valid, reason=""), validator
        yield CastVote(attempt=1, proof_hash=HASH, valid=not self.valid, reason=""), STRANGER
        yield CastVote(attempt=1, proof_hash=bytes(32), valid=not self.valid, reason=""), self.validators[-1]
        yield CastVote(attempt=2, proof_hash=HASH, valid=not self.valid, reason=""), self.validators[-1]
        yield CloseTally(proof_hash=HASH), AUTHORITY
        yield CloseTally(proof_hash=bytes(32)), AUTHORITY
        yield self.opening, AUTHORITY

    def step(self, node: Node, body: CommandBody, by: bytes) -> Node:
        """One message and its answer, checked."""
        at = NOW + MOMENTS[node.ghost.moment]
        states = States(SUBJECT, {"votes": node.state})
        command = Command(body, JOB, SUBJECT, at, bytes(16), by, by)
        path = (body, by, at - NOW, node.path)
        events = self.decide(states, command, RULES)
        entailed = []
        for event in events:
            states.fold("votes", event, at)
            entailed += follow_ups(command, event, states, RULES)
        ghost = self._watch(node.ghost, command)
        ghost = self._judge(ghost, command, events, entailed, path)
        return Node(states.state("votes"), ghost, path)

    def _watch(self, ghost: Ghost, command: Command) -> Ghost:
        """What the message itself changes for an onlooker who knows the rules and trusts no answer."""
        body = command.body
        if not isinstance(body, CastVote) or (body.attempt, body.proof_hash) != (1, HASH):
            return ghost
        if command.actor not in self.validators:
            return ghost
        fresh = command.actor not in dict(ghost.counted)
        if fresh and not ghost.decision and command.at < NOW + 30_000:
            ghost = replace(ghost, counted=(*ghost.counted, (command.actor, body.valid)))
        said = (command.actor, body.valid)
        return ghost if said in ghost.signed else replace(ghost, signed=ghost.signed | {said})

    def _judge(
        self,
        ghost: Ghost,
        command: Command,
        events: list[EventBody],
        entailed: list[tuple[str, CommandBody]],
        path: Path,
    ) -> Ghost:
        def holds(condition: bool, what: str) -> None:
            if not condition:
                raise Broken(f"{what}; after: {told(path)}")

        holds(bool(events), "every message is answered")
        counted = dict(ghost.counted)
        yes, no = sum(counted.values()), len(counted) - sum(counted.values())
        for event in events:
            if isinstance(event, VoteCast):
                holds(counted.get(event.validator) == event.valid, "only votes that count are counted")
            if isinstance(event, TallyOpened):
                holds(event.threshold == self.needed, "the threshold is floor(2n/3)+1")
                holds(event.expires_at == NOW + 30_000, "a tally takes 30 s")
            if isinstance(event, ConsensusReached):
                holds(not ghost.decision, "there is one decision, and it never changes")
                if event.outcome == "expired":
                    holds(command.at >= NOW + 30_000, "no tally expires before its time")
                    holds(max(yes, no) < self.needed, "what the quorum decided does not expire")
                else:
                    agreeing = yes if event.outcome == "approved" else no
                    holds(agreeing >= self.needed, "no decision without floor(2n/3)+1 registered validators")
                    holds(agreeing == self.needed, "the decision is made at the vote that reaches the quorum")
                    right = event.outcome == ("approved" if self.valid else "rejected")
                    holds(right or self.liars > (self.n - 1) // 3, "a third of liars decides nothing")
                    against = sorted(v for v, said in counted.items() if said != (event.outcome == "approved"))
                    holds(event.contrary == against, "contrary is who voted against the outcome")
                ghost = replace(ghost, decision=event.outcome)
                self.outcomes.add(event.outcome)
        if max(yes, no) >= self.needed:
            holds(ghost.decision not in ("", "expired"), "a quorum is a decision")
        if isinstance(command.body, CloseTally) and command.body.proof_hash == HASH and command.at >= NOW + 30_000:
            holds(ghost.decision != "", "the timer that comes in time closes the tally")
        return self._slashes(ghost, entailed, holds)

    def _slashes(
        self, ghost: Ghost, entailed: list[tuple[str, CommandBody]], holds: Callable[[bool, str], None]
    ) -> Ghost:
        for subject, body in entailed:
            if isinstance(body, SettleAttempt):
                holds(body.outcome == ghost.decision, "what is settled is what was decided")
            if not isinstance(body, SlashStake):
                continue
            who = next((v for v in self.validators if account_subject(v) == subject), None)
            holds(who is not None, "only validators are slashed for votes")
            assert who is not None
            both = {(who, True), (who, False)} <= ghost.signed
            contrary = ghost.decision in ("approved", "rejected") and dict(ghost.counted).get(who) == (
                ghost.decision == "rejected"
            )
            evidence = {"equivocation": both, "contrary_vote": contrary}
            holds(evidence.get(body.reason, False), "nobody is slashed without evidence")
            holds(who not in self.honest or self.liars > (self.n - 1) // 3, "no honest validator is slashed")
            ghost = replace(ghost, slashed=ghost.slashed | {(who, body.reason)})
        return ghost

    def canonical(self, node: Node) -> bytes:
        """The state up to a renaming of honest validators among themselves, and of liars among themselves.

        Deciders compare addresses for equality and sort lists by them, so a renaming changes no decision. The order of the
        votes, in which each role's validators are named as they first spoke, is kept.
        """
        if not self.symmetric:
            return dump(node.state) + repr((node.ghost.counted, sorted(node.ghost.signed), node.ghost)).encode()
        names: dict[bytes, str] = {}
        spoken = [*(t for tally in node.state.tallies for t in tally.order), *(v for v, _ in node.ghost.counted)]
        rest = sorted({v for v, _ in node.ghost.signed} | {v for v, _ in node.ghost.slashed})

        def traits(v: bytes) -> tuple[bool, ...]:
            marks = node.ghost.slashed
            return (*((v, b) in node.ghost.signed for b in (True, False)), *((v, r) in marks for r in _REASONS))

        for v in (*spoken, *sorted(rest, key=traits)):
            if v not in names:
                role = "h" if v in self.honest else "l"
                names[v] = f"{role}{sum(n.startswith(role) for n in names.values())}"
        ghost = node.ghost
        said = [[(names[v], t.votes[v]) for v in t.order] for t in node.state.tallies]
        facts = [(t.outcome, t.valid, t.invalid, t.decided_at, t.threshold) for t in node.state.tallies]
        onlooker = (
            [(names[v], b) for v, b in ghost.counted],
            sorted((names[v], b) for v, b in ghost.signed),
            ghost.decision,
            sorted((names[v], r) for v, r in ghost.slashed),
            ghost.moment,
        )
        return repr((said, facts, onlooker)).encode()


_REASONS = ("contrary_vote", "equivocation")
