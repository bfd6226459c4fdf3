"""Second pass of the audit: execute every retained command again and compare what comes out, byte for byte."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from bitsage.processors.kernel import Streams
from bitsage.streams.codec import decode_command
from bitsage.streams.deadletters import dead_offsets
from bitsage.streams.errors import HistoryLost, PermanentFailure
from bitsage.streams.log import Log, Record
from bitsage.streams.topics import TOPICS, topic_name

from .audit_events import EventAudit
from .checks import ProductChecks
from .execution import Execution, FollowUp, execute
from .network import Network

if TYPE_CHECKING:
    from .audit import Verdict


@dataclass(slots=True)
class ExecutionAudit:
    """Runs the production deciders over the `commands` topic."""

    network: Network
    verdict: "Verdict"

    def run(self, log: Log, events: EventAudit, report: Callable[[str, int, int], None]) -> None:
        """Compare every partition; says so when commands have expired and cannot be executed again."""
        commands = topic_name("commands")
        where = {(commands, p): 0 for p in range(TOPICS["commands"].partitions)}
        try:
            reader = log.reader(where, follow=False)
        except HistoryLost as error:
            self.verdict.remarks.append(f"commands have expired, they are not executed again: {error}")
            return
        dead = dead_offsets(log, commands, self.network.seal_check())
        committed = log.committed("bitsage-coordinator", list(where))
        streams, rules = Streams(), self.network.rules(ProductChecks())
        expected: dict[tuple[bytes, str], FollowUp] = {}
        seen: dict[tuple[bytes, str], tuple[str, int, int]] = {}
        done, total = 0, sum(reader.end_offsets().values())
        try:
            while records := reader.read(1_000, 5.0):
                for record in records:
                    self._note_follow_up(record, seen)
                    if (record.partition, record.offset) in dead:
                        continue
                    if record.offset >= committed.get((commands, record.partition), 0):
                        continue
                    self._record(record, streams, rules, events, expected)
                done += len(records)
                report("execute commands again", done, total)
        finally:
            reader.close()
        self._left_over(events, expected, seen)

    def _record(self, record: Record, streams: Streams, rules: object, events: EventAudit, expected: dict) -> None:  # type: ignore[type-arg]
        where = (record.topic, record.partition, record.offset)
        try:
            execution: Execution = execute(record, streams, rules, self.network.chain_id)  # type: ignore[arg-type]
        except PermanentFailure as error:
            self.verdict.fail("dead letter", where, f"{error.code}: this command should stand among the dead letters")
            return
        streams.commit()
        for follow in execution.follow_ups:
            expected[follow.id, follow.subject] = follow
        logged = events.by_cause.pop((execution.command.envelope.id, record.partition), [])
        # A command that stands twice in the log has one answer each, in order.
        again, rest = logged[: len(execution.events)], logged[len(execution.events) :]
        if rest:
            events.by_cause[execution.command.envelope.id, record.partition] = rest
        if [value for _, value in again] == [event.value for event in execution.events]:
            self.verdict.count("commands executed again")
        else:
            place = again[0][0] if again else where
            self.verdict.fail("execution", place, f"{execution.command.envelope.type} has another outcome in the log")

    def _note_follow_up(self, record: Record, seen: dict[tuple[bytes, str], tuple[str, int, int]]) -> None:
        try:
            envelope = decode_command(record.value).envelope
        except Exception:  # noqa: BLE001
            return
        seen.setdefault((envelope.id, envelope.subject), (record.topic, record.partition, record.offset))

    def _left_over(self, events: EventAudit, expected: dict[tuple[bytes, str], FollowUp], seen: dict) -> None:  # type: ignore[type-arg]
        for rest in events.by_cause.values():
            for where, _ in rest:
                self.verdict.fail("execution", where, "no command in the log entails this event")
        for key, follow in expected.items():
            if key in seen:
                self.verdict.count("follow-ups")
            else:
                name = type(follow.body).__name__
                self.verdict.fail("follow-up", ("commands", 0, 0), f"{name} for {follow.subject} is missing")
