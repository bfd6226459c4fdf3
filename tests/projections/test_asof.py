"""As-of: a prefix of every partition, up to a time or up to offsets."""

from collections.abc import Callable, Iterable
from dataclasses import replace

import pytest

from bitsage.projections import AsOf, BadAsOf, Projection, as_of, parse_as_of


@pytest.mark.parametrize(
    ("text", "bound"),
    [
        ("17", AsOf(offset=17)),
        ("0", AsOf(offset=0)),
        ("jobs:3:17", AsOf(offsets={("jobs", 3): 17})),
        ("bitsage.jobs:3:17, votes:0:4", AsOf(offsets={("jobs", 3): 17, ("votes", 0): 4})),
        ("1970-01-01T00:00:01Z", AsOf(time=1000)),
        ("1970-01-01T00:00:01.5", AsOf(time=1500)),
        ("1970-01-01T01:00:00+01:00", AsOf(time=0)),
        ("2026-01-31", AsOf(time=1769817600000)),
    ],
)
def test_bounds(text, bound) -> None:
    assert parse_as_of(text) == bound


@pytest.mark.parametrize(
    "text",
    [
        *("", "yesterday", "-1", "1.5", "2026-13-01", "٣", "9" * 30),
        *("jobs:3", "jobs:x:1", "nowhere:0:1", "jobs:6:1", "jobs:0:1,", "jobs:0:1;votes:0:1", "jobs:0:" + "9" * 30),
    ],
)
def test_bad_bounds(text) -> None:
    with pytest.raises(BadAsOf):
        parse_as_of(text)


def test_a_time_gives_the_state_of_that_time(kit, tmp_path) -> None:
    records = kit.life().records
    log = kit.HeldLog(records)
    for cut in (0, 1, 33, 60, len(records)):
        moment = records[cut - 1].timestamp if cut else 0
        with Projection("jobs", tmp_path / str(cut)) as then, as_of(log, "jobs", AsOf(time=moment)) as past:
            then.catch_up(kit.HeldLog(records[:cut]))
            assert past.state_hash() == then.state_hash()
            path = past.path
        assert not path.exists()


def test_offsets_give_the_state_before_them(kit, tmp_path) -> None:
    records = kit.life().records
    last = records[-1]
    place = f"accounts:{last.partition}:{last.offset}"
    progress: list[tuple[int, int]] = []
    with Projection("balances", tmp_path) as then:
        then.catch_up(kit.HeldLog(records[:-1]))
        bound = parse_as_of(place)
        with as_of(kit.HeldLog(records), "balances", bound, progress=lambda *now: progress.append(now)) as past:
            assert past.state_hash() == then.state_hash()
    assert progress[-1][0] == progress[-1][1] > 0
    with as_of(kit.HeldLog(records), "balances", AsOf(offset=0)) as past:
        assert past.rows() == []
    with as_of(kit.HeldLog(records), "balances", AsOf(offset=1)) as past:
        assert all(position.records == 1 for position in past.state().positions.values() if position.records)


SEAL = ("seal", b"good")
FAR = 32_000_000_000_000


def trusted(topic: str, value: bytes | None, headers: Iterable[tuple[str, bytes | None]]) -> bool:
    return SEAL in tuple(headers)


def unsealed(record):
    return replace(record, headers=(), timestamp=FAR)


def garbage(record):
    return replace(record, value=b"garbage", timestamp=FAR)


def copied(record):
    return replace(record, timestamp=FAR)


def misplaced(record):
    return replace(record, key=b"k", timestamp=FAR)


@pytest.mark.parametrize("forge", [unsealed, garbage, copied, misplaced])
def test_a_strangers_record_from_the_future_ends_no_partition(kit, forge: Callable) -> None:
    """Producers choose the time of what they write; only an event of the network says that time has passed."""
    records = [replace(r, headers=(SEAL,)) for r in kit.life().records]
    spoiled = []
    for record in records:
        spoiled.append(replace(record, offset=2 * record.offset))
        spoiled.append(replace(forge(record), offset=2 * record.offset + 1))
    for cut in (33, 60, len(records)):
        bound = AsOf(time=records[cut - 1].timestamp)
        with (
            as_of(kit.HeldLog(records), "jobs", bound, trusted) as clean,
            as_of(kit.HeldLog(spoiled), "jobs", bound, trusted) as past,
        ):
            assert clean.rows() == past.rows() != []
            assert past.rows(table="anomalies") == []


def test_a_time_ends_with_the_first_later_event(kit) -> None:
    """Once an event is later, nothing behind it counts, whatever its time."""
    records = [replace(r, headers=(SEAL,)) for r in kit.life().records]
    middle, later, jumping = records[40].timestamp, set(), []
    for record in records:
        place = (record.topic, record.partition)
        jumping.append(replace(record, timestamp=0) if place in later else record)
        if record.timestamp > middle:
            later.add(place)
    assert any(r.timestamp == 0 for r in jumping)
    with (
        as_of(kit.HeldLog(records), "jobs", AsOf(time=middle), trusted) as one,
        as_of(kit.HeldLog(jumping), "jobs", AsOf(time=middle), trusted) as other,
    ):
        assert one.state_hash() == other.state_hash()
