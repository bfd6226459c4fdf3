"""All deciders and policies in one process, without a log: follow-ups lie in queues until somebody delivers them."""

from collections import deque
from dataclasses import dataclass, field
from typing import Any

from bitsage.processors.account_state import Account
from bitsage.processors.bindings import binding_for
from bitsage.processors.hidden import shares
from bitsage.processors.kernel import subject_kind
from bitsage.processors.market_state import Market
from bitsage.processors.matching import best_worker
from bitsage.processors.model import NETWORK, TREASURY, Command, Rules
from bitsage.processors.policies import follow_ups
from bitsage.processors.supply import is_conserved
from bitsage.schemas.commands import COMMANDS, ChangeValidator, CollectFees, EnqueueJob, OfferCapacity, OwePayment
from bitsage.schemas.events import (
    BondForfeited,
    BondReturned,
    ConsensusReached,
    DisputeFiled,
    DisputeOpened,
    DisputeResolved,
    EscrowReleased,
    JobMatched,
    PaymentDue,
    ProofGenerated,
    RestitutionClaimed,
    RestitutionPaid,
    Slashed,
    TallyOpened,
    ValidatorSetChanged,
    VoteCast,
)
from bitsage.schemas.hidden_commands import CreditTransfer, ReturnTransfer
from bitsage.schemas.parameters import PAYMENT_UNIT
from bitsage.schemas.types import CommandBody, EventBody
from tests.processors.dsl import AUTHORITY, NOW, States, opened

#: These set a value, or bring back a job that has left the market: only nonces keep an old one from being told again.
SETTING = (OfferCapacity, ChangeValidator, EnqueueJob)


