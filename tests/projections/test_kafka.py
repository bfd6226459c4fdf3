"""The same models over a real broker: transactions' marks, rebuilds, and a follower that is killed again and again."""

import subprocess
import sys
import threading
import time

import pytest

from bitsage.projections import MODELS, Projection, ProjectionRunner, rebuild
from bitsage.schemas import events as e
from bitsage.streams.kafka_log import KafkaLog
from bitsage.streams.log import Outgoing

pytestmark = pytest.mark.kafka
NAMES = [model.name for model in MODELS]
FOLLOWER = """
import sys, threading
from pathlib import Path
from bitsage.projections import ProjectionRunner
from bitsage.streams.kafka_log import KafkaLog
ProjectionRunner(KafkaLog({"bootstrap.servers": sys.argv[1]}), Path(sys.argv[2])).run(threading.Event())
"""


@pytest.fixture
def log(fresh_topics) -> KafkaLog:
    return KafkaLog({"bootstrap.servers": fresh_topics.bootstrap})


def write(log: KafkaLog, records, every: int) -> None:
    for start in range(0, len(records), every):
        batch = [Outgoing(r.topic, r.partition, r.key, r.value, r.headers) for r in records[start : start + every]]
        log.send_atomically("test-projections", batch)
    # A commit answers before every partition holds its mark.
    reader = log.reader({(r.topic, r.partition): 0 for r in records}, follow=False)
    reader.settled_ends()
    reader.close()


def test_runner_and_rebuild_over_the_broker(kit, log, tmp_path) -> None:
    records = kit.life().records
    write(log, records[:50], 10)
    runner = ProjectionRunner(log, tmp_path / "live")
    runner.start()
    try:
        write(log, records[50:], 25)
        end = time.monotonic() + 60
        while True:
            with Projection("jobs", tmp_path / "live") as jobs:
                if runner.caught_up.is_set() and jobs.lag(log) == 0:
                    break
            assert time.monotonic() < end, runner.failure
            time.sleep(0.05)
        states = rebuild(log, tmp_path / "again")
        assert states["jobs"].positions
    finally:
        assert runner.stop(30)
    for name in NAMES:
        with Projection(name, tmp_path / "live") as live:
            live.catch_up(log)
            assert live.lag(log) == 0
            assert live.state_hash() == states[name].hash
            assert live.query("select * from anomalies") == []


@pytest.mark.slow
def test_a_follower_killed_ten_times_ends_in_the_same_state(kit, log, fresh_topics, tmp_path) -> None:
    chain = kit.life()
    for n in range(12_000):
        who = kit.name(f"account {n % 500}")
        chain.event(who, e.TokensGranted(amount=10**20 + n, gas_amount=n))
    writer = threading.Thread(target=write, args=(log, chain.records, 100))
    writer.start()
    folder = tmp_path / "killed"
    kills = 0
    while kills < 10:
        words = [sys.executable, "-c", FOLLOWER, fresh_topics.bootstrap, str(folder)]
        follower = subprocess.Popen(words, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        before = folded(folder)
        end = time.monotonic() + 60
        while folded(folder) <= before and time.monotonic() < end and before < len(chain.records) - 200:
            time.sleep(0.01)
        assert follower.poll() is None, "the follower died by itself"
        follower.kill()
        follower.wait()
        kills += 1
    writer.join()
    for name in NAMES:
        with Projection(name, folder) as killed, Projection(name, tmp_path / "fresh") as fresh:
            killed.catch_up(log)
            fresh.catch_up(log)
            assert killed.set_aside is None
            assert killed.state_hash() == fresh.state_hash()
            assert killed.query("select * from anomalies") == []
    with Projection("balances", folder) as balances:
        total = balances.query("select amount_sum(gas) as gas from accounts")[0]["gas"]
        assert int(total) == 7 * kit.SAGE + sum(range(12_000))


def folded(folder) -> int:
    path = folder / "balances@1.db"
    if not path.exists():
        return 0
    with Projection("balances", folder) as model:
        return sum(position.records for position in model.store.positions().values())
