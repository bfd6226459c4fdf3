"""What is remarkable about the facts of the model `fraud`, each finding with the events that show it."""

import json
from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass

from bitsage.streams.log import Log
from bitsage.streams.topics import partition_for, topic_name

from .collusion import Pair, Tally, pairs
from .feed import BATCH
from .projection import Projection
from .records import Trust, check

_LIMIT = 10_000_000


@dataclass(frozen=True, slots=True)
class Thresholds:
    """From where on something is a finding. `chance_one_in` holds for all pairs of validators together."""

    slow_jobs: int = 3
    together: int = 3
    against_percent: int = 51
    chance_one_in: int = 1000
    gap_count: int = 3
    gap_longest_ms: int = 600_000


@dataclass(frozen=True, slots=True)
class Evidence:
    """One event: its topic without prefix, its subject and its place in the subject's chain; `offset` where it was found."""

    topic: str
    subject: str
    sequence: int
    offset: int | None = None

    def __str__(self) -> str:
        partition = partition_for(self.subject.encode())
        place = f"#{self.sequence} of {self.subject}" if self.offset is None else f"{self.offset}"
        return f"{self.topic}[{partition}]@{place}"


@dataclass(frozen=True, slots=True)
class Finding:
    """`kind` is a stable code; `who` are the accounts concerned; `says` is one sentence."""

    kind: str
    who: tuple[str, ...]
    says: str
    evidence: tuple[Evidence, ...]


def findings(model: Projection, limits: Thresholds) -> list[Finding]:
    """All findings, ordered by kind and account."""
    found = [*_doubts(model), *_runs(model, limits), *_votes(model, limits), *_gaps(model, limits)]
    return sorted(found, key=lambda one: (one.kind, one.who))


def _rate(rows: int, ms: int) -> str:
    return f"{rows * 1000 // max(1, ms)} rows/s"


def _doubts(model: Projection) -> list[Finding]:
    found = []
    for row in model.query("select * from doubts order by worker, sequence", limit=_LIMIT):
        claim, best = _rate(row["claim_rows"], row["claim_ms"]), _rate(row["best_rows"], row["best_ms"])
        jobs = json.loads(row["jobs"])
        kind, more = ("benchmark_fraud", ", after it had been told") if row["insisted"] else ("benchmark_doubted", "")
        says = f"claims {claim} for {row['job_type']}{more}; the fastest of {len(jobs)} jobs in a row had {best}"
        told = Evidence("workers", row["worker"], row["sequence"])
        shows = model.query(
            "select sequence from rates where worker = ? and sequence < ? and run > 0 and job_type = ? "
            "order by sequence desc limit ?",
            (row["worker"], row["sequence"], row["job_type"], len(jobs)),
        )
        rates = tuple(Evidence("workers", row["worker"], one["sequence"]) for one in reversed(shows))
        found.append(Finding(kind, (row["worker"],), says, (*rates, told)))
    return found


def _runs(model: Projection, limits: Thresholds) -> list[Finding]:
    """Benchmarks that stand and whose last jobs were slow, but too few to void them."""
    rows = model.query(
        "select r.* from rates r where r.counted and not exists (select 1 from rates s where s.worker = r.worker "
        "and s.job_type = r.job_type and s.counted and s.sequence > r.sequence) and r.run >= ? "
        "and not exists (select 1 from doubts d where d.worker = r.worker and d.job_type = r.job_type "
        "and d.sequence > r.sequence) order by worker, job_type",
        (max(1, limits.slow_jobs),),
        limit=_LIMIT,
    )
    return [
        Finding(
            "benchmark_slow",
            (row["worker"],),
            f"claims {_rate(row['claim_rows'], row['claim_ms'])} for {row['job_type']}; its last {row['run']} jobs were "
            f"far slower, the last had {_rate(row['rows'], row['elapsed_ms'])}",
            (Evidence("workers", row["worker"], row["sequence"]),),
        )
        for row in rows
    ]