@dataclass(slots=True)
class MiniNetwork:
    """`queues`: follow-ups by (source, target) subject; each is in order, between them any order may happen."""

    rules: Rules
    now: int = NOW
    subjects: dict[str, States] = field(default_factory=dict)
    queues: dict[tuple[str, str], deque[CommandBody]] = field(default_factory=dict)
    delivered: list[tuple[str, CommandBody]] = field(default_factory=list)
    ids: int = 0
    sets: list[list[bytes]] = field(default_factory=lambda: [[]])
    proofs: dict[tuple[str, int], bytes] = field(default_factory=dict)
    tallies: dict[tuple[str, int], TallyOpened] = field(default_factory=dict)
    votes: dict[tuple[str, int], dict[bytes, bool]] = field(default_factory=dict)
    decisions: dict[tuple[str, int], ConsensusReached] = field(default_factory=dict)
    disputes: dict[tuple[str, int, int], DisputeOpened] = field(default_factory=dict)
    resolved: dict[tuple[str, int, int], DisputeResolved] = field(default_factory=dict)
    #: what each account lost to the protocol by a slash, and has not been promised back
    losses: dict[tuple[str, str, bytes, int], int] = field(default_factory=dict)
    #: filed disputes less settled ones, by account
    bonds: dict[str, int] = field(default_factory=dict)

    def states(self, subject: str) -> States:
        return self.subjects.setdefault(subject, States(subject))

    def account(self, subject: str) -> Account:
        state = self.states(subject).state("accounts")
        assert isinstance(state, Account)
        return state

    @property
    def market(self) -> Market:
        state = self.states(NETWORK).state("workers")
        assert isinstance(state, Market)
        return state

    def send(self, subject: str, body: CommandBody, by: bytes = AUTHORITY) -> list[EventBody]:
        """Decide one command now; its follow-ups are queued."""
        self.ids += 1
        rule = COMMANDS[type(body).__name__]
        command = Command(body, self.ids.to_bytes(16, "big"), subject, self.now, bytes(16), by, by)
        kind = subject_kind(subject)
        assert kind is not None
        binding = binding_for(rule.topic, kind)
        assert binding is not None
        states = self.states(subject)
        events = binding.decide(states, command, self.rules)
        assert events, f"{body} was answered with no event"
        entailed = 0
        for event in events:
            states.fold(rule.topic, event, self.now)
            self.check_event(subject, event)
            for target, follow in follow_ups(command, event, states, self.rules):
                entailed += 1
                self.queues.setdefault((subject, target), deque()).append(follow)
        assert entailed < 256
        return events

    def deliver(self, choice: int) -> bool:
        """Deliver the head of one queue; False when all are empty."""
        ready = sorted(key for key, queue in self.queues.items() if queue)
        if not ready:
            return False
        key = ready[choice % len(ready)]
        body = self.queues[key].popleft()
        self.delivered.append((key[1], body))
        self.send(key[1], body)
        return True

    def deliver_all(self) -> None:
        while self.deliver(0):
            pass

    def replay(self, choice: int) -> None:
        """Tell a follow-up again that was told before."""
        again = [(subject, body) for subject, body in self.delivered if not isinstance(body, SETTING)]
        if again:
            self.send(*again[choice % len(again)])

    def check_event(self, subject: str, event: EventBody) -> None:
        """What must hold at the moment of an event, by a count of our own."""
        match event:
            case ValidatorSetChanged(validators=validators):
                self.sets.append(validators)
            case JobMatched(job_id=job_id, worker=worker, price=price):
                capacity, placement = self.market.capacities[worker], self.market.placements[job_id]
                assert 0 < capacity.load <= capacity.slots
                asks = dict(zip(capacity.job_types, capacity.asks, strict=False))
                # A sealed price is 0 here: its worker reads it later and may decline.
                assert price == 0 or asks.get(placement.job_type, 0) * placement.rows <= price
                assert price == placement.price
                assert not placement.collateral or capacity.pledged <= capacity.stake
            case ProofGenerated(attempt=attempt, proof=proof):
                assert (subject, attempt) not in self.proofs
                self.proofs[subject, attempt] = proof
            case TallyOpened(attempt=attempt):
                assert event.validators in self.sets
                self.tallies[subject, attempt] = event
            case VoteCast(attempt=attempt, validator=validator, valid=valid):
                said = self.votes.setdefault((subject, attempt), {})
                assert validator not in said
                said[validator] = valid
            case ConsensusReached(attempt=attempt):
                self.check_decision(subject, event)
                assert (subject, attempt) not in self.decisions, "one decision per attempt"
                self.decisions[subject, attempt] = event
            case DisputeOpened(attempt=attempt, round=round_):
                trial = (subject, attempt, round_)
                assert trial not in self.disputes
                assert self.decisions[subject, attempt].outcome == event.decision
                assert event.disputer not in event.validators
                assert not {r for s, a, r in self.resolved if (s, a) == trial[:2]} - set(range(1, round_))
                self.disputes[trial] = event
            case DisputeResolved(attempt=attempt, round=round_):
                assert (subject, attempt, round_) not in self.resolved, "one verdict per dispute"
                self.resolved[subject, attempt, round_] = event
            case DisputeFiled() | BondReturned() | BondForfeited():
                self.bonds[subject] = self.bonds.get(subject, 0) + (1 if isinstance(event, DisputeFiled) else -1)
                assert self.bonds[subject] >= 0, "a bond is settled once"
            case Slashed(reason=reason, job_id=job_id, attempt=attempt, round=0):
                self.losses[subject, reason, job_id, attempt] = event.burnt + event.treasury
            case RestitutionClaimed(reason=reason, job_id=job_id, attempt=attempt):
                overturned = [r for (s, a, _), r in self.resolved.items() if (s, a) == (job_id.hex(), attempt)]
                assert any(r.outcome == "overturned" for r in overturned), "no restitution without a verdict"
                assert self.losses.pop((subject, reason, job_id, attempt)) == event.amount, "no restitution twice"
            case RestitutionPaid(amount=amount, shortfall=shortfall):
                assert amount >= 0 <= shortfall
            case EscrowReleased(job_id=job_id, payment_nonce=nonce) | PaymentDue(job_id=job_id, payment_nonce=nonce):
                assert self.decisions[job_id.hex(), nonce].outcome == "approved", "no payment without approval"
                if isinstance(event, EscrowReleased):
                    agreed = self.states(job_id.hex()).state("jobs")
                    assert event.worker_amount + event.protocol_amount == agreed.cost <= agreed.spec.max_cost
                    assert event.refund == agreed.spec.max_cost - agreed.cost

    def check_decision(self, subject: str, event: ConsensusReached) -> None:
        tally = self.tallies[subject, event.attempt]
        said = self.votes.get((subject, event.attempt), {})
        needed = 2 * len(tally.validators) // 3 + 1
        assert set(said) <= set(tally.validators)
        for_it, against = sum(said.values()), len(said) - sum(said.values())
        expected = "approved" if for_it >= needed else "rejected" if against >= needed else "expired"
        assert event.outcome == expected
        assert (event.votes_valid, event.votes_invalid) == (for_it, against)

    def check(self) -> None:
        """What must hold between any two commands."""
        accounts = [self.account(s) for s in self.subjects if s.startswith("0x")]
        waiting = [body for queue in self.queues.values() for body in queue]
        assert is_conserved(accounts, self.states(TREASURY).state("accounts"), waiting)
        hidden = self.hidden(accounts, waiting)
        assert hidden == sum(account.hidden for account in accounts) // PAYMENT_UNIT
        for account in accounts:
            assert min(opened(account.private.available), opened(account.private.pending)) >= 0
            amounts = [account.balance, account.stake, *account.escrows.values()]
            amounts += [bond.amount for bond in account.bonds.values()]
            assert min([*amounts, *(p.amount for p in account.payments.values())]) >= 0
            assert all(unlock.amount > 0 for unlock in account.unlocks)
        assert self.states(TREASURY).state("accounts").treasury >= 0
        self.check_market()

    def hidden(self, accounts: list[Account], waiting: list[CommandBody]) -> int:
        """Every hidden unit, read off the stand-in ciphertexts of accounts, treasury and follow-ups on their way."""
        split = shares(self.rules.parameters)
        total = split.protocol * opened(self.states(TREASURY).state("accounts").sealed_fees)
        for account in accounts:
            total += opened(account.private.available) + opened(account.private.pending)
            total += split.price * sum(map(opened, account.sealed.values()))
            due = [payment for payment in account.payments.values() if not payment.credit]
            total += split.worker * sum(opened(payment.ciphertext) for payment in due)
        for body in waiting:
            match body:
                case OwePayment(ciphertext=ciphertext):
                    total += split.worker * opened(ciphertext)
                case CollectFees(ciphertext=ciphertext):
                    total += split.protocol * opened(ciphertext)
                case CreditTransfer(ciphertext=ciphertext) | ReturnTransfer(ciphertext=ciphertext):
                    total += opened(ciphertext)
        return total

    def check_market(self) -> None:
        market = self.market
        assert market.with_indexes() == market
        held: dict[bytes, int] = {}
        for placement in market.placements.values():
            if placement.worker:
                held[placement.worker] = held.get(placement.worker, 0) + 1
            else:
                assert best_worker(market, placement) is None, "a job waits though a worker is free"
        assert {w: c.load for w, c in market.capacities.items() if c.load} == held

    def jobs(self) -> list[tuple[str, Any]]:
        """Every admitted job."""
        found = [(s, states.state("jobs")) for s, states in self.subjects.items() if subject_kind(s) == "job"]
        return [(subject, state) for subject, state in found if state.status != "unknown"]
