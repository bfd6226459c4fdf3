"""Feeding stores from the log: read once, check once, fold into every store that wants the topic."""

from collections.abc import Callable, Iterable, Mapping, Sequence

from bitsage.streams.log import Log, Record
from bitsage.streams.topics import TOPICS, topic_name

from .errors import LogMismatch, PositionsMoved
from .records import Checked, Trust, check, short_topic
from .store import Place, Store

BATCH = 1_000
_MOVES = 5

#: (records folded or skipped so far, records expected in all)
Progress = Callable[[int, int], None]


def places(topics: Iterable[str]) -> list[Place]:
    """Every (topic without prefix, partition) of the topics."""
    return [(topic, partition) for topic in topics for partition in range(TOPICS[topic].partitions)]


def start_of(stores: Sequence[Store]) -> dict[tuple[str, int], int]:
    """(topic with prefix, partition) -> where reading must begin so that no store misses a record.

    A store's last record is read again, to see that the log is still the one that it was folded from.
    """
    start: dict[tuple[str, int], int] = {}
    for store in stores:
        store.forget()
        positions = store.positions()
        for topic, partition in places(store.model.topics):
            position = positions.get((topic, partition))
            offset = 0 if position is None else max(position.last_offset, 0)
            key = (topic_name(topic), partition)
            start[key] = min(start.get(key, offset), offset)
    return start


def check_all(records: Iterable[Record], authenticate: Trust | None) -> list[Checked]:
    """Decode and check records, once for all stores."""
    return [check(record, authenticate) for record in records]


def fold_into(store: Store, checked: Iterable[Checked]) -> int:
    """Fold the records of the store's topics; how many were new to it."""
    return store.apply([one for one in checked if one.topic in store.model.topics])


def deliver(records: Iterable[Record], stores: Sequence[Store], authenticate: Trust | None) -> int:
    """Check the records and fold them into every store that wants them; how many foldings took place."""
    checked = check_all(records, authenticate)
    return sum(fold_into(store, checked) for store in stores)


def settle(stores: Sequence[Store], ends: Mapping[tuple[str, int], int]) -> None:
    """Tell every store that the log was read up to `ends`."""
    for store in stores:
        mine = {
            (short_topic(topic), p): end for (topic, p), end in ends.items() if short_topic(topic) in store.model.topics
        }
        store.settle(mine)


def catch_up(log: Log, stores: Sequence[Store], authenticate: Trust | None, progress: Progress | None = None) -> int:
    """Fold everything up to the end that the log has now; how many foldings took place.

    Raises:
        LogMismatch: a store was folded from another log.
        StreamError: the log cannot be read.
    """
    for _ in range(_MOVES):
        try:
            return _catch_up(log, stores, authenticate, progress)
        except PositionsMoved:
            # Another process put a rebuilt file in place: read again from where that one stands.
            continue
    raise LogMismatch("the read model keeps being replaced by another process")


def _catch_up(log: Log, stores: Sequence[Store], authenticate: Trust | None, progress: Progress | None) -> int:
    start = start_of(stores)
    reader = log.reader(start, follow=False)
    try:
        ends = reader.end_offsets()
        _check_ends(stores, ends)
        total = sum(max(0, ends[key] - offset) for key, offset in start.items())
        done = folded = 0
        while records := reader.read(BATCH, 5.0):
            folded += deliver(records, stores, authenticate)
            done += len(records)
            if progress is not None:
                progress(done, max(total, done))
        settle(stores, ends)
        if progress is not None:
            progress(total, total)
    finally:
        reader.close()
    return folded


def _check_ends(stores: Sequence[Store], ends: Mapping[tuple[str, int], int]) -> None:
    for store in stores:
        for (topic, partition), position in store.positions().items():
            end = ends.get((topic_name(topic), partition))
            if end is not None and end < position.last_offset + 1:
                raise LogMismatch(
                    f"{store.model.file_name} was folded from another log: {topic}[{partition}] ends at {end}, "
                    f"before offset {position.last_offset}"
                )


def lag_of(log: Log, store: Store) -> int:
    """How many offsets of the log the store has not passed yet."""
    positions = store.positions()
    keys = {(topic_name(topic), partition): (topic, partition) for topic, partition in places(store.model.topics)}
    reader = log.reader(dict.fromkeys(keys, 0), follow=False)
    try:
        ends = reader.end_offsets()
    finally:
        reader.close()
    passed = {key: positions[place].next_offset if place in positions else 0 for key, place in keys.items()}
    return sum(max(0, ends[key] - offset) for key, offset in passed.items())
