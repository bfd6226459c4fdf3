"""Topics have their own numbers of partitions."""

from pathlib import Path

from testnetwork import TestNetwork

from bitsage.streams.memory_log import InMemoryLog
from bitsage.streams.topics import TOPICS


def test_every_topic_can_be_followed_in_all_of_its_partitions(tmp_path: Path) -> None:
    client = TestNetwork(InMemoryLog(), tmp_path).client(1)
    assert {topic.partitions for topic in TOPICS.values()} != {6}
    assert list(client.follow(tuple(TOPICS), timeout=0)) == []
    assert list(client.follow(tuple(TOPICS), timeout=0, from_start=True)) == []
