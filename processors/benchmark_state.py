"""What a worker claims of its speed and what the network measured of it, by job type; folded in `workers`."""

from collections.abc import Collection, Iterable
from dataclasses import dataclass, replace

from bitsage.schemas.events import Benchmark, BenchmarkDoubted, RateMeasured


@dataclass(frozen=True, slots=True)
class Rating:
    """`claim_rows` in `claim_ms` is the claim; no rows: none stands. `insisted`: upheld against a doubt.

    `run`: the jobs in a row that were slow, `run_rows` in `run_ms` the fastest of them; it outlives a claim, or one could
    register out of it. `doubt_rows` in `doubt_ms`: the fastest job known since a claim was voided; no rows: none was.
    """

    job_type: str
    claim_rows: int = 0
    claim_ms: int = 0
    insisted: bool = False
    run: tuple[bytes, ...] = ()
    run_rows: int = 0
    run_ms: int = 0
    doubt_rows: int = 0
    doubt_ms: int = 0


Ratings = tuple[Rating, ...]


def slower(rows: int, ms: int, than_rows: int, than_ms: int, factor: int = 1) -> bool:
    """Whether `rows` in `ms`, even `factor` times as fast, is slower than `than_rows` in `than_ms`."""
    return rows * than_ms * factor < than_rows * ms


def rating_of(ratings: Ratings, job_type: str) -> Rating:
    """The rating for a job type; an empty one when there is none."""
    return next((one for one in ratings if one.job_type == job_type), Rating(job_type))


def with_claims(ratings: Ratings, claims: Iterable[Benchmark], insisted: Collection[str]) -> Ratings:
    """After a registration: its claims stand instead of all that stood before."""
    bare = {one.job_type: replace(one, claim_rows=0, claim_ms=0, insisted=False) for one in ratings}
    for claim in claims:
        known = bare.get(claim.job_type, Rating(claim.job_type))
        upheld = claim.job_type in insisted
        bare[claim.job_type] = replace(known, claim_rows=claim.rows, claim_ms=claim.ms, insisted=upheld)
    return _kept(bare.values())


def with_measure(ratings: Ratings, event: RateMeasured) -> Ratings:
    """After a job of a claimed type."""
    rating, rows, ms = rating_of(ratings, event.job_type), event.rows, event.elapsed_ms
    if rating.doubt_rows and slower(rating.doubt_rows, rating.doubt_ms, rows, ms):
        rating = replace(rating, doubt_rows=rows, doubt_ms=ms)
    if event.counted and event.run <= 1:
        fresh = (event.job_id,) if event.run else ()
        rating = replace(rating, run=fresh, run_rows=rows * event.run, run_ms=ms * event.run)
    elif event.counted:
        best = (rows, ms) if slower(rating.run_rows, rating.run_ms, rows, ms) else (rating.run_rows, rating.run_ms)
        rating = replace(rating, run=(*rating.run, event.job_id), run_rows=best[0], run_ms=best[1])
    return _with(ratings, rating)


def with_doubt(ratings: Ratings, event: BenchmarkDoubted) -> Ratings:
    """After a claim was voided: what was measured stands against the next one."""
    before = rating_of(ratings, event.job_type)
    best = (event.best_rows, event.best_ms)
    if before.doubt_rows and slower(*best, before.doubt_rows, before.doubt_ms):
        best = (before.doubt_rows, before.doubt_ms)
    return _with(ratings, Rating(event.job_type, doubt_rows=best[0], doubt_ms=best[1]))


def _with(ratings: Ratings, rating: Rating) -> Ratings:
    return _kept([*(one for one in ratings if one.job_type != rating.job_type), rating])


def _kept(ratings: Iterable[Rating]) -> Ratings:
    kept = (one for one in ratings if one.claim_rows or one.run or one.doubt_rows)
    return tuple(sorted(kept, key=lambda one: one.job_type))
