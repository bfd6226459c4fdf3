import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bitsage.processors.sorted_map import SortedMap

changes = st.lists(st.tuples(st.booleans(), st.integers(0, 60), st.integers()), max_size=200)


class ShortChunks(SortedMap[int, int]):
    """A few keys make many chunks, which split and vanish."""

    __slots__ = ()
    __hash__ = None  # type: ignore[assignment]
    CHUNK = 4


@pytest.mark.parametrize("kind", [SortedMap, ShortChunks])
@settings(deadline=None)
@given(steps=changes)
def test_it_is_a_dict_in_order(kind: type[SortedMap[int, int]], steps: list[tuple[bool, int, int]]) -> None:
    model: dict[int, int] = {}
    tested = kind()
    for put, key, value in steps:
        before, copy = tested, dict(model)
        if put:
            model[key] = value
            tested = tested.set(key, value)
        else:
            model.pop(key, None)
            tested = tested.remove(key)
        assert list(before.items()) == sorted(copy.items()), "the old version changed"
    assert list(tested.items()) == sorted(model.items())
    assert list(tested) == sorted(model)
    assert list(tested.values()) == [model[key] for key in sorted(model)]
    assert len(tested) == len(model)
    for key in range(-1, 62):
        assert tested.get(key) == model.get(key)
        assert (key in tested) == (key in model)
        assert list(tested.onward(key)) == [(k, model[k]) for k in sorted(model) if k >= key]


def test_many_keys_split_into_chunks_and_shrink_again() -> None:
    keys = [(i * 7_919) % 10_007 for i in range(10_007)]
    tested: SortedMap[int, None] = SortedMap()
    for key in keys:
        tested = tested.set(key, None)
    assert list(tested) == list(range(10_007))
    for key in keys[:10_000]:
        tested = tested.remove(key)
    assert list(tested) == sorted(keys[10_000:])


def test_equality_is_by_content_not_by_history() -> None:
    grown: SortedMap[int, int] = SortedMap()
    for i in range(1_000):
        grown = grown.set(i, i)
    assert grown == SortedMap((i, i) for i in range(1_000))
    assert grown != grown.set(5, 6)
    assert grown != grown.remove(5)
    assert grown.remove(5) != grown.remove(6)
    assert grown != 5


def test_a_missing_key() -> None:
    with pytest.raises(KeyError, match="3"):
        SortedMap([(1, 2)])[3]


def test_an_update_of_a_large_map_copies_a_small_part() -> None:
    large: SortedMap[int, None] = SortedMap((i, None) for i in range(100_000))
    changed = large.set(50_000, None).remove(70_000)
    shared = sum(a is b for a, b in zip(large._chunks, changed._chunks, strict=True))
    assert shared >= len(large._chunks) - 2
