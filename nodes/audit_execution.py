"""Second pass of the audit: execute every retained command again and compare what comes out, byte for byte."""

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from bitsage.processors.kernel import NO_STANDING, Streams
from bitsage.processors.model import Rules
from bitsage.schemas.types import Rejection
from bitsage.streams.codec import SignedCommand
from bitsage.streams.errors import PermanentFailure
from bitsage.streams.log import Log, Record
from bitsage.streams.topics import TOPICS

from .audit_events import Answered, Entry, EventAudit
from .audit_follow_ups import FollowUpAudit
from .audit_horizon import COMMANDS, Horizon, decided_offsets
from .audit_letters import LetterAudit
from .audit_start import Start, answered
from .audit_trails import Where
from .checks import ProductChecks
from .execution import Execution, execute, read_command
from .network import Network

if TYPE_CHECKING:
    from .audit import Verdict

Report = Callable[[str, int, int], None]


@dataclass(slots=True)
class ExecutionAudit:
    """Runs the production deciders over the `commands` topic; `unsettled`: events that the next audit looks at."""

    network: Network
    verdict: "Verdict"
    horizon: Horizon
    unsettled: set[Where] = field(default_factory=set)
    _logged: dict[Answered, deque[Entry]] = field(default_factory=dict)
    _open: dict[Answered, Record] = field(default_factory=dict)
    _first: dict[int, int] = field(default_factory=dict)

    def run(self, log: Log, events: EventAudit, report: Report) -> None:
        """Compare every partition; where commands have expired, from the states that their events leave.

        Raises:
            HistoryLost: retention removed commands while they were read.
        """
        places = [(COMMANDS, p) for p in range(TOPICS["commands"].partitions)]
        self._first = {partition: offset for (_, partition), offset in log.first_offsets(places).items()}
        streams, rules = Streams(), self.network.rules(ProductChecks())
        follow_ups = FollowUpAudit(self.network, self.verdict)
        letters = LetterAudit(self.network, self.horizon, rules)
        expired = self._begin(log, events, streams, report)
        for record in self._commands(log, self._first, "execute commands again", report):
            signed = _read(record)
            if signed is not None:
                follow_ups.note(signed)
            if self.horizon.is_open(record):
                if signed is not None:
                    self._open.setdefault(answered(record, signed), record)
            elif (letter := self.horizon.letters.get((record.partition, record.offset))) is not None:
                self._letter(record, letters.refute(record, letter, streams))
            else:
                self._record(record, streams, rules, follow_ups)
        follow_ups.finish(self._first, expired)
        self._left_over(log)

    def _commands(self, log: Log, first: dict[int, int], what: str, report: Report) -> Iterator[Record]:
        reader = log.reader({(COMMANDS, p): offset for p, offset in first.items()}, follow=False)
        done, total = 0, sum(reader.end_offsets().values()) - sum(first.values())
        try:
            while records := reader.read(1_000, 5.0):
                yield from records
                done += len(records)
                report(what, done, total)
        finally:
            reader.close()

    def _begin(self, log: Log, events: EventAudit, streams: Streams, report: Report) -> list[Entry]:
        """Sort the events by the command that they answer; fold those whose commands have expired, and return them."""
        start, expired = Start(self.verdict), []
        short = {partition: offset for partition, offset in self._first.items() if offset > 0}
        for record in self._commands(log, short, "find where commands begin", report) if short else ():
            signed = _read(record)
            if signed is not None and (record.partition, record.offset) not in self.horizon.letters:
                start.note(answered(record, signed), is_open=self.horizon.is_open(record))
        for place, entries in events.entries.items():
            cut = start.divide(place, entries) if place[1] in short else 0
            expired += entries[:cut]
            for entry in entries[cut:]:
                self._logged.setdefault(entry.answers, deque()).append(entry)
        start.fold(expired, streams)
        for partition, offset in short.items():
            self.verdict.remarks.append(
                f"{COMMANDS}[{partition}]: commands below {offset} have expired; their events are folded, not decided"
            )
        return expired

    def _letter(self, record: Record, reason: str | None) -> None:
        if reason is None:
            self.verdict.count("dead letters")
        else:
            where = (record.topic, record.partition, record.offset)
            self.verdict.fail("dead letter", where, f"this command was skipped: {reason}")

    def _record(self, record: Record, streams: Streams, rules: Rules, follow_ups: FollowUpAudit) -> None:
        where = (record.topic, record.partition, record.offset)
        try:
            execution: Execution = execute(record, streams, rules, self.network.chain_id)
        except PermanentFailure as error:
            self.verdict.fail("dead letter", where, f"{error.code}: this command should stand among the dead letters")
            return
        streams.commit()
        for follow in execution.follow_ups:
            follow_ups.expect(follow, where)
        if not _is_inert(execution):
            follow_ups.acted(where, execution.command)
        logged = self._logged.get(answered(record, execution.command), deque())
        # A command that stands twice in the log has one answer each, in order.
        again = [logged.popleft() for _ in range(min(len(logged), len(execution.events)))]
        if [entry.value for entry in again] == [event.value for event in execution.events]:
            self.verdict.count("commands executed again")
        else:
            place = again[0].where if again else where
            self.verdict.fail("execution", place, f"{execution.command.envelope.type} has another outcome in the log")

    def _left_over(self, log: Log) -> None:
        decided = decided_offsets(log)
        for command, rest in self._logged.items():
            record = self._open.get(command)
            for entry in rest:
                if record is None:
                    self.verdict.fail("execution", entry.where, "no command in the log entails this event")
                elif record.offset >= decided.get(record.partition, 0):
                    detail = (
                        f"it answers {COMMANDS}[{record.partition}]@{record.offset}, which the group has not reached"
                    )
                    self.verdict.fail("execution", entry.where, detail)
                else:
                    self.unsettled.add(entry.where)
        if self._open:
            self.verdict.remarks.append(
                f"{len(self._open)} commands were not decided when the audit began; the next audit looks at them"
            )


def _read(record: Record) -> SignedCommand | None:
    try:
        return read_command(record)
    except PermanentFailure:
        return None


def _is_inert(execution: Execution) -> bool:
    bodies: Iterable[object] = (event.body for event in execution.events)
    return all(isinstance(body, Rejection) and body.reason in NO_STANDING for body in bodies)
