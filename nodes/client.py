"""Asking the network something and hearing its answer, over the log."""

import secrets
import time
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from bitsage.processors.model import NETWORK, account_subject, job_subject
from bitsage.schemas.commands import (
    COMMANDS,
    CancelJob,
    CreateWallet,
    RequestTokens,
    StakeTokens,
    SubmitJob,
)
from bitsage.schemas.events import (
    JobCancelled,
    JobCompleted,
    JobFailed,
    JobRejected,
    JobSpec,
)
from bitsage.schemas.hidden_commands import ClaimPayment
from bitsage.schemas.ids import job_id as job_id_of
from bitsage.schemas.reasons import REASONS
from bitsage.schemas.types import CommandBody, EventBody, EventEnvelope, Rejection
from bitsage.streams.log import Log, Place, Reader, Record
from bitsage.streams.topics import TOPICS, partition_for, topic_name
from bitsage.wallet import Key

from .errors import AnswerTimeout, CommandRefused
from .network import Network
from .refusals import letter_place, raise_if_unsigned
from .sealed import Link, sealed_event
from .signing import CommandSigner, Prepared


@dataclass(frozen=True, slots=True)
class Answer:
    """One event as the log holds it."""

    envelope: EventEnvelope
    body: EventBody
    topic: str
    partition: int
    offset: int


