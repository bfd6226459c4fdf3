"""Dead letters under audit: a letter skips a command, so it has to be earned.

Whatever a letter says of a command is reproduced: that it cannot be read, stands in the wrong place, is not signed, makes
its decider fail, or has an answer that no topic takes. A parked command has to wait behind one that failed reproducibly.
"""

import hashlib
from dataclasses import dataclass, field

from bitsage.processors.kernel import Streams
from bitsage.processors.model import Rules
from bitsage.streams.codec import fingerprint_of
from bitsage.streams.deadletters import DeadLetter
from bitsage.streams.envelope import cloud_event_headers
from bitsage.streams.errors import PermanentFailure
from bitsage.streams.log import Record, record_bytes
from bitsage.streams.topics import TOPICS

from .audit_horizon import Horizon
from .coordinator import is_judgement
from .execution import Execution, execute
from .network import Network

#: What a topic without a limit of its own takes (Kafka's default of max.message.bytes), less what a batch adds.
_DEFAULT_LIMIT = 1_048_588
#: A follow-up's or an event's own headers beyond those of CloudEvents: the seal.
_SEAL = ("bitsage-seal", bytes(64))


@dataclass(slots=True)
class LetterAudit:
    """Checks the letters of one log; told about them in the order of their commands, per partition."""

    network: Network
    horizon: Horizon
    rules: Rules
    #: (partition, key) -> letters that failed reproducibly and park the key
    _failed: dict[tuple[int, bytes | None], list[DeadLetter]] = field(default_factory=dict)

    def refute(self, record: Record, letter: DeadLetter, streams: Streams) -> str | None:
        """Why the letter is not earned; None when it is. `streams` stay as they are."""
        if not _is_of(letter, record):
            return "the letter carries another record than the one it names"
        if letter.code == "parked":
            if letter.parked and not is_judgement(record) and self._waits(record, letter):
                return None
            return "nothing that failed stands before it under its key"
        outcome = self._outcome(record, streams)
        if letter.code == "answer_too_large":
            if isinstance(outcome, Execution) and _is_too_large(outcome) and not letter.parked:
                return None
            return "its answer is not too large"
        if isinstance(outcome, Execution):
            return f"it is called {letter.code} by version {letter.version}, but it can be decided"
        if outcome.code != letter.code:
            return f"it is called {letter.code}, but it is {outcome.code}"
        if letter.parked != (outcome.park and not is_judgement(record)):
            return "its key waits without need" if letter.parked else "its key does not wait, as it has to"
        if letter.parked:
            self._failed.setdefault((record.partition, record.key), []).append(letter)
        return None

    def _outcome(self, record: Record, streams: Streams) -> Execution | PermanentFailure:
        try:
            return execute(record, streams, self.rules, self.network.chain_id)
        except PermanentFailure as failure:
            return failure
        finally:
            streams.abort()

    def _waits(self, record: Record, letter: DeadLetter) -> bool:
        for failed in self._failed.get((record.partition, record.key), []):
            over = any(
                mark.partition == record.partition
                and mark.key == record.key
                and failed.position <= upto
                and mark.offset < letter.position
                # A batch that was read before the mark was written still finds the key parked.
                and mark.timestamp < record.timestamp
                for mark, upto in self.horizon.marks
            )
            if failed.position < letter.position and not over:
                return True
        return False


def _is_of(letter: DeadLetter, record: Record) -> bool:
    if not letter.digest:
        return (letter.key, letter.value) == (record.key, record.value)
    value, key = record.value or b"", record.key
    same_key = letter.key == key or (key is not None and letter.key is not None and key.startswith(letter.key))
    return same_key and letter.digest == hashlib.sha256(value).hexdigest() and value.startswith(letter.value or b"")


def _is_too_large(execution: Execution) -> bool:
    for event in execution.events:
        headers = (*cloud_event_headers(event.envelope, fingerprint_of("events", event.envelope.type)), _SEAL)
        size = record_bytes(event.envelope.subject.encode(), event.value, headers)
        if size > int(TOPICS[event.topic].config.get("max.message.bytes", _DEFAULT_LIMIT)):
            return True
    return False
