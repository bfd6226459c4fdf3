"""Disputes, rule by rule: who may file one, who judges it, and what follows for whom."""

from dataclasses import replace
from typing import Any

import pytest

from bitsage.processors.disputes import PART, ROUNDS_MAX
from bitsage.processors.model import NETWORK, TREASURY, account_subject
from bitsage.schemas.commands import (
    AdjustReputation,
    CastDisputeVote,
    CastVote,
    CloseDispute,
    CollectFees,
    EnforceVerdict,
    FileDispute,
    GrantRestitution,
    GrantReward,
    OpenDispute,
    PayRestitution,
    RequestRetrial,
    RestoreStake,
    SettleBond,
    SlashStake,
)
from bitsage.schemas.events import (
    BondForfeited,
    BondReturned,
    ConsensusReached,
    DisputeFiled,
    DisputeOpened,
    DisputeResolved,
    FeesDistributed,
    ReputationChanged,
    RestitutionClaimed,
    RestitutionGranted,
    RestitutionPaid,
    RetrialRequested,
    Slashed,
    Staked,
    TokensGranted,
    ValidatorRegistered,
    ValidatorSetChanged,
    VerdictEnforced,
    WorkerRegistered,
)
from bitsage.schemas.parameters import DAY_MS, SAGE, threshold
from bitsage.schemas.types import ZERO_HASH
from tests.processors.dsl import (
    ACCOUNT,
    HASH,
    HOUR,
    JOB,
    JOB_SUBJECT,
    NOW,
    OUTPUT,
    RULES,
    VALIDATORS,
    WORKER,
    Scene,
    given,
    wallet,
)
from tests.processors.test_proofs_votes import cast, opened

BOND = 100 * SAGE
FILE = FileDispute(job_id=JOB, attempt=1)
RICH = TokensGranted(amount=5_000 * SAGE, gas_amount=0)
STAKED = Staked(amount=2_000 * SAGE, total=2_000 * SAGE, tier="consumer")
FILED = DisputeFiled(job_id=JOB, attempt=1, filing=1, bond=BOND)
FOUR = VALIDATORS[:4]
STRANGER = b"\x99" * 32
KEY = {"job_id": JOB, "attempt": 1}


# ---- the account ----


def holder(*events: Any) -> Scene:
    return given(wallet(), RICH, STAKED, *events)


def test_a_dispute_locks_the_bond_and_asks_for_the_validators() -> None:
    scene = holder().when(FILE, at=NOW + 5).then(FILED)
    assert scene.state["accounts"].balance == 2_900 * SAGE
    scene.entails((NETWORK, RequestRetrial(job_id=JOB, attempt=1, disputer=WORKER, filing=1, filed_at=NOW + 5)))


@pytest.mark.parametrize(
    ("events", "command", "reason"),
    [
        ((RICH, STAKED), FILE, "no_wallet"),
        ((wallet(), RICH), FILE, "dispute_stake"),
        ((wallet(), RICH, replace(STAKED, amount=999 * SAGE, total=999 * SAGE)), FILE, "dispute_stake"),
        ((wallet(), RICH, STAKED, FILED), FILE, "already_disputed"),
        ((wallet(), RICH, STAKED), replace(FILE, attempt=0), "not_decided"),
        (
            (wallet(), RICH, replace(STAKED, amount=4_901 * SAGE, total=4_901 * SAGE)),
            FILE,
            "insufficient_balance",
        ),
    ],
)
def test_who_may_not_dispute(events: Any, command: FileDispute, reason: str) -> None:
    given(*events).when(command).then_rejected(reason).entails()


def settle(outcome: str, lost: bool, reporter: bytes | None = None, filing: int = 1) -> SettleBond:
    return SettleBond(**KEY, filing=filing, outcome=outcome, lost=lost, reporter=reporter)


@pytest.mark.parametrize("outcome", ["overturned", "expired", "not_decided"])
def test_a_bond_that_was_not_lost_goes_back_whole_and_once(outcome: str) -> None:
    scene = holder(FILED).when(settle(outcome, False))
    scene.then(BondReturned(**KEY, amount=BOND, outcome=outcome)).entails()
    assert scene.state["accounts"].balance == 3_000 * SAGE
    scene.when(settle(outcome, False)).then_rejected("no_bond")


def test_a_settlement_of_another_filing_does_not_touch_the_bond() -> None:
    holder(FILED).when(settle("expired", False, filing=2)).then_rejected("no_bond")


