import pytest

from bitsage.processors.account_state import Account, Unlock
from bitsage.processors.stake import Insufficient, Unlocked, Valid, verify_stake
from bitsage.schemas.commands import (
    CreateWallet,
    GrantReward,
    RequestTokens,
    RequestUnstake,
    ReviewStanding,
    SlashStake,
    StakeTokens,
    WithdrawStake,
)
from bitsage.schemas.events import (
    RewardGranted,
    Slashed,
    Staked,
    StakeRejected,
    TokensGranted,
    Unstaked,
    UnstakeRequested,
    WalletCreated,
)
from bitsage.schemas.parameters import DAY_MS, SAGE
from bitsage.schemas.types import ZERO_HASH
from tests.processors.dsl import ACCOUNT, JOB, NOW, VALIDATORS, WORKER, given, wallet

LOCK = 7 * DAY_MS
GRANT = TokensGranted(amount=20_000 * SAGE, gas_amount=10**18)
FUNDED = (wallet(), GRANT)


def staked(amount: int, total: int | None = None, tier: str = "consumer") -> Staked:
    return Staked(amount=amount * SAGE, total=(total or amount) * SAGE, tier=tier)


def slashed(amount: int, remaining: int, **changes: object) -> Slashed:
    fields = {
        "reason": "invalid_proof",
        "job_id": JOB,
        "attempt": 1,
        "reporter": ZERO_HASH,
        "reporter_amount": 0,
        "burnt": amount * SAGE * 30 // 100,
        "treasury": amount * SAGE * 70 // 100,
    } | changes
    return Slashed(amount=amount * SAGE, remaining=remaining * SAGE, **fields)  # type: ignore[arg-type]


def test_a_wallet_is_created_once() -> None:
    scene = given().when(CreateWallet()).then(WalletCreated(address=WORKER, public_key=WORKER))
    scene.when(CreateWallet()).then_rejected("wallet_exists")


def test_the_faucet_needs_a_wallet() -> None:
    given().when(RequestTokens()).then_rejected("no_wallet")


def test_the_faucet_grants_once_per_cooldown() -> None:
    scene = given(wallet()).when(RequestTokens()).then(GRANT)
    scene.when(RequestTokens(), at=NOW + DAY_MS - 1).then_rejected("faucet_cooldown")
    assert "0 h 1 min" in scene.events[0].details  # type: ignore[attr-defined]
    scene.when(RequestTokens(), at=NOW + DAY_MS).then(GRANT)
    assert scene.states.state("accounts").balance == 40_000 * SAGE


def test_a_backdated_request_does_not_beat_the_cooldown() -> None:
    given(*FUNDED).when(RequestTokens(), at=NOW - DAY_MS).then_rejected("faucet_cooldown")


def test_stake_below_the_tier_minimum_is_rejected() -> None:
    given(*FUNDED).when(StakeTokens(amount=999 * SAGE, tier="consumer")).then(
        StakeRejected(reason="below_minimum", required=1_000 * SAGE, current=999 * SAGE)
    )


def test_stake_moves_balance() -> None:
    scene = given(*FUNDED).when(StakeTokens(amount=1_000 * SAGE, tier="consumer")).then(staked(1_000))
    assert scene.states.state("accounts").balance == 19_000 * SAGE
    scene.when(StakeTokens(amount=1_500 * SAGE, tier="workstation")).then(staked(1_500, 2_500, "workstation"))


@pytest.mark.parametrize(
    ("amount", "tier", "reason"),
    [
        (1_000 * SAGE, "quantum", "unknown_tier"),
        (0, "consumer", "amount_out_of_range"),
        (-1, "consumer", "amount_out_of_range"),
        (10**40, "consumer", "amount_out_of_range"),
        (20_001 * SAGE, "consumer", "insufficient_balance"),
    ],
)
def test_stake_that_is_refused(amount: int, tier: str, reason: str) -> None:
    given(*FUNDED).when(StakeTokens(amount=amount, tier=tier)).then_rejected(reason)


def test_stake_needs_a_wallet() -> None:
    given().when(StakeTokens(amount=SAGE, tier="consumer")).then_rejected("no_wallet")


def test_unstaking_is_locked_for_seven_days() -> None:
    scene = given(*FUNDED, staked(1_000)).when(RequestUnstake(amount=400 * SAGE))
    scene.then(UnstakeRequested(amount=400 * SAGE, unlock_at=NOW + LOCK))
    scene.entails((ACCOUNT, ReviewStanding(reason="unstake")))
    scene.when(WithdrawStake(), at=NOW + LOCK - 1).then_rejected("stake_locked")
    scene.when(WithdrawStake(), at=NOW + LOCK).then(Unstaked(amount=400 * SAGE))
    scene.when(WithdrawStake(), at=NOW + LOCK).then_rejected("nothing_to_withdraw")
    state = scene.states.state("accounts")
    assert (state.stake, state.unstaking, state.balance) == (600 * SAGE, 0, 19_400 * SAGE)


