"""The model `fraud`, the arithmetic of collusion, the findings and `sage fraud report`."""

import json
from fractions import Fraction
from itertools import combinations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from typer.testing import CliRunner

from bitsage.cli import context, projection
from bitsage.cli import sage as root
from bitsage.projections import Projection
from bitsage.projections.collusion import at_least, pairs
from bitsage.projections.findings import Thresholds, findings, located
from bitsage.schemas import events as e
from bitsage.streams.topics import partition_for


def register(chain, worker, *claims, insisted=()):
    return chain.event(
        worker,
        e.WorkerRegistered(
            worker=worker,
            tier="consumer",
            gpu_model="T4",
            stake=1,
            payment_key=b"",
            job_types=["matmul"],
            slots=1,
            attested=False,
            benchmarks=list(claims),
            insisted=list(insisted),
        ),
    )


def slow(chain, worker, n, run, **changes):
    values = {
        "job_id": n.to_bytes(16, "big"),
        "attempt": 1,
        "job_type": "matmul",
        "rows": 1000,
        "elapsed_ms": 2000,
        "waited_ms": 5,
        "claim_rows": 1000,
        "claim_ms": 100,
        "counted": True,
        "run": run,
    }
    return chain.event(worker, e.RateMeasured(worker=worker, **(values | changes)))


def doubt(chain, worker, jobs, *, insisted=False):
    ids = [n.to_bytes(16, "big") for n in jobs]
    return chain.event(
        worker,
        e.BenchmarkDoubted(
            worker=worker,
            job_id=ids[-1],
            attempt=1,
            job_type="matmul",
            claim_rows=1000,
            claim_ms=100,
            best_rows=1000,
            best_ms=2000,
            jobs=ids,
            insisted=insisted,
        ),
    )


def tally(chain, n, votes, outcome):
    job, proof = n.to_bytes(16, "big"), bytes([n]) * 32
    placed = [
        chain.event(
            job.hex(), e.VoteCast(job_id=job, attempt=1, proof_hash=proof, validator=who, valid=says, reason="")
        )
        for who, says in votes.items()
    ]
    chain.event(
        job.hex(),
        e.ConsensusReached(
            job_id=job,
            attempt=1,
            worker=bytes(32),
            proof_hash=proof,
            output_hash=bytes(32),
            outcome=outcome,
            votes_valid=0,
            votes_invalid=0,
            threshold=1,
            contrary=[],
        ),
    )
    return placed


@pytest.fixture
def found(kit, tmp_path):
    """found(chain, thresholds) -> findings with offsets."""

    def run(chain, limits=None):
        log = kit.HeldLog(chain.records)
        with Projection("fraud", tmp_path) as model:
            model.catch_up(log)
            return located(log, findings(model, limits or Thresholds()), None)

    return run


CLAIM = e.Benchmark(job_type="matmul", rows=1000, ms=100)


def test_rates_and_doubts_are_kept_with_their_places(kit, fold) -> None:
    chain, worker = kit.Chain(), kit.name("w")
    register(chain, worker, CLAIM, insisted=["matmul"])
    slow(chain, worker, 1, 1)
    slow(chain, worker, 2, 0, counted=False)
    doubt(chain, worker, [1], insisted=True)
    [row] = fold("fraud", chain.records, "select * from watched")
    assert json.loads(row["benchmarks"]) == [["matmul", 1000, 100, True]]
    assert (row["measured"], row["slow"], row["doubts"], row["registration"]) == (2, 1, 1, 1)
    rates = fold("fraud", chain.records, "select sequence, job_id, rows, elapsed_ms, counted, run from rates")
    assert [next(iter(rate.values())) for rate in rates] == [2, 3]
    assert (rates[0]["job_id"], rates[1]["counted"]) == ((1).to_bytes(16, "big").hex(), 0)
    [row] = fold("fraud", chain.records, "select * from doubts")
    assert (row["sequence"], row["insisted"], json.loads(row["jobs"])) == (4, 1, [(1).to_bytes(16, "big").hex()])