def forfeited(reporter: bytes, reward: int, burnt: int, treasury: int) -> BondForfeited:
    return BondForfeited(**KEY, amount=BOND, reporter=reporter, reporter_amount=reward, burnt=burnt, treasury=treasury)


def test_a_lost_bond_is_divided_like_a_slash_50_30_20() -> None:
    scene = holder(FILED).when(settle("upheld", True, FOUR[0]))
    scene.then(forfeited(FOUR[0], 50 * SAGE, 30 * SAGE, 20 * SAGE))
    reward = GrantReward(amount=50 * SAGE, slashed=WORKER, reason="dispute_lost", **KEY)
    parts = {"amount": 50 * SAGE, "burnt": 30 * SAGE, "treasury": 20 * SAGE, "stakers": 0}
    fees = CollectFees(payer=WORKER, source="dispute_lost", **parts, **KEY)
    scene.entails((account_subject(FOUR[0]), reward), (TREASURY, fees))
    assert scene.state["accounts"].balance == 2_900 * SAGE


@pytest.mark.parametrize("reporter", [None, WORKER])
def test_without_a_reporter_the_treasury_gets_the_reporters_part_of_a_lost_bond(reporter: bytes | None) -> None:
    holder(FILED).when(settle("upheld", True, reporter)).then(forfeited(ZERO_HASH, 0, 30 * SAGE, 70 * SAGE))


def slashed(reason: str, round_: int = 0, job: bytes = JOB, reward: int = 100 * SAGE) -> Slashed:
    return Slashed(
        amount=200 * SAGE,
        reason=reason,
        job_id=job,
        attempt=1,
        reporter=FOUR[0] if reward else ZERO_HASH,
        reporter_amount=reward,
        burnt=60 * SAGE,
        treasury=140 * SAGE - reward,
        remaining=1_800 * SAGE,
        round=round_,
    )


def test_restitution_is_what_the_protocol_got_of_the_slash() -> None:
    scene = holder(slashed("invalid_proof")).when(RestoreStake(reason="invalid_proof", **KEY))
    claim = RestitutionClaimed(amount=100 * SAGE, reason="invalid_proof", **KEY)
    paying = PayRestitution(account=WORKER, amount=100 * SAGE, reason="invalid_proof", **KEY)
    scene.then(claim).entails((TREASURY, paying))
    assert scene.state["accounts"].balance == 3_000 * SAGE
    scene.when(RestoreStake(reason="invalid_proof", **KEY)).then_rejected("nothing_to_restore")


@pytest.mark.parametrize("event", [slashed("timeout"), slashed("equivocation"), slashed("invalid_proof", 1)])
def test_only_a_slash_by_the_overturned_decision_is_restored(event: Slashed) -> None:
    holder(event).when(RestoreStake(reason=event.reason, **KEY)).then_rejected("nothing_to_restore")


def test_restitution_is_credited_once() -> None:
    granting = GrantRestitution(amount=SAGE, reason="invalid_proof", **KEY)
    scene = holder().when(granting).then(RestitutionGranted(amount=SAGE, reason="invalid_proof", **KEY))
    assert scene.state["accounts"].balance == 3_001 * SAGE
    scene.when(granting).then_rejected("already_booked")
    scene.when(replace(granting, attempt=2, amount=0)).then_rejected("amount_out_of_range")


# ---- the treasury ----

INCOME = FeesDistributed(
    job_id=JOB, attempt=1, payer=WORKER, source="job_fee", amount=10, burnt=3, treasury=6, stakers=1
)
PAY = PayRestitution(account=WORKER, amount=4, reason="invalid_proof", **KEY)


def paid(amount: int, shortfall: int) -> RestitutionPaid:
    return RestitutionPaid(account=WORKER, amount=amount, shortfall=shortfall, reason="invalid_proof", **KEY)


def test_the_treasury_pays_restitution_once() -> None:
    scene = given(INCOME, subject=TREASURY).when(PAY).then(paid(4, 0))
    scene.entails((ACCOUNT, GrantRestitution(amount=4, reason="invalid_proof", **KEY)))
    assert scene.state["accounts"].treasury == 2
    scene.when(PAY).then_rejected("already_booked")


def test_the_treasury_pays_what_it_has_and_no_burnt_or_stakers_part() -> None:
    given(INCOME, subject=TREASURY).when(replace(PAY, amount=100)).then(paid(6, 94))
    given(subject=TREASURY).when(PAY).then(paid(0, 4)).entails()
    given(INCOME, subject=TREASURY).when(replace(PAY, amount=0)).then_rejected("amount_out_of_range")


