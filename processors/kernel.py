"""What every command goes through before and after its decider: nonce, clock, role, and the folded streams.

Pure like the deciders: the shell (`nodes/handler.py`) checks signatures, encodes records and talks to Kafka, and calls
`decide` and `fold` here. A batch is staged over the committed streams, so an aborted transaction leaves no trace.
"""

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from typing import Any

from bitsage.schemas.commands import COMMANDS
from bitsage.schemas.events import CommandRejected
from bitsage.schemas.types import ZERO_HASH, CommandBody, CommandEnvelope, EventBody, EventEnvelope, Rejection

from .bindings import Binding, binding_for
from .model import NETWORK, TREASURY, Command, Rules, account_subject
from .nonces import Nonces, is_used, with_spent, with_used

#: Refusals of somebody who has no say over the subject: they must not grow or advance its nonces.
NO_STANDING = frozenset({"nonce_reused", "not_owner", "not_authorized"})
#: What deciders say to somebody who has no part in a job. It leaves no nonce either: keys cost nothing, and each of them
#: could leave one. Nor does the command get a second chance by that, since jobs, attempts and tallies do not change hands.
OUTSIDER = frozenset({"unknown_job", "job_over", "not_client", "not_assigned", "unknown_proof", "stranger"})
CLOCK_SKEW = "clock_skew"
_ADDRESS = re.compile(r"0x[0-9a-f]{64}")
_JOB = re.compile(r"[0-9a-f]{32}")

Key = tuple[str, str]


def subject_kind(subject: str) -> str | None:
    """`address`, `job`, `network` or `treasury`; None for anything else."""
    if subject in (NETWORK, TREASURY):
        return subject
    if _ADDRESS.fullmatch(subject):
        return "address"
    return "job" if _JOB.fullmatch(subject) else None


@dataclass(frozen=True, slots=True)
class Stream:
    """One subject's events in one topic, folded."""

    state: Any
    sequence: int = 0
    previous: bytes = ZERO_HASH
    nonces: Nonces = field(default_factory=dict)


class Streams:
    """The folded streams of the partitions that this process decides for: committed, and staged by the open batch."""

    def __init__(self) -> None:
        self._committed: dict[Key, Stream] = {}
        self._staged: dict[Key, Stream] = {}
        self._open: dict[Key, Stream] = {}

    def get(self, topic: str, subject: str) -> Stream:
        """The stream as the open batch sees it; a new one when nothing has happened yet.

        Raises:
            KeyError: no decider writes such a stream.
        """
        key = (topic, subject)
        found = self._open.get(key) or self._staged.get(key) or self._committed.get(key)
        if found is not None:
            return found
        binding = _binding(topic, subject)
        if binding is None:
            raise KeyError(key)
        return Stream(binding.initial)

    def put(self, topic: str, subject: str, stream: Stream) -> None:
        """Note a stream's new version; it counts for the batch after `keep`."""
        self._open[topic, subject] = stream

    def keep(self) -> None:
        """One record is fully decided: stage what it changed."""
        self._staged.update(self._open)
        self._open.clear()

    def undo(self) -> None:
        """One record failed: forget what it changed."""
        self._open.clear()

    def commit(self) -> list[Key]:
        """The batch is durable: keep what it staged; the keys that changed."""
        self.keep()
        changed = list(self._staged)
        self._committed.update(self._staged)
        self._staged.clear()
        return changed

    def abort(self) -> None:
        """The batch is gone: forget what it staged."""
        self._staged.clear()
        self._open.clear()

    def drop(self, gone: Callable[[str], bool]) -> None:
        """Another process decides for these subjects from now on."""
        self.abort()
        self._committed = {key: stream for key, stream in self._committed.items() if not gone(key[1])}

    def items(self) -> Iterator[tuple[Key, Stream]]:
        """Every committed stream."""
        return iter(self._committed.items())


@dataclass(frozen=True, slots=True)
class LocalView:
    """The co-located states of one subject (`model.Local`)."""

    streams: Streams
    subject: str

    def state(self, topic: str) -> Any:
        """The state folded from `topic` for this subject."""
        return self.streams.get(topic, self.subject).state


