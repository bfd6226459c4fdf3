"""Evidence that rests on events alone: each rule with what bears the slash, and with each part of it missing or wrong."""

from dataclasses import replace
from typing import Any

import pytest

from bitsage.nodes.evidence_rules import RULES, needs
from bitsage.nodes.network import Network
from bitsage.processors.model import account_subject
from bitsage.schemas.events import (
    Benchmark,
    BenchmarkDoubted,
    JobAssigned,
    JobFailed,
    JobReassigned,
    JobSpec,
    JobStarted,
    JobSubmitted,
    RateMeasured,
    ReputationChanged,
    RestitutionClaimed,
    Slashed,
    WorkerRegistered,
    WorkerWentOffline,
)
from bitsage.schemas.parameters import DAY_MS, Parameters
from bitsage.schemas.types import EventBody, EventEnvelope

WORKER, OTHER, JOB = b"\x11" * 32, b"\x12" * 32, b"\x77" * 16
ACCUSED = account_subject(WORKER)
AT = 1_800_000_000_000
NETWORK = Network(chain_id="test", authority="", authority_key="", seal_key="", escrow_key="", parameters=Parameters())
ASSIGNED = JobAssigned(job_id=JOB, attempt=1, worker=WORKER, cost=1, expires_at=AT)
OVER = JobReassigned(job_id=JOB, worker=WORKER, next_attempt=2, reason="attempt_timeout")
GONE = JobFailed(job_id=JOB, worker=WORKER, reason="worker_offline")
OFFLINE = WorkerWentOffline(worker=WORKER, reason="inactivity")
FAILED = ReputationChanged(before=1, after=0, reason="slash", job_id=JOB, attempt=1, failures=3)
OUT = WorkerWentOffline(worker=WORKER, reason="repeated_failures")


def slash(reason: str, job: bytes = JOB) -> Slashed:
    return Slashed(
        amount=10, reason=reason, job_id=job, attempt=1, reporter=bytes(32), reporter_amount=0, burnt=3, treasury=7,
        remaining=90,
    )  # fmt: skip


def event(body: EventBody, at: int = AT, sequence: int = 1, subject: str = ACCUSED) -> tuple[EventEnvelope, EventBody]:
    envelope = EventEnvelope(
        id=bytes(16), type=type(body).__name__, subject=subject, sequence=sequence, previous=bytes(32), at=at,
        cause=bytes(16), correlation=bytes(16), actor=WORKER, public_key=bytes(32), signature=bytes(64), command="",
        nonce=0, payload_hash=bytes(32),
    )  # fmt: skip
    return envelope, body


def wrong(reason: str, *events: Any) -> list[str]:
    given = [e if isinstance(e, tuple) else event(e) for e in events]
    return RULES[reason](ACCUSED, slash(reason), given, NETWORK)


def test_a_timeout_by_the_clock() -> None:
    assert wrong("timeout", ASSIGNED, OVER) == []
    assert wrong("timeout", ASSIGNED, event(OVER, at=AT - 1)) != []
    assert wrong("timeout", ASSIGNED, replace(OVER, worker=OTHER)) != []
    assert wrong("timeout", ASSIGNED, replace(OVER, next_attempt=3)) != []
    assert wrong("timeout", ASSIGNED, replace(OVER, job_id=bytes(16))) != []
    assert wrong("timeout", ASSIGNED, replace(OVER, reason="abandoned")) != []
    assert wrong("timeout", replace(ASSIGNED, worker=OTHER), OVER) == ["the attempt was not the accused's"]
    assert wrong("timeout", replace(ASSIGNED, attempt=2), OVER) == ["the attempt was not the accused's"]
    assert wrong("timeout", OVER) == ["the attempt was not the accused's"]


def test_a_timeout_by_absence() -> None:
    assert wrong("timeout", ASSIGNED, GONE, OFFLINE) == []
    assert wrong("timeout", ASSIGNED, GONE) != []
    assert wrong("timeout", ASSIGNED, GONE, event(OFFLINE, subject=account_subject(OTHER))) != []


