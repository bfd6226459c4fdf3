"""Numbers that no network can live with, and the bound on what one command may entail."""

from dataclasses import fields, replace
from typing import Any

import pytest

from bitsage.processors.bounds import FOLLOW_UPS_MAX, decision_follow_ups, unfit
from bitsage.schemas.commands import CastVote, OpenTally
from bitsage.schemas.parameters import Parameters
from bitsage.streams.envelope import follow_up_nonce
from tests.processors.dsl import JOB_SUBJECT, given
from tests.processors.test_market import job, market, offer

DEFAULT = Parameters()


def test_the_default_fits() -> None:
    assert unfit(DEFAULT) is None


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"worker_percent": 0}, "worker_percent must be at least 1"),
        ({"worker_percent": 101}, "worker_percent must be from 0 to 100"),
        ({"slash_burnt_percent": -1}, "slash_burnt_percent must be from 0 to 100"),
        ({"slash_reporter_percent": 71}, "together"),
        ({"fee_treasury_percent": 31}, "together"),
        ({"consensus_timeout_ms": 0}, "consensus_timeout_ms must be at least 1"),
        ({"attempt_timeout_ms": 0}, "attempt_timeout_ms must be at least 1"),
        ({"heartbeat_interval_ms": 0}, "heartbeat_interval_ms must be at least 1"),
        ({"heartbeat_interval_ms": 60_000}, "heartbeat_interval_ms must be less than"),
        (
            {"lock_timeout_min_ms": 3_600_001},
            "lock_timeout_min_ms (3600001) must not be greater than attempt_timeout_ms",
        ),
        ({"deadline_max_ms": 3_599_999}, "attempt_timeout_ms (3600000) must not be greater than deadline_max_ms"),
        ({"consensus_timeout_ms": 2**40}, "consensus_timeout_ms"),
        ({"proof_max_uncompressed": 256 * 1024 - 1}, "must not be greater than proof_max_uncompressed"),
        ({"proof_max_bytes": 1024 * 1024}, "one record of at most 1 MiB"),
        ({"attempts": 0}, "attempts must be at least 1"),
        ({"validators_max": 0}, "validators_max must be at least 1"),
        ({"reputation_start": 1001}, "reputation_start must be from 0 to 1000"),
        ({"slots_per_worker": 256}, "slots_per_worker must be less than 256"),
        ({"validators_max": 769}, "validators_max must not be greater than 768"),
        ({"job_input_max_bytes": 1024 * 1024}, "job_input_max_bytes must not be greater than 983040"),
        ({"attempts": 10**9}, "attempts and declines"),
        ({"declines": 998}, "attempts and declines"),
        ({"declines": -1}, "declines must not be negative"),
        ({"dispute_window_ms": -1}, "dispute_window_ms must not be negative"),
        ({"unstake_lock_ms": 2**63}, "unstake_lock_ms must not be greater than"),
        ({"ageing_ms": 2**60}, "ageing_ms must not be greater than"),
        ({"faucet_sage": 10**27 + 1}, "faucet_sage must not be greater than the supply"),
        ({"faucet_gas": 10**38}, "faucet_gas must not be greater than the supply"),
        ({"dispute_bond": 10**38}, "dispute_bond must not be greater than the supply"),
    ],
)
def test_what_no_network_can_live_with(changes: dict[str, int], words: str) -> None:
    reason = unfit(replace(DEFAULT, **changes))
    assert reason is not None
    assert words in reason
    assert "\n" not in reason


@pytest.mark.parametrize("table", ["minimum_stake", "slash_percent", "reputation_change"])
def test_a_table_has_every_row_that_a_decider_looks_up(table: str) -> None:
    rows: dict[str, int] = getattr(DEFAULT, table)
    for row in rows:
        less = {name: number for name, number in rows.items() if name != row}
        reason = unfit(replace(DEFAULT, **{table: less}))
        assert reason == f"{table} has no row {row}"


