"""What only the coordinator's keys can do, and what strangers can: for tests of the audit."""

import contextlib
import dataclasses
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from testnetwork import TestNetwork

from bitsage.nodes import handler
from bitsage.nodes.audit import Verdict, audit
from bitsage.nodes.execution import FollowUp
from bitsage.nodes.signing import CommandSigner
from bitsage.schemas.types import CommandBody, EventBody, EventEnvelope
from bitsage.streams.codec import decode_event, encode_event
from bitsage.streams.envelope import chain_hash, event_id
from bitsage.streams.log import Outgoing, Record
from bitsage.streams.memory_log import InMemoryLog
from bitsage.streams.seal import HEADER, Sealer
from bitsage.streams.topics import partition_for, topic_name


def sealer(network: TestNetwork) -> Sealer:
    return Sealer(network.authority.seal_secret, network.chain_id)


def command_of_the_coordinator(network: TestNetwork, subject: str, body: CommandBody) -> EventBody:
    """Sign a command with the coordinator's account, send it, and wait for the answer."""
    answer: EventBody = network.client(0).ask(subject, body)[0].body
    return answer


@contextlib.contextmanager
def rewritten(change: Callable[[FollowUp], CommandBody | None]) -> Iterator[None]:
    """A coordinator that signs other follow-ups than those that follow: `change` gives the body (None: the true one)."""
    real = handler.CoordinatorHandler._sign

    def sign(self: Any, follow: FollowUp) -> Outgoing:
        body = change(follow)
        return real(self, follow if body is None else dataclasses.replace(follow, body=body))

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(handler.CoordinatorHandler, "_sign", sign)
        yield


def records(log: InMemoryLog, short: str, subject: str | None = None) -> list[Record]:
    """The committed records of a topic, of one subject or of all."""
    places = [place for place in log.partitions if place[0] == topic_name(short)]
    found = [r for place in places for r in log.fetch(place, log.partitions[place].start, 10**6)[0]]
    return [r for r in found if subject is None or r.key == subject.encode()]


def copy(log: InMemoryLog, record: Record, partition: int | None = None, key: bytes | None = None) -> None:
    """What a stranger can do: write a sealed record once more, here or elsewhere."""
    where = record.partition if partition is None else partition
    log.producer().send(Outgoing(record.topic, where, key or record.key, record.value, record.headers))


def seal_event(
    log: InMemoryLog, network: TestNetwork, short: str, subject: str, envelope: EventEnvelope, body: EventBody
) -> None:
    """Write an event that the coordinator's key seals, as the next one of its subject's chain."""
    chain = records(log, short, subject)
    last = chain[-1]
    before, _ = decode_event(last.value)
    assert last.value is not None
    envelope = dataclasses.replace(
        envelope,
        type=type(body).__name__,
        subject=subject,
        sequence=before.sequence + 1,
        previous=chain_hash(last.value),
    )
    identifier = event_id(envelope.cause, 0, envelope.type, envelope.command, subject, envelope.sequence)
    value = encode_event(dataclasses.replace(envelope, id=identifier), body)
    headers = ((HEADER, sealer(network).seal(last.topic, value)),)
    log.producer().send(Outgoing(last.topic, partition_for(subject.encode()), last.key, value, headers))


def expire(log: InMemoryLog, keep: int = 0) -> None:
    """Retention: only the last `keep` offsets of each partition of the commands stay."""
    for partition in range(6):
        place = (topic_name("commands"), partition)
        log.trim(place, max(log.partitions[place].start, log.end_of(place) - keep))


def signer(network: TestNetwork) -> CommandSigner:
    return CommandSigner(network.authority, network.network.chain_id)


def checks(verdict: Verdict) -> set[str]:
    """The checks that failed."""
    return {finding.check for finding in verdict.findings}


def verdict_of(log: InMemoryLog, network: TestNetwork) -> Verdict:
    return audit(log, network.network)
