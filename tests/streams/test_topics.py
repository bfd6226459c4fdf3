"""The topic table, Java's partitioner, client settings, and the topics of a real cluster."""

import socket
import time
from pathlib import Path
from typing import Any

import pytest
from confluent_kafka import Producer
from confluent_kafka.admin import (
    AdminClient,
    AlterConfigOpType,
    ConfigEntry,
    ConfigResource,
    NewPartitions,
    NewTopic,
    ResourceType,
)

from bitsage.streams import admin
from bitsage.streams.admin import check_topics, create_topics, describe_topics, require_topics
from bitsage.streams.errors import BadSettings, BrokerUnreachable, TopicDrift
from bitsage.streams.local_kafka import LocalKafka
from bitsage.streams.settings import client_settings
from bitsage.streams.topics import PREFIX, TOPICS, murmur2, partition_for, topic_name

# org.apache.kafka.common.utils.UtilsTest.testMurmur2
MURMUR2 = {
    b"21": -973932308,
    b"foobar": -790332482,
    b"a-little-bit-long-string": -985981536,
    b"a-little-bit-longer-string": -1486304829,
    b"lkjh234lh9fiuh90y23oiuhsafujhadof229phr9h19h89h8": -58897971,
    b"abc": 479470107,
}


@pytest.mark.parametrize(("data", "expected"), MURMUR2.items())
def test_murmur2_is_that_of_the_java_clients(data: bytes, expected: int) -> None:
    assert murmur2(data) == expected & 0xFFFFFFFF


def test_partition_of_a_key_masks_the_sign_as_java_does() -> None:
    assert partition_for(b"21", 6) == (-973932308 & 0x7FFFFFFF) % 6
    assert {partition_for(str(i).encode()) for i in range(200)} == set(range(6))
    assert partition_for(b"anything", 1) == 0


def test_a_topic_without_partitions_is_refused() -> None:
    with pytest.raises(ValueError, match="at least one partition"):
        partition_for(b"key", 0)