def _binding(topic: str, subject: str) -> Binding | None:
    kind = subject_kind(subject)
    return None if kind is None else binding_for(topic, kind)


def is_routable(envelope: CommandEnvelope) -> bool:
    """Whether some decider answers this type of command for this kind of subject."""
    rule = COMMANDS.get(envelope.type)
    return rule is not None and _binding(rule.topic, envelope.subject) is not None


def decide(
    streams: Streams,
    envelope: CommandEnvelope,
    body: CommandBody,
    rules: Rules,
    *,
    logged_at: int,
) -> tuple[str, list[EventBody]]:
    """The topic and the events that answer a command; never empty.

    Args:
        logged_at: when the broker appended the command (ms). It is the time that deciders go by; the command's own is
            the signer's word and only held against it.
    """
    rule = COMMANDS[envelope.type]
    stream = streams.get(rule.topic, envelope.subject)
    reason = _refuse(stream, envelope, rules)
    if reason is not None:
        return rule.topic, [CommandRejected(command=envelope.type, reason=reason)]
    # Follow-ups carry the time of what caused them, which may lie far back after an outage.
    skewed = rule.signer != "authority" and abs(envelope.at - logged_at) > rules.parameters.clock_skew_ms
    if skewed and rule.signer == "owner":
        # Whatever its decider would say, and before it verifies a proof: an owner's command always uses up its nonce.
        return rule.topic, [CommandRejected(command=envelope.type, reason=CLOCK_SKEW)]
    e = envelope
    command = Command(body, e.id, e.subject, logged_at, e.correlation, e.actor, e.public_key, e.at)
    binding = _binding(rule.topic, envelope.subject)
    assert binding is not None, "callers check is_routable first"
    events = binding.decide(LocalView(streams, envelope.subject), command, rules)
    if not events:
        raise AssertionError(f"{envelope.type} was answered with no event")
    # A stranger to a job gets the decider's refusal, which leaves no nonce behind.
    if skewed and not leaves_no_nonce(envelope.type, events[0]):
        return rule.topic, [CommandRejected(command=envelope.type, reason=CLOCK_SKEW)]
    return rule.topic, events


def leaves_no_nonce(command: str, answer: EventBody) -> bool:
    """Whether the answer to a command of this type is a refusal of somebody who has no say over the subject."""
    if not isinstance(answer, Rejection):
        return False
    rule = COMMANDS.get(command)
    return answer.reason in NO_STANDING or (answer.reason in OUTSIDER and rule is not None and rule.signer == "anyone")


def nonces_after(nonces: Nonces, envelope: EventEnvelope, body: EventBody) -> Nonces:
    """The nonces that a subject has seen after one more of its events."""
    if isinstance(body, Rejection) and body.reason == CLOCK_SKEW:
        return with_spent(nonces, envelope.actor, envelope.nonce)
    if leaves_no_nonce(envelope.command, body):
        return nonces
    return with_used(nonces, envelope.actor, envelope.nonce)


def _refuse(stream: Stream, envelope: CommandEnvelope, rules: Rules) -> str | None:
    signer = COMMANDS[envelope.type].signer
    if signer == "owner" and envelope.subject != account_subject(envelope.actor):
        return "not_owner"
    if signer == "authority" and envelope.actor not in rules.authorities:
        return "not_authorized"
    return "nonce_reused" if is_used(stream.nonces, envelope.actor, envelope.nonce) else None


def fold(stream: Stream, topic: str, envelope: EventEnvelope, body: EventBody, record_hash: bytes) -> Stream:
    """The stream after one more event.

    Raises:
        KeyError: no decider writes such a stream.
    """
    binding = _binding(topic, envelope.subject)
    if binding is None:
        raise KeyError((topic, envelope.subject))
    nonces = nonces_after(stream.nonces, envelope, body)
    state = binding.evolve(stream.state, body, envelope.at)
    return replace(stream, state=state, sequence=envelope.sequence, previous=record_hash, nonces=nonces)
