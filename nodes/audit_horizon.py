"""How far an audit looks: what was decided when it began, and the dead letters that say what was not.

A running network writes while it is read. The group's offsets are taken first; then the audit waits until everything
that was committed with them can be read. What answers a command at or above those offsets is left to the next audit.
"""

from dataclasses import dataclass

from bitsage.streams.deadletters import DeadLetter, letters_of, redriven_upto
from bitsage.streams.log import Log, Record
from bitsage.streams.topics import TOPICS, topic_name

from .network import Network
from .recovery import OUTPUT_TOPICS

#: The coordinator's consumer group.
GROUP = "bitsage-coordinator"
COMMANDS = topic_name("commands")
_LETTERS = topic_name("deadletters")
_PLACES = [(COMMANDS, p) for p in range(TOPICS["commands"].partitions)]


@dataclass(frozen=True, slots=True)
class Horizon:
    """`decided`: partition -> the offset below which every command had its answer; letters and marks by origin."""

    decided: dict[int, int]
    letters: dict[tuple[int, int], DeadLetter]
    #: (record, last position that it covers)
    marks: list[tuple[Record, int]]

    def is_open(self, record: Record) -> bool:
        """Whether the command's answer may not have been written when the audit began."""
        return record.offset >= self.decided.get(record.partition, 0)


def decided_offsets(log: Log) -> dict[int, int]:
    """partition -> the group's next offset in `commands`.

    Raises:
        BrokerUnreachable: no broker answered.
    """
    return {partition: offset for (_, partition), offset in log.committed(GROUP, _PLACES).items()}


def take(log: Log, network: Network) -> Horizon:
    """The horizon now; whatever was committed with its offsets can be read afterwards.

    Raises:
        BrokerUnreachable: no broker answered, or a transaction stays open.
    """
    decided = decided_offsets(log)
    topics = [topic_name(t) for t in (*OUTPUT_TOPICS, "commands", "deadletters")]
    for partition in range(TOPICS["commands"].partitions):
        reader = log.reader(log.first_offsets([(topic, partition) for topic in topics]), follow=False)
        try:
            reader.settled_ends()
        finally:
            reader.close()
    records, seals = _read_letters(log), network.seal_check()
    letters = {(d.partition, d.offset): d for d, _ in letters_of(records, seals) if d.topic == COMMANDS}
    marks = [(r, upto) for r in records if (upto := redriven_upto(r, seals)) is not None]
    return Horizon(decided, letters, marks)


def _read_letters(log: Log) -> list[Record]:
    places = [(_LETTERS, p) for p in range(TOPICS["deadletters"].partitions)]
    reader = log.reader(log.first_offsets(places), follow=False)
    found: list[Record] = []
    try:
        while records := reader.read(1_000, 5.0):
            found += records
    finally:
        reader.close()
    return found


def resting_place(log: Log) -> dict[int, int] | None:
    """The group's offsets if every command in the log has been decided, else None.

    Twice the same: nothing was decided in between.

    Raises:
        BrokerUnreachable: no broker answered.
    """
    decided = decided_offsets(log)
    start = {place: max(first, decided.get(place[1], 0)) for place, first in log.first_offsets(_PLACES).items()}
    reader = log.reader(start, follow=False)
    try:
        # The ends of partitions do not tell: the marks of transactions stand there, too.
        return None if reader.read(1, 5.0) else decided
    finally:
        reader.close()