def _votes(model: Projection, limits: Thresholds) -> list[Finding]:
    places: dict[tuple[str, Tally], int] = {}
    against, voted = defaultdict(set), defaultdict(set)
    for row in model.query("select * from against", limit=_LIMIT):
        tally = (row["job_id"], row["attempt"], row["proof_hash"])
        against[row["validator"]].add(tally)
        places[row["validator"], tally] = row["ballot"]
    decided = (
        "select b.validator, b.job_id, b.attempt, b.proof_hash from ballots b "
        "join decisions d using (job_id, attempt, proof_hash) where d.outcome in ('approved', 'rejected')"
    )
    for row in model.query(decided, limit=_LIMIT):
        voted[row["validator"]].add((row["job_id"], row["attempt"], row["proof_hash"]))
    # As many pairs were looked at as there are, not as there are with something to show.
    tests = max(1, len(voted) * (len(voted) - 1) // 2)
    alone = [
        _contrary(who, len(voted[who]), [(tally, places[who, tally]) for tally in sorted(tallies)])
        for who, tallies in against.items()
        if len(tallies) >= max(1, limits.together) and len(tallies) * 100 >= len(voted[who]) * limits.against_percent
    ]
    return alone + [
        _colluding(pair, tests, places)
        for pair in pairs(voted, against)
        if len(pair.together) >= max(1, limits.together) and pair.rarer_than(limits.chance_one_in, tests)
    ]


def _contrary(who: str, votes: int, against: list[tuple[Tally, int]]) -> Finding:
    says = f"voted against the result in {len(against)} of {votes} votes"
    return Finding("votes_against", (who,), says, tuple(Evidence("votes", t[0], place) for t, place in against))


def _colluding(pair: Pair, tests: int, places: dict[tuple[str, Tally], int]) -> Finding:
    says = (
        f"voted alike against the result {len(pair.together)} times in {pair.votes} common votes (alone "
        f"{pair.first_against} and {pair.second_against} times); by chance 1 in {pair.one_in}, {tests} pairs looked at"
    )
    shows = [
        Evidence("votes", tally[0], places[who, tally]) for tally in pair.together for who in (pair.first, pair.second)
    ]
    return Finding("votes_alike", (pair.first, pair.second), says, tuple(shows))


def _gaps(model: Projection, limits: Thresholds) -> list[Finding]:
    rows = model.query(
        "select * from watched where gaps >= ? or gap_longest_ms >= ? order by worker",
        (max(1, limits.gap_count), max(1, limits.gap_longest_ms)),
        limit=_LIMIT,
    )
    found = []
    for row in rows:
        open_now = "; one is open" if row["gap_since"] is not None else ""
        says = (
            f"{row['gaps']} gaps in its heartbeats, {row['gap_total_ms'] // 1000} s in all, the longest "
            f"{row['gap_longest_ms'] // 1000} s{open_now}"
        )
        shows = (Evidence("workers", row["worker"], row["gap_sequence"]),) if row["gap_sequence"] else ()
        found.append(Finding("heartbeat_gaps", (row["worker"],), says, shows))
    return found


def located(log: Log, found: Iterable[Finding], authenticate: Trust | None) -> list[Finding]:
    """The same findings with the offsets of their evidence, from one reading of the partitions concerned.

    Raises:
        StreamError: the log cannot be read.
    """
    listed = list(found)
    wanted = {(e.topic, e.subject, e.sequence) for finding in listed for e in finding.evidence}
    places = {(topic_name(topic), partition_for(subject.encode())): 0 for topic, subject, _ in wanted}
    offsets: dict[tuple[str, str, int], int] = {}
    if places:
        reader = log.reader(places, follow=False)
        try:
            while records := reader.read(BATCH, 5.0):
                for record in records:
                    one = check(record, authenticate)
                    if one.event is None or one.code:
                        continue
                    name = (one.topic, one.event.envelope.subject, one.event.envelope.sequence)
                    if name in wanted:
                        # A copy comes later than what it copies.
                        offsets.setdefault(name, one.offset)
        finally:
            reader.close()

    def at(e: Evidence) -> Evidence:
        return Evidence(e.topic, e.subject, e.sequence, offsets.get((e.topic, e.subject, e.sequence)))

    return [Finding(f.kind, f.who, f.says, tuple(at(e) for e in f.evidence)) for f in listed]