def test_gaps_are_counted_from_the_events_alone(kit, fold) -> None:
    chain, worker = kit.Chain(), kit.name("w")
    register(chain, worker)
    for lasts, back in (
        (5, e.WorkerReturned(worker=worker)),
        (9, None),
        (2, e.WorkerDeparted(worker=worker, reason="")),
    ):
        away = chain.event(worker, e.WorkerWentOffline(worker=worker, reason="inactivity"))
        chain.now += lasts * 1000
        register(chain, worker) if back is None else chain.event(worker, back)
    sql = "select gaps, gap_total_ms, gap_longest_ms, gap_since, gap_sequence from watched"
    [row] = fold("fraud", chain.records, sql)
    assert tuple(row.values()) == (3, 19_000, 10_000, None, 5)
    chain.event(worker, e.WorkerWentOffline(worker=worker, reason="inactivity"))
    [row] = fold("fraud", chain.records, sql)
    assert (row["gaps"], row["gap_since"]) == (4, chain.now)
    assert away.offset


def test_a_suspension_is_no_gap_and_ends_one(kit, fold) -> None:
    chain, worker = kit.Chain(), kit.name("w")
    register(chain, worker)
    chain.event(worker, e.WorkerWentOffline(worker=worker, reason="repeated_failures"))
    chain.event(worker, e.WorkerWentOffline(worker=worker, reason="inactivity"))
    chain.event(worker, e.WorkerWentOffline(worker=worker, reason="repeated_failures"))
    [row] = fold("fraud", chain.records, "select gaps, gap_total_ms, gap_since from watched")
    assert tuple(row.values()) == (1, 1000, None)


def test_votes_against_the_result_are_those_of_decided_tallies(kit, fold) -> None:
    chain = kit.Chain()
    a, b = kit.name("a"), kit.name("b")
    tally(chain, 1, {a: True, b: False}, "approved")
    tally(chain, 2, {a: True, b: False}, "rejected")
    tally(chain, 3, {a: True, b: False}, "expired")
    rows = fold("fraud", chain.records, "select validator, outcome from against order by outcome")
    assert [tuple(row.values()) for row in rows] == [
        (kit.subject(b), "approved"),
        (kit.subject(a), "rejected"),
    ]


@settings(deadline=None)
@given(st.integers(0, 7), st.data())
def test_the_chance_is_that_of_counting_all_cases(n, data) -> None:
    a, b = data.draw(st.integers(0, n)), data.draw(st.integers(0, n))
    k = data.draw(st.integers(0, min(a, b)))
    fixed, cases = set(range(a)), list(combinations(range(n), b))
    hits = sum(1 for case in cases if len(fixed & set(case)) >= k)
    assert Fraction(*at_least(n, a, b, k)) == Fraction(hits, len(cases))


def test_pairs_count_only_what_both_voted_on() -> None:
    t = [(f"{i}", 1, "p") for i in range(6)]
    voted = {"a": set(t), "b": set(t[:4]), "c": set(t)}
    against = {"a": {t[0], t[1], t[5]}, "b": {t[0], t[1]}, "c": set()}
    [pair] = pairs(voted, against)
    assert (pair.first, pair.second, pair.votes, pair.first_against, pair.second_against) == ("a", "b", 4, 2, 2)
    assert pair.together == (t[0], t[1])
    assert Fraction(*pair.chance) == Fraction(1, 6)
    assert pair.one_in == 6
    assert pair.rarer_than(6, 1)
    assert not pair.rarer_than(6, 2)


def colluders(kit, jobs=12, lies=6):
    chain = kit.Chain()
    a, b, *honest = (kit.name(f"v{i}") for i in range(7))
    for n in range(1, jobs + 1):
        tally(chain, n, dict.fromkeys(honest, True) | dict.fromkeys((a, b), n > lies), "approved")
    return chain, tuple(sorted((kit.subject(a), kit.subject(b))))


def test_two_that_lie_together_are_named_with_their_votes(kit, found) -> None:
    chain, names = colluders(kit)
    [one] = found(chain, Thresholds(chance_one_in=40))
    assert (one.kind, one.who, len(one.evidence)) == ("votes_alike", names, 12)
    assert (
        "against the result 6 times in 12 common votes (alone 6 and 6 times); by chance 1 in 924, 21 pairs" in one.says
    )
    for shown in one.evidence:
        [record] = [
            r
            for r in chain.records
            if (r.topic, r.partition, r.offset)
            == ("bitsage.votes", partition_for(shown.subject.encode()), shown.offset)
        ]
        assert record.key == shown.subject.encode()


