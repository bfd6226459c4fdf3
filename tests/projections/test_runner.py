"""The runner follows all models, over a log with transactions, and survives what happens to its files and its log."""

import time

import pytest

from bitsage.projections import MODELS, Projection, ProjectionRunner, rebuild
from bitsage.streams.errors import BrokerUnreachable
from bitsage.streams.log import Outgoing
from bitsage.streams.memory_log import InMemoryLog

NAMES = [model.name for model in MODELS]


def write(log, records, *, every: int = 7) -> None:
    for start in range(0, len(records), every):
        batch = [Outgoing(r.topic, r.partition, r.key, r.value, r.headers) for r in records[start : start + every]]
        log.send_atomically("test", batch)


def wait_for(condition, seconds: float = 20) -> None:
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "it did not happen in time"
        time.sleep(0.01)


def lags(log, folder) -> list[int]:
    result = []
    for name in NAMES:
        with Projection(name, folder) as model:
            result.append(model.lag(log))
    return result


def hashes(folder) -> dict[str, str]:
    result = {}
    for name in NAMES:
        with Projection(name, folder) as model:
            result[name] = model.state_hash()
    return result


@pytest.fixture
def running(tmp_path):
    log = InMemoryLog()
    runner = ProjectionRunner(log, tmp_path / "live")
    runner.start()
    yield log, runner, tmp_path / "live"
    assert runner.stop(20)


def test_it_follows_all_models_and_stops_cleanly(kit, running, tmp_path) -> None:
    log, runner, folder = running
    records = kit.life().records
    write(log, records[:40])
    wait_for(lambda: lags(log, folder) == [0] * len(MODELS))
    assert runner.caught_up.is_set()
    write(log, records[40:])
    log.transact("abort", log.fence("abort"), [], None, {})
    wait_for(lambda: lags(log, folder) == [0] * len(MODELS))
    assert runner.stop(20)
    live = hashes(folder)
    states = rebuild(log, tmp_path / "again")
    assert {name: state.hash for name, state in states.items()} == live
    assert not [path for path in folder.iterdir() if path.suffix != ".db"], "no journal is left"


def test_deleted_files_come_back(kit, running) -> None:
    log, _, folder = running
    write(log, kit.life().records)
    wait_for(lambda: lags(log, folder) == [0] * len(MODELS))
    before = hashes(folder)
    for path in folder.iterdir():
        path.unlink(missing_ok=True)
    wait_for(lambda: all((folder / model.file_name).exists() for model in MODELS))
    wait_for(lambda: lags(log, folder) == [0] * len(MODELS))
    assert hashes(folder) == before


def test_a_rebuild_beside_a_running_runner(kit, running) -> None:
    log, _, folder = running
    records = kit.life().records
    write(log, records[:60])
    wait_for(lambda: lags(log, folder) == [0] * len(MODELS))
    for index in range(60, len(records), 4):
        write(log, records[index : index + 4])
        if index % 8 == 0:
            rebuild(log, folder, ["balances", "jobs"])
    wait_for(lambda: lags(log, folder) == [0] * len(MODELS))
    with Projection("balances", folder / "fresh") as fresh:
        fresh.catch_up(log)
        assert hashes(folder)["balances"] == fresh.state_hash()


def test_a_file_of_another_log_is_set_aside(kit, tmp_path) -> None:
    old, new = InMemoryLog(), InMemoryLog()
    chain = kit.life()
    write(old, chain.records)
    with Projection("jobs", tmp_path) as model:
        model.catch_up(old)
    time.sleep(0.005)
    write(new, chain.records, every=5)
    runner = ProjectionRunner(new, tmp_path, ["jobs"])
    runner.start()
    try:
        wait_for(lambda: (tmp_path / "jobs@1.db.unusable").exists())
        wait_for(lambda: (tmp_path / "jobs@1.db").exists() and runner.caught_up.is_set() and runner.failure is None)
    finally:
        assert runner.stop(20)
    with Projection("jobs", tmp_path) as model, Projection("jobs", tmp_path / "fresh") as fresh:
        fresh.catch_up(new)
        assert model.state_hash() == fresh.state_hash()


def test_a_lost_broker_is_waited_for(kit, tmp_path) -> None:
    log, down = InMemoryLog(), [True]
    write(log, kit.life().records)

    class Flaky(InMemoryLog):
        def reader(self, positions, *, follow):
            if down[0]:
                raise BrokerUnreachable("no broker answered")
            return log.reader(positions, follow=follow)

    runner = ProjectionRunner(Flaky(), tmp_path, ["stakes"])
    runner.start()
    try:
        wait_for(lambda: runner.failure is not None)
        assert not runner.caught_up.is_set()
        down[0] = False
        wait_for(lambda: runner.caught_up.is_set() and runner.failure is None)
    finally:
        assert runner.stop(20)
    with Projection("stakes", tmp_path) as model:
        assert model.rows()


def test_stop_before_start(tmp_path) -> None:
    assert ProjectionRunner(InMemoryLog(), tmp_path).stop(1)


def test_aborted_records_are_never_seen(kit, tmp_path) -> None:
    from bitsage.streams.errors import TransactionAborted

    log, records = InMemoryLog(), kit.life().records
    batch = [Outgoing(r.topic, r.partition, r.key, r.value) for r in records[:10]]
    with pytest.raises(TransactionAborted):
        log.transact("test", log.fence("test"), batch, None, {}, fail=True)
    write(log, records)
    with Projection("balances", tmp_path) as model:
        model.catch_up(log)
        assert model.query("select * from anomalies") == []
        assert model.lag(log) == 0