def test_repeated_failures() -> None:
    assert wrong("repeated_failures", FAILED, OUT) == []
    assert wrong("repeated_failures", replace(FAILED, failures=2), OUT) != []
    assert wrong("repeated_failures", replace(FAILED, attempt=2), OUT) != []
    assert wrong("repeated_failures", FAILED) != []
    assert wrong("repeated_failures", FAILED, event(OUT, subject=account_subject(OTHER))) != []
    assert wrong("repeated_failures", FAILED, OFFLINE) != []


def malice(*bodies: Slashed | RestitutionClaimed, step: int = 1) -> list[str]:
    events = [event(body, at=AT + n * step, sequence=n) for n, body in enumerate(bodies)]
    return RULES["malicious"](ACCUSED, slash("malicious"), events, NETWORK)


def test_malice_counts_as_the_account_does() -> None:
    five = [slash("invalid_proof", bytes([n]) * 16) for n in range(5)]
    assert malice(*five, slash("malicious")) == []
    assert malice(*five[1:], slash("malicious")) != []
    assert malice(*five[1:], slash("malicious"), five[0]) != [], "what comes later does not count"
    assert malice(*five, slash("malicious"), step=8 * DAY_MS) != []
    restored = RestitutionClaimed(amount=1, reason="invalid_proof", job_id=five[0].job_id, attempt=1)
    assert malice(*five, restored, slash("malicious")) != []
    earlier = slash("malicious", b"\x55" * 16)
    assert malice(*five, earlier, slash("malicious")) != [], "a slash for malice ends the run"
    assert malice(slash("malicious")) != []


@pytest.mark.parametrize("reason", ["timeout", "repeated_failures", "malicious"])
def test_a_case_holds_nothing_of_others(reason: str) -> None:
    other = account_subject(OTHER)
    for body in (OFFLINE, OUT, FAILED, slash(reason), slash("invalid_proof")):
        assert not needs(ACCUSED, slash(reason), other, body)
    assert needs(ACCUSED, slash(reason), ACCUSED, slash(reason))


# ---- offers and benchmarks ----

SPEC = JobSpec(
    job_type="matmul",
    input="",
    max_cost=5,
    tier="",
    tee=False,
    priority=0,
    deadline=AT,
    lock_timeout_ms=5,
    collateral=10,
)
OFFERED = JobSubmitted(job_id=JOB, client=OTHER, spec=SPEC, rows=1)
LOCKED = replace(ASSIGNED, lock_until=AT)
SLEPT = replace(OVER, reason="lock_timeout")
BEGUN = JobStarted(job_id=JOB, attempt=1, worker=WORKER)


def test_a_lock_time_that_ran_out() -> None:
    assert wrong("lock_timeout", OFFERED, LOCKED, SLEPT) == []
    assert wrong("lock_timeout", OFFERED, LOCKED, JobFailed(job_id=JOB, worker=WORKER, reason="lock_timeout")) == []
    assert wrong("lock_timeout", OFFERED, LOCKED, replace(BEGUN, attempt=2), SLEPT) == []
    assert wrong("lock_timeout", OFFERED, LOCKED, BEGUN, SLEPT) == ["the worker had begun"]
    assert wrong("lock_timeout", OFFERED, LOCKED, event(SLEPT, at=AT - 1)) != []
    assert wrong("lock_timeout", OFFERED, ASSIGNED, SLEPT) != []
    assert wrong("lock_timeout", LOCKED, SLEPT) != []
    assert wrong("lock_timeout", OFFERED, replace(LOCKED, worker=OTHER), SLEPT) != []
    assert wrong("lock_timeout", OFFERED, LOCKED, replace(SLEPT, next_attempt=3)) != []
    assert wrong("lock_timeout", OFFERED, LOCKED, replace(SLEPT, worker=OTHER)) != []
    assert wrong("lock_timeout", OFFERED, LOCKED, OVER) != []
    assert wrong("lock_timeout", OFFERED, LOCKED, replace(SLEPT, job_id=bytes(16))) != []
    little = replace(OFFERED, spec=replace(SPEC, collateral=9))
    assert wrong("lock_timeout", little, LOCKED, SLEPT) == ["more than the collateral was taken"]


