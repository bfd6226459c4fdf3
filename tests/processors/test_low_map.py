"""The map with lows against a plain dictionary: what it passes over holds nothing, whatever was set and removed."""

from hypothesis import given, settings
from hypothesis import strategies as st

from bitsage.processors import sorted_map
from bitsage.processors.low_map import LowMap

keys = st.tuples(st.sampled_from("ab"), st.integers(0, 3), st.integers(0, 40))
rows = st.tuples(st.integers(0, 5), st.integers(0, 5))
changes = st.lists(st.tuples(st.booleans(), keys, rows), max_size=120)


@settings(max_examples=150, deadline=None)
@given(changes, st.sampled_from([(), ("a",), ("b", 2), ("c",)]), rows)
def test_it_finds_what_a_scan_finds(changes: list, prefix: tuple, limits: tuple[int, int]) -> None:  # type: ignore[type-arg]
    found: LowMap[tuple[str, int, int]] = LowMap()
    plain: dict[tuple[str, int, int], tuple[int, int]] = {}
    chunk, sorted_map._CHUNK = sorted_map._CHUNK, 4
    try:
        for put, key, row in changes:
            found = found.set(key, row) if put else found.remove(key)
            if put:
                plain[key] = row
            else:
                plain.pop(key, None)
    finally:
        sorted_map._CHUNK = chunk
    assert found == LowMap(plain.items())
    scan = [k for k in sorted(plain) if k[: len(prefix)] == prefix and all(map(int.__le__, plain[k], limits))]
    assert list(found.within(prefix, limits)) == scan
    assert list(LowMap(plain.items()).within(prefix, limits)) == scan


def test_a_change_leaves_the_old_map_as_it_was() -> None:
    old: LowMap[tuple[str]] = LowMap([(("a",), (3,)), (("b",), (1,))])
    assert list(old.remove(("b",)).within((), (2,))) == []
    assert list(old.set(("a",), (0,)).within((), (2,))) == [("a",), ("b",)]
    assert list(old.within((), (2,))) == [("b",)]
    assert old.remove(("z",)) is old
