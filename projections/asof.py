"""A model as it was: folded into a temporary file, up to a time or up to offsets."""

import re
import tempfile
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

from bitsage.schemas.types import ZERO_HASH
from bitsage.streams.log import Log, Record
from bitsage.streams.topics import TOPICS, topic_name

from . import feed
from .errors import BadAsOf
from .projection import Projection
from .records import Checked, Trust, check, short_topic
from .schema import Model
from .store import Place

_OFFSETS = re.compile(r"([a-z.]+):(\d+):(\d+)")
_MAX_OFFSET = 1 << 62


@dataclass(frozen=True, slots=True)
class AsOf:
    """Where each partition's prefix ends: at `time` (ms, still included), or before `offset`, or before `offsets`.

    The time is the record's in the log; a partition's prefix ends with its first later event. A later record that is no
    event of the network, or a copy of one, ends nothing: a stranger may write it, with any time.
    """

    time: int | None = None
    offset: int | None = None
    offsets: dict[Place, int] = field(default_factory=dict)

    def covers(self, place: Place, record: Record) -> bool:
        """Whether the record still belongs to the past that is asked for."""
        if self.time is not None:
            return record.timestamp <= self.time
        if self.offset is not None:
            return record.offset < self.offset
        return record.offset < self.offsets.get(place, _MAX_OFFSET)


def parse_as_of(text: str) -> AsOf:
    """Read `2026-01-31T12:00:00Z` (UTC unless it names a zone), `17`, or `jobs:3:17,votes:0:4`.

    An offset is the first that is not folded; 17 alone holds for every partition; a partition that a list leaves out is
    folded to its end.

    Raises:
        BadAsOf: none of the three, or an unknown topic or partition.
    """
    text = text.strip()
    if text.isascii() and text.isdigit() and int(text) < _MAX_OFFSET:
        return AsOf(offset=int(text))
    if _OFFSETS.match(text):
        return AsOf(offsets=dict(_place(part.strip()) for part in text.split(",")))
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        raise BadAsOf(
            f"{text!r} is neither a time (2026-01-31T12:00:00Z), nor an offset (17), nor a list of offsets (jobs:3:17)"
        ) from None
    moment = moment if moment.tzinfo is not None else moment.replace(tzinfo=UTC)
    since = moment - datetime(1970, 1, 1, tzinfo=UTC)
    return AsOf(time=(since.days * 86_400 + since.seconds) * 1000 + since.microseconds // 1000)


def _place(text: str) -> tuple[Place, int]:
    found = _OFFSETS.fullmatch(text)
    topic = short_topic(found[1]) if found else ""
    if found is None or topic not in TOPICS:
        raise BadAsOf(f"{text!r} is not topic:partition:offset of a topic of the network")
    partition, offset = int(found[2]), int(found[3])
    if partition >= TOPICS[topic].partitions or offset >= _MAX_OFFSET:
        raise BadAsOf(f"{topic} has the partitions 0 to {TOPICS[topic].partitions - 1}; {text!r} names none of them")
    return (topic, partition), offset


@contextmanager
def as_of(
    log: Log,
    model: str | Model,
    bound: AsOf,
    authenticate: Trust | None = None,
    progress: feed.Progress | None = None,
) -> Iterator[Projection]:
    """The model folded up to `bound`, in a temporary file that is gone afterwards.

    Raises:
        UnknownModel: there is no such model.
        StreamError: the log cannot be read.
    """
    with (
        tempfile.TemporaryDirectory(prefix="bitsage-as-of-") as folder,
        Projection(model, Path(folder), authenticate) as past,
    ):
        _fold(log, past, bound, authenticate, progress)
        yield past


class _Prefix:
    """Chooses the records of every partition that lie within the bound."""

    def __init__(self, places: Iterable[tuple[str, int]], bound: AsOf, authenticate: Trust | None) -> None:
        self.still_open = set(places)
        self._bound = bound
        self._authenticate = authenticate
        #: (topic, subject) -> sequence and hash of its last event
        self._heads: dict[tuple[str, str], tuple[int, str]] = {}

    def choose(self, records: Iterable[Record]) -> Iterator[Checked]:
        """The records that are folded, checked."""
        for record in records:
            place = (record.topic, record.partition)
            if place not in self.still_open:
                continue
            one = check(record, self._authenticate)
            # Asked for every record: it moves the heads.
            genuine = self._is_next(one) or self._bound.time is None
            if self._bound.covers((short_topic(record.topic), record.partition), record):
                yield one
            elif genuine:
                self.still_open.discard(place)

    def _is_next(self, one: Checked) -> bool:
        if one.code or one.event is None:
            return False
        envelope = one.event.envelope
        key = (one.topic, envelope.subject)
        sequence, chain = self._heads.get(key, (0, ZERO_HASH.hex()))
        if envelope.sequence != sequence + 1 or envelope.previous.hex() != chain:
            return False
        self._heads[key] = (envelope.sequence, one.chain)
        return True


def _fold(log: Log, past: Projection, bound: AsOf, authenticate: Trust | None, progress: feed.Progress | None) -> None:
    places = {(topic_name(topic), partition) for topic, partition in feed.places(past.model.topics)}
    prefix = _Prefix(places, bound, authenticate)
    reader = log.reader(dict.fromkeys(places, 0), follow=False)
    try:
        total, done = sum(reader.end_offsets().values()), 0
        while prefix.still_open and (records := reader.read(feed.BATCH, 5.0)):
            feed.fold_into(past.store, prefix.choose(records))
            done += len(records)
            if progress is not None:
                progress(done, max(total, done))
        if progress is not None:
            progress(total, total)
    finally:
        reader.close()
