"""Three local brokers: one may die; a folder keeps what it holds; and what cannot be is refused."""

import os
import signal
from collections.abc import Callable
from pathlib import Path

import pytest
from confluent_kafka.admin import AdminClient
from echo import COMMANDS, Echo, Running, values, wait

from bitsage.streams import local_cluster
from bitsage.streams.admin import check_topics, create_topics
from bitsage.streams.errors import KafkaSetupError
from bitsage.streams.kafka_log import KafkaLog
from bitsage.streams.local_cluster import LocalCluster, local_broker, running_bootstrap
from bitsage.streams.local_kafka import LocalKafka, PortTaken
from bitsage.streams.local_kafka_config import Seat, write_properties
from bitsage.streams.log import Outgoing
from bitsage.streams.topics import partition_for

KEYS = [f"key-{n}".encode() for n in range(30)]
PLAN = '{"cluster_id": "abc", "ports": [[11, 12], [21, 22], [31, 32]]}'


def test_the_settings_of_a_seat(tmp_path: Path) -> None:
    seat = Seat(2, "abc", ((11, 12), (21, 22), (31, 32)))
    write_properties(tmp_path, seat.own_ports, seat=seat)
    found = dict(line.split("=", 1) for line in (tmp_path / "server.properties").read_text().splitlines())
    assert found["node.id"] == "2"
    assert found["controller.quorum.voters"] == "1@127.0.0.1:12,2@127.0.0.1:22,3@127.0.0.1:32"
    assert found["listeners"] == "PLAINTEXT://127.0.0.1:21,CONTROLLER://127.0.0.1:22"
    assert {v for k, v in found.items() if k.endswith("replication.factor")} == {"3"}
    assert {v for k, v in found.items() if k.endswith(("min.isr", "min.insync.replicas"))} == {"2"}
    # With two brokers both have everything, and either may not die: a write needs two.
    pair = Seat(1, "abc", ((11, 12), (21, 22)))
    assert "default.replication.factor=2\nmin.insync.replicas=2" in pair.settings("node.id=1\n")


@pytest.mark.parametrize("brokers", [0, 1, 10])
def test_a_number_of_brokers_that_is_none_is_refused(tmp_path: Path, brokers: int) -> None:
    with pytest.raises(KafkaSetupError, match="2 to 9"):
        LocalCluster(tmp_path, brokers=brokers)


def test_a_home_keeps_its_number_of_brokers(tmp_path: Path) -> None:
    (tmp_path / "cluster.json").write_text(PLAN)
    assert isinstance(local_broker(tmp_path), LocalCluster)
    assert len(local_broker(tmp_path, brokers=3).members) == 3  # type: ignore[union-attr]
    for other in (1, 2):
        with pytest.raises(KafkaSetupError, match="another number"):
            local_broker(tmp_path, brokers=other)
    single = tmp_path / "single"
    (single / "data").mkdir(parents=True)
    (single / "data" / "meta.properties").write_text("cluster.id=x\n")
    assert isinstance(local_broker(single), LocalKafka)
    with pytest.raises(KafkaSetupError, match="another number"):
        local_broker(single, brokers=3)


@pytest.mark.parametrize("text", ["", "[]", '{"ports": [[1]]}', "not json"])
def test_a_damaged_plan_counts_as_none(tmp_path: Path, text: str) -> None:
    (tmp_path / "cluster.json").write_text(text)
    cluster = LocalCluster(tmp_path)
    assert cluster.members == []
    assert not cluster.status().running
    assert not cluster.stop()
    assert running_bootstrap(tmp_path) is None
    with pytest.raises(KafkaSetupError, match="no local cluster"):
        _ = cluster.bootstrap


def test_ports_that_somebody_takes_are_chosen_anew(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    tried: list[tuple[str, ...]] = []

    def start(self: LocalKafka) -> LocalKafka:
        raise PortTaken("taken")

    monkeypatch.setattr(LocalKafka, "start", start)
    monkeypatch.setattr(local_cluster, "_choose", lambda last, count: tried.append(last) or ((1, 2), (3, 4), (5, 6)))
    with pytest.raises(KafkaSetupError, match="no free ports"):
        LocalCluster(tmp_path).start()
    assert len(tried) == local_cluster.TRIES


@pytest.mark.kafka
@pytest.mark.slow
@pytest.mark.timeout(400)
def test_three_brokers_survive_the_death_of_a_leader_in_the_middle_of_work(tmp_path: Path) -> None:
    """Records go in and are worked off while the leader of a partition gets a SIGKILL; it comes back, and another one dies."""
    with LocalCluster(tmp_path / "kafka") as kafka:
        settings = {"bootstrap.servers": kafka.bootstrap}
        assert running_bootstrap(tmp_path / "kafka") == kafka.bootstrap
        create_topics(settings)
        assert check_topics(settings) == []
        log = KafkaLog(settings)
        producer, sent = log.producer(), 0

        def more(rounds: int) -> int:
            for n in range(sent + 1, sent + rounds + 1):
                producer.send_many([Outgoing(COMMANDS, partition_for(k), k, b"%d" % n) for k in KEYS])
            return sent + rounds

        with Running(log, Echo(), batch=20) as running:
            sent = more(4)
            for _ in range(2):
                leader = AdminClient(settings).list_topics(COMMANDS, timeout=30).topics[COMMANDS].partitions[0].leader
                pid = kafka.members[leader - 1].status().pid
                assert pid is not None
                os.kill(pid, signal.SIGKILL)
                # Acknowledged by the two that are left.
                sent = more(4)
                wait(_all(log, sent), 120)
                kafka.start()
                assert kafka.status().ready
        assert running.failure == []
        assert sorted(values(log)) == sorted(b"%d:%d" % (n, n) for n in range(1, sent + 1) for _ in KEYS)
        producer.close()
    assert not kafka.status().running


def _all(log: KafkaLog, sent: int) -> Callable[[], bool]:
    return lambda: len(values(log)) == sent * len(KEYS)
