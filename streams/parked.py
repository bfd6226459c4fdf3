"""The keys that wait for a person, folded from the dead letter topic itself, so that they survive every restart."""

from collections.abc import Iterable, Sequence

from .deadletters import TOPIC, Once, read_dead_letter, redriven_upto
from .log import Log, Record
from .seal import SealCheck


class ParkedKeys:
    """The parked keys of the partitions that this process handles; changes of a batch count once it is durable."""

    def __init__(self, log: Log, seals: SealCheck | None = None) -> None:
        self._log = log
        self._seals = seals
        #: partition -> parked key -> position of its last letter (-1: of a batch just written)
        self._parked: dict[int, dict[bytes, int]] = {}
        self._positions: dict[int, int] = {}
        self._once: dict[int, Once] = {}
        self._staged: set[tuple[int, bytes]] = set()

    def assigned(self, partitions: Sequence[int]) -> None:
        """Fold the dead letters of newly assigned partitions.

        Raises:
            BrokerUnreachable: no broker answered.
        """
        for partition in partitions:
            self._parked[partition], self._positions[partition], self._once[partition] = {}, 0, Once()
            self._fold(partition)

    def revoked(self, partitions: Sequence[int]) -> None:
        """Forget these partitions."""
        self._staged.clear()
        for partition in partitions:
            for table in (self._parked, self._positions, self._once):
                table.pop(partition, None)

    def refresh(self, batch: Iterable[Record]) -> None:
        """Ask the topic again where the batch has a parked key: it may have been redriven since.

        Once a batch is enough: originals and mark are written back in one transaction, and the fold waits for open ones.

        Raises:
            BrokerUnreachable: no broker answered.
        """
        for partition in {r.partition for r in batch if r.key in self._parked.get(r.partition, ())}:
            self._fold(partition)

    def __contains__(self, record: Record) -> bool:
        """Whether the record's key waits."""
        if record.key is None:
            return False
        return (record.partition, record.key) in self._staged or record.key in self._parked.get(record.partition, ())

    def park(self, record: Record) -> None:
        """The key waits from now on, if the batch becomes durable."""
        if record.key is not None:
            self._staged.add((record.partition, record.key))

    def committed(self) -> None:
        """The batch is durable."""
        for partition, key in self._staged:
            self._parked.setdefault(partition, {}).setdefault(key, -1)
        self._staged.clear()

    def aborted(self) -> None:
        """The batch left no trace."""
        self._staged.clear()

    def _fold(self, partition: int) -> None:
        place = (TOPIC, partition)
        # Letters end after their retention; what is gone parks nobody.
        position = max(self._positions[partition], self._log.first_offsets([place])[place])
        reader = self._log.reader({place: position}, follow=False)
        try:
            settled = reader.settled_ends()[place]
        finally:
            reader.close()
        if settled <= position:
            return
        reader = self._log.reader({place: position}, follow=False)
        try:
            while records := reader.read(1_000, 2.0):
                for record in records:
                    self._positions[partition] = record.offset + 1
                    self._take(record)
        finally:
            reader.close()
        # Control records stand behind the last letter.
        self._positions[partition] = max(self._positions[partition], settled)

    def _take(self, record: Record) -> None:
        parked = self._parked[record.partition]
        if (upto := redriven_upto(record, self._seals)) is not None:
            # An old mark that is copied to the end covers no newer letter.
            if record.key is not None and parked.get(record.key, -1) <= upto:
                parked.pop(record.key, None)
            return
        letter = read_dead_letter(record, self._seals)
        if letter is not None and self._once[record.partition](letter) and letter.parked and letter.key is not None:
            parked[letter.key] = record.offset


__all__ = ["ParkedKeys"]
