"""Amounts as people write them."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bitsage.amounts import in_sage, to_base_units
from bitsage.errors import InputError

ONE = 10**18


@pytest.mark.parametrize(
    ("text", "units"),
    [
        ("1000", 1000 * ONE),
        ("0.5", ONE // 2),
        (".5", ONE // 2),
        ("0", 0),
        ("1_000", 1000 * ONE),
        (" 7 ", 7 * ONE),
        ("0.000000000000000001", 1),
        ("999999999999.999999999999999999", 10**30 - 1),
        ("1.50000000000000000000000", 3 * ONE // 2),
    ],
)
def test_an_amount_is_exact(text: str, units: int) -> None:
    assert to_base_units(text) == units


@pytest.mark.parametrize(
    "text",
    [
        "",
        "x",
        "-1",
        "-0",
        "nan",
        "NaN",
        "inf",
        "1e3",
        "1,5",
        "1.",
        "0x10",
        "1.0000000000000000001",
        "٣",
        "9" * 13,
        "1 2",
    ],
)
def test_what_is_no_amount_is_refused(text: str) -> None:
    with pytest.raises(InputError) as caught:
        to_base_units(text)
    assert caught.value.code == "bad_amount"


def test_a_hostile_amount_cannot_write_to_the_terminal() -> None:
    with pytest.raises(InputError) as caught:
        to_base_units("\x1b[31m" + "9" * 500)
    assert "\x1b" not in str(caught.value)
    assert len(str(caught.value)) < 150


@given(st.integers(min_value=0, max_value=10**30 - 1))
def test_there_and_back(units: int) -> None:
    assert to_base_units(in_sage(units)) == units
