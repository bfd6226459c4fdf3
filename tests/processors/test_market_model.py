"""The market against a model that scans everybody: the indexes may make it fast, never different."""

from dataclasses import dataclass, field, replace
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bitsage.processors import low_map
from bitsage.processors.low_map import LowMap
from bitsage.processors.market_parts import rank
from bitsage.processors.model import NETWORK
from bitsage.processors.sorted_map import SortedMap
from bitsage.schemas.commands import EnqueueJob, OfferCapacity, RaisePrice, WithdrawJob
from bitsage.schemas.events import JobMatched
from bitsage.schemas.parameters import PAYMENT_UNIT, TIERS, Parameters
from tests.processors.dsl import RULES as DSL_RULES
from tests.processors.dsl import given as given_events

WORKERS = [bytes([0xA0 + i]) * 32 for i in range(6)]
JOBS = [bytes([i + 1]) * 16 for i in range(12)]
TYPES = ["inference", "matmul"]


CLIENTS = [bytes([0xC0 + i]) * 32 for i in range(2)]
UNIT = 5 * PAYMENT_UNIT
STEPS = 4
RULES = replace(DSL_RULES, parameters=Parameters(ramp_steps=STEPS, ageing_ms=2))


@dataclass(slots=True)
class Naive:
    """Lists and scans."""

    offers: dict[bytes, OfferCapacity] = field(default_factory=dict)
    waiting: dict[bytes, EnqueueJob] = field(default_factory=dict)
    held: dict[bytes, tuple[int, bytes]] = field(default_factory=dict)
    jobs: dict[bytes, EnqueueJob] = field(default_factory=dict)
    prices: dict[bytes, int] = field(default_factory=dict)

    def load(self, worker: bytes) -> int:
        return sum(w == worker for _, w in self.held.values())

    def pledged(self, worker: bytes) -> int:
        return sum(self.jobs[job_id].collateral for job_id, (_, w) in self.held.items() if w == worker)

    def suits(self, offer: OfferCapacity, job: EnqueueJob) -> bool:
        return (
            offer.slots > 0
            and job.job_type in offer.job_types
            and rank(offer.least_tier) <= rank(job.tier) <= rank(offer.tier)
            and (offer.attested or not job.tee)
            and (not offer.clients or job.client in offer.clients)
        )

    def pays(self, offer: OfferCapacity, job: EnqueueJob) -> bool:
        ask = offer.asks[offer.job_types.index(job.job_type)] if offer.asks else 0
        spare = offer.stake - self.pledged(offer.worker)
        pledges = not job.collateral or (job.collateral <= spare and job.collateral <= offer.max_collateral)
        return ask * job.rows <= self.prices[job.job_id] and pledges

    def fits(self, offer: OfferCapacity, job: EnqueueJob) -> bool:
        if not self.suits(offer, job) or self.load(offer.worker) >= offer.slots or not self.pays(offer, job):
            return False
        at_most = self.prices[job.job_id] < job.max_cost
        return offer.worker not in job.excluded and not (at_most and offer.worker in job.reluctant)

    def match_all(self) -> dict[bytes, bytes]:
        made: dict[bytes, bytes] = {}
        while True:
            pairs = [
                (job.submitted_at - 2 * job.priority, job.job_id, -o.reputation, self.load(o.worker), o.worker)
                for job in self.waiting.values()
                for o in self.offers.values()
                if self.fits(o, job)
            ]
            if not pairs:
                return made
            best = min(pairs)
            job = self.waiting.pop(best[1])
            self.held[job.job_id] = (job.attempt, best[4])
            made[job.job_id] = best[4]

    def price(self, job: EnqueueJob, now: int) -> int:
        """The ramp by its definition: so many equal steps, whole units, the ends exact."""
        if not job.min_cost:
            return job.max_cost
        prices = [job.min_cost + (job.max_cost - job.min_cost) * k // STEPS // UNIT * UNIT for k in range(STEPS)]
        prices.append(job.max_cost)
        return prices[max(0, min(STEPS, STEPS * (now - job.ramp_start) // job.ramp_ms))]

    def apply(self, command: object, now: int) -> dict[bytes, bytes]:
        match command:
            case OfferCapacity(worker=worker):
                self.offers[worker] = command
            case EnqueueJob(job_id=job_id, attempt=attempt):
                known = self.waiting[job_id].attempt if job_id in self.waiting else self.held.get(job_id, (0, b""))[0]
                if known < attempt:
                    self.held.pop(job_id, None)
                    self.waiting[job_id] = self.jobs[job_id] = command
                    self.prices[job_id] = self.price(command, now)
            case WithdrawJob(job_id=job_id, attempt=attempt):
                if job_id in self.waiting and self.waiting[job_id].attempt == attempt:
                    del self.waiting[job_id]
                elif self.held.get(job_id, (0, b""))[0] == attempt:
                    del self.held[job_id]
            case RaisePrice(job_id=job_id, attempt=attempt):
                job = self.waiting.get(job_id)
                if job is not None and job.attempt == attempt:
                    self.prices[job_id] = self.price(job, now)
        return self.match_all()


@pytest.fixture(autouse=True, scope="module", params=[2, 256])
def _chunks(request: pytest.FixtureRequest) -> object:
    """With the short ones a few entries make many chunks, which split and vanish."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(SortedMap, "CHUNK", request.param)
        patch.setattr(LowMap, "CHUNK", request.param)
        patch.setattr(low_map._Shelved, "CHUNK", request.param)
        yield


tiers = st.sampled_from(TIERS[:3])
amounts = st.integers(0, 6).map(lambda n: n * UNIT)


@st.composite
def offers(draw: st.DrawFn) -> OfferCapacity:
    job_types = draw(st.lists(st.sampled_from(TYPES), min_size=1, max_size=2, unique=True))
    asks = [draw(amounts) // 2 for _ in job_types] if draw(st.booleans()) else []
    return OfferCapacity(
        worker=draw(st.sampled_from(WORKERS)),
        tier=draw(tiers),
        reputation=draw(st.integers(498, 502)),
        slots=draw(st.integers(0, 3)),
        attested=draw(st.booleans()),
        job_types=job_types,
        asks=asks,
        clients=draw(st.just([]) | st.lists(st.sampled_from(CLIENTS), max_size=2, unique=True)),
        least_tier=draw(st.sampled_from(["", "", TIERS[0], TIERS[1]])),
        max_collateral=draw(amounts),
        stake=draw(amounts),
    )


@st.composite
def queued(draw: st.DrawFn) -> EnqueueJob:
    low, rise, ramped = draw(st.integers(1, 6)), draw(st.integers(0, 9)), draw(st.booleans())
    return EnqueueJob(
        job_id=draw(st.sampled_from(JOBS)),
        attempt=draw(st.integers(1, 3)),
        job_type=draw(st.sampled_from(TYPES)),
        tier=draw(st.sampled_from(["", *TIERS[:3]])),
        tee=draw(st.booleans()),
        priority=draw(st.integers(0, 2)),
        submitted_at=draw(st.integers(0, 5)),
        excluded=draw(st.lists(st.sampled_from(WORKERS), max_size=2, unique=True)),
        rows=draw(st.integers(1, 3)),
        client=draw(st.sampled_from(CLIENTS)),
        max_cost=(low + rise) * UNIT,
        min_cost=low * UNIT if ramped else 0,
        ramp_start=draw(st.integers(0, 20)),
        ramp_ms=draw(st.integers(1, 30)) if ramped else 0,
        collateral=draw(amounts) if draw(st.booleans()) else 0,
        reluctant=draw(st.lists(st.sampled_from(WORKERS), max_size=2, unique=True)),
    )


raised = st.builds(RaisePrice, job_id=st.sampled_from(JOBS), attempt=st.integers(1, 3), price=st.just(0))
withdrawn = st.builds(WithdrawJob, job_id=st.sampled_from(JOBS), attempt=st.integers(1, 3))
steps = st.lists(st.tuples(st.integers(0, 4), st.one_of(offers(), queued(), queued(), withdrawn, raised)), max_size=50)


@settings(max_examples=250, deadline=None)
@given(steps)
def test_the_market_matches_as_the_model_does(commands: list[tuple[int, object]]) -> None:
    scene, model, now = given_events(subject=NETWORK, rules=RULES), Naive(), 0
    for passed, command in commands:
        now += passed
        before = dict(scene.states.state("workers").placements.items())
        scene.when(command, at=now)  # type: ignore[arg-type]
        made = {e.job_id: (e.worker, e.price) for e in scene.events if isinstance(e, JobMatched)}
        matched = model.apply(command, now)
        assert made == {job_id: (worker, model.prices[job_id]) for job_id, worker in matched.items()}
        market = scene.states.state("workers")
        assert market == market.with_indexes()
        assert {j: p.worker for j, p in market.placements.items() if p.worker} == {
            j: w for j, (_, w) in model.held.items()
        }
        for worker, capacity in market.capacities.items():
            assert capacity.pledged == model.pledged(worker)
        check_prices(scene, before, model, made)


def check_prices(scene: Any, before: dict[bytes, Any], model: Naive, made: dict[bytes, tuple[bytes, int]]) -> None:
    """A price never falls within an attempt, lies between its ends, and nobody gets a job below the ask."""
    for job_id, job in scene.states.state("workers").placements.items():
        old = before.get(job_id)
        assert job.ramp.low <= job.price <= job.ramp.high
        assert job.price % UNIT == 0
        assert old is None or old.attempt != job.attempt or old.price <= job.price
    for job_id, (worker, price) in made.items():
        offer, job = model.offers[worker], model.jobs[job_id]
        ask = offer.asks[offer.job_types.index(job.job_type)] if offer.asks else 0
        assert ask * job.rows <= price


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