def test_withdrawing_takes_only_what_is_unlocked() -> None:
    scene = given(*FUNDED, staked(1_000))
    scene.when(RequestUnstake(amount=100 * SAGE)).when(RequestUnstake(amount=200 * SAGE), at=NOW + 5)
    scene.when(WithdrawStake(), at=NOW + LOCK).then(Unstaked(amount=100 * SAGE))
    assert scene.states.state("accounts").unlocks == (Unlock(200 * SAGE, NOW + 5 + LOCK),)


@pytest.mark.parametrize(
    ("amount", "reason"), [(1_001 * SAGE, "unstake_too_much"), (0, "amount_out_of_range"), (-5, "amount_out_of_range")]
)
def test_unstaking_that_is_refused(amount: int, reason: str) -> None:
    given(*FUNDED, staked(1_000)).when(RequestUnstake(amount=amount)).then_rejected(reason)


def test_pending_unlocks_are_bounded() -> None:
    scene = given(*FUNDED, staked(1_000))
    for _ in range(32):
        scene.when(RequestUnstake(amount=1))
    scene.when(RequestUnstake(amount=1)).then_rejected("too_many_unlocks")


def test_verify_stake_tells_three_cases() -> None:
    account = Account(stake=600, tier="consumer", unlocks=(Unlock(400, NOW),))
    assert verify_stake(account, 600, NOW, LOCK) == Valid(600, "consumer", NOW + LOCK)
    assert verify_stake(account, 601, NOW, LOCK) == Unlocked()
    assert verify_stake(account, 1_000, NOW, LOCK) == Unlocked()
    assert verify_stake(account, 1_001, NOW, LOCK) == Insufficient(current=600, required=1_001)


SLASH = SlashStake(reason="invalid_proof", job_id=JOB, attempt=1, reporter=VALIDATORS[0])


def test_a_slash_is_split_between_reporter_fire_and_treasury() -> None:
    given(*FUNDED, staked(1_000)).when(SLASH).then(
        slashed(
            100,
            900,
            reporter=VALIDATORS[0],
            reporter_amount=50 * SAGE,
            burnt=30 * SAGE,
            treasury=20 * SAGE,
        )
    )


@pytest.mark.parametrize("reporter", [None, WORKER, ZERO_HASH])
def test_without_an_honest_reporter_its_part_goes_to_the_treasury(reporter: bytes | None) -> None:
    slash = SlashStake(reason="invalid_proof", job_id=JOB, attempt=1, reporter=reporter)
    given(*FUNDED, staked(1_000)).when(slash).then(slashed(100, 900))


def test_a_slash_happens_once_per_reason_job_and_attempt() -> None:
    scene = given(*FUNDED, staked(1_000)).when(SLASH)
    scene.when(SLASH).then_rejected("already_booked")
    scene.when(SlashStake(reason="invalid_proof", job_id=JOB, attempt=2)).then(slashed(90, 810, attempt=2))
    scene.when(SlashStake(reason="timeout", job_id=JOB, attempt=1))
    assert scene.events[0].amount == 40.5 * SAGE  # type: ignore[attr-defined]


def test_a_slash_reaches_stake_that_is_being_unlocked() -> None:
    unlocking = UnstakeRequested(amount=950 * SAGE, unlock_at=NOW + LOCK)
    scene = given(*FUNDED, staked(1_000), unlocking).when(SLASH)
    scene.then(slashed(100, 0, reporter=VALIDATORS[0], reporter_amount=50 * SAGE, burnt=30 * SAGE, treasury=20 * SAGE))
    state = scene.states.state("accounts")
    assert (state.stake, state.unstaking) == (0, 900 * SAGE)


def test_a_slash_never_makes_or_loses_a_unit() -> None:
    odd = Staked(amount=1_000 * SAGE + 7, total=1_000 * SAGE + 7, tier="consumer")
    event = given(*FUNDED, odd).when(SLASH).events[0]
    assert isinstance(event, Slashed)
    assert event.reporter_amount + event.burnt + event.treasury == event.amount
    assert event.amount + event.remaining == 1_000 * SAGE + 7


def test_without_stake_there_is_nothing_to_slash() -> None:
    given(*FUNDED).when(SLASH).then_rejected("nothing_to_slash")


def test_slashing_follows_the_table() -> None:
    slash = SlashStake(reason="bad_mood", job_id=JOB, attempt=1)
    given(*FUNDED, staked(1_000)).when(slash).then_rejected("unknown_slash_reason")


REWARD = GrantReward(amount=50 * SAGE, slashed=VALIDATORS[0], reason="invalid_proof", job_id=JOB, attempt=1)


def test_a_reward_is_credited_once() -> None:
    scene = given(wallet()).when(REWARD)
    scene.then(RewardGranted(amount=50 * SAGE, slashed=VALIDATORS[0], reason="invalid_proof", job_id=JOB, attempt=1))
    scene.when(REWARD).then_rejected("already_booked")
    assert scene.states.state("accounts").balance == 50 * SAGE


def test_a_reward_is_an_amount() -> None:
    reward = GrantReward(amount=0, slashed=VALIDATORS[0], reason="timeout", job_id=JOB, attempt=1)
    given(wallet()).when(reward).then_rejected("amount_out_of_range")
