"""Executing one command record: which events and follow-ups it entails, byte for byte, without any key.

A function of the record and of the streams folded before it; the coordinator's handler signs and seals the result, the
audit compares it with what the log holds.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import structlog

from bitsage.processors.kernel import NO_STANDING, LocalView, Streams, decide, fold, is_routable
from bitsage.processors.model import Command, Rules
from bitsage.processors.policies import follow_ups
from bitsage.schemas.events import CommandRejected
from bitsage.schemas.reasons import REASONS
from bitsage.schemas.types import CommandBody, CommandEnvelope, EventBody, EventEnvelope
from bitsage.streams.codec import SignedCommand, decode_command, encode_event
from bitsage.streams.envelope import chain_hash, event_id, follow_up_id, follow_up_nonce
from bitsage.streams.errors import PermanentFailure, Undecodable
from bitsage.streams.log import Record
from bitsage.streams.topics import partition_for

from .signing import refusal

logger = structlog.get_logger(__name__)


#: (envelope, payload hash, chain id) -> why the signature does not count; None: it does
Refuse = Callable[[CommandEnvelope, bytes, str], str | None]


@dataclass(frozen=True, slots=True)
class Emitted:
    """One event: `topic` without prefix, and the record's value."""

    topic: str
    envelope: EventEnvelope
    body: EventBody
    value: bytes


@dataclass(frozen=True, slots=True)
class FollowUp:
    """One command that the coordinator has to sign and send in the same transaction; `at`: when its cause was appended."""

    subject: str
    body: CommandBody
    id: bytes
    at: int
    correlation: bytes
    nonce: int


@dataclass(frozen=True, slots=True)
class Execution:
    """What one command record entails."""

    command: SignedCommand
    events: tuple[Emitted, ...]
    follow_ups: tuple[FollowUp, ...]


def execute(record: Record, streams: Streams, rules: Rules, chain_id: str, refuse: Refuse = refusal) -> Execution:
    """Decide one record and stage its events in `streams`; `refuse` says why a signature does not count.

    Raises:
        PermanentFailure: the record is no command of ours or not signed by its actor (not to be parked), or a decider
            failed on it (parked).
    """
    signed = read_command(record)
    refused = refuse(signed.envelope, signed.payload_hash, chain_id)
    if refused is not None:
        # An event would be kept for ever, under a subject that somebody without any key has chosen.
        raise PermanentFailure(refused, REASONS[refused], park=False)
    try:
        topic, bodies = decide(streams, signed.envelope, signed.body, rules, logged_at=record.timestamp)
        execution = _entail(record, signed, topic, bodies, streams, rules)
        streams.keep()
    # A decider's own error must not stop the network: the command is kept as a dead letter and its key waits.
    except Exception as error:
        streams.undo()
        logger.exception("decider_failed", command=signed.envelope.type, subject=signed.envelope.subject)
        raise PermanentFailure("decider_failed", type(error).__name__, park=True) from error
    return execution


def read_command(record: Record) -> SignedCommand:
    """The command that a record carries, if it stands where its subject belongs.

    Raises:
        PermanentFailure: undecodable, misrouted, or nothing that a decider answers.
    """
    try:
        signed = decode_command(record.value)
    except Undecodable as error:
        raise PermanentFailure(error.code, str(error), park=False) from error
    key = signed.envelope.subject.encode()
    if record.key != key or record.partition != partition_for(key):
        raise PermanentFailure("misrouted", "the record's key or partition is not its subject's", park=False)
    if not is_routable(signed.envelope):
        raise PermanentFailure("unroutable", f"no decider answers {signed.envelope.type} there", park=False)
    return signed


def _entail(
    record: Record, signed: SignedCommand, topic: str, bodies: Sequence[EventBody], streams: Streams, rules: Rules
) -> Execution:
    e = signed.envelope
    command = Command(signed.body, e.id, e.subject, record.timestamp, e.correlation, e.actor, e.public_key, e.at)
    emitted: list[Emitted] = []
    entailed: list[FollowUp] = []
    for index, body in enumerate(bodies):
        stream = streams.get(topic, e.subject)
        envelope = _envelope(record, signed, stream.sequence + 1, stream.previous, index, body)
        value = encode_event(envelope, body)
        streams.put(topic, e.subject, fold(stream, topic, envelope, body, chain_hash(value)))
        emitted.append(Emitted(topic, envelope, body, value))
        if isinstance(body, CommandRejected) and body.reason in NO_STANDING:
            # Somebody sent it once more, or without a right to: it must not set anything going.
            continue
        for subject, follow in follow_ups(command, body, LocalView(streams, e.subject), rules):
            n = len(entailed)
            identifier = follow_up_id(e.id, n, type(follow).__name__)
            nonce = follow_up_nonce(record.partition, record.offset, n)
            entailed.append(FollowUp(subject, follow, identifier, record.timestamp, envelope.correlation, nonce))
    return Execution(signed, tuple(emitted), tuple(entailed))


def _envelope(
    record: Record, signed: SignedCommand, sequence: int, previous: bytes, index: int, body: EventBody
) -> EventEnvelope:
    e = signed.envelope
    name = type(body).__name__
    job = getattr(body, "job_id", None)
    return EventEnvelope(
        id=event_id(e.id, index, name, e.type, e.subject, sequence),
        type=name,
        subject=e.subject,
        sequence=sequence,
        previous=previous,
        at=record.timestamp,
        cause=e.id,
        # One id for a whole job: the job's own, from the event that names it first.
        correlation=job if isinstance(job, bytes) and len(job) == 16 else e.correlation,
        actor=e.actor,
        public_key=e.public_key,
        signature=e.signature,
        command=e.type,
        nonce=e.nonce,
        payload_hash=signed.payload_hash,
    )
