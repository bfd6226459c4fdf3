"""Random lives of a small network: whatever happens, in whatever order follow-ups arrive, no rule breaks."""

from dataclasses import replace
from typing import Any

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule, run_state_machine_as_test

from bitsage.processors.hidden import (
    escrow_context,
    payment_context,
    price_context,
    transfer_context,
    withdrawal_context,
)
from bitsage.processors.model import NETWORK, PaymentContext, account_subject
from bitsage.processors.serialise import dump, load
from bitsage.processors.supply import in_flight
from bitsage.schemas.commands import (
    AbandonJob,
    CancelJob,
    CastDisputeVote,
    CastVote,
    CloseDispute,
    CloseTally,
    CreateWallet,
    DeclineJob,
    DepartValidator,
    DepartWorker,
    FileDispute,
    PayWorker,
    RaisePrice,
    RegisterValidator,
    RegisterWorker,
    ReportPresence,
    RequestTokens,
    RequestUnstake,
    StakeTokens,
    StartJob,
    SubmitJob,
    SubmitProof,
    TimeoutElapsed,
    WithdrawStake,
)
from bitsage.schemas.events import Rejection
from bitsage.schemas.hidden_commands import ClaimPayment, Deposit, OpenPrivateAccount, SharePrice, Transfer, Withdraw
from bitsage.schemas.parameters import DAY_MS, PAYMENT_UNIT, SAGE, VALIDATOR
from tests.processors.dsl import (
    ESCROW_KEY,
    PAYMENT_KEY,
    RULES,
    good_payment,
    good_reencryption,
    good_transfer,
    good_withdrawal,
    opened,
    spec,
)
from tests.processors.mininet import MiniNetwork

WORKERS = [bytes([0x10 + i]) * 32 for i in range(4)]
JUDGES = [bytes([0x20 + i]) * 32 for i in range(7)]
CLIENTS = [bytes([0xC0 + i]) * 32 for i in range(2)]
TIERS = ["consumer", "workstation", "consumer", "data_center"]
workers, judges, clients = (st.sampled_from(range(n)) for n in (4, 7, 2))
pick = st.integers(0, 10_000)