class Client:
    """One account's way to talk to the network: signed commands out, sealed events back."""

    def __init__(self, log: Log, network: Network, key: Key) -> None:
        self.log = log
        self.network = network
        self.key = key
        self.signer = CommandSigner(key, network.chain_id)
        self._seals = network.seal_check()
        self._producer = log.producer()

    @property
    def subject(self) -> str:
        """The account's own subject."""
        return account_subject(self.key.address)

    def close(self) -> None:
        """Close the producer."""
        self._producer.close()

    # ---- asking ----

    def ask(self, subject: str, body: CommandBody, timeout: float = 30.0) -> list[Answer]:
        """Send a command and wait for the events that answer it.

        Raises:
            CommandRefused: the answer is a rejection; its code is the event's reason.
            AnswerTimeout: no answer came in `timeout` seconds.
        """
        return self.ask_prepared(self.signer.sign(subject, body), timeout)

    def ask_prepared(self, prepared: Prepared, timeout: float = 30.0) -> list[Answer]:
        """The same for a command that is signed already."""
        topic = topic_name(COMMANDS[prepared.envelope.type].topic)
        where = (topic, prepared.record.partition)
        reader = self._tail({where, letter_place(prepared)})
        try:
            self._producer.send(prepared.record)
            answers = self._collect(reader, prepared, time.monotonic() + timeout)
        finally:
            reader.close()
        if not answers:
            raise AnswerTimeout(
                f"no answer to {prepared.envelope.type} within {timeout:g} s. The command stands in the log and will be carried"
                " out when a coordinator runs: look before you send it again"
            )
        for answer in answers:
            if isinstance(answer.body, Rejection):
                raise CommandRefused(answer.body.reason, refusal_sentence(prepared.envelope.type, answer.body))
        return answers

    def send(self, subject: str, body: CommandBody) -> Prepared:
        """Send a command without waiting for its answer (durable when this returns)."""
        prepared = self.signer.sign(subject, body)
        self.send_prepared(prepared)
        return prepared

    def send_prepared(self, prepared: Prepared) -> None:
        """The same for a command that is signed already."""
        self._producer.send(prepared.record)

    def _tail(self, where: set[tuple[str, int]]) -> Reader:
        probe = self.log.reader(dict.fromkeys(where, 0), follow=False)
        try:
            ends = probe.end_offsets()
        finally:
            probe.close()
        return self.log.reader(ends, follow=True)

    def _collect(self, reader: Reader, prepared: Prepared, deadline: float) -> list[Answer]:
        # The signature too: an answer to a forgery under this command's id is not ours.
        mine = (prepared.envelope.id, prepared.envelope.signature)
        found: list[Answer] = []
        while time.monotonic() < deadline:
            # The events of one command come in one transaction: one more look after the first is enough.
            records = reader.read(500, 0.05 if found else 0.2)
            raise_if_unsigned(records, prepared, self._seals)
            fresh = [
                a for a in map(self.read, records) if a is not None and (a.envelope.cause, a.envelope.signature) == mine
            ]
            if found and not fresh:
                break
            found += fresh
        return found

    def read(self, record: Record) -> Answer | None:
        """A record as an event of this network; None when it is not one, or stands under another key than its subject."""
        found = sealed_event(record, self._seals, quiet=True)
        return None if found is None else Answer(*found, record.topic, record.partition, record.offset)

    def _chained(
        self, records: Iterable[Record], subject: str | None, heads: dict[tuple[str, str], Link]
    ) -> Iterator[Answer]:
        """The subject's events (None: everybody's) among the records, each once: the next link of its chain in its topic,
        read from its beginning."""
        for record in records:
            answer = self.read(record) if subject is None or record.key == subject.encode() else None
            if answer is None:
                continue
            name = (record.topic, answer.envelope.subject)
            link = heads.get(name, Link()).then(record, answer.envelope)
            if link is not None:
                heads[name] = link
                yield answer

    # ---- what people ask for ----

    def create_wallet(self) -> list[Answer]:
        """Announce the account."""
        return self.ask(self.subject, CreateWallet())

    def request_tokens(self) -> list[Answer]:
        """Ask the faucet."""
        return self.ask(self.subject, RequestTokens())

    def stake(self, amount: int, tier: str) -> list[Answer]:
        """Stake `amount` base units for `tier`."""
        return self.ask(self.subject, StakeTokens(amount=amount, tier=tier))

    def submit_job(self, spec: JobSpec) -> tuple[bytes, list[Answer]]:
        """Submit a job with an open offer (`spec.max_cost`); its id, and the events that locked its escrow.

        `nodes.purse.Purse.submit_job` makes a sealed offer.

        Raises:
            CommandRefused: bad input or missing funds.
        """
        prepared = self.signer.sign(self.subject, SubmitJob(spec=spec))
        return job_id_of(self.key.address, prepared.envelope.id), self.ask_prepared(prepared)

    def cancel_job(self, job_id: bytes) -> list[Answer]:
        """Take a job back."""
        return self.ask(job_subject(job_id), CancelJob())

    def claim(self, job_id: bytes | None = None) -> list[Answer]:
        """Fold what arrived into the available hidden balance; with a job id only if its payment is among it."""
        return self.ask(self.subject, ClaimPayment(job_id=job_id))

    # ---- watching ----

    def history(self, topics: tuple[str, ...], subject: str) -> list[Answer]:
        """Every event of a subject in these topics, from the beginning of its partition, oldest first."""
        partition = partition_for(subject.encode())
        return self.chained_history({(topic_name(t), partition): 0 for t in topics}, subject)

    def chained_history(self, where: dict[Place, int], subject: str | None = None) -> list[Answer]:
        """Every event at these places, of one subject or of all, each once as the next link of its chain; oldest first."""
        reader = self.log.reader(where, follow=False)
        found: list[Answer] = []
        heads: dict[tuple[str, str], Link] = {}
        try:
            while records := reader.read(2_000, 2.0):
                found += self._chained(records, subject, heads)
        finally:
            reader.close()
        return sorted(found, key=lambda a: (a.envelope.at, a.topic, a.offset))

    def follow(
        self, topics: tuple[str, ...], timeout: float | None = None, *, from_start: bool = False
    ) -> Iterator[Answer]:
        """Events of these topics as they come, of all partitions; ends after `timeout` seconds of silence."""
        where = {(topic_name(t), p) for t in topics for p in range(TOPICS[t].partitions)}
        reader = self.log.reader(dict.fromkeys(where, 0), follow=True) if from_start else self._tail(where)
        quiet_since = time.monotonic()
        try:
            while timeout is None or time.monotonic() - quiet_since < timeout:
                for record in reader.read(500, 0.2):
                    answer = self.read(record)
                    if answer is not None:
                        quiet_since = time.monotonic()
                        yield answer
        finally:
            reader.close()

    def follow_job(self, job_id: bytes, timeout: float = 3600.0) -> Iterator[Answer]:
        """The life of a job, from its beginning until it is over (paid for, failed, cancelled) or `timeout` seconds passed.

        Raises:
            AnswerTimeout: it is not over after `timeout` seconds.
        """
        subject = job_subject(job_id)
        partition = partition_for(subject.encode())
        where = {(topic_name(t), partition): 0 for t in ("jobs", "proofs", "votes")}
        deadline = time.monotonic() + timeout
        reader = self.log.reader(where, follow=True)
        heads: dict[tuple[str, str], Link] = {}
        try:
            while time.monotonic() < deadline:
                for answer in self._chained(reader.read(500, 0.2), subject, heads):
                    yield answer
                    if isinstance(answer.body, JobCompleted | JobFailed | JobCancelled):
                        return
        finally:
            reader.close()
        raise AnswerTimeout(f"job {subject} is not over after {timeout:g} s")

    def wait_job(self, job_id: bytes, timeout: float = 3600.0) -> Answer:
        """The event that ended the job.

        Raises:
            AnswerTimeout: it is not over after `timeout` seconds.
        """
        last = None
        for answer in self.follow_job(job_id, timeout):
            last = answer
        if last is None:
            raise AnswerTimeout(f"job {job_subject(job_id)} is not over after {timeout:g} s")
        return last


def refusal_sentence(command: str, body: Rejection) -> str:
    """One sentence for a person: what was refused and why."""
    known = REASONS.get(body.reason, body.reason)
    return f"{command} was refused: {body.details or known}"


def fresh_seed() -> int:
    """A seed for generated job inputs, below 2^63."""
    return secrets.randbits(63)


__all__ = ["NETWORK", "Answer", "Client", "JobRejected", "fresh_seed", "refusal_sentence"]
