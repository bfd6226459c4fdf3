"""A leader that has just been elected may not know the end of its partition yet: it is asked again."""

from collections.abc import Iterator
from concurrent.futures import Future
from types import SimpleNamespace
from typing import Any

from confluent_kafka import KafkaError, KafkaException

from bitsage.streams.kafka_reader import LATEST, offsets_of

END = 7


class Elected:
    """Knows its end from the second question on."""

    def __init__(self) -> None:
        self.answers: Iterator[Any] = iter(
            [KafkaException(KafkaError(KafkaError.OFFSET_NOT_AVAILABLE)), SimpleNamespace(offset=END)]
        )

    def list_offsets(self, wanted: Any, **options: Any) -> dict[Any, Any]:
        answer = next(self.answers)
        future: Future[Any] = Future()
        if isinstance(answer, Exception):
            future.set_exception(answer)
        else:
            future.set_result(answer)
        return dict.fromkeys(wanted, future)

    def list_topics(self, timeout: float) -> None:
        pass


def test_a_new_leader_that_does_not_know_the_end_yet_is_asked_again() -> None:
    place = ("bitsage.jobs", 0)
    admin: Any = Elected()
    assert offsets_of(admin, {"bootstrap.servers": "here:1"}, [place], LATEST, 5.0) == {place: END}
