"""docs/rules.md names for every rule its module and its tests, and these exist; and the rules that no other file walks."""

import ast
import re
from collections import Counter
from dataclasses import fields, replace
from pathlib import Path

import pytest

from bitsage.schemas.commands import AdjustReputation, CastVote, OwePayment, StakeTokens
from bitsage.schemas.events import (
    PaymentDue,
    ReputationChanged,
    Staked,
    StakeRejected,
    TallyOpened,
    TokensGranted,
    VoteCast,
    WorkerRegistered,
)
from bitsage.schemas.parameters import SAGE, TIER_MODELS, TIERS, Parameters, threshold, tier_of
from bitsage.streams.envelope import follow_up_nonce
from tests.processors.dsl import (
    COMMITMENT,
    HASH,
    JOB,
    JOB_SUBJECT,
    NOW,
    OUTPUT,
    PAYMENT_KEY,
    RULES,
    WORKER,
    given,
    wallet,
)

ROOT = Path(__file__).parents[2]
TEXT = (ROOT / "docs" / "rules.md").read_text(encoding="utf-8")
ROWS = [
    cells
    for line in TEXT.splitlines()
    if line.startswith("|") and len(cells := [c.strip() for c in line.strip("|").split("|")]) == 3
    if not set(line) <= set("|- ") and cells[0] != "rule"
]
#: What only helps deciders and states no rule of its own.
PLUMBING = {
    "__init__", "account_state", "accounts", "benchmark_state", "bindings", "dispute_policies", "job_policies",
    "job_state", "low_map", "market_parts", "market_state", "marks", "model", "nonces", "policies", "private_state",
    "proof_state", "refusal", "serialise", "sorted_map", "supply", "treasury_state", "views", "vote_state", "worker_policies",
    "worker_state", "workers",
}  # fmt: skip


def _tests() -> Counter[str]:
    found: Counter[str] = Counter()
    for path in (ROOT / "tests").rglob("test_*.py"):
        tree = ast.parse(path.read_text(encoding="utf-8"))
        found.update(n.name for n in tree.body if isinstance(n, ast.FunctionDef) and n.name.startswith("test_"))
    return found


def _parameters() -> list[tuple[str, int]]:
    found: list[tuple[str, int]] = []
    for field in fields(Parameters):
        value = getattr(RULES.parameters, field.name)
        rows = value.items() if isinstance(value, dict) else [("", value)]
        found += [(f"{field.name}.{row}" if row else field.name, number) for row, number in rows]
    return found


@pytest.mark.parametrize(("name", "value"), _parameters())
def test_every_number_stands_in_the_table_as_it_is(name: str, value: int) -> None:
    forms = {f"{value:,}"} | ({f"{value // SAGE:,} SAGE"} if value and value % SAGE == 0 else set())
    said = [found for rule, _, _ in ROWS for found in re.findall(rf"`{re.escape(name)}` (-?[\d,]*\d(?: SAGE)?)", rule)]
    assert said, f"docs/rules.md does not name {name}"
    assert set(said) <= forms, (name, said, forms)


def test_the_table_names_modules_and_tests_that_exist() -> None:
    tests = _tests()
    assert len(ROWS) > 60
    for rule, module, names in ROWS:
        path = module.strip("`")
        assert (ROOT / (path if "/" in path else f"processors/{path}")).is_file(), (rule, module)
        assert names, rule
        for name in names.split(", "):
            # One test of the name, so that a search for it ends at one place.
            assert tests[name.strip("`")] == 1, (rule, name, tests[name.strip("`")])


def test_every_module_that_decides_stands_in_the_table() -> None:
    named = {module.strip("`").removesuffix(".py") for _, module, _ in ROWS}
    there = {path.stem for path in (ROOT / "processors").glob("*.py")}
    assert there >= PLUMBING
    assert there - named <= PLUMBING, there - named - PLUMBING


# ---- rules that no other file walks ----

FUNDED = (wallet(), TokensGranted(amount=50_000 * SAGE, gas_amount=0))


@pytest.mark.parametrize(
    ("tier", "least"),
    [
        ("consumer", 1_000),
        ("workstation", 2_500),
        ("data_center", 5_000),
        ("enterprise", 10_000),
        ("frontier", 25_000),
        ("validator", 10_000),
    ],
)
def test_each_tier_has_its_minimum_stake(tier: str, least: int) -> None:
    amount = least * SAGE
    given(*FUNDED).when(StakeTokens(amount=amount - 1, tier=tier)).then(
        StakeRejected(reason="below_minimum", required=amount, current=amount - 1)
    )
    given(*FUNDED).when(StakeTokens(amount=amount, tier=tier)).then(Staked(amount=amount, total=amount, tier=tier))


