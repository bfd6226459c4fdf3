"""The audit does not believe a rate, a doubt or a slash for a benchmark that the log does not bear out."""

from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import pytest

from bitsage.nodes.audit import Verdict
from bitsage.nodes.audit_causes import CauseAudit
from bitsage.nodes.audit_trails import Trails
from bitsage.nodes.checks import ProductChecks
from bitsage.nodes.network import Network
from bitsage.processors.model import account_subject
from bitsage.schemas import events as e
from bitsage.schemas.parameters import Parameters
from bitsage.schemas.types import EventBody

WORKER = b"\x11" * 32
ACCOUNT = account_subject(WORKER)
NETWORK = Network(
    chain_id="t", authority="", authority_key="", seal_key="", escrow_key="", parameters=Parameters(benchmark_jobs=2)
)
SPEC = e.JobSpec(
    job_type="matmul", input='{"seed":1,"size":16}', max_cost=5, tier="", tee=False, priority=0, deadline=10**13
)


def job_id(n: int) -> bytes:
    return bytes([n]) * 16


class Story:
    """Events in the order in which the audit reads them; `change` alters those of one type first."""

    def __init__(self, insisted: bool, **change: Any) -> None:
        self.trails, self._change, self._n = Trails(), change, 0
        claim = e.Benchmark(job_type="matmul", rows=256, ms=1)
        joined = e.WorkerRegistered(
            worker=WORKER, tier="consumer", gpu_model="", stake=1, payment_key=b"", job_types=["matmul"], slots=1,
            attested=False, benchmarks=[claim], insisted=["matmul"] if insisted else [],
        )  # fmt: skip
        self.tell(ACCOUNT, e.Staked(amount=100, total=100, tier="consumer"), 0)
        self.tell(ACCOUNT, joined, 0)
        for n in (1, 2):
            self._job(n)
        doubt = e.BenchmarkDoubted(
            worker=WORKER, job_id=job_id(2), attempt=1, job_type="matmul", claim_rows=256, claim_ms=1, best_rows=256,
            best_ms=100, jobs=[job_id(1), job_id(2)], insisted=insisted,
        )  # fmt: skip
        self.tell(ACCOUNT, doubt, 900)
        slash = e.Slashed(
            amount=75, reason="benchmark_fraud", job_id=job_id(2), attempt=1, reporter=bytes(32), reporter_amount=0,
            burnt=22, treasury=53, remaining=25,
        )  # fmt: skip
        self.tell(ACCOUNT, slash, 901)

    def _job(self, n: int) -> None:
        name, held = job_id(n).hex(), {"job_id": job_id(n), "attempt": 1, "worker": WORKER}
        self.tell(account_subject(b"c" * 32), e.EscrowLocked(job_id=job_id(n), amount=5), 0)
        self.tell(name, e.JobSubmitted(job_id=job_id(n), client=b"c" * 32, spec=SPEC, rows=256), 1)
        queued = e.JobQueued(
            job_id=job_id(n), attempt=1, job_type="matmul", tier="", tee=False, priority=0, submitted_at=1, excluded=[],
            price=5,
        )  # fmt: skip
        self.tell("network", queued, 1)
        self.tell("network", e.JobMatched(**held, price=5), 1)
        self.tell(name, e.JobAssigned(**held, cost=5, expires_at=9), 10)
        self.tell(name, e.JobStarted(**held), 30)
        proof = {"proof_hash": bytes(32), "output_hash": bytes(32)}
        words = {"public_inputs": "", "proof": b"", "proof_system": "", "security_bits": 1, "backend": ""}
        self.tell(name, e.ProofGenerated(**held, **proof, **words, run_ms=1, prove_ms=1), 130)
        decision = e.ConsensusReached(
            **held, **proof, outcome="approved", votes_valid=1, votes_invalid=0, threshold=1, contrary=[]
        )
        self.tell(name, decision, 140)
        self.tell(name, e.JobCompleted(**held, **proof), 150)
        rate = e.RateMeasured(
            **held, job_type="matmul", rows=256, elapsed_ms=100, waited_ms=20, claim_rows=256, claim_ms=1, counted=True,
            run=n,
        )  # fmt: skip
        self.tell(ACCOUNT, rate, 160)

    def tell(self, subject: str, body: EventBody, at: int) -> None:
        name = type(body).__name__
        values: Any = self._change.get(name)
        if callable(values):
            values(self, subject, body, at)
            return
        changed: Any = replace(body, **(values or {}))
        self.put(subject, changed, at)

    def put(self, subject: str, body: EventBody, at: int) -> None:
        self._n += 1
        envelope: Any = SimpleNamespace(subject=subject, type=type(body).__name__, at=at)
        self.trails.add(("t", 0, self._n), envelope, body)

    def findings(self) -> set[str]:
        verdict = Verdict()
        CauseAudit(NETWORK, verdict, self.trails, ProductChecks()).run()
        return {finding.detail.split(" ")[0] for finding in verdict.findings}


