"""The market against a model that scans everybody: the indexes may make it fast, never different."""

from dataclasses import dataclass, field, replace

from hypothesis import given, settings
from hypothesis import strategies as st

from bitsage.processors.market_state import rank
from bitsage.processors.model import NETWORK
from bitsage.schemas.commands import EnqueueJob, OfferCapacity, WithdrawJob
from bitsage.schemas.events import JobMatched
from bitsage.schemas.parameters import TIERS
from tests.processors.dsl import given as given_events

WORKERS = [bytes([0xA0 + i]) * 32 for i in range(6)]
JOBS = [bytes([i + 1]) * 16 for i in range(12)]
TYPES = ["inference", "matmul"]


@dataclass(slots=True)
class Naive:
    """Lists and scans."""

    offers: dict[bytes, OfferCapacity] = field(default_factory=dict)
    waiting: dict[bytes, EnqueueJob] = field(default_factory=dict)
    held: dict[bytes, tuple[int, bytes]] = field(default_factory=dict)

    def load(self, worker: bytes) -> int:
        return sum(w == worker for _, w in self.held.values())

    def suits(self, offer: OfferCapacity, job: EnqueueJob) -> bool:
        return (
            offer.slots > 0
            and job.job_type in offer.job_types
            and rank(offer.tier) >= rank(job.tier)
            and (offer.attested or not job.tee)
        )

    def fits(self, offer: OfferCapacity, job: EnqueueJob) -> bool:
        if not self.suits(offer, job) or self.load(offer.worker) >= offer.slots:
            return False
        return offer.worker not in job.excluded

    def match_all(self) -> dict[bytes, bytes]:
        made: dict[bytes, bytes] = {}
        while True:
            pairs = [
                (-job.priority, job.submitted_at, job.job_id, -o.reputation, self.load(o.worker), o.worker)
                for job in self.waiting.values()
                for o in self.offers.values()
                if self.fits(o, job)
            ]
            if not pairs:
                return made
            best = min(pairs)
            job = self.waiting.pop(best[2])
            self.held[job.job_id] = (job.attempt, best[5])
            made[job.job_id] = best[5]

    def apply(self, command: object) -> dict[bytes, bytes]:
        match command:
            case OfferCapacity(worker=worker):
                self.offers[worker] = command
            case EnqueueJob(job_id=job_id, attempt=attempt):
                known = self.waiting[job_id].attempt if job_id in self.waiting else self.held.get(job_id, (0, b""))[0]
                if known < attempt:
                    self.held.pop(job_id, None)
                    self.waiting[job_id] = command
            case WithdrawJob(job_id=job_id, attempt=attempt):
                if job_id in self.waiting and self.waiting[job_id].attempt == attempt:
                    del self.waiting[job_id]
                elif self.held.get(job_id, (0, b""))[0] == attempt:
                    del self.held[job_id]
        return self.match_all()


tiers = st.sampled_from(TIERS[:3])
offers = st.builds(
    OfferCapacity,
    worker=st.sampled_from(WORKERS),
    tier=tiers,
    reputation=st.integers(498, 502),
    slots=st.integers(0, 3),
    attested=st.booleans(),
    job_types=st.lists(st.sampled_from(TYPES), min_size=1, max_size=2),
)
queued = st.builds(
    EnqueueJob,
    job_id=st.sampled_from(JOBS),
    attempt=st.integers(1, 3),
    job_type=st.sampled_from(TYPES),
    tier=st.sampled_from(["", *TIERS[:3]]),
    tee=st.booleans(),
    priority=st.integers(0, 2),
    submitted_at=st.integers(0, 2),
    excluded=st.lists(st.sampled_from(WORKERS), max_size=2, unique=True),
)
withdrawn = st.builds(WithdrawJob, job_id=st.sampled_from(JOBS), attempt=st.integers(1, 3))


@settings(max_examples=400, deadline=None)
@given(st.lists(st.one_of(offers, queued, queued, withdrawn), max_size=60))
def test_the_market_matches_as_the_model_does(commands: list[object]) -> None:
    scene, model = given_events(subject=NETWORK), Naive()
    for command in commands:
        scene.when(command)  # type: ignore[arg-type]
        made = {e.job_id: e.worker for e in scene.events if isinstance(e, JobMatched)}
        assert made == model.apply(command)
        market = scene.states.state("workers")
        assert market == market.with_indexes()
        assert {j: p.worker for j, p in market.placements.items() if p.worker} == {
            j: w for j, (_, w) in model.held.items()
        }


def test_the_slot_of_an_earlier_attempt_goes_to_the_most_urgent_job() -> None:
    offer = OfferCapacity(
        worker=WORKERS[0], tier="consumer", reputation=500, slots=1, attested=False, job_types=[TYPES[0]]
    )
    first = EnqueueJob(
        job_id=JOBS[0], attempt=1, job_type=TYPES[0], tier="", tee=False, priority=0, submitted_at=0, excluded=[]
    )
    scene = given_events(subject=NETWORK).when(offer).when(first)
    scene.when(replace(first, job_id=JOBS[1], priority=1)).when(replace(first, attempt=2))
    assert [e.job_id for e in scene.events if isinstance(e, JobMatched)] == [JOBS[1]]