# ---- the network: whose votes count ----


def test_a_dispute_is_judged_by_the_validators_at_its_request() -> None:
    request = RequestRetrial(job_id=JOB, attempt=1, disputer=STRANGER, filing=1, filed_at=NOW)
    scene = given(ValidatorSetChanged(epoch=4, validators=FOUR), subject=NETWORK).when(request)
    scene.then(RetrialRequested(job_id=JOB, attempt=1, disputer=STRANGER, epoch=4))
    scene.entails((JOB_SUBJECT, opening()))


# ---- the job ----


def opening(
    disputer: bytes = STRANGER, filing: int = 1, validators: list[bytes] = FOUR, filed_at: int = NOW
) -> OpenDispute:
    return OpenDispute(attempt=1, disputer=disputer, filing=filing, filed_at=filed_at, validators=validators, epoch=4)


def decision(outcome: str, contrary: list[bytes]) -> ConsensusReached:
    return ConsensusReached(
        job_id=JOB, attempt=1, worker=WORKER, proof_hash=HASH, output_hash=OUTPUT, outcome=outcome,
        votes_valid=3, votes_invalid=0, threshold=3, contrary=contrary,
    )  # fmt: skip


#: three of four said valid, the last one was slashed for saying otherwise
APPROVED = (opened(FOUR), cast(FOUR[3], False), *(cast(v, True) for v in FOUR[:3]), decision("approved", [FOUR[3]]))
REJECTED = (opened(FOUR), cast(FOUR[3], True), *(cast(v, False) for v in FOUR[:3]), decision("rejected", [FOUR[3]]))
EXPIRED = (opened(FOUR), decision("expired", []))


def disputed(judges: list[bytes] = FOUR, round_: int = 1, filing: int = 1, **changes: Any) -> DisputeOpened:
    event = DisputeOpened(
        job_id=JOB, attempt=1, round=round_, disputer=STRANGER, filing=filing, decision="approved", worker=WORKER,
        proof_hash=HASH, output_hash=OUTPUT, validators=judges, epoch=4, threshold=threshold(len(judges)),
        expires_at=NOW + 30_000,
    )  # fmt: skip
    return replace(event, **changes)


def resolved(outcome: str, verdict: str, valid: int, invalid: int, needed: int = 3, **changes: Any) -> DisputeResolved:
    event = DisputeResolved(
        job_id=JOB, attempt=1, round=1, disputer=STRANGER, worker=WORKER, proof_hash=HASH, outcome=outcome,
        verdict=verdict, votes_valid=valid, votes_invalid=invalid, threshold=needed, contrary=[],
    )  # fmt: skip
    return replace(event, **changes)


def ballot(valid: bool, round_: int = 1, proof_hash: bytes = HASH) -> CastDisputeVote:
    return CastDisputeVote(attempt=1, round=round_, proof_hash=proof_hash, valid=valid, reason="seen")


def job(*events: Any) -> Scene:
    return given(*events, subject=JOB_SUBJECT)


def trial(history: tuple[Any, ...], *votes: tuple[bytes, bool], judges: list[bytes] = FOUR) -> Scene:
    outcome = next(e.outcome for e in history if isinstance(e, ConsensusReached))
    scene = job(*history, disputed(judges, decision=outcome))
    for validator, valid in votes:
        scene.when(ballot(valid), by=validator)
    return scene


def test_a_decision_is_put_to_the_validators_anew() -> None:
    job(*APPROVED).when(opening()).then(disputed())


def test_the_disputer_and_the_worker_have_no_vote() -> None:
    job(*APPROVED).when(opening(FOUR[1], validators=[*FOUR, WORKER])).then(
        disputed([FOUR[0], FOUR[2], FOUR[3]], disputer=FOUR[1])
    )


def test_with_no_judge_left_the_dispute_expires_at_once() -> None:
    scene = job(*APPROVED).when(opening(FOUR[0], validators=[FOUR[0]]))
    assert [type(event) for event in scene.events] == [DisputeOpened, DisputeResolved]
    assert scene.events[1].outcome == "expired"  # type: ignore[attr-defined]


def test_what_was_not_decided_is_not_disputed_and_the_bond_goes_back() -> None:
    for history in ((), (opened(FOUR),), EXPIRED):
        scene = job(*history).when(opening()).then_rejected("not_decided")
        scene.entails((account_subject(STRANGER), settle("not_decided", False)))


