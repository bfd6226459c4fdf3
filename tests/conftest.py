"""What tests of several rooms share: a real broker for the session, and empty topics for a test."""

from collections.abc import Iterator

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


@pytest.fixture(scope="session")
def kafka(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LocalKafka]:
    """A running local broker; its topics are not made."""
    with LocalKafka(tmp_path_factory.mktemp("kafka")) as broker:
        yield broker


@pytest.fixture
def fresh_topics(kafka: LocalKafka) -> LocalKafka:
    """The broker with every topic of the table, all of them empty."""
    delete_topics(kafka)
    create_topics({"bootstrap.servers": kafka.bootstrap})
    return kafka