def twice(story: Story, subject: str, body: EventBody, at: int) -> None:
    story.put(subject, body, at)
    story.put(subject, body, at)


def never(story: Story, subject: str, body: EventBody, at: int) -> None:
    pass


def test_what_the_log_bears_out_holds() -> None:
    assert Story(insisted=True).findings() == set()


def test_a_first_doubt_is_no_reason_to_slash() -> None:
    assert Story(insisted=False).findings() == {"Slashed"}


@pytest.mark.parametrize(
    "changes",
    [
        {"rows": 257},
        {"elapsed_ms": 101},
        {"waited_ms": 21},
        {"claim_ms": 2},
        {"job_type": "inference"},
        {"attempt": 2},
    ],
)
def test_a_rate_that_the_log_does_not_show(changes: dict[str, Any]) -> None:
    assert "RateMeasured" in Story(insisted=True, RateMeasured=changes).findings()


def test_a_rate_without_its_events_or_told_twice() -> None:
    for missing in ("JobStarted", "ProofGenerated", "JobAssigned", "JobCompleted"):
        assert "RateMeasured" in Story(True, **{missing: never}).findings(), missing
    assert "RateMeasured" in Story(True, RateMeasured=twice).findings()


@pytest.mark.parametrize(
    "changes",
    [
        {"jobs": [job_id(2)]},
        {"jobs": [job_id(2), job_id(2)]},
        {"jobs": [job_id(3), job_id(2)]},
        {"jobs": [job_id(2), job_id(1)]},
        {"claim_rows": 2560},
        {"claim_ms": 100},
        {"best_ms": 101},
        {"insisted": False},
        {"worker": b"\x12" * 32, "job_type": "vm"},
    ],
)
def test_a_doubt_that_the_rates_do_not_show(changes: dict[str, Any]) -> None:
    assert "BenchmarkDoubted" in Story(insisted=True, BenchmarkDoubted=changes).findings()


def test_jobs_that_were_not_counted_or_not_slow_make_no_doubt() -> None:
    assert "BenchmarkDoubted" in Story(True, RateMeasured={"counted": False}).findings()
    assert "BenchmarkDoubted" in Story(True, RateMeasured=never).findings()


def test_a_slash_needs_its_doubt() -> None:
    assert Story(True, BenchmarkDoubted=never).findings() == {"Slashed"}
    assert "Slashed" in Story(True, Slashed={"attempt": 2}).findings()


def test_rows_that_are_not_those_of_the_input() -> None:
    assert {"JobSubmitted", "RateMeasured"} <= Story(True, JobSubmitted={"rows": 512}).findings()


def test_a_hostile_input_counts_as_one_row() -> None:
    checks = ProductChecks()
    for name, text in (
        ("matmul", "{"),
        ("vm", "{}"),
        ("nothing", "{}"),
        ("", "\ud800"),
    ):
        assert checks.job_rows(name, text) == 1
    assert checks.job_rows("matmul", '{"size":32,"seed":1}') == 1024