CLAIM = Benchmark(job_type="matmul", rows=1000, ms=1)
JOINED = WorkerRegistered(
    worker=WORKER, tier="consumer", gpu_model="", stake=1, payment_key=b"", job_types=["matmul"], slots=1,
    attested=False, benchmarks=[CLAIM], insisted=["matmul"],
)  # fmt: skip


def rate(n: int, ms: int = 11, **changes: Any) -> RateMeasured:
    job = JOB if n == 9 else bytes([n]) * 16
    body = RateMeasured(
        worker=WORKER, job_id=job, attempt=1, job_type="matmul", rows=1000, elapsed_ms=ms, waited_ms=0, claim_rows=1000,
        claim_ms=1, counted=True, run=1,
    )  # fmt: skip
    return replace(body, **changes)


def voided(*jobs: int, insisted: bool = True) -> BenchmarkDoubted:
    names = [rate(n).job_id for n in jobs]
    return BenchmarkDoubted(
        worker=WORKER, job_id=names[-1], attempt=1, job_type="matmul", claim_rows=1000, claim_ms=1, best_rows=1000,
        best_ms=11, jobs=names, insisted=insisted,
    )  # fmt: skip


def fraud(*bodies: EventBody) -> list[str]:
    given = [event(body, sequence=n) for n, body in enumerate(bodies)]
    return RULES["benchmark_fraud"](ACCUSED, slash("benchmark_fraud"), given[::-1], NETWORK)


def test_a_benchmark_that_was_insisted_on_and_did_not_hold() -> None:
    first, rates = voided(1, insisted=False), [rate(n) for n in (5, 6, 7, 8, 9)]
    last = voided(5, 6, 7, 8, 9)
    assert fraud(first, JOINED, *rates, last) == []
    assert fraud(JOINED, *rates, last) == ["the accused did not insist on it"], "nobody had told it"
    assert fraud(first, replace(JOINED, insisted=[]), *rates, last) != []
    assert fraud(first, replace(JOINED, benchmarks=[replace(CLAIM, ms=2)]), *rates, last) != []
    assert fraud(first, JOINED, replace(JOINED, insisted=[]), *rates, last) != [], "it had withdrawn"
    assert fraud(first, JOINED, *rates, voided(5, 6, 7, 8, 9, insisted=False)) != []
    assert fraud(first, JOINED, *rates, voided(6, 7, 8, 9)) == ["too few jobs contradict the benchmark"]
    assert fraud(first, JOINED, *rates, voided(9, 9, 9, 9, 9)) != []
    assert fraud(first, JOINED, *rates[1:], last) != []
    assert fraud(first, JOINED, rate(5, 10), *rates[1:], last) != [], "ten times slower is not more than ten times"
    assert fraud(first, JOINED, rate(5, counted=False), *rates[1:], last) != []
    assert fraud(first, JOINED, rate(5, job_type="vm"), *rates[1:], last) != []
    assert fraud(first, JOINED, *rates) == ["no benchmark of the accused was voided by this attempt"]


def test_every_row_of_the_slashing_table_has_a_rule() -> None:
    assert set(RULES) == set(NETWORK.parameters.slash_percent)


def test_a_case_of_an_offer_or_a_benchmark_holds_what_its_rule_asks_for() -> None:
    job = JOB.hex()
    for body in (OFFERED, LOCKED, BEGUN, SLEPT):
        assert needs(ACCUSED, slash("lock_timeout"), job, body)
        assert not needs(ACCUSED, slash("lock_timeout", bytes(16)), job, body)
        assert not needs(ACCUSED, slash("benchmark_fraud"), job, body)
    for body in (JOINED, rate(1), voided(1)):
        assert needs(ACCUSED, slash("benchmark_fraud"), ACCUSED, body)
        assert not needs(ACCUSED, slash("benchmark_fraud"), account_subject(OTHER), body)
        assert not needs(ACCUSED, slash("lock_timeout"), ACCUSED, body)