def test_the_dispute_window_is_a_day_from_the_decision() -> None:
    job(*APPROVED).when(opening(filed_at=NOW + DAY_MS - 1)).then(disputed())
    scene = job(*APPROVED).when(opening(filed_at=NOW + DAY_MS)).then_rejected("dispute_window_over")
    scene.entails((account_subject(STRANGER), settle("dispute_window_over", False)))


@pytest.mark.parametrize("votes", [(), ((FOUR[0], False), (FOUR[1], False), (FOUR[2], False))])
def test_there_is_one_dispute_of_a_decision_and_none_of_a_dispute(votes: Any) -> None:
    scene = trial(APPROVED, *votes).when(opening(FOUR[1], 7)).then_rejected("dispute_exists")
    scene.entails((account_subject(FOUR[1]), settle("dispute_exists", False, filing=7)))


def test_a_filing_that_is_told_again_does_not_free_its_bond() -> None:
    trial(APPROVED).when(opening()).then_rejected("dispute_exists").entails()


def test_after_a_dispute_that_expired_another_may_follow_three_in_all() -> None:
    scene = job(*APPROVED)
    for n in range(1, ROUNDS_MAX + 1):
        scene.when(opening(filing=n)).then(disputed(round_=n, filing=n, expires_at=scene.at + 30_000))
        scene.when(CloseDispute(attempt=1, round=n), at=scene.at + 30_000)
        assert scene.events[0].outcome == "expired"  # type: ignore[attr-defined]
    scene.when(opening(filing=9)).then_rejected("too_many_disputes")


def test_an_approval_is_overturned_by_the_threshold() -> None:
    scene = trial(APPROVED, (FOUR[0], True), (FOUR[3], False), (FOUR[2], False)).when(ballot(False), by=FOUR[1])
    assert scene.events[1] == resolved("overturned", "rejected", 1, 3, contrary=[FOUR[0]], reporter=FOUR[3])
    slash = SlashStake(reason="invalid_proof", reporter=STRANGER, round=1, **KEY)
    scene.entails(
        (account_subject(STRANGER), settle("overturned", False, FOUR[3])),
        (account_subject(STRANGER), AdjustReputation(reason="dispute_won", **KEY)),
        (ACCOUNT, AdjustReputation(reason="dispute_lost", **KEY)),
        (ACCOUNT, slash),
        (JOB_SUBJECT, EnforceVerdict(attempt=1, round=1, part=0)),
    )
    scene.when(EnforceVerdict(attempt=1, round=1, part=0)).then(
        VerdictEnforced(
            **KEY, round=1, part=0, contrary=[FOUR[0]], wrong=FOUR[:3], wronged=[FOUR[3]], beneficiary=STRANGER
        )
    )
    again = SlashStake(reason="contrary_vote", round=1, **KEY)
    wrong = SlashStake(reason="contrary_vote", reporter=STRANGER, **KEY)
    lost = AdjustReputation(reason="dispute_lost", **KEY)
    scene.entails(
        (account_subject(FOUR[0]), again),
        *((account_subject(v), body) for v in FOUR[:3] for body in (lost, wrong)),
        (account_subject(FOUR[3]), RestoreStake(reason="contrary_vote", **KEY)),
    )


def test_a_rejection_is_overturned_and_the_worker_made_whole() -> None:
    scene = trial(REJECTED, (FOUR[3], True), (FOUR[2], True)).when(ballot(True), by=FOUR[1])
    assert scene.events[1] == resolved("overturned", "approved", 3, 0, reporter=FOUR[3])
    scene.entails(
        (account_subject(STRANGER), settle("overturned", False, FOUR[3])),
        (account_subject(STRANGER), AdjustReputation(reason="dispute_won", **KEY)),
        (ACCOUNT, RestoreStake(reason="invalid_proof", **KEY)),
        (JOB_SUBJECT, EnforceVerdict(attempt=1, round=1, part=0)),
    )
    scene.when(EnforceVerdict(attempt=1, round=1, part=0))
    assert scene.events == [
        VerdictEnforced(**KEY, round=1, part=0, contrary=[], wrong=FOUR[:3], wronged=[FOUR[3]], beneficiary=WORKER)
    ]


