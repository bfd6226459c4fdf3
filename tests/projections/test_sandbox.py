"""Questions can only read, for a limited time."""

import sqlite3

import pytest

from bitsage.projections import ForeignFile, Projection, QueryRefused, QueryTimeout
from bitsage.projections.sandbox import ask, open_reader

ENDLESS = "with recursive n(i) as (select 1 union all select i + 1 from n) select count(*) from n"


@pytest.fixture
def balances(kit, tmp_path):
    with Projection("balances", tmp_path) as model:
        model.catch_up(kit.HeldLog(kit.life().records))
        yield model


def test_a_question_is_answered(kit, balances) -> None:
    [row] = balances.query(
        "select amount_sum(balance) as total, sage(amount_sum(gas)) as gas, count(*) as n from accounts"
    )
    assert row["n"] == 7
    assert row["gas"] == "7"
    assert int(row["total"]) == sum(int(r["balance"]) for r in balances.rows())


def test_parameters_and_order_by_amount(kit, balances) -> None:
    rows = balances.query("select balance from accounts where account <> ? order by amount_key(balance)", ["x"])
    amounts = [int(row["balance"]) for row in rows]
    assert amounts == sorted(amounts)
    [row] = balances.query("select amount_key('9') < amount_key('10') as right, '9' < '10' as wrong")
    assert row == {"right": 1, "wrong": 0}


@pytest.mark.parametrize(
    "sql",
    [
        "delete from accounts",
        "update accounts set balance = '1'",
        "insert into heads values ('a', 'b', 1, 'c')",
        "drop table accounts",
        "create table t (x)",
        "create temp table t (x)",
        "attach database ':memory:' as other",
        "attach database 'other.db' as other",
        "detach database main",
        "pragma query_only = off",
        "pragma journal_mode = delete",
        "vacuum",
        "vacuum into 'copy.db'",
        "begin",
        "commit",
        "savepoint s",
        "select 1; delete from accounts",
        "select load_extension('x')",
        "with x as (select 1) delete from accounts",
        "delete from accounts returning *",
        "reindex",
        "analyze",
        "",
        "-- nothing",
        "select * from nowhere",
        "nonsense",
        "select sage('not an amount')",
        "select zeroblob(1000000000)",
        "select \x00",
    ],
)
def test_everything_else_is_refused_and_changes_nothing(balances, tmp_path, sql) -> None:
    before = balances.state_hash()
    with pytest.raises(QueryRefused, match=r"refused|returns no rows"):
        balances.query(sql)
    assert balances.state_hash() == before
    assert not (tmp_path / "other.db").exists()
    assert not (tmp_path / "copy.db").exists()


def test_an_endless_question_is_stopped(balances) -> None:
    with pytest.raises(QueryTimeout, match=r"longer than 0\.2 s"):
        balances.query(ENDLESS, seconds=0.2)


def test_endless_rows_are_cut(balances) -> None:
    sql = "with recursive n(i) as (select 1 union all select i + 1 from n) select i from n"
    assert len(balances.query(sql, limit=10)) == 10


def test_a_parameter_beyond_64_bits_is_refused(balances) -> None:
    with pytest.raises(QueryRefused):
        balances.query("select ?", [1 << 70])


def test_a_reader_sees_one_snapshot_while_the_writer_writes(kit, tmp_path) -> None:
    records = kit.life().records
    with Projection("balances", tmp_path) as model:
        model.catch_up(kit.HeldLog(records[:6]))
        reader = open_reader(model.path)
        before = ask(reader, "select count(*) as n from accounts")
        model.catch_up(kit.HeldLog(records))
        assert ask(reader, "select count(*) as n from accounts") == before
        reader.close()
        assert model.query("select count(*) as n from accounts") != before


def test_a_missing_or_damaged_file(tmp_path) -> None:
    with pytest.raises(ForeignFile, match="cannot be read"):
        open_reader(tmp_path / "missing.db")
    (tmp_path / "bad.db").write_bytes(b"x" * 5000)
    with pytest.raises(ForeignFile, match="cannot be read"):
        open_reader(tmp_path / "bad.db")


def test_a_file_that_is_no_database_is_not_kept_open(tmp_path, monkeypatch) -> None:
    path, made, connect = tmp_path / "text.db", [], sqlite3.connect
    path.write_text("no database" * 100)
    monkeypatch.setattr(sqlite3, "connect", lambda *words, **more: made.append(connect(*words, **more)) or made[-1])
    with pytest.raises(ForeignFile):
        open_reader(path)
    [connection] = made
    with pytest.raises(sqlite3.ProgrammingError, match="closed"):
        connection.execute("select 1")
