"""What the leaders of partitions are asked for: an answer that is none is asked for again, and never taken for an offset."""

import time
from collections.abc import Mapping
from concurrent.futures import Future
from types import SimpleNamespace
from typing import Any

import pytest
from confluent_kafka import KafkaError, KafkaException, TopicPartition

from bitsage.streams import kafka_reader
from bitsage.streams.errors import BrokerUnreachable, TopicDrift
from bitsage.streams.kafka_reader import EARLIEST, offsets_of

PLACES = [("bitsage.jobs", 0), ("bitsage.jobs", 1)]
INVALID = -1001
SETTINGS = {"bootstrap.servers": "here:1"}


class Admin:
    """Answers by what stands next in `answers`: offsets by partition, or an error's code; the last one for ever."""

    def __init__(self, *answers: Mapping[int, int] | int) -> None:
        self.answers = list(answers)
        self.patience: list[float] = []
        self.refreshed = 0

    def list_offsets(self, wanted: Mapping[TopicPartition, Any], request_timeout: float) -> dict[TopicPartition, Any]:
        self.patience.append(request_timeout)
        answer = self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]
        found: dict[TopicPartition, Any] = {}
        for place in wanted:
            future: Future[Any] = Future()
            if isinstance(answer, int):
                future.set_exception(KafkaException(KafkaError(answer)))
            else:
                future.set_result(SimpleNamespace(offset=answer[place.partition]))
            found[place] = future
        return found

    def list_topics(self, timeout: float) -> None:
        self.refreshed += 1
        raise KafkaException(KafkaError(KafkaError._TRANSPORT))


def ask(admin: Admin, timeout: float = 10.0) -> dict[tuple[str, int], int]:
    return offsets_of(admin, SETTINGS, PLACES, EARLIEST, timeout)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    "first",
    [
        {0: 5, 1: INVALID},
        KafkaError._TIMED_OUT,
        KafkaError._TRANSPORT,
        KafkaError.NOT_LEADER_FOR_PARTITION,
        # A leader that has just been elected does not know the end of its partition yet.
        KafkaError.OFFSET_NOT_AVAILABLE,
    ],
)
def test_a_leader_that_died_is_looked_up_and_asked_again(first: Any) -> None:
    admin = Admin(first, {0: 5, 1: 7})
    assert ask(admin) == {("bitsage.jobs", 0): 5, ("bitsage.jobs", 1): 7}
    assert admin.refreshed == 1
    assert admin.patience == [3.0, 6.0]


def test_no_answer_is_never_an_offset() -> None:
    began = time.monotonic()
    with pytest.raises(BrokerUnreachable, match=r"here:1.*leader did not answer"):
        ask(Admin({0: 5, 1: INVALID}), timeout=0.3)
    assert time.monotonic() - began < 5


def test_the_time_holds_for_the_look_up_too(monkeypatch: pytest.MonkeyPatch) -> None:
    """Each question takes as long as it is let; together they take no longer than what was asked for, and a last try."""
    now = [0.0]

    def passes(seconds: float) -> None:
        now[0] += seconds

    class Slow(Admin):
        def list_offsets(self, wanted: Mapping[TopicPartition, Any], request_timeout: float) -> Any:
            passes(request_timeout)
            return super().list_offsets(wanted, request_timeout)

        def list_topics(self, timeout: float) -> None:
            passes(timeout)
            super().list_topics(timeout)

    monkeypatch.setattr(kafka_reader, "time", SimpleNamespace(monotonic=lambda: now[0], sleep=passes))
    for seconds in (3.5, 7.0, 10.0, 30.0):
        now[0] = 0.0
        with pytest.raises(BrokerUnreachable, match=r"here:1"):
            ask(Slow(KafkaError._TIMED_OUT), timeout=seconds)
        assert now[0] <= seconds + 0.3


def test_a_request_that_the_client_forgets_is_made_again(monkeypatch: pytest.MonkeyPatch) -> None:
    class Forgetful(Admin):
        def list_offsets(self, wanted: Mapping[TopicPartition, Any], request_timeout: float) -> Any:
            found = super().list_offsets(wanted, request_timeout)
            return dict.fromkeys(wanted, Future()) if len(self.patience) == 1 else found

    monkeypatch.setattr(kafka_reader, "_TRY_S", 0.05)
    monkeypatch.setattr(kafka_reader, "_GRACE_S", 0.0)
    assert ask(Forgetful({0: 5, 1: 7})) == {("bitsage.jobs", 0): 5, ("bitsage.jobs", 1): 7}


def test_what_cannot_become_better_is_not_asked_again() -> None:
    gone = Admin(KafkaError.UNKNOWN_TOPIC_OR_PART)
    with pytest.raises(TopicDrift, match=r"bitsage\.jobs"):
        ask(gone)
    refused = Admin(KafkaError.TOPIC_AUTHORIZATION_FAILED)
    with pytest.raises(BrokerUnreachable):
        ask(refused)
    assert (len(gone.patience), len(refused.patience)) == (1, 1)