@pytest.mark.parametrize(
    ("lies", "limits"), [(2, {}), (6, {}), (6, {"chance_one_in": 45}), (6, {"chance_one_in": 40, "together": 7})]
)
def test_what_may_be_chance_is_not_named(kit, found, lies, limits) -> None:
    chain, _ = colluders(kit, lies=lies)
    assert found(chain, Thresholds(**limits)) == []


def test_two_that_are_always_against_show_nothing_of_each_other(kit, found) -> None:
    chain, names = colluders(kit, jobs=12, lies=12)
    both = found(chain, Thresholds(chance_one_in=1))
    assert [one.kind for one in both] == ["votes_against"] * 2, "each by itself, since by chance it is certain"
    assert tuple(one.who[0] for one in both) == names
    assert "voted against the result in 12 of 12 votes" in both[0].says
    assert len(both[0].evidence) == 12


def test_benchmarks_are_named_by_how_far_it_has_come(kit, found) -> None:
    chain = kit.Chain()
    waiting, told, again = (kit.name(text) for text in ("waiting", "told", "again"))
    for worker, jobs, insisted in ((waiting, (1, 2, 3), None), (told, (4, 5), False), (again, (6, 7), True)):
        register(chain, worker, CLAIM)
        for run, n in enumerate(jobs, 1):
            slow(chain, worker, n, run)
        if insisted is not None:
            doubt(chain, worker, jobs, insisted=insisted)
    by_kind = {one.kind: one for one in found(chain)}
    assert {kind: one.who[0] for kind, one in by_kind.items()} == {
        "benchmark_slow": kit.subject(waiting),
        "benchmark_doubted": kit.subject(told),
        "benchmark_fraud": kit.subject(again),
    }
    assert (
        "claims 10000 rows/s for matmul; the fastest of 2 jobs in a row had 500 rows/s"
        in by_kind["benchmark_doubted"].says
    )
    assert [shown.sequence for shown in by_kind["benchmark_fraud"].evidence] == [2, 3, 4]
    slow(chain, waiting, 8, 0)
    assert "benchmark_slow" not in {one.kind for one in found(chain)}


def test_gaps_are_named_by_number_or_length(kit, found) -> None:
    chain, worker = kit.Chain(), kit.name("w")
    register(chain, worker)
    chain.event(worker, e.WorkerWentOffline(worker=worker, reason="inactivity"))
    chain.now += 600_000
    chain.event(worker, e.WorkerReturned(worker=worker))
    [one] = found(chain)
    assert (one.kind, "1 gaps in its heartbeats, 601 s in all" in one.says) == ("heartbeat_gaps", True)
    assert str(one.evidence[0]) == f"workers[{partition_for(kit.subject(worker).encode())}]@2"
    assert found(chain, Thresholds(gap_longest_ms=700_000)) == []


@pytest.fixture
def sage(kit, tmp_path, monkeypatch):
    chain, _ = colluders(kit)
    log = kit.HeldLog(chain.records)
    monkeypatch.setenv("SAGE_HOME", str(tmp_path))
    monkeypatch.setattr(projection, "open_log", lambda: log)
    monkeypatch.setattr(context, "open_log", lambda: log)

    def run(*words, code):
        result = CliRunner().invoke(root.app, ["fraud", "report", *map(str, words)])
        assert result.exit_code == code, (result.output, result.exception)
        return result.stdout

    return run


def test_report_in_every_form(sage, kit) -> None:
    [row] = json.loads(sage("--chance", 40, "--json", code=1))
    assert row["kind"] == "votes_alike"
    assert len(row["who"]) == 2
    assert row["evidence"][0].startswith("votes[")
    assert "@" in row["evidence"][0]
    assert sage("--chance", 40, "--csv", code=1).startswith("kind,who,says,evidence")
    assert "votes_alike" in sage("--chance", 40, code=1)
    assert "0 rows" in sage(code=0)


def test_report_of_the_past_and_without_the_log(sage) -> None:
    assert json.loads(sage("--chance", 40, "--as-of", "0", "--json", code=0)) == []
    assert json.loads(sage("--chance", 40, "--as-of", "2100-01-01", "--json", code=1))
    sage(code=0)
    [row] = json.loads(sage("--chance", 40, "--offline", "--json", code=1))
    assert "]@#" in row["evidence"][0]


@pytest.mark.parametrize("words", [("--chance", 0), ("--together", 0), ("--json", "--csv"), ("--as-of", "never")])
def test_bad_input_of_report(sage, words) -> None:
    sage(*words, code=2)
