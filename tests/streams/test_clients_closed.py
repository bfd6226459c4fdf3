"""A client that cannot be used is closed by whoever made it."""

import threading
from pathlib import Path
from typing import Any

import pytest
from confluent_kafka import Consumer
from testnetwork import TestNetwork

from bitsage.cli.jobs import life_of
from bitsage.nodes.payer import Payer
from bitsage.nodes.signing import CommandSigner
from bitsage.nodes.timer import Timer
from bitsage.streams import kafka_processor, kafka_reader
from bitsage.streams.errors import BrokerUnreachable
from bitsage.streams.kafka_log import KafkaLog
from bitsage.streams.memory_log import InMemoryLog

NOWHERE = {"bootstrap.servers": "127.0.0.1:1"}


class Counted:
    """What was opened and not closed."""

    def __init__(self) -> None:
        self.open = self.opened = 0

    def around(self, kind: type) -> Any:
        count = self

        class Wrapped:
            def __init__(self, *args: Any, **more: Any) -> None:
                self._inner = kind(*args, **more)
                count.open += 1
                count.opened += 1

            def __getattr__(self, name: str) -> Any:
                return getattr(self._inner, name)

            def close(self) -> None:
                count.open -= 1
                self._inner.close()

        return Wrapped


def test_a_reader_that_finds_no_broker_closes_its_consumer(monkeypatch: pytest.MonkeyPatch) -> None:
    counted = Counted()
    monkeypatch.setattr(kafka_reader, "Consumer", counted.around(Consumer))
    with pytest.raises(BrokerUnreachable):
        KafkaLog(NOWHERE, timeout=0.5).reader({("bitsage.jobs", 0): 0}, follow=True)
    assert (counted.opened, counted.open) == (1, 0)


class _Producer:
    def __init__(self, settings: Any, name: str) -> None:
        pass

    def close(self) -> None:
        pass


def test_a_processor_whose_consumer_is_refused_closes_its_producer(monkeypatch: pytest.MonkeyPatch) -> None:
    counted = Counted()
    # The real producer would wait for a broker; what counts is that it is closed.
    monkeypatch.setattr(kafka_processor, "TransactionalProducer", counted.around(_Producer))
    settings = NOWHERE | {"session.timeout.ms": 1, "no.such.setting": "x"}
    with pytest.raises(Exception, match=r"no\.such\.setting"):
        KafkaLog(settings).processor("g", ["bitsage.commands"], "t", lambda _: None, lambda _: None)
    assert (counted.opened, counted.open) == (1, 0)


class BrokenLog(InMemoryLog):
    """A log whose readers find no broker when they are asked for the ends."""

    def __init__(self) -> None:
        super().__init__()
        self.readers, self.producers = Counted(), Counted()

    def reader(self, positions: Any, *, follow: bool) -> Any:
        made = super().reader

        class Reader(self.readers.around(lambda: made(positions, follow=follow))):  # type: ignore[misc]
            def end_offsets(self) -> Any:
                raise BrokerUnreachable("gone")

        return Reader()

    def producer(self) -> Any:
        return self.producers.around(super().producer)()


def test_the_life_of_a_job_leaves_no_reader_behind(tmp_path: Path) -> None:
    log = BrokenLog()
    client = TestNetwork(log, tmp_path).client(1)
    with pytest.raises(BrokerUnreachable):
        list(life_of(client, None, follow=True, timeout=1))
    assert (log.readers.opened, log.readers.open) == (1, 0)


def test_the_timer_leaves_nothing_behind_when_it_cannot_listen(tmp_path: Path) -> None:
    log = BrokenLog()
    network = TestNetwork(log, tmp_path)
    signer = CommandSigner(network.authority, network.chain_id)
    timer = Timer(log, network.network, signer, tmp_path)
    with pytest.raises(BrokerUnreachable):
        timer._listen(threading.Event())
    assert (log.readers.opened, log.readers.open) == (1, 0)
    # A follower that cannot have its file.
    (tmp_path / "file").touch()
    for node in (Timer(log, network.network, signer, tmp_path / "file"), Payer(log, network.network, signer, tmp_path)):
        (tmp_path / "payer.db").mkdir(exist_ok=True)
        with pytest.raises(Exception, match=r"."):
            node.run(threading.Event())
    assert log.producers.open == 0