def test_a_gpu_model_belongs_to_one_tier() -> None:
    models = [model for names in TIER_MODELS.values() for model in names]
    assert len(models) == len(set(models))
    examples = {"t4": "consumer", "RTX 3060": "consumer", "rtx-4090": "consumer", "A6000": "workstation"}
    examples |= {"L40S": "workstation", "L4": "workstation", "a100": "data_center", "H100": "enterprise"}
    examples |= {"B200": "enterprise", "MI300X": "frontier", "Data Center": "data_center", "Validator": "validator"}
    assert {name: tier_of(name) for name in examples} == examples
    assert [tier_of(name) for name in ("", "RTX", "GTX 1080", "T40")] == [None] * 4
    assert [tier_of(tier) for tier in TIERS] == list(TIERS)


def test_two_heartbeats_fit_into_the_time_after_which_a_worker_is_silent() -> None:
    assert 2 * RULES.parameters.heartbeat_interval_ms <= RULES.parameters.heartbeat_timeout_ms


JOINED = WorkerRegistered(
    worker=WORKER,
    tier="consumer",
    gpu_model="T4",
    stake=1_000 * SAGE,
    payment_key=PAYMENT_KEY,
    job_types=["matmul"],
    slots=1,
    attested=False,
)


@pytest.mark.parametrize("reason", ["inactivity", "dispute_lost", "dispute_won"])
def test_inactivity_and_disputes_leave_the_run_of_failures_as_it_was(reason: str) -> None:
    def adjust(why: str, attempt: int) -> AdjustReputation:
        return AdjustReputation(reason=why, job_id=JOB, attempt=attempt)

    scene = given(*FUNDED, Staked(amount=1_000 * SAGE, total=1_000 * SAGE, tier="consumer"), JOINED)
    scene.when(adjust("failure", 1)).when(adjust("failure", 2)).when(adjust(reason, 3))
    (event,) = scene.events
    assert isinstance(event, ReputationChanged)
    assert event.failures == 2
    names = [type(event).__name__ for event in scene.when(adjust("failure", 4)).events]
    assert names == ["WorkerWentOffline", "ReputationChanged"]


def test_a_payment_is_to_the_key_of_the_moment_it_became_due() -> None:
    owed = OwePayment(job_id=JOB, amount=8 * SAGE, proof_commitment=COMMITMENT, payment_nonce=1)
    scene = given(wallet(), JOINED, replace(JOINED, payment_key=b"second key")).when(owed)
    due = PaymentDue(
        job_id=JOB,
        worker=WORKER,
        amount=8 * SAGE,
        payment_key=b"second key",
        proof_commitment=COMMITMENT,
        payment_nonce=1,
    )
    scene.then(due)
    scene.states.fold("workers", replace(JOINED, payment_key=b"third key"), NOW)
    assert scene.states.state("accounts").payments[JOB].payment_key == b"second key"


def test_a_decision_of_a_full_set_entails_no_more_commands_than_one_may() -> None:
    size = RULES.parameters.validators_max
    needed = threshold(size)
    judges = [(i + 1).to_bytes(32, "big") for i in range(size)]
    opened = TallyOpened(
        job_id=JOB,
        attempt=1,
        worker=WORKER,
        proof_hash=HASH,
        output_hash=OUTPUT,
        validators=judges,
        epoch=1,
        threshold=needed,
        expires_at=NOW + 30_000,
    )
    against, agreeing = judges[: size - needed], judges[size - needed :]
    past = [
        VoteCast(job_id=JOB, attempt=1, proof_hash=HASH, validator=judge, valid=valid, reason="")
        for judge, valid in [*((j, False) for j in against), *((j, True) for j in agreeing[:-1])]
    ]
    last = CastVote(attempt=1, proof_hash=HASH, valid=True, reason="")
    scene = given(opened, *past, subject=JOB_SUBJECT).when(last, by=agreeing[-1])
    assert len(scene.entailed) == len(against) + 1 == size - needed + 1
    # The nonces of follow-ups have room for so many of one record.
    follow_up_nonce(partition=0, offset=0, index=len(scene.entailed) - 1)
    with pytest.raises(ValueError, match="out of range"):
        follow_up_nonce(partition=0, offset=0, index=256)
