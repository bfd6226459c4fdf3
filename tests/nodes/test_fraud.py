"""A whole network over the stand-in log: two validators that lie together, a worker that overstates its speed."""

from dataclasses import replace
from pathlib import Path

import pytest
from testnetwork import FAST, running, spec, wait

from bitsage.nodes.audit import audit
from bitsage.nodes.benchmark import measure
from bitsage.nodes.errors import CommandRefused
from bitsage.nodes.jobwork import judge
from bitsage.nodes.register import register_worker
from bitsage.obelysk import JOB_TYPES, MeasuredJob
from bitsage.processors.benchmark import ROWS_MAX
from bitsage.projections import Projection
from bitsage.projections.findings import Thresholds, findings, located
from bitsage.schemas.events import Benchmark, BenchmarkDoubted, JobCompleted, RateMeasured, Slashed, VoteCast
from bitsage.schemas.parameters import SAGE
from bitsage.streams.memory_log import InMemoryLog

#: Two slow jobs are enough here; everything else is as it is.
SOON = replace(FAST, benchmark_jobs=2)
BOAST = Benchmark(job_type="matmul", rows=256, ms=1)
JOIN = {"tier": "consumer", "gpu_model": "T4", "slots": 1, "job_types": ["matmul"]}


def lie(*arguments):
    """Stand-in for a validator that says the opposite at once."""
    valid, _ = judge(*arguments)
    return not valid, "lie"


def after_the_liars(network, liars):
    """Stand-in for a slow honest validator: it votes when both liars have, so that their votes count."""

    def judged(*arguments):
        subject = arguments[2].job_id.hex()

        def heard():
            votes = [a.body for a in onlooker.history(("votes",), subject) if isinstance(a.body, VoteCast)]
            return {vote.validator for vote in votes} >= {liar.key.address for liar in liars}

        onlooker = network.client(99)
        wait(heard, 10)
        onlooker.close()
        return judge(*arguments)

    return judged


def test_liars_and_a_boaster_are_found_and_only_the_boaster_that_insists_pays(tmp_path: Path) -> None:
    log = InMemoryLog()
    with running(log, tmp_path, parameters=SOON) as network:
        # Each lie costs 10 %: with more at stake they stay in the set.
        liars = [network.validator(n, judgement=lie, stake=18_000) for n in (1, 2)]
        honest = after_the_liars(network, liars)
        for n in range(3, 9):
            network.validator(n, judgement=honest)
        worker = network.worker(10)
        client = network.funded(20)

        def work(seed: int) -> None:
            job_id, _ = client.submit_job(spec(seed=seed))
            assert isinstance(client.wait_job(job_id, 60).body, JobCompleted)

        def heard(kind):
            return [a.body for a in worker.history(("workers", "accounts"), worker.subject) if isinstance(a.body, kind)]

        register_worker(worker, **JOIN, benchmarks=[BOAST])
        work(1)
        work(2)
        [doubt] = wait(lambda: heard(BenchmarkDoubted))
        assert not doubt.insisted
        with pytest.raises(CommandRefused) as refused:
            register_worker(worker, **JOIN, benchmarks=[BOAST])
        assert refused.value.code == "benchmark_doubted"
        assert heard(Slashed) == []
        register_worker(worker, **JOIN, benchmarks=[BOAST], insist=True)
        work(3)
        work(4)
        slashed = wait(lambda: heard(Slashed))
        assert [(one.reason, one.amount) for one in slashed] == [("benchmark_fraud", 1_875 * SAGE)]
        assert [one.run for one in heard(RateMeasured)] == [1, 2, 1, 2]
        names = tuple(sorted(one.subject for one in liars))
        subject = worker.subject
    verdict = audit(log, network.network, proofs=False, live=tmp_path / "coordinator" / "projections")
    assert verdict.findings == []
    with Projection("fraud", tmp_path / "own", network.network.seal_check()) as model:
        model.catch_up(log)
        found = located(log, findings(model, Thresholds(together=4)), network.network.seal_check())
        by_kind = {one.kind: one for one in found}
        assert by_kind["benchmark_fraud"].who == (subject,)
        assert {one.who[0] for one in found if one.kind == "votes_against"} == set(names)
        assert all(shown.offset is not None for one in found for shown in one.evidence)


def test_every_measured_job_type_has_a_benchmark_job_with_the_rows_it_says() -> None:
    measured = {name: one for name, one in JOB_TYPES.items() if isinstance(one, MeasuredJob)}
    assert {"matmul", "inference"} <= set(measured)
    for job_type in measured.values():
        request = job_type.benchmark()
        job_type.validate(request)
        _, params = job_type.statement(request, bytes(32))
        assert job_type.rows(request) == 1 << params.log_sizes[0] <= ROWS_MAX


def test_a_device_is_measured_by_really_proving() -> None:
    stages = []
    [(found, device)] = list(measure(["matmul", "vm"], device="numpy", progress=lambda *stage: stages.append(stage[0])))
    assert (found.job_type, found.rows, device) == ("matmul", 128 * 128, "numpy")
    assert found.ms > 0
    assert set(stages) == {"matmul"}


def test_what_cannot_be_proven_is_left_out(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(JOB_TYPES["matmul"].__class__, "rows", lambda self, request: 1 // 0)
    assert list(measure(["matmul", "no such type"], device="numpy")) == []
