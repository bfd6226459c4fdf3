"""What a client sees of the log."""

from pathlib import Path

import pytest
from testnetwork import TestNetwork

from bitsage.streams.memory_log import InMemoryLog
from bitsage.streams.topics import TOPICS


@pytest.mark.parametrize("topic", sorted(TOPICS))
def test_a_topic_is_followed_on_the_partitions_that_it_has(topic: str, tmp_path: Path) -> None:
    client = TestNetwork(InMemoryLog(), tmp_path).client(1)
    try:
        assert list(client.follow((topic,), timeout=0.01)) == []
    finally:
        client.close()
