"""What tests of several rooms share: a real broker for the session, and empty topics for a test."""

import os
from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any

import pytest
from hypothesis import settings

from bitsage.streams.admin import create_topics, describe_topics, wait_for
from bitsage.streams.local_kafka import LocalKafka

# A busy machine is no failure of what is tested.
settings.register_profile("untimed", deadline=None)
settings.load_profile("untimed")


def delete_topics(kafka: LocalKafka) -> None:
    """Delete every bitsage topic and wait until the broker has forgotten them."""
    from confluent_kafka.admin import AdminClient

    settings = {"bootstrap.servers": kafka.bootstrap}
    if names := [state.name for state in describe_topics(settings)]:
        client = AdminClient({**settings, "log_level": 0})
        for future in client.delete_topics(names, operation_timeout=20).values():
            future.result(30)
        wait_for(lambda: not describe_topics(settings), "the topics are still there")


def in_a_container() -> Iterator[Any]:
    """A broker of Confluent's image, for machines with a Docker engine; only its `bootstrap` is used."""
    from testcontainers.community.kafka import KafkaContainer

    broker = KafkaContainer().with_kraft()
    for name in ("REPLICATION_FACTOR", "MIN_ISR"):
        broker.with_env(f"KAFKA_TRANSACTION_STATE_LOG_{name}", "1")
    broker.with_env("KAFKA_AUTO_CREATE_TOPICS_ENABLE", "false")
    with broker as started:
        yield SimpleNamespace(bootstrap=started.get_bootstrap_server())


@pytest.fixture(scope="session")
def kafka(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LocalKafka]:
    """A running broker, the local one or (`SAGE_TEST_BROKER=docker`) one in a container; its topics are not made."""
    if os.environ.get("SAGE_TEST_BROKER", "local") == "docker":
        yield from in_a_container()
        return
    with LocalKafka(tmp_path_factory.mktemp("kafka")) as broker:
        yield broker


@pytest.fixture
def fresh_topics(kafka: LocalKafka) -> LocalKafka:
    """The broker with every topic of the table, all of them empty."""
    delete_topics(kafka)
    create_topics({"bootstrap.servers": kafka.bootstrap})
    return kafka