def test_the_table_is_that_of_the_domain() -> None:
    assert list(TOPICS) == [
        "commands", "accounts", "workers", "heartbeats", "jobs", "proofs",
        "votes", "enclaves", "checkpoints", "settlement", "deadletters",
    ]  # fmt: skip
    for short, topic in TOPICS.items():
        assert topic.name == topic_name(short) == PREFIX + short
        assert topic.short == short
        assert topic.partitions == (1 if short in ("enclaves", "checkpoints") else 6)
        assert topic.config["cleanup.policy"] == "delete"
        assert topic.config["retention.bytes"] == "-1"
        assert topic.config["compression.type"] == "uncompressed"
        assert (topic.config["retention.ms"] == "-1") == topic.kept
    days = {t.short: int(t.config["retention.ms"]) // 86_400_000 for t in TOPICS.values() if not t.kept}
    assert days == {"commands": 30, "heartbeats": 1, "deadletters": 90}
    assert {t.short for t in TOPICS.values() if int(t.config.get("max.message.bytes", 0)) > 1 << 20} == {
        "commands", "proofs", "deadletters",
    }  # fmt: skip
    assert {t.short for t in TOPICS.values() if "message.timestamp.type" in t.config} == {"commands", "heartbeats"}


def test_the_documentation_shows_the_table() -> None:
    text = (Path(__file__).parents[2] / "docs" / "kafka.md").read_text()
    for topic in TOPICS.values():
        kept = "for ever" if topic.kept else f"{int(topic.config['retention.ms']) // 86_400_000} d"
        largest = f"{int(topic.config.get('max.message.bytes', 1_048_588)):,}"
        cells = (f"`{topic.name}`", topic.key, str(topic.partitions), kept, largest, topic.written_by)
        assert f"| {' | '.join(cells)} |" in text


def test_an_unknown_topic_has_no_name() -> None:
    with pytest.raises(KeyError):
        topic_name("nothing")


def test_settings_pass_through_from_properties(tmp_path: Path) -> None:
    file = tmp_path / "client.properties"
    file.write_text(
        "# own cluster\nsecurity.protocol = SASL_SSL\nsasl.username=me\n! more\nsasl.password=p=w#d\nclient.rack=a\\\n  b\n"
    )
    settings = client_settings("one:9092, [::1]:9093", file)
    assert settings == {
        "security.protocol": "SASL_SSL",
        "sasl.username": "me",
        "sasl.password": "p=w#d",
        "client.rack": "ab",
        "bootstrap.servers": "one:9092,[::1]:9093",
    }
    assert "p=w#d" not in repr(settings) + str(settings)
    assert "sasl.username" in repr(settings)


def test_settings_pass_through_from_toml(tmp_path: Path) -> None:
    file = tmp_path / "client.toml"
    file.write_text(
        '"bootstrap.servers" = ["a:1", "b:2"]\n[ssl]\nca.location = "ca.pem"\n[enable]\nssl.certificate.verification = true\n'
        "[socket]\ntimeout.ms = 4000\n"
    )
    assert client_settings(None, file) == {
        "bootstrap.servers": "a:1,b:2",
        "ssl.ca.location": "ca.pem",
        "enable.ssl.certificate.verification": "true",
        "socket.timeout.ms": "4000",
    }


@pytest.mark.parametrize("bootstrap", ["nowhere", "host:0", "host:70000", "ho st:9092", "a:1,,b:2", "http://a:1"])
def test_a_malformed_address_is_refused(bootstrap: str) -> None:
    with pytest.raises(BadSettings, match="host:port"):
        client_settings(bootstrap)


def test_no_address_at_all_is_refused() -> None:
    with pytest.raises(BadSettings, match="no Kafka address"):
        client_settings(None)


@pytest.mark.parametrize(
    ("name", "text"),
    [("a.toml", 'sasl.password = "hunter2'), ("a.properties", "hunter2"), ("a.toml", "x = 1979-05-27")],
)
def test_a_malformed_file_is_refused_without_quoting_it(tmp_path: Path, name: str, text: str) -> None:
    (tmp_path / name).write_text(text)
    with pytest.raises(BadSettings) as caught:
        client_settings("a:1", tmp_path / name)
    assert "hunter2" not in str(caught.value)


def test_a_missing_file_is_refused(tmp_path: Path) -> None:
    with pytest.raises(BadSettings, match="cannot be read"):
        client_settings("a:1", tmp_path / "none.properties")


def test_a_setting_that_librdkafka_does_not_know_is_refused() -> None:
    with pytest.raises(BadSettings, match=r"no\.such\.key"):
        check_topics({"bootstrap.servers": "127.0.0.1:1", "no.such.key": "1"})


def test_an_unreachable_broker_is_reported_within_seconds(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(admin, "PING_SECONDS", 1.0)
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        settings = client_settings(f"127.0.0.1:{taken.getsockname()[1]}")
        began = time.monotonic()
        for act in (create_topics, check_topics, describe_topics, require_topics):
            with pytest.raises(BrokerUnreachable, match="no Kafka broker answers"):
                act(settings)
        assert time.monotonic() - began < 10


def settings_of(kafka: LocalKafka) -> dict[str, Any]:
    return client_settings(kafka.bootstrap)


@pytest.mark.kafka
def test_created_topics_agree_with_the_table(fresh_topics: LocalKafka) -> None:
    settings = settings_of(fresh_topics)
    assert check_topics(settings) == []
    require_topics(settings)
    states = {state.name: state for state in describe_topics(settings)}
    assert set(states) == {topic.name for topic in TOPICS.values()}
    for topic in TOPICS.values():
        assert states[topic.name].partitions == topic.partitions
        assert states[topic.name].replication == 1
        assert topic.config.items() <= states[topic.name].config.items()
    assert create_topics(settings) == []


@pytest.mark.kafka
def test_every_kind_of_drift_is_named(fresh_topics: LocalKafka) -> None:
    settings = settings_of(fresh_topics)
    client = AdminClient({**settings, "log_level": 0})
    client.create_partitions([NewPartitions("bitsage.votes", 7)])["bitsage.votes"].result(20)
    shorter = ConfigEntry("retention.ms", "1000", incremental_operation=AlterConfigOpType.SET)
    changed = ConfigResource(ResourceType.TOPIC, "bitsage.jobs", incremental_configs=[shorter])
    client.incremental_alter_configs([changed])[changed].result(20)
    client.delete_topics(["bitsage.enclaves"], operation_timeout=20)["bitsage.enclaves"].result(20)
    client.create_topics([NewTopic("bitsage.stray", 1, 1)])["bitsage.stray"].result(20)
    found = {(drift.topic, drift.what): (drift.expected, drift.actual) for drift in check_topics(settings)}
    assert found["bitsage.votes", "partitions"] == ("6", "7")
    assert found["bitsage.jobs", "retention.ms"] == ("-1", "1000")
    assert found["bitsage.enclaves", "topic"] == ("present", "missing")
    assert found["bitsage.stray", "topic"] == ("absent", "present")
    assert set(found) == {
        ("bitsage.votes", "partitions"),
        ("bitsage.jobs", "retention.ms"),
        ("bitsage.enclaves", "topic"),
        ("bitsage.stray", "topic"),
    }
    with pytest.raises(TopicDrift, match=r"bitsage\.jobs: retention\.ms is 1000, not -1.* and 1 more"):
        require_topics(settings)
    assert create_topics(settings) == ["bitsage.enclaves"]


@pytest.mark.kafka
def test_more_replicas_are_expected_of_a_larger_cluster(fresh_topics: LocalKafka) -> None:
    drifts = check_topics(settings_of(fresh_topics), replication=3)
    assert {drift.what for drift in drifts} == {"replication", "min.insync.replicas"}


@pytest.mark.kafka
def test_the_partition_of_a_key_is_the_one_librdkafka_takes_for_java(fresh_topics: LocalKafka) -> None:
    seen: dict[bytes, int] = {}
    producer = Producer({**settings_of(fresh_topics), "partitioner": "murmur2_random"})
    for key in [*MURMUR2, *(i.to_bytes(32, "little") for i in range(50))]:
        producer.produce(
            topic_name("jobs"),
            b"x",
            key,
            on_delivery=lambda _, message: seen.update({message.key(): message.partition()}),
        )
    assert producer.flush(20) == 0
    assert len(seen) == 56
    assert all(partition_for(key) == partition for key, partition in seen.items())


@pytest.mark.kafka
def test_topics_start_empty_and_the_broker_stamps_commands(fresh_topics: LocalKafka) -> None:
    from confluent_kafka import TIMESTAMP_LOG_APPEND_TIME, Consumer, TopicPartition

    settings = settings_of(fresh_topics)
    consumer = Consumer({**settings, "group.id": "t", "auto.offset.reset": "earliest"})
    try:
        assert consumer.get_watermark_offsets(TopicPartition(topic_name("commands"), 0), timeout=10) == (0, 0)
        producer = Producer({**settings, "message.max.bytes": "2000000"})
        producer.produce(topic_name("commands"), b"x" * (1 << 20), b"key", partition=0, timestamp=1)
        assert producer.flush(20) == 0
        consumer.assign([TopicPartition(topic_name("commands"), 0, 0)])
        message = consumer.poll(20)
        assert message is not None
        assert len(message.value() or b"") == 1 << 20
        kind, stamp = message.timestamp()
        assert kind == TIMESTAMP_LOG_APPEND_TIME
        assert abs(stamp / 1000 - time.time()) < 60
    finally:
        consumer.close()
