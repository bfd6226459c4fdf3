"""Catching up: fold a partition's output topics into streams, from the cache's offsets to the end of the log."""

from collections.abc import Callable
from dataclasses import dataclass

import structlog

from bitsage.processors.kernel import Streams, fold
from bitsage.streams.envelope import chain_hash
from bitsage.streams.log import Log, Record
from bitsage.streams.seal import SealCheck
from bitsage.streams.topics import partition_for, topic_name

from .cache import StateCache
from .errors import StateDivergence
from .sealed import sealed_event

OUTPUT_TOPICS = ("accounts", "workers", "jobs", "proofs", "votes")
_BATCH = 2_000
log = structlog.get_logger(__name__)


@dataclass(slots=True)
class Recovery:
    """Brings `streams` up to the committed end of one partition's output topics."""

    log: Log
    seals: SealCheck
    cache: StateCache | None = None
    progress: Callable[[str, int, int], None] | None = None

    def recover(self, partition: int, streams: Streams) -> dict[tuple[str, int], int]:
        """Fold partition `partition`; (topic without prefix, partition) -> the offset that it now stands at.

        Raises:
            StateDivergence: the log itself has a gap in a subject's sequence.
        """
        nothing = dict.fromkeys(OUTPUT_TOPICS, 0)
        ends = self._settled(partition)
        try:
            start = nothing | self._cached(partition, streams)
            if any(offset > ends[topic_name(topic), partition] for topic, offset in start.items()):
                raise StateDivergence("the cache is ahead of the log")
            return self._catch_up(partition, streams, start, ends)
        except (StateDivergence, ValueError) as error:
            if self.cache is None:
                raise
            log.warning("state_cache_dropped", partition=partition, error=str(error))
            streams.drop(lambda subject: partition_for(subject.encode()) == partition)
            self.cache.forget(partition)
            return self._catch_up(partition, streams, nothing, ends)

    def _cached(self, partition: int, streams: Streams) -> dict[str, int]:
        if self.cache is None:
            return {}
        for (topic, subject), stream in self.cache.streams(partition):
            streams.put(topic, subject, stream)
        streams.commit()
        return self.cache.positions(partition)

    def _settled(self, partition: int) -> dict[tuple[str, int], int]:
        # A commit whose outcome the last owner never learnt may still be on its way, and is part of the state.
        reader = self.log.reader({(topic_name(topic), partition): 0 for topic in OUTPUT_TOPICS}, follow=False)
        try:
            return reader.settled_ends()
        finally:
            reader.close()

    def _catch_up(
        self, partition: int, streams: Streams, start: dict[str, int], ends: dict[tuple[str, int], int]
    ) -> dict[tuple[str, int], int]:
        positions = {(topic_name(topic), partition): offset for topic, offset in start.items()}
        # Opened after the ends are settled, so that it reads as far as they are.
        reader = self.log.reader(positions, follow=False)
        total = sum(max(0, ends[key] - positions[key]) for key in positions)
        done = 0
        try:
            while records := reader.read(_BATCH, 1.0):
                for record in records:
                    self.fold_record(record, streams)
                done += len(records)
                if self.progress is not None:
                    self.progress(f"partition {partition}", done, total)
        finally:
            reader.close()
        return self._keep(partition, streams, ends)

    def _keep(self, partition: int, streams: Streams, ends: dict[tuple[str, int], int]) -> dict[tuple[str, int], int]:
        """Commit what was folded, and cache it: the next save moves the cache's positions past these events."""
        changed = streams.commit()
        positions = {(topic, partition): ends[topic_name(topic), partition] for topic in OUTPUT_TOPICS}
        if self.cache is not None:
            self.cache.save(((partition, (t, s), streams.get(t, s)) for t, s in changed), positions)
        return positions

    def fold_record(self, record: Record, streams: Streams) -> bool:
        """Fold one output record; False when it is no event of ours or already folded.

        Raises:
            StateDivergence: the record leaves a gap in its subject's sequence.
        """
        found = sealed_event(record, self.seals)
        if found is None:
            return False
        envelope, body = found
        topic = record.topic.rsplit(".", 1)[1]
        stream = streams.get(topic, envelope.subject)
        if envelope.sequence <= stream.sequence:
            return False
        if envelope.sequence != stream.sequence + 1 or envelope.previous != stream.previous:
            raise StateDivergence(
                f"{record.topic}[{record.partition}]@{record.offset}: {envelope.subject} goes from sequence "
                f"{stream.sequence} to {envelope.sequence}"
            )
        value = record.value or b""
        streams.put(topic, envelope.subject, fold(stream, topic, envelope, body, chain_hash(value)))
        return True