class Lives(RuleBasedStateMachine):
    """Workers 2 and 3 may cheat; (n-1)//3 of the validators lie, the last ones."""

    def __init__(self) -> None:
        super().__init__()
        parameters = replace(RULES.parameters, attempt_timeout_ms=120_000)
        self.net = MiniNetwork(replace(RULES, parameters=parameters))
        self.judges = JUDGES[:4]

    @initialize(validators=st.integers(4, 7))
    def begin(self, validators: int) -> None:
        self.judges = JUDGES[:validators]
        for who in (*WORKERS, *self.judges, *CLIENTS):
            for body in (CreateWallet(), RequestTokens()):
                self.own(who, body)
        for i, worker in enumerate(WORKERS):
            minimum = RULES.parameters.minimum_stake[TIERS[i]]
            self.own(worker, StakeTokens(amount=minimum + 500 * SAGE, tier=TIERS[i]))
            self.join(i, i + 1)
        for judge in self.judges:
            self.own(judge, StakeTokens(amount=11_000 * SAGE, tier=VALIDATOR))
            self.own(judge, RegisterValidator())
        for client in CLIENTS:
            key = PAYMENT_KEY + client[:1]
            self.own(client, OpenPrivateAccount(payment_key=key, key_proof=b"knows " + key + client))
            self.own(client, Deposit(amount=100 * SAGE))
        self.net.deliver_all()

    def own(self, who: bytes, body: Any) -> None:
        self.net.send(account_subject(who), body, who)

    def lies(self, judge: bytes) -> bool:
        return judge in self.judges[len(self.judges) - (len(self.judges) - 1) // 3 :]

    @rule(i=workers, slots=st.integers(1, 4))
    def join(self, i: int, slots: int) -> None:
        worker = WORKERS[i]
        body = RegisterWorker(
            tier=TIERS[i],
            gpu_model="",
            payment_key=PAYMENT_KEY,
            key_proof=b"knows " + PAYMENT_KEY + worker,
            job_types=["matmul"],
            slots=slots,
            # What the second and third worker ask for is met by some jobs only, and late.
            asks=[i * 10**15] if i in (1, 2) else [],
            clients=CLIENTS[:1] if i == 3 and slots == 4 else [],
            max_collateral=100 * i * SAGE,
        )
        self.own(worker, body)

    @rule(i=clients, units=st.integers(1, 10**6), tier=st.sampled_from(["", "consumer", "workstation"]), p=pick)
    def submit(self, i: int, units: int, tier: str, p: int) -> None:
        deadline = self.net.now + (60_000 if p % 5 == 0 else DAY_MS)
        wanted = spec(max_cost=5 * units * PAYMENT_UNIT, tier=tier, priority=p % 11, deadline=deadline)
        if p % 3 == 0:
            wanted = replace(wanted, min_cost=5 * PAYMENT_UNIT, ramp_ms=45_000, lock_timeout_ms=15_000 * (p % 2))
        if p % 4 == 0:
            wanted = replace(wanted, collateral=wanted.max_cost // 2)
        self.own(CLIENTS[i], SubmitJob(spec=wanted))

    @rule(i=clients, units=st.integers(0, 10**7), p=pick)
    def submit_sealed(self, i: int, units: int, p: int) -> None:
        """At times with more than there is, or with the proof of a state that is gone."""
        client = CLIENTS[i]
        own = self.net.account(account_subject(client)).private
        proof = good_transfer(
            units,
            own.available,
            own.payment_key,
            [ESCROW_KEY],
            50,
            escrow_context(RULES, client, own.sequence - (p == 1)),
        )
        deadline = self.net.now + (60_000 if p % 5 == 0 else DAY_MS)
        wanted = spec(max_cost=0, priority=p % 11, deadline=deadline)
        self.own(client, SubmitJob(spec=wanted, sequence=own.sequence, transfer=proof))

    @rule(i=clients, j=workers, units=st.integers(0, 10**6), what=st.integers(0, 4), right=st.booleans())
    def move_hidden(self, i: int, j: int, units: int, what: int, right: bool) -> None:
        client, other = CLIENTS[i], (CLIENTS[1 - i] if what % 2 else WORKERS[j])
        own = self.net.account(account_subject(client)).private
        context = transfer_context(RULES, client, own.sequence, other)
        key = self.net.account(account_subject(other)).private.payment_key if right else b"no key of theirs"
        proof = good_transfer(units, own.available, own.payment_key, [key], 1, context)
        bodies = (
            Transfer(recipient=other, recipient_key=key, sequence=own.sequence, transfer=proof),
            Transfer(recipient=other, recipient_key=key, sequence=own.sequence, transfer=proof),
            ClaimPayment(),
            Deposit(amount=units * PAYMENT_UNIT),
            self.withdrawal(client, min(units, opened(own.available))),
        )
        self.own(client, bodies[what])

    def withdrawal(self, owner: bytes, units: int) -> Withdraw:
        own = self.net.account(account_subject(owner)).private
        context = withdrawal_context(RULES, owner, own.sequence)
        proof = good_withdrawal(own.available, own.payment_key, units, context)
        return Withdraw(amount=units * PAYMENT_UNIT, sequence=own.sequence, proof=proof)

    @rule(p=pick)
    def share_price(self, p: int) -> None:
        if found := self.a_job(p, "assigned", "running"):
            subject, job = found
            context = price_context(RULES, job.job_id, job.attempt, job.worker)
            proof = good_reencryption(job.price, ESCROW_KEY, [PAYMENT_KEY], context)
            body = SharePrice(attempt=job.attempt, worker=job.worker, payment_key=PAYMENT_KEY, proof=proof)
            self.net.send(subject, body)

    def a_job(self, p: int, *statuses: str) -> tuple[str, Any] | None:
        found = [(subject, job) for subject, job in self.net.jobs() if job.status in statuses]
        return found[p % len(found)] if found else None

    @rule(p=pick, abandon=st.integers(0, 9))
    def start(self, p: int, abandon: int) -> None:
        if found := self.a_job(p, "assigned", "running"):
            subject, job = found
            body = AbandonJob(attempt=job.attempt, reason="") if abandon == 0 else StartJob(attempt=job.attempt)
            if abandon in (1, 2):
                body = DeclineJob(attempt=job.attempt, reason="price")
            self.net.send(subject, body, job.worker)

    @rule()
    def raise_prices(self) -> None:
        for job_id, job in list(self.net.market.placements.items()):
            self.net.send(NETWORK, RaisePrice(job_id=job_id, attempt=job.attempt, price=0))

    @rule(p=pick, cheat=st.booleans())
    def prove(self, p: int, cheat: bool) -> None:
        if found := self.a_job(p, "assigned", "running"):
            subject, job = found
            good = job.worker in WORKERS[:2] or not cheat
            body = SubmitProof(
                attempt=job.attempt,
                output_hash=bytes(32),
                public_inputs="",
                proof=b"good" if good else b"",
                # Bytes that come again in a later attempt have the same hash.
                proof_hash=(b"\x01" if good else b"\x02") * 32,
                proof_system="stwo",
                security_bits=96,
                backend="numpy",
                run_ms=0,
                prove_ms=0,
            )
            self.net.send(subject, body, job.worker)

    @rule(p=pick, i=judges, twice=st.booleans())
    def vote(self, p: int, i: int, twice: bool) -> None:
        self.ballot(p, JUDGES[i], twice)

    @rule(p=pick)
    def everybody_votes(self, p: int) -> None:
        # Whoever votes after the decision is late: at times the liars come first, and contradict themselves.
        for judge in self.judges[:: -1 if p % 2 else 1]:
            self.ballot(p, judge, p % 3 == 0)

    def ballot(self, p: int, judge: bytes, twice: bool) -> None:
        if not self.net.tallies:
            return
        (subject, attempt), tally = list(self.net.tallies.items())[-1 - p % min(3, len(self.net.tallies))]
        truth = self.net.proofs[subject, attempt] == b"good"
        said = not truth if self.lies(judge) else truth
        for valid in (said, not said) if twice and self.lies(judge) else (said,):
            body = CastVote(attempt=attempt, proof_hash=tally.proof_hash, valid=valid, reason="")
            self.net.send(subject, body, judge)

    @rule(p=pick, i=workers, j=judges)
    def dispute(self, p: int, i: int, j: int) -> None:
        if self.net.decisions:
            decided = list(self.net.decisions)
            subject, attempt = decided[-1 - p % min(3, len(decided))]
            who = WORKERS[i] if p % 2 else JUDGES[j]
            self.own(who, FileDispute(job_id=bytes.fromhex(subject), attempt=attempt))
            if p % 3:
                self.net.deliver_all()

    @rule(p=pick)
    def everybody_judges_anew(self, p: int) -> None:
        if not self.net.disputes:
            return
        (subject, attempt, round_), dispute = list(self.net.disputes.items())[-1 - p % min(3, len(self.net.disputes))]
        truth = self.net.proofs[subject, attempt] == b"good"
        for judge in JUDGES[:: -1 if p % 2 else 1]:
            said = not truth if self.lies(judge) else truth
            for valid in (said, not said) if p % 5 == 0 and self.lies(judge) else (said,):
                body = CastDisputeVote(
                    attempt=attempt, round=round_, proof_hash=dispute.proof_hash, valid=valid, reason=""
                )
                self.net.send(subject, body, judge)

    @rule(p=pick, n=st.integers(1, 12))
    def deliver(self, p: int, n: int) -> None:
        for step in range(n):
            self.net.deliver(p + 7 * step)

    @rule(p=pick)
    def replay(self, p: int) -> None:
        self.net.replay(p)

    @rule(p=pick, cheat=st.booleans(), depth=st.integers(1, 5))
    def go_on(self, p: int, cheat: bool, depth: int) -> None:
        """A job comes a good deal further, as it does on a quiet day."""
        self.net.deliver_all()
        steps = (
            lambda: self.prove(p, cheat),
            lambda: self.everybody_votes(p % 6),
            lambda: self.pay_and_claim(p % 4, 4),
        )
        for step in steps[:depth]:
            step()
            self.net.deliver_all()

    @rule(ms=st.sampled_from([1, 1_000, 10_000, 30_000, 120_000]), watch=st.booleans(), days=st.integers(0, 30))
    def tick(self, ms: int, watch: bool, days: int) -> None:
        self.net.now += ms if days else 7 * DAY_MS
        if watch:
            self.timer()

    def timer(self) -> None:
        for (subject, attempt), tally in self.net.tallies.items():
            if (subject, attempt) not in self.net.decisions:
                self.net.send(subject, CloseTally(proof_hash=tally.proof_hash))
        for subject, attempt, round_ in set(self.net.disputes) - set(self.net.resolved):
            self.net.send(subject, CloseDispute(attempt=attempt, round=round_))
        for subject, job in self.net.jobs():
            if not job.over:
                for kind in ("lock", "attempt", "deadline"):
                    self.net.send(subject, TimeoutElapsed(kind=kind, attempt=job.attempt))

    @rule(i=workers, online=st.booleans(), silence=st.sampled_from([0, 61_000]))
    def presence(self, i: int, online: bool, silence: int) -> None:
        seen = self.net.now - silence
        self.net.send(account_subject(WORKERS[i]), ReportPresence(online=online, last_seen=seen))

    @rule(p=pick)
    def vanish(self, p: int) -> None:
        if found := self.a_job(p, "assigned", "running"):
            self.net.send(found[0], TimeoutElapsed(kind="worker_offline", attempt=found[1].attempt))

    @rule(p=pick)
    def cancel(self, p: int) -> None:
        if found := self.a_job(p, "waiting", "assigned", "running"):
            self.net.send(found[0], CancelJob(), found[1].client)

    @rule(i=workers, honest=st.integers(0, 4))
    def pay_and_claim(self, i: int, honest: int) -> None:
        worker = WORKERS[i]
        for job_id, due in list(self.net.account(account_subject(worker)).payments.items()):
            context = PaymentContext(due.proof_commitment, job_id, due.payment_nonce, worker)
            payment = good_payment(PAYMENT_KEY, due.amount + (honest == 0), context)
            if due.ciphertext:
                bound = payment_context(RULES, due.proof_commitment, job_id, due.payment_nonce + (honest == 0), worker)
                payment = good_reencryption(due.ciphertext, ESCROW_KEY, [PAYMENT_KEY], bound)
            paying = PayWorker(
                job_id=job_id,
                payment=payment,
                proof_commitment=due.proof_commitment,
                payment_nonce=due.payment_nonce,
            )
            self.net.send(account_subject(worker), paying)
            self.own(worker, ClaimPayment(job_id=None if honest == 1 else job_id))
        if honest % 2:
            have = opened(self.net.account(account_subject(worker)).private.available)
            self.own(worker, self.withdrawal(worker, have))

    @rule(i=workers, j=judges, share=st.integers(1, 3), what=st.integers(0, 5))
    def leave(self, i: int, j: int, share: int, what: int) -> None:
        who = WORKERS[i] if what % 2 else JUDGES[j]
        stake = self.net.account(account_subject(who)).stake
        for body in (RequestUnstake(amount=stake * share // 4), WithdrawStake(), RequestTokens())[what // 2 :]:
            self.own(who, body)

    @rule(i=workers, j=judges, what=st.integers(0, 3))
    def come_and_go(self, i: int, j: int, what: int) -> None:
        judge = self.judges[j % len(self.judges)]
        bodies = [(WORKERS[i], DepartWorker()), (judge, DepartValidator()), (judge, RegisterValidator())]
        self.own(*bodies[what] if what < 3 else (WORKERS[i], StakeTokens(amount=700 * SAGE, tier=TIERS[i])))

    @rule(i=workers, j=judges)
    def stake_again_and_return(self, i: int, j: int) -> None:
        self.own(WORKERS[i], StakeTokens(amount=2_500 * SAGE, tier=TIERS[i]))
        self.join(i, 2)
        judge = self.judges[j % len(self.judges)]
        self.own(judge, StakeTokens(amount=2_000 * SAGE, tier=VALIDATOR))
        self.own(judge, RegisterValidator())

    @invariant()
    def rules_hold(self) -> None:
        self.net.check()

    @invariant()
    def no_honest_validator_is_slashed_and_no_bad_proof_approved(self) -> None:
        for (subject, attempt), decision in self.net.decisions.items():
            tally = self.net.tallies[subject, attempt]
            liars = sum(map(self.lies, tally.validators))
            if 3 * liars < len(tally.validators):
                good = self.net.proofs[subject, attempt] == b"good"
                assert decision.outcome in ("expired", "approved" if good else "rejected")
                assert all(map(self.lies, decision.contrary))

    def teardown(self) -> None:
        self.net.deliver_all()
        self.net.now += 31 * DAY_MS
        for _ in range(4):
            self.timer()
            self.net.deliver_all()
        self.net.check()
        assert set(self.net.disputes) == set(self.net.resolved), "every dispute comes to an end"
        assert not any(len(self.net.account(s).bonds) for s in self.net.subjects if s.startswith("0x"))
        assert in_flight(body for queue in self.net.queues.values() for body in queue) == 0
        assert all(job.over for _, job in self.net.jobs()), "every job comes to an end"
        assert not len(self.net.market.placements)
        for client in CLIENTS:
            account = self.net.account(account_subject(client))
            assert not len(account.escrows)
            assert not len(account.sealed)
        for states in self.net.subjects.values():
            for state in states.held.values():
                assert load(type(state), dump(state)) == state


Lives.TestCase.settings = settings(max_examples=100, stateful_step_count=60, deadline=None)
TestLives = Lives.TestCase


@pytest.mark.slow
def test_many_lives() -> None:
    run_state_machine_as_test(Lives, settings=settings(max_examples=2_000, stateful_step_count=100, deadline=None))


def test_an_honest_life_ends_in_a_claimed_payment() -> None:
    life = Lives()
    life.begin(4)
    life.submit(0, 10, "", 1)
    life.net.deliver_all()
    life.prove(0, False)
    life.net.deliver_all()
    life.everybody_votes(0)
    life.net.deliver_all()
    ((_, job),) = life.net.jobs()
    assert job.status == "completed"
    who = WORKERS.index(job.worker)
    before = life.net.account(account_subject(job.worker)).balance
    life.pay_and_claim(who, 3)
    assert life.net.account(account_subject(job.worker)).balance == before + 40 * PAYMENT_UNIT
    life.rules_hold()
    life.teardown()


def test_an_honest_life_with_a_sealed_price_pays_four_fifths_of_it() -> None:
    life = Lives()
    life.begin(4)
    life.submit_sealed(0, 1_000, 2)
    life.net.deliver_all()
    life.share_price(0)
    life.prove(0, False)
    life.net.deliver_all()
    life.everybody_votes(0)
    life.net.deliver_all()
    ((_, job),) = life.net.jobs()
    assert (job.status, job.shared, job.cost) == ("completed", 1, 0)
    before = life.net.account(account_subject(job.worker)).balance
    life.pay_and_claim(WORKERS.index(job.worker), 3)
    worker = life.net.account(account_subject(job.worker))
    assert (worker.balance, worker.hidden) == (before + 40_000 * PAYMENT_UNIT, -40_000 * PAYMENT_UNIT)
    assert opened(life.net.states("treasury").state("accounts").sealed_fees) == 1_000
    life.rules_hold()
    life.teardown()


def test_a_cheat_is_slashed_and_the_job_done_by_another() -> None:
    life = Lives()
    life.begin(4)
    for i in (0, 1, 3):
        life.own(WORKERS[i], DepartWorker())
    life.submit(0, 100_000, "", 1)
    life.net.deliver_all()
    life.join(0, 1)
    life.prove(0, True)
    life.net.deliver_all()
    life.everybody_votes(0)
    life.net.deliver_all()
    assert life.net.account(account_subject(WORKERS[2])).stake == 1_350 * SAGE
    life.prove(0, True)
    life.net.deliver_all()
    life.everybody_votes(0)
    life.net.deliver_all()
    ((_, job),) = life.net.jobs()
    assert (job.status, job.worker, job.attempt) == ("completed", WORKERS[0], 2)
    assert not any(isinstance(event, Rejection) for event in life.net.decisions.values())


def a_wrong_decision(good: bool) -> tuple[Lives, str, bytes]:
    """Three validators, all liars, judge a proof; then seven honest ones join: (network, job, the worker's address)."""
    life = Lives()
    life.judges = []
    for who in (*WORKERS, *JUDGES, *HONEST, *CLIENTS):
        for body in (CreateWallet(), RequestTokens()):
            life.own(who, body)
    life.own(WORKERS[2], StakeTokens(amount=1_500 * SAGE, tier="consumer"))
    life.join(2, 1)
    life.submit(0, 10**6, "", 1)  # enough for what the third worker asks
    for group in (JUDGES[:3], HONEST):
        for judge in group:
            life.own(judge, StakeTokens(amount=11_000 * SAGE, tier=VALIDATOR))
            life.own(judge, RegisterValidator())
        life.net.deliver_all()
        if group is not HONEST:
            life.prove(0, not good)
            life.net.deliver_all()
            (((subject, attempt), tally),) = life.net.tallies.items()
            for judge in JUDGES[:3]:
                vote = CastVote(attempt=attempt, proof_hash=tally.proof_hash, valid=not good, reason="")
                life.net.send(subject, vote, judge)
            life.net.deliver_all()
    return life, subject, WORKERS[2]


HONEST = [bytes([0x40 + i]) * 32 for i in range(7)]


def judged_anew(life: Lives, subject: str, good: bool) -> None:
    life.net.deliver_all()
    (((_, attempt, round_), dispute),) = life.net.disputes.items()
    for judge in HONEST:
        body = CastDisputeVote(attempt=attempt, round=round_, proof_hash=dispute.proof_hash, valid=good, reason="")
        life.net.send(subject, body, judge)
    life.net.deliver_all()
    life.net.check()


def test_a_wrong_rejection_is_reversed_and_not_one_unit_is_made_or_lost() -> None:
    life, subject, worker = a_wrong_decision(True)
    me = account_subject(worker)
    assert life.net.decisions[subject, 1].outcome == "rejected"
    assert life.net.account(me).stake == 1_350 * SAGE
    before = life.net.account(me).balance
    life.own(worker, FileDispute(job_id=bytes.fromhex(subject), attempt=1))
    assert life.net.account(me).balance == before - 100 * SAGE
    judged_anew(life, subject, True)
    assert [r.outcome for r in life.net.resolved.values()] == ["overturned"]
    # 550 of each liar's 1,100 go to the worker; of its own 150 the reporter keeps 75, and the treasury, which held 30 of
    # them when it was asked, gives back what it has by then.
    gained = life.net.account(me).balance - before - 3 * 550 * SAGE
    assert 30 * SAGE <= gained <= 75 * SAGE
    assert [life.net.account(account_subject(j)).stake for j in JUDGES[:3]] == [9_900 * SAGE] * 3
    assert life.net.states(me).state("workers").reputation == 500 - 100 + 30
    assert life.net.states(account_subject(JUDGES[0])).state("workers").reputation == 450
    # A second dispute of it is refused, and its bond comes back whole.
    held = life.net.account(me).balance
    life.own(worker, FileDispute(job_id=bytes.fromhex(subject), attempt=1))
    life.net.deliver_all()
    assert life.net.account(me).balance == held
    life.net.check()


def test_a_wrong_approval_is_reversed_and_the_worker_slashed_though_paid() -> None:
    life, subject, worker = a_wrong_decision(False)
    assert life.net.decisions[subject, 1].outcome == "approved"
    life.own(HONEST[0], FileDispute(job_id=bytes.fromhex(subject), attempt=1))
    life.net.deliver_all()
    ((_, dispute),) = life.net.disputes.items()
    assert HONEST[0] not in dispute.validators
    # Nine judges, seven must agree: the six honest ones that are left are one too few, and one liar gives in.
    for judge in (*HONEST[1:], JUDGES[0]):
        body = CastDisputeVote(attempt=1, round=1, proof_hash=dispute.proof_hash, valid=False, reason="")
        life.net.send(subject, body, judge)
    life.net.deliver_all()
    life.net.check()
    assert [r.outcome for r in life.net.resolved.values()] == ["overturned"]
    assert life.net.account(account_subject(worker)).stake == 1_350 * SAGE
    assert len(life.net.account(account_subject(worker)).payments) == 1, "what is due stays due"
    assert [life.net.account(account_subject(j)).stake for j in JUDGES[:3]] == [9_900 * SAGE] * 3
    assert life.net.states(account_subject(HONEST[0])).state("workers").reputation == 530


def test_an_upheld_decision_costs_the_bond() -> None:
    life, subject, worker = a_wrong_decision(True)
    me = account_subject(worker)
    before = life.net.account(me).balance
    life.own(worker, FileDispute(job_id=bytes.fromhex(subject), attempt=1))
    judged_anew(life, subject, False)
    assert [r.outcome for r in life.net.resolved.values()] == ["upheld"]
    assert life.net.account(me).balance == before - 100 * SAGE
    assert life.net.account(me).stake == 1_350 * SAGE
    assert life.net.account(account_subject(HONEST[0])).balance == 9_050 * SAGE, "the reporter gets half of the bond"


def test_a_validator_that_joins_during_a_tally_is_a_stranger_there_and_one_that_leaves_keeps_its_vote() -> None:
    life = Lives()
    life.begin(4)
    life.submit(0, 10, "", 1)
    life.net.deliver_all()
    life.prove(0, False)
    life.net.deliver_all()
    (((subject, attempt), tally),) = life.net.tallies.items()
    newcomer = JUDGES[5]
    for body in (
        CreateWallet(),
        RequestTokens(),
        StakeTokens(amount=11_000 * SAGE, tier=VALIDATOR),
        RegisterValidator(),
    ):
        life.own(newcomer, body)
    life.own(JUDGES[0], DepartValidator())
    life.net.deliver_all()
    assert life.net.market.validators == (*JUDGES[1:4], newcomer)
    vote = CastVote(attempt=attempt, proof_hash=tally.proof_hash, valid=True, reason="")
    (refused,) = life.net.send(subject, vote, newcomer)
    assert getattr(refused, "reason", "") == "stranger"
    for judge in JUDGES[:3]:
        life.net.send(subject, vote, judge)
    assert life.net.decisions[subject, attempt].outcome == "approved"
    assert life.net.tallies[subject, attempt].validators == JUDGES[:4]


def test_the_set_is_that_of_the_event_that_requests_the_tally_not_of_the_one_that_opens_it() -> None:
    life = Lives()
    life.begin(4)
    life.submit(0, 10, "", 1)
    life.net.deliver_all()
    life.prove(0, False)
    ((subject, _),) = life.net.jobs()
    # The market handles the request; then the set changes; only then the tally is opened.
    source = (subject, NETWORK)
    life.net.send(NETWORK, life.net.queues[source].popleft())
    life.own(JUDGES[0], DepartValidator())
    leaving = (account_subject(JUDGES[0]), NETWORK)
    life.net.send(NETWORK, life.net.queues[leaving].popleft())
    assert len(life.net.market.validators) == 3
    life.net.send(subject, life.net.queues[NETWORK, subject].popleft())
    ((_, tally),) = life.net.tallies.items()
    assert tally.validators == JUDGES[:4]
    assert (tally.epoch, life.net.market.epoch) == (4, 5)