def test_a_stake_is_no_more_than_there_is() -> None:
    dear = unfit(replace(DEFAULT, minimum_stake=DEFAULT.minimum_stake | {"frontier": 10**27 + 1}))
    assert dear == "minimum_stake.frontier must not be greater than the supply"


@pytest.mark.parametrize("row", ["invalid_proof", "malicious", "benchmark_fraud", "contrary_vote", "equivocation"])
def test_a_lie_costs_something(row: str) -> None:
    free = unfit(replace(DEFAULT, slash_percent=DEFAULT.slash_percent | {row: 0}))
    assert free is not None and f"slash_percent.{row}" in free  # noqa: PT018
    assert unfit(replace(DEFAULT, slash_percent=DEFAULT.slash_percent | {row: 101})) is not None


@pytest.mark.parametrize("tier", list(DEFAULT.minimum_stake))
def test_every_stake_is_something(tier: str) -> None:
    assert f"minimum_stake.{tier}" in (unfit(replace(DEFAULT, minimum_stake=DEFAULT.minimum_stake | {tier: 0})) or "")


@pytest.mark.parametrize(
    "changes",
    [{"worker_percent": 1}, {"worker_percent": 100}, {"validators_max": 768}, {"slots_per_worker": 255}, {"declines": 0},
     {"benchmark_jobs": 0}, {"slash_percent": DEFAULT.slash_percent | {"timeout": 0}}, {"ramp_steps": 0}],
)  # fmt: skip
def test_what_is_unusual_and_works(changes: dict[str, Any]) -> None:
    assert unfit(replace(DEFAULT, **changes)) is None


def test_every_time_is_looked_at() -> None:
    """A new number of milliseconds either has to be positive, or is named here with what nothing means."""
    may_be_nothing = {"faucet_cooldown_ms", "ageing_ms", "dispute_window_ms"}
    for field in fields(Parameters):
        if field.name.endswith("_ms"):
            reason = unfit(replace(DEFAULT, **{field.name: 0}))
            assert (reason is None) == (field.name in may_be_nothing), field.name


# ---- one command, at most 256 others ----


def test_the_bound_is_that_of_the_nonces() -> None:
    follow_up_nonce(0, 0, FOLLOW_UPS_MAX - 1)
    with pytest.raises(ValueError, match="out of range"):
        follow_up_nonce(0, 0, FOLLOW_UPS_MAX)


@pytest.mark.parametrize("n", [1, 2, 3, 4, 700, 767, 768])
def test_the_largest_decision_of_n_validators(n: int) -> None:
    """As many votes against it as there can be, then the one that reaches the quorum: counted on the real deciders."""
    assert entailed_by_a_decision(n) == decision_follow_ups(n) <= FOLLOW_UPS_MAX


def test_one_validator_more_would_be_too_many() -> None:
    assert entailed_by_a_decision(769) > FOLLOW_UPS_MAX


def entailed_by_a_decision(n: int) -> int:
    judges = [k.to_bytes(32, "big") for k in range(1, n + 1)]
    opening = OpenTally(
        attempt=1, worker=bytes(32), proof_hash=bytes(32), output_hash=bytes(32), validators=judges, epoch=1
    )
    scene = given(subject=JOB_SUBJECT).when(opening)
    minority = n - (2 * n // 3 + 1)
    for k, judge in enumerate(judges):
        scene.when(CastVote(attempt=1, proof_hash=bytes(32), valid=k >= minority, reason=""), by=judge)
        if len(scene.events) == 2:
            break
    return len(scene.entailed)


def test_a_worker_that_becomes_free_takes_as_many_jobs_as_it_has_slots() -> None:
    waiting = [job(k.to_bytes(16, "big")) for k in range(1, 261)]
    scene = market(*waiting).when(offer(bytes([1]) * 32, slots=255))
    # The jobs, and the worker's own event: both are numbered from 0 to 255.
    assert (len(scene.entailed), len(scene.events)) == (255, 256)
