"""As-of: a prefix of every partition, up to a time or up to offsets."""

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
