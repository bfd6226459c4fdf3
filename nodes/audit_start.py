"""Where execution starts once commands have expired: at states folded from the events of the commands that are gone.

Within a (topic, partition) events stand in the order of their commands. So they divide at one place: before it stand the
answers to commands that have expired, behind it those to retained ones.
"""

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from bitsage.processors.kernel import Streams, fold
from bitsage.schemas.commands import COMMANDS
from bitsage.streams.codec import SignedCommand, decode_event
from bitsage.streams.envelope import chain_hash
from bitsage.streams.log import Record
from bitsage.streams.topics import topic_name

from .audit_events import Answered, Entry

if TYPE_CHECKING:
    from .audit import Verdict


def answered(record: Record, signed: SignedCommand) -> Answered:
    """How the events that answer this command name it."""
    envelope = signed.envelope
    topic = topic_name(COMMANDS[envelope.type].topic)
    return Answered(record.partition, topic, envelope.id, signed.payload_hash, envelope.signature)


@dataclass(slots=True)
class Start:
    """Told about every retained command; then it divides the events and folds the older ones."""

    verdict: "Verdict"
    #: (topic, partition) -> the retained commands that are answered there: how often each stands, in order of the first
    _retained: dict[tuple[str, int], Counter[Answered]] = field(default_factory=dict)
    _open: set[Answered] = field(default_factory=set)

    def note(self, command: Answered, *, is_open: bool) -> None:
        """A retained command; `is_open`: its answer may or may not be in the log."""
        if is_open:
            self._open.add(command)
        else:
            self._retained.setdefault((command.topic, command.partition), Counter())[command] += 1

    def divide(self, place: tuple[str, int], entries: Sequence[Entry]) -> int:
        """How many of the entries answer expired commands."""
        starts: dict[Answered, list[int]] = {}
        for n, entry in enumerate(entries):
            if entry.nth == 0:
                starts.setdefault(entry.answers, []).append(n)
        for command, copies in self._retained.get(place, Counter()).items():
            # The same command may have been sent before, too: its last answers are those to the retained copies.
            if found := starts.get(command):
                return found[max(0, len(found) - copies)]
        cut = len(entries)
        while cut and entries[cut - 1].answers in self._open:
            cut -= 1
        return cut

    def fold(self, entries: Iterable[Entry], streams: Streams) -> None:
        """Fold the events of expired commands."""
        for entry in entries:
            topic = entry.where[0].rsplit(".", 1)[1]
            envelope, body = decode_event(entry.value)
            try:
                stream = streams.get(topic, envelope.subject)
                streams.put(topic, envelope.subject, fold(stream, topic, envelope, body, chain_hash(entry.value)))
            # The states were made for events that deciders write; on anything else they may fail in any way.
            except Exception as error:  # noqa: BLE001
                self.verdict.fail("state", entry.where, f"{envelope.type} cannot be folded: {type(error).__name__}")
                continue
            self.verdict.count("events folded without their commands")
        streams.commit()
