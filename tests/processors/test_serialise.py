import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bitsage.processors.account_state import Account, Payment, Unlock
from bitsage.processors.bindings import BINDINGS, binding_for
from bitsage.processors.hidden import PrivateAccount
from bitsage.processors.job_state import Job
from bitsage.processors.market_parts import Capacity, Placement
from bitsage.processors.market_state import Market
from bitsage.processors.pricing import Ramp
from bitsage.processors.proof_state import Proofs
from bitsage.processors.serialise import dump, load
from bitsage.processors.sorted_map import SortedMap
from bitsage.processors.treasury_state import Treasury
from bitsage.processors.vote_state import Tally, Votes
from bitsage.processors.worker_state import Worker
from bitsage.schemas.events import JobSpec

addresses = st.binary(min_size=32, max_size=32)
ids = st.binary(min_size=16, max_size=16)
amounts = st.integers(0, 10**27)
millis = st.integers(0, 2**62)
texts = st.text(st.characters(exclude_categories=["Cs"]), max_size=20)
flags = st.booleans()


def maps(keys, values):  # type: ignore[no-untyped-def]
    return st.dictionaries(keys, values, max_size=6).map(lambda table: SortedMap(table.items()))


payments = st.builds(
    Payment, amounts, st.binary(max_size=64), addresses, st.integers(1, 3), st.binary(max_size=128), st.integers(0, 9)
)
private = st.builds(PrivateAccount, addresses, st.binary(max_size=128), st.binary(max_size=128), millis, millis, millis)
accounts = st.builds(
    Account,
    public_key=st.binary(max_size=32),
    balance=amounts,
    gas=amounts,
    granted=amounts,
    granted_at=st.none() | millis,
    stake=amounts,
    tier=texts,
    unlocks=st.lists(st.builds(Unlock, amounts, millis), max_size=4).map(tuple),
    escrows=maps(ids, amounts),
    payments=maps(ids, payments),
    marks=maps(ids, st.none()),
    private=private,
    hidden=st.integers(-(10**27), 10**27),
    sealed=maps(ids, st.binary(max_size=256)),
)
tiers = st.sampled_from(["consumer", "workstation", "frontier"])
capacities = st.builds(
    Capacity,
    tiers,
    st.integers(0, 1000),
    st.integers(1, 4),
    flags,
    st.sets(texts, max_size=3).map(lambda names: tuple(sorted(names))),
    st.integers(0, 5),
    clients=st.sets(addresses, max_size=2).map(lambda found: tuple(sorted(found))),
    least_tier=tiers,
    stake=amounts,
    max_collateral=amounts,
    pledged=amounts,
)
placements = st.builds(
    Placement,
    st.integers(1, 3),
    texts,
    tiers,
    flags,
    millis,
    st.lists(addresses, max_size=2).map(tuple),
    st.just(b"") | addresses,
    price=amounts,
    rows=st.integers(1, 2**40),
    client=addresses,
    ramp=st.builds(Ramp, amounts, amounts, millis, st.integers(0, 2**40)),
    collateral=amounts,
    reluctant=st.lists(addresses, max_size=2).map(tuple),
)
markets = st.builds(
    Market,
    capacities=maps(addresses, capacities),
    placements=maps(ids, placements),
    validators=st.lists(addresses, max_size=4).map(tuple),
    epoch=millis,
).map(Market.with_indexes)
specs = st.builds(
    JobSpec,
    job_type=texts,
    input=texts,
    max_cost=amounts,
    tier=tiers,
    tee=flags,
    priority=st.integers(0, 10),
    deadline=millis,
)
jobs = st.builds(
    Job,
    st.sampled_from(["unknown", "waiting", "assigned", "running", "completed", "failed", "cancelled"]),
    ids,
    addresses,
    st.none() | specs,
    millis,
    st.integers(0, 3),
    addresses,
    amounts,
    millis,
    st.lists(addresses, max_size=2).map(tuple),
    price=st.binary(max_size=128),
    shared=st.integers(0, 3),
)
workers = st.builds(
    Worker,
    registered=flags,
    validator=flags,
    online=flags,
    suspended=flags,
    tier=texts,
    payment_key=st.binary(max_size=64),
    job_types=st.lists(texts, max_size=3).map(tuple),
    slots=st.integers(0, 4),
    attested=flags,
    reputation=st.none() | st.integers(0, 1000),
    failures=st.integers(0, 9),
    marks=maps(ids, st.none()),
)
tallies = st.builds(
    Tally,
    st.integers(1, 3),
    addresses,
    addresses,
    addresses,
    st.lists(addresses, max_size=3).map(tuple),
    st.integers(1, 9),
    millis,
    maps(addresses, flags),
    st.lists(addresses, max_size=3).map(tuple),
    st.integers(0, 9),
    st.sampled_from(["", "approved"]),
)
votes = st.builds(Votes, st.lists(tallies, max_size=3).map(tuple))
treasuries = st.builds(Treasury, amounts, amounts, amounts, maps(ids, st.none()), st.binary(max_size=128))
proofs = st.builds(Proofs, st.integers(0, 3), addresses, addresses, addresses)
EVERY = (accounts, treasuries, workers, markets, jobs, proofs, votes)


@given(st.one_of(*EVERY))
def test_every_state_comes_back_exactly(state: object) -> None:
    again = load(type(state), dump(state))
    assert again == state
    assert dump(again) == dump(state)


@pytest.mark.parametrize("binding", BINDINGS, ids=lambda b: f"{b.topic}-{b.kind}")
def test_every_initial_state_comes_back(binding) -> None:  # type: ignore[no-untyped-def]
    assert isinstance(binding.initial, binding.state)
    assert load(binding.state, dump(binding.initial)) == binding.initial
    assert binding_for(binding.topic, binding.kind) is binding


def test_indexes_are_not_written_but_made_anew() -> None:
    capacity = Capacity("consumer", 500, 2, False, ("matmul",), 1)
    market = Market(capacities=SortedMap([(bytes(32), capacity)])).with_indexes()
    assert len(json.loads(dump(market))) == 4
    assert len(load(Market, dump(market)).free) == 1


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"{",
        b"{}",
        b"[]",
        b"[1,2,3,4]",
        b"\xff",
        b'["0"]',
        b"[0,0,0,[]",
        b'[true,0,0,[],""]',
        b'[0,0,0,[["zz",null]],""]',
        b'[0,0,0,[["00",1]],""]',
        b'[0,0,0,7,""]',
        b'[0,"0",0,[],""]',
    ],
)
def test_what_is_no_state_is_an_error(data: bytes) -> None:
    with pytest.raises(ValueError):
        load(Treasury, data)


def test_an_unknown_status_is_an_error() -> None:
    with pytest.raises(ValueError, match="type"):
        load(Job, dump(Job()).replace(b"unknown", b"unheard"))
