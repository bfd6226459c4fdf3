"""compose.yaml: three brokers of one cluster, with the settings that the local broker has."""

from pathlib import Path
from typing import Any

import yaml

from bitsage.streams.local_kafka_config import write_properties
from bitsage.streams.topics import LARGE_RECORD_BYTES

ROOT = Path(__file__).parents[2]


def compose() -> dict[str, Any]:
    content = yaml.safe_load((ROOT / "compose.yaml").read_text())
    assert isinstance(content, dict)
    return content


def test_three_brokers_with_ports_and_volumes_of_their_own() -> None:
    content = compose()
    services = content["services"]
    assert list(services) == ["kafka-1", "kafka-2", "kafka-3"]
    assert set(content) == {"name", "x-kafka", "x-settings", "services", "volumes"}
    assert {service["image"] for service in services.values()} == {"${KAFKA_IMAGE:-apache/kafka:4.1.0}"}
    ports = [port for service in services.values() for port in service["ports"]]
    assert len(set(ports)) == 3
    assert all(port.startswith("127.0.0.1:") for port in ports)
    for number, (name, service) in enumerate(services.items(), 1):
        volume, _, target = service["volumes"][0].partition(":")
        settings = service["environment"]
        assert volume in content["volumes"]
        assert target == settings["KAFKA_LOG_DIRS"]
        assert settings["KAFKA_NODE_ID"] == str(number)
        assert service["hostname"] == name
        assert f"{number}@{name}:9093" in settings["KAFKA_CONTROLLER_QUORUM_VOTERS"].split(",")
        outside = service["ports"][0].rpartition(":")[0]
        assert settings["KAFKA_ADVERTISED_LISTENERS"] == f"INSIDE://{name}:9092,OUTSIDE://{outside}"
        assert all(isinstance(value, str) for value in settings.values())


def test_a_write_needs_two_of_three_replicas() -> None:
    for service in compose()["services"].values():
        settings = service["environment"]
        replicas = {key: value for key, value in settings.items() if key.endswith("REPLICATION_FACTOR")}
        assert len(replicas) == 4
        assert set(replicas.values()) == {"3"}
        minimum = {key: value for key, value in settings.items() if key.endswith(("MIN_ISR", "MIN_INSYNC_REPLICAS"))}
        assert len(minimum) == 3
        assert set(minimum.values()) == {"2"}
        assert int(settings["KAFKA_MESSAGE_MAX_BYTES"]) == LARGE_RECORD_BYTES


def test_timing_and_limits_are_those_of_the_local_broker(tmp_path: Path) -> None:
    write_properties(tmp_path, (1, 2))
    local = dict(line.split("=", 1) for line in (tmp_path / "server.properties").read_text().splitlines())
    settings = compose()["services"]["kafka-1"]["environment"]
    shared = {key: value for key, value in local.items() if key.endswith((".ms", ".bytes", ".enable"))}
    shared.pop("group.min.session.timeout.ms")
    assert len(shared) == 12
    assert shared["transaction.max.timeout.ms"] == "60000"
    for key, value in shared.items():
        assert settings["KAFKA_" + key.upper().replace(".", "_")] == value