def test_a_decision_that_is_upheld_costs_the_bond_and_reputation_and_nobody_else() -> None:
    scene = trial(APPROVED, (FOUR[0], True), (FOUR[1], True)).when(ballot(True), by=FOUR[2])
    assert scene.events[1] == resolved("upheld", "approved", 3, 0, reporter=FOUR[0])
    scene.entails(
        (account_subject(STRANGER), settle("upheld", True, FOUR[0])),
        (account_subject(STRANGER), AdjustReputation(reason="dispute_lost", **KEY)),
    )


def test_an_expired_dispute_returns_the_bond_and_slashes_nobody() -> None:
    scene = trial(APPROVED, (FOUR[0], False), (FOUR[1], False))
    close = CloseDispute(attempt=1, round=1)
    scene.when(close, at=NOW + 29_999).then_rejected("not_due")
    scene.when(close, at=NOW + 30_000).then(resolved("expired", "expired", 0, 2))
    scene.entails((account_subject(STRANGER), settle("expired", False)))
    scene.when(close).then_rejected("no_open_tally")
    scene.when(EnforceVerdict(attempt=1, round=1, part=0)).then_rejected("nothing_to_enforce")


@pytest.mark.parametrize(
    ("by", "vote", "at", "reason"),
    [
        (FOUR[0], ballot(True), NOW, "duplicate"),
        (FOUR[0], ballot(False), NOW, "equivocation"),
        (FOUR[1], ballot(True), NOW + 30_000, "late"),
        (VALIDATORS[5], ballot(True), NOW, "stranger"),
        (STRANGER, ballot(True), NOW, "stranger"),
        (FOUR[1], ballot(True, 2), NOW, "unknown_proof"),
        (FOUR[1], ballot(True, proof_hash=bytes(32)), NOW, "unknown_proof"),
        (FOUR[1], replace(ballot(True), reason="x" * 201), NOW, "malformed"),
    ],
)
def test_votes_that_do_not_count_in_a_dispute(by: bytes, vote: CastDisputeVote, at: int, reason: str) -> None:
    scene = trial(APPROVED, (FOUR[0], True)).when(vote, by=by, at=at).then_rejected(reason)
    slash = SlashStake(reason="equivocation", round=1, **KEY)
    scene.entails(*([(account_subject(by), slash)] if reason == "equivocation" else []))


def test_a_vote_on_the_proof_is_no_vote_in_the_dispute() -> None:
    scene = trial(APPROVED)
    scene.when(CastVote(attempt=1, proof_hash=HASH, valid=True, reason="seen"), by=FOUR[0]).then_rejected("duplicate")
    # Another judgement in the dispute is no contradiction: a validator may see its error.
    scene.when(ballot(False), by=FOUR[0])
    assert len(scene.events) == 1
    scene.entails()


