"""The projection object: catching up, resuming, hashing, rebuilding, files that went bad, logs that changed."""

import sqlite3
import threading

import pytest

from bitsage.projections import (
    MODELS,
    ForeignFile,
    LogMismatch,
    PositionsMoved,
    Projection,
    UnknownColumn,
    UnknownModel,
    model_named,
    rebuild,
    supply,
)
from bitsage.projections.store import Store

NAMES = [model.name for model in MODELS]


def test_unknown_model(tmp_path) -> None:
    with pytest.raises(UnknownModel, match="balances, stakes, workers, jobs, consensus, payments"):
        Projection("nonsense", tmp_path)


@pytest.mark.parametrize("model", NAMES)
def test_rebuilt_equals_live(kit, tmp_path, model) -> None:
    records = kit.life().records
    log = kit.HeldLog(records[:50])
    with Projection(model, tmp_path) as live:
        live.catch_up(log)
        log.records = list(records)
        assert live.lag(log) > 0
        live.catch_up(log)
        assert live.lag(log) == 0
        before = live.state()
        after = rebuild(log, tmp_path, [model])[model]
        assert after.hash == before.hash
        places = {place: (p.records, p.rolling) for place, p in before.positions.items()}
        assert {place: (p.records, p.rolling) for place, p in after.positions.items()} == places
        assert live.state_hash() == before.hash
    assert sorted(path.name for path in tmp_path.iterdir()) == [f"{model}@1.db"]


def test_rebuild_repairs_a_tampered_row_under_an_open_projection(kit, tmp_path) -> None:
    chain = kit.life()
    log = kit.HeldLog(chain.records)
    with Projection("balances", tmp_path) as live:
        live.catch_up(log)
        good = live.state_hash()
        live.store.connection.execute("update accounts set balance = '1'")
        live.store.connection.commit()
        assert live.state_hash() != good
        rebuild(log, tmp_path)
        assert live.state_hash() == good
        live.catch_up(log)
        assert live.state_hash() == good
    assert {path.name for path in tmp_path.iterdir()} == {f"{name}@1.db" for name in NAMES}


def test_a_rebuild_goes_on_where_it_was_interrupted(kit, tmp_path) -> None:
    records = kit.life().records

    class Breaks(kit.HeldLog):
        def reader(self, positions, *, follow):
            reader = super().reader(positions, follow=follow)
            inner, calls = reader.read, iter([10])

            def read(n, timeout):
                if (size := next(calls, None)) is None:
                    raise OSError("gone")
                return inner(size, timeout)

            reader.read = read
            return reader

    with pytest.raises(OSError, match="gone"):
        rebuild(Breaks(records), tmp_path, ["jobs"])
    assert (tmp_path / "jobs@1.rebuild.db").exists()
    assert not (tmp_path / "jobs@1.db").exists()
    seen: list[tuple[int, int]] = []
    states = rebuild(kit.HeldLog(records), tmp_path, ["jobs"], progress=lambda done, total: seen.append((done, total)))
    assert seen[-1][0] == seen[-1][1]
    assert seen[-1][1] < len(records), "the first part is not read again"
    with Projection("jobs", tmp_path / "other") as fresh:
        fresh.catch_up(kit.HeldLog(records))
        assert fresh.state_hash() == states["jobs"].hash


def test_reopening_goes_on_and_reads_each_record_once(kit, tmp_path) -> None:
    records = kit.life().records
    for end in (1, 20, 21, len(records)):
        with Projection("balances", tmp_path) as model:
            model.catch_up(kit.HeldLog(records[:end]))
    with Projection("balances", tmp_path) as model:
        assert model.catch_up(kit.HeldLog(records)) == 0
        total = sum(position.records for position in model.state().positions.values())
        assert total == sum(record.topic.endswith("accounts") for record in records)


def test_a_batch_is_all_or_nothing(kit, tmp_path, monkeypatch) -> None:
    log = kit.HeldLog(kit.life().records)
    with Projection("balances", tmp_path) as model:
        empty = model.state_hash()
        monkeypatch.setattr(
            Store, "_put_position", lambda *_: (_ for _ in ()).throw(sqlite3.OperationalError("disk full"))
        )
        with pytest.raises(sqlite3.OperationalError, match="disk full"):
            model.catch_up(log)
        assert model.state_hash() == empty
        monkeypatch.undo()
        model.catch_up(log)
        assert model.state_hash() != empty


def test_two_writers_share_one_file(kit, tmp_path) -> None:
    records = kit.life().records
    with Projection("stakes", tmp_path) as one, Projection("stakes", tmp_path) as other:
        for end in range(0, len(records), 7):
            (one if end % 2 else other).catch_up(kit.HeldLog(records[:end]))
        one.catch_up(kit.HeldLog(records))
        other.catch_up(kit.HeldLog(records))
        shared = other.state_hash()
    with Projection("stakes", tmp_path / "alone") as alone:
        alone.catch_up(kit.HeldLog(records))
        assert alone.state_hash() == shared


def test_a_file_that_falls_back_under_a_writer_is_noticed(kit, tmp_path) -> None:
    records = kit.life().records
    with Projection("stakes", tmp_path) as writer, Projection("stakes", tmp_path / "old") as old:
        writer.catch_up(kit.HeldLog(records[:40]))
        old.catch_up(kit.HeldLog(records[:10]))
        old.store.connection.backup(writer_other := sqlite3.connect(writer.path))
        writer_other.close()
        from bitsage.projections.feed import deliver

        with pytest.raises(PositionsMoved):
            deliver(records[40:], [writer.store], None)
        writer.catch_up(kit.HeldLog(records))
        assert writer.lag(kit.HeldLog(records)) == 0


