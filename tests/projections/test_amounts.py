import sqlite3

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bitsage.projections import amounts

AMOUNTS = st.integers(-(10**47), 10**47)


@given(AMOUNTS)
def test_text_and_back(amount) -> None:
    assert amounts.decode(amounts.encode(amount)) == amount


@pytest.mark.parametrize("text", ["01", "+1", "1.0", "1e3", "", " 1", "-0", "1_0", "٣"])
def test_other_texts_are_not_canonical(text) -> None:
    with pytest.raises(ValueError):
        amounts.decode(text)


@given(AMOUNTS, AMOUNTS)
def test_the_key_sorts_as_the_amount(one, other) -> None:
    assert (amounts.sort_key(one) < amounts.sort_key(other)) == (one < other)


def test_the_key_has_an_end() -> None:
    with pytest.raises(OverflowError):
        amounts.sort_key(10**48)


@pytest.mark.parametrize(
    ("amount", "text"),
    [(0, "0"), (1, "0.000000000000000001"), (15 * 10**17, "1.5"), (-(10**18), "-1"), (10**27, "1000000000")],
)
def test_sql_tells_amounts_in_sage(amount, text) -> None:
    connection = sqlite3.connect(":memory:")
    amounts.register(connection)
    assert connection.execute("select sage(?)", (str(amount),)).fetchone() == (text,)
    connection.close()


def test_sums_in_sql_are_exact() -> None:
    connection = sqlite3.connect(":memory:")
    amounts.register(connection)
    connection.execute("create table t (a text)")
    connection.executemany("insert into t values (?)", [(str(10**30),), ("1",), (None,), ("-2",)])
    assert connection.execute("select amount_sum(a) from t").fetchone() == (str(10**30 - 1),)
    assert connection.execute("select sage(null), amount_key(null)").fetchone() == (None, None)
    connection.close()
