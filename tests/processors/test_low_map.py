"""The map with lows against a plain dictionary: what it passes over holds nothing, whatever was set, moved and removed."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bitsage.processors import low_map
from bitsage.processors.low_map import LowMap, Shelves

Key = tuple[int, int]
Row = tuple[int, int]
keys = st.tuples(st.integers(0, 3), st.integers(0, 40))
rows = st.tuples(st.integers(0, 5), st.integers(0, 5))
changes = st.lists(st.tuples(st.sampled_from(["set", "remove", "move"]), keys, rows, keys), max_size=120)


def scan(plain: dict[Key, Row], limits: Row, before: Key | None) -> list[Key]:
    fit = [k for k in sorted(plain) if all(map(int.__le__, plain[k], limits))]
    return fit if before is None else [k for k in fit if k < before]


@pytest.fixture(autouse=True, scope="module")
def _short_chunks() -> object:
    """So that a few keys make many chunks, which split and vanish."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(LowMap, "CHUNK", 4)
        patch.setattr(low_map._Shelved, "CHUNK", 2)
        yield


@settings(max_examples=200, deadline=None)
@given(changes, rows, st.none() | keys)
def test_it_finds_what_a_scan_finds(steps: list, limits: Row, before: Key | None) -> None:  # type: ignore[type-arg]
    found: LowMap[Key] = LowMap()
    plain: dict[Key, Row] = {}
    for what, key, row, old in steps:
        if what == "set":
            found, plain[key] = found.set(key, row), row
        elif what == "remove":
            found = found.remove(key)
            plain.pop(key, None)
        elif old in plain and key not in plain:
            found = found.move(old, key, row)
            del plain[old]
            plain[key] = row
        assert list(found.items()) == sorted(plain.items())
        assert list(found.within(limits, before)) == scan(plain, limits, before)
        assert [lows for *_, lows in found._chunks] == [tuple(map(min, *r, r[0])) for _, r, _ in found._chunks]
    assert found == LowMap(plain.items())
    assert list(LowMap(plain.items()).within(limits, before)) == scan(plain, limits, before)


def test_a_change_leaves_the_old_map_as_it_was() -> None:
    old: LowMap[tuple[str]] = LowMap([(("a",), (3,)), (("b",), (1,))])
    assert list(old.remove(("b",)).within((2,))) == []
    assert list(old.set(("a",), (0,)).within((2,))) == [("a",), ("b",)]
    assert list(old.move(("b",), ("c",), (2,)).within((2,))) == [("c",)]
    assert list(old.within((2,))) == [("b",)]
    assert old.remove(("z",)) is old


shelves = st.sampled_from([("a", 0), ("a", 1), ("b", 0), ("b", 2), ("c", 1)])
placings = st.lists(st.tuples(st.sampled_from(["set", "remove", "move"]), shelves, keys, rows, keys), max_size=80)


@settings(max_examples=150, deadline=None)
@given(placings, shelves)
def test_shelves_are_a_dictionary_of_maps_without_empty_ones(steps: list, start: tuple[str, int]) -> None:  # type: ignore[type-arg]
    found: Shelves[tuple[str, int], Key] = Shelves()
    plain: dict[tuple[str, int], dict[Key, Row]] = {}
    for what, shelf, key, row, old in steps:
        on, before = plain.setdefault(shelf, {}), repr(found)
        kept = found
        if what == "set":
            found, on[key] = found.set(shelf, key, row), row
        elif what == "remove":
            found = found.remove(shelf, key)
            on.pop(key, None)
        elif old in on and key not in on:
            found = found.move(shelf, old, key, row)
            del on[old]
            on[key] = row
        assert repr(kept) == before, "the old version changed"
    held = {shelf: sorted(on.items()) for shelf, on in plain.items() if on}
    assert [(s, list(on.items())) for s, on in found.onward(())] == sorted(held.items())
    assert [s for s, _ in found.onward(start)] == [s for s in sorted(held) if s >= start]
    assert len(found) == sum(map(len, held.values()))
    assert found == Shelves((shelf, key, row) for shelf, on in held.items() for key, row in on)
    assert found != found.set(("z", 0), (0, 0), (0, 0))
    assert found != 5