def test_the_consequences_for_many_validators_come_in_parts() -> None:
    many = [i.to_bytes(32, "big") for i in range(1, 701)]
    liars, honest = many[:467], many[467:]
    history = (opened(many), *(cast(v, False) for v in honest[:200]), *(cast(v, True) for v in liars))
    scene = job(*history, decision("approved", honest[:200]), disputed(many))
    for validator in [*liars[:233], *many[233:]]:
        scene.when(ballot(validator in liars[:233]), by=validator)
        if len(scene.events) == 2:
            break
    parts = [body for _, body in scene.entailed if isinstance(body, EnforceVerdict)]
    assert [p.part for p in parts] == list(range(-(-(233 + 467 + 200) // PART)))
    named: list[bytes] = []
    for part in parts:
        scene.when(part)
        assert len(scene.entailed) <= 256
        event = scene.events[0]
        assert isinstance(event, VerdictEnforced)
        named += [*event.contrary, *event.wrong, *event.wronged]
    assert named == sorted(liars[:233]) + liars + honest[:200]
    scene.when(EnforceVerdict(attempt=1, round=1, part=len(parts))).then_rejected("nothing_to_enforce")
    scene.when(EnforceVerdict(attempt=1, round=1, part=-1)).then_rejected("nothing_to_enforce")


# ---- the record ----


@pytest.mark.parametrize(("reason", "change"), [("dispute_won", 30), ("dispute_lost", -50)])
def test_disputes_move_the_reputation_of_workers_and_validators(reason: str, change: int) -> None:
    moved = ReputationChanged(before=500, after=500 + change, reason=reason, failures=0, **KEY)
    joined = WorkerRegistered(
        worker=WORKER, tier="consumer", gpu_model="", stake=0, payment_key=b"", job_types=[], slots=1, attested=False
    )
    for event in (joined, ValidatorRegistered(validator=WORKER, stake=0)):
        scene = given(event).when(AdjustReputation(reason=reason, **KEY)).then(moved)
        scene.when(AdjustReputation(reason=reason, **KEY)).then_rejected("already_booked")


def test_who_never_registered_has_no_reputation_to_move() -> None:
    given(wallet()).when(AdjustReputation(reason="dispute_won", **KEY)).then_rejected("not_registered")


# ---- the slashing table ----

PERCENT = {
    "invalid_proof": 10,
    "timeout": 5,
    "repeated_failures": 25,
    "malicious": 50,
    "benchmark_fraud": 75,
    "contrary_vote": 10,
    "equivocation": 50,
}


@pytest.mark.parametrize(("reason", "percent"), PERCENT.items())
def test_each_reason_takes_its_share_and_divides_it_50_30_20(reason: str, percent: int) -> None:
    # A worker that does not start in time loses the collateral that it agreed to, and no share beyond it.
    assert RULES.parameters.slash_percent == PERCENT | {"lock_timeout": 0}
    # Malice needs proofs that were voted down; they take nothing from the stake that is shared out here.
    five = [replace(slashed("invalid_proof", job=bytes([i]) * 16), remaining=2_000 * SAGE) for i in range(5)]
    past = [replace(e, amount=0, reporter_amount=0, burnt=0, treasury=0) for e in five] if reason == "malicious" else []
    scene = holder(*past).when(SlashStake(reason=reason, reporter=FOUR[0], **KEY))
    amount = 2_000 * SAGE * percent // 100
    (event,) = scene.events
    assert isinstance(event, Slashed)
    assert (event.amount, event.remaining) == (amount, 2_000 * SAGE - amount)
    assert (event.reporter_amount, event.burnt, event.treasury) == tuple(amount * p // 100 for p in (50, 30, 20))
    scene.when(SlashStake(reason=reason, reporter=FOUR[0], **KEY)).then_rejected("already_booked")


def faults(n: int, at: int = NOW) -> Scene:
    scene = holder()
    for i in range(n):
        scene.when(SlashStake(reason="invalid_proof", job_id=bytes([i]) * 16, attempt=1), at=at + i)
    return scene


def malice(scene: Scene) -> list[SlashStake]:
    return [b for _, b in scene.entailed if isinstance(b, SlashStake)]


def test_the_fifth_proof_voted_down_within_thirty_days_is_malicious() -> None:
    assert malice(faults(4)) == []
    scene = faults(5)
    assert malice(scene) == [SlashStake(reason="malicious", job_id=bytes([4]) * 16, attempt=1)]
    # Counting begins anew.
    scene.when(malice(scene)[0])
    assert scene.state["accounts"].faults == ()
    scene.when(SlashStake(reason="invalid_proof", job_id=b"\x70" * 16, attempt=1))
    assert malice(scene) == []


def test_malice_is_not_taken_on_anybodys_word() -> None:
    holder().when(SlashStake(reason="malicious", **KEY)).then_rejected("no_malice")
    faults(4).when(SlashStake(reason="malicious", **KEY)).then_rejected("no_malice")


def test_two_proofs_that_complete_one_run_are_slashed_for_malice_once() -> None:
    scene = faults(5)
    first = malice(scene)[0]
    # The sixth is slashed before the order for the fifth arrives.
    scene.when(SlashStake(reason="invalid_proof", job_id=b"\x70" * 16, attempt=1))
    second = malice(scene)[0]
    scene.when(first)
    assert isinstance(scene.events[0], Slashed)
    scene.when(second).then_rejected("no_malice")


def test_proofs_voted_down_long_ago_are_not_counted() -> None:
    late = NOW + 30 * DAY_MS
    fifth = SlashStake(reason="invalid_proof", job_id=b"\x70" * 16, attempt=1)
    assert malice(faults(4).when(fifth, at=late)) == []
    assert malice(faults(4).when(fifth, at=late - 1)) != []


def test_other_faults_are_no_malice() -> None:
    scene = holder()
    for i in range(9):
        scene.when(SlashStake(reason="timeout", job_id=bytes([i]) * 16, attempt=1), at=NOW + HOUR * i)
        assert malice(scene) == []


def test_a_proof_that_a_dispute_found_valid_no_longer_counts() -> None:
    scene = faults(4).when(RestoreStake(reason="invalid_proof", job_id=bytes(16), attempt=1))
    assert malice(scene.when(SlashStake(reason="invalid_proof", job_id=b"\x70" * 16, attempt=1))) == []