@pytest.mark.parametrize("content", [b"not a database at all, but long enough to be taken for one" * 40, b"short"])
def test_a_damaged_file_is_set_aside_and_folded_anew(kit, tmp_path, content) -> None:
    path = tmp_path / "balances@1.db"
    path.write_bytes(content)
    with Projection("balances", tmp_path) as model:
        assert model.set_aside is not None
        assert model.set_aside.read_bytes() == content
        model.catch_up(kit.HeldLog(kit.life().records))
        assert model.rows()


def test_a_foreign_database_is_refused_and_set_aside(tmp_path) -> None:
    path = tmp_path / "balances@1.db"
    foreign = sqlite3.connect(path)
    foreign.execute("create table addresses (name text)")
    foreign.close()
    with pytest.raises(ForeignFile, match="not a read model"):
        Store(model_named("balances"), path)
    with Projection("balances", tmp_path) as model:
        assert model.set_aside is not None
        assert model.rows() == []


def test_a_database_with_another_meta_table_is_foreign(tmp_path) -> None:
    foreign = sqlite3.connect(tmp_path / "balances@1.db")
    foreign.execute("create table meta (other text)")
    foreign.close()
    with pytest.raises(ForeignFile, match="not a readable read model"):
        Store(model_named("balances"), tmp_path / "balances@1.db")


def test_many_writers_make_the_same_file_at_once(kit, tmp_path) -> None:
    log, failures = kit.HeldLog(kit.life().records), []

    def work() -> None:
        try:
            with Projection("jobs", tmp_path) as model:
                model.catch_up(log)
                if model.set_aside is not None:
                    failures.append("set aside")
        except Exception as error:
            failures.append(repr(error))

    threads = [threading.Thread(target=work) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failures == []
    with Projection("jobs", tmp_path) as model, Projection("jobs", tmp_path / "alone") as alone:
        alone.catch_up(log)
        assert model.state_hash() == alone.state_hash()


def test_another_model_or_trust_in_the_file_is_refused(tmp_path) -> None:
    Store(model_named("stakes"), tmp_path / "x.db").close()
    with pytest.raises(ForeignFile, match="its model is stakes"):
        Store(model_named("balances"), tmp_path / "x.db")
    with pytest.raises(ForeignFile, match="its sealed is 0"):
        Store(model_named("stakes"), tmp_path / "x.db", sealed=True)


def test_another_log_is_noticed(kit, tmp_path) -> None:
    chain, other = kit.life(), kit.life()
    with Projection("balances", tmp_path) as model:
        model.catch_up(kit.HeldLog(chain.records))
        moved = [kit.replace(record, timestamp=record.timestamp + 1) for record in other.records]
        with pytest.raises(LogMismatch, match="another log"):
            model.catch_up(kit.HeldLog(moved))
        with pytest.raises(LogMismatch, match="ends at"):
            model.catch_up(kit.HeldLog(chain.records[:5]))


def test_a_hole_where_the_last_record_was_is_noticed(kit, tmp_path) -> None:
    records = kit.life().records
    last = max(i for i, r in enumerate(records[:30]) if r.topic.endswith("accounts"))
    place = (records[last].topic, records[last].partition)
    assert any((r.topic, r.partition) == place for r in records[last + 1 :])
    with Projection("balances", tmp_path) as model:
        model.catch_up(kit.HeldLog(records[: last + 1]))
        with pytest.raises(LogMismatch, match="lacks offset"):
            model.catch_up(kit.HeldLog(records[:last] + records[last + 1 :]))


def test_rows_filter_by_text(kit, tmp_path) -> None:
    with Projection("workers", tmp_path) as model:
        model.catch_up(kit.HeldLog(kit.life().records))
        assert len(model.rows()) == 2
        assert len(model.rows({"online": "1", "tier": "consumer"})) == 1
        assert len(model.rows(limit=1)) == 1
        assert len(model.rows(table="validators")) == 4
        with pytest.raises(UnknownColumn, match="nope"):
            model.rows({"nope": "1"})


def test_follow_until_stopped(kit, tmp_path) -> None:
    records = kit.life().records
    log, stop = kit.HeldLog(records[:10]), threading.Event()
    with Projection("jobs", tmp_path) as model:
        thread = threading.Thread(target=model.follow, args=(log, stop))
        thread.start()
        log.records = list(records)
        while model.lag(kit.HeldLog(records)) and thread.is_alive():
            stop.wait(0.01)
        stop.set()
        thread.join(10)
        assert not thread.is_alive()
        assert {row["state"] for row in model.rows()} == {"paid", "failed", "rejected"}


def test_supply_is_conserved_at_every_step(kit, tmp_path) -> None:
    records = kit.life().records
    with Projection("balances", tmp_path) as model:
        for end in range(0, len(records), 5):
            model.catch_up(kit.HeldLog(records[:end]))
            assert supply(model).conserved, supply(model)
        model.catch_up(kit.HeldLog(records))
        found = supply(model)
        assert found.settled
        assert found.granted == 7 * 20_000 * kit.SAGE
        model.store.connection.execute("update accounts set balance = '-1' where stake = '0'")
        model.store.connection.commit()
        broken = supply(model)
        assert not broken.conserved
        assert broken.difference > 0
        assert broken.below_zero
        assert broken.as_dict()["settled"] is False
