"""Evidence for a slash: the sealed events that it follows from, as a document that anybody can check without the log.

A case holds records as the log holds them. Checking one believes neither the log nor the coordinator: every record's seal
and the signature of whoever caused it are verified; the signature of a vote or a proof is held against what it says, by
writing down the command that was signed; the proof is verified again. What remains on the
coordinator's word is said by `ON_THE_WORD`.
"""

import base64
import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, fields, replace
from typing import Any

from bitsage.processors.model import NETWORK, account_subject, job_subject
from bitsage.schemas.commands import COMMANDS, CastDisputeVote, CastVote, SubmitProof
from bitsage.schemas.events import DisputeVoteCast, ProofGenerated, Slashed, VoteCast, VoteRejected
from bitsage.schemas.types import CommandBody, CommandEnvelope, EventBody, EventEnvelope
from bitsage.streams.codec import decode_event, payload_hash
from bitsage.streams.errors import Undecodable
from bitsage.streams.log import Log, Record
from bitsage.streams.seal import HEADER
from bitsage.streams.topics import TOPICS, partition_for, topic_name
from bitsage.wallet import address_matches, verify_command

from .evidence_parts import misdivided
from .evidence_rules import RULES, needs
from .network import Network
from .sealed import Link, sealed_event

FORMAT = "bitsage evidence 1"
#: Reasons whose evidence rests on an observation of the coordinator: that a time was over, how long
#: an attempt took, or that a worker was silent.
ON_THE_WORD = frozenset({"timeout", "repeated_failures", "lock_timeout", "benchmark_fraud"})
_BY_JOB = frozenset(map(topic_name, ("jobs", "proofs", "votes")))


@dataclass(frozen=True, slots=True)
class Exhibit:
    """One sealed record: where it stands (topic with prefix), its value and its seal."""

    topic: str
    partition: int
    offset: int
    value: bytes
    seal: bytes


@dataclass(frozen=True, slots=True)
class Case:
    """What a slash follows from; `accused` is the subject of the slashed account."""

    accused: str
    reason: str
    job_id: bytes
    attempt: int
    round: int
    exhibits: tuple[Exhibit, ...]


def signed_command(envelope: EventEnvelope, body: EventBody) -> tuple[CommandEnvelope, CommandBody] | None:
    """The command that its signer signed, written down from the event that keeps a vote or a proof; None for others."""
    vote: CommandBody
    match body:
        case ProofGenerated():
            vote = SubmitProof(**{f.name: getattr(body, f.name) for f in fields(SubmitProof)})
        case VoteCast():
            vote = CastVote(attempt=body.attempt, proof_hash=body.proof_hash, valid=body.valid, reason=body.reason)
        case DisputeVoteCast(round=round_):
            vote = CastDisputeVote(
                attempt=body.attempt, round=round_, proof_hash=body.proof_hash, valid=body.valid, reason=body.reason
            )
        case VoteRejected(reason="equivocation", round=0):
            vote = CastVote(attempt=body.attempt, proof_hash=body.proof_hash, valid=body.valid, reason=body.remark)
        case VoteRejected(reason="equivocation", round=round_):
            vote = CastDisputeVote(
                attempt=body.attempt, round=round_, proof_hash=body.proof_hash, valid=body.valid, reason=body.remark
            )
        case _:
            return None
    command = CommandEnvelope(
        id=envelope.cause,
        type=envelope.command,
        subject=envelope.subject,
        at=body.signed_at,
        correlation=body.signed_correlation,
        actor=envelope.actor,
        public_key=envelope.public_key,
        nonce=envelope.nonce,
        signature=envelope.signature,
    )
    return command, vote


def check(case: Case, network: Network) -> list[str]:
    """What is wrong with a case, one sentence each; nothing when the slash follows from the exhibits."""
    events: list[tuple[EventEnvelope, EventBody]] = []
    wrong = []
    for exhibit in case.exhibits:
        place = f"{exhibit.topic}[{exhibit.partition}]@{exhibit.offset}"
        found = _read(exhibit, network)
        if isinstance(found, str):
            wrong.append(f"{place}: {found}")
        else:
            events.append(found)
    slashes = [
        body
        for envelope, body in events
        if isinstance(body, Slashed) and envelope.subject == case.accused and _is_of(case, body)
    ]
    if len(slashes) != 1:
        return [*wrong, "the slash itself is not among the exhibits, once"]
    rule = RULES.get(case.reason)
    if rule is None:
        return [*wrong, f"there is no rule for {case.reason}"]
    wrong += rule(case.accused, slashes[0], events, network)
    return wrong + misdivided(case.accused, slashes[0], events, network)


def _is_of(case: Case, body: Slashed) -> bool:
    return (body.reason, body.job_id, body.attempt, body.round) == (case.reason, case.job_id, case.attempt, case.round)


def _read(exhibit: Exhibit, network: Network) -> tuple[EventEnvelope, EventBody] | str:
    if not network.seal_check().signed(exhibit.topic, exhibit.value, exhibit.seal):
        return "it has no seal of this network's coordinator"
    try:
        envelope, body = decode_event(exhibit.value)
    except Undecodable as error:
        return f"it cannot be read: {error.code}"
    signed = address_matches(envelope.actor, envelope.public_key) and verify_command(
        envelope.public_key,
        network.chain_id,
        envelope.command,
        envelope.subject,
        envelope.payload_hash,
        envelope.nonce,
        envelope.signature,
    )
    rule = COMMANDS.get(envelope.command)
    by_authority = account_subject(envelope.actor) == network.authority
    if not signed or rule is None or (rule.signer == "authority" and not by_authority):
        return f"{envelope.command} was not signed by whoever may"
    of_job = exhibit.topic in _BY_JOB and getattr(body, "job_id", b"").hex() != envelope.subject
    if of_job or partition_for(envelope.subject.encode()) != exhibit.partition:
        return "it does not stand where its subject's events stand"
    said = signed_command(envelope, body)
    if said is not None and payload_hash(*said) != envelope.payload_hash:
        return "its signer signed something else than what it says"
    named = getattr(body, "worker" if isinstance(body, ProofGenerated) else "validator", envelope.actor)
    return (envelope, body) if said is None or named == envelope.actor else "it names somebody else than its signer"


# ---- from the log ----


def collect(log: Log, network: Network, subject: str) -> list[Case]:
    """The cases of every slash that names a job (32 hex digits), or of an account (0x and 64 hex digits)."""
    reader = _Reader(log, network)
    account = subject.startswith("0x")
    slashes = [
        (e, body)
        for e, body in reader.of("accounts", subject if account else None)
        if isinstance(body, Slashed) and (account or body.job_id.hex() == subject)
    ]
    return [reader.case(envelope, body) for envelope, body in slashes]


class _Reader:
    """Sealed records of subjects, each as the next link of its chain; what was read once is kept."""

    def __init__(self, log: Log, network: Network) -> None:
        self._log = log
        self._seals = network.seal_check()
        self._known: dict[tuple[str, int], list[tuple[Record, EventEnvelope, EventBody]]] = {}

    def of(self, topic: str, subject: str | None) -> Iterator[tuple[EventEnvelope, EventBody]]:
        """The events of a subject in a topic, or of all of its subjects."""
        return ((e, body) for _, e, body in self._records(topic, subject))

    def case(self, envelope: EventEnvelope, slash: Slashed) -> Case:
        """A slash with everything that its rule asks for."""
        job = job_subject(slash.job_id)
        found: list[Exhibit] = []
        for topic, whose in (
            ("workers", NETWORK), ("jobs", job), ("proofs", job), ("votes", job),
            ("workers", envelope.subject), ("accounts", envelope.subject),
        ):  # fmt: skip
            for record, other, body in self._records(topic, whose):
                if needs(envelope.subject, slash, other.subject, body):
                    found.append(_exhibit(record))
        return Case(envelope.subject, slash.reason, slash.job_id, slash.attempt, slash.round, tuple(found))

    def _records(self, topic: str, subject: str | None) -> Iterator[tuple[Record, EventEnvelope, EventBody]]:
        partitions = range(TOPICS[topic].partitions) if subject is None else [partition_for(subject.encode())]
        for partition in partitions:
            for record, envelope, body in self._partition(topic, partition):
                if subject is None or envelope.subject == subject:
                    yield record, envelope, body

    def _partition(self, topic: str, partition: int) -> list[tuple[Record, EventEnvelope, EventBody]]:
        place = (topic_name(topic), partition)
        if place not in self._known:
            heads: dict[str, Link] = {}
            kept: list[tuple[Record, EventEnvelope, EventBody]] = []
            reader = self._log.reader({place: 0}, follow=False)
            try:
                while records := reader.read(2_000, 2.0):
                    kept += self._chained(records, heads)
            finally:
                reader.close()
            self._known[place] = kept
        return self._known[place]

    def _chained(
        self, records: Iterable[Record], heads: dict[str, Link]
    ) -> Iterator[tuple[Record, EventEnvelope, EventBody]]:
        for record in records:
            found = sealed_event(record, self._seals, quiet=True)
            if found is None:
                continue
            link = heads.get(found[0].subject, Link()).then(record, found[0])
            if link is not None:
                heads[found[0].subject] = link
                yield record, *found


def _exhibit(record: Record) -> Exhibit:
    seal = next(content or b"" for name, content in record.headers if name == HEADER)
    return Exhibit(record.topic, record.partition, record.offset, record.value or b"", seal)


# ---- as a document ----


def export(cases: Iterable[Case], network: Network) -> str:
    """Cases as JSON; bytes are base64, hashes and addresses hex."""
    document = {
        "format": FORMAT,
        "chain_id": network.chain_id,
        "cases": [
            {
                "accused": case.accused,
                "reason": case.reason,
                "job_id": case.job_id.hex(),
                "attempt": case.attempt,
                "round": case.round,
                "exhibits": [
                    {
                        "topic": e.topic,
                        "partition": e.partition,
                        "offset": e.offset,
                        "value": base64.b64encode(e.value).decode(),
                        "seal": base64.b64encode(e.seal).decode(),
                    }
                    for e in case.exhibits
                ],
            }
            for case in cases
        ],
    }
    return json.dumps(document, indent=1)


def imported(text: str, network: Network) -> list[Case]:
    """The cases of a document that `export` wrote.

    Raises:
        ValueError: it is no such document, or of another network.
    """
    try:
        document = json.loads(text)
        if document["format"] != FORMAT or document["chain_id"] != network.chain_id:
            raise ValueError("the file is of another format or of another network")
        return [_case(one) for one in document["cases"]]
    except (KeyError, TypeError, AttributeError, RecursionError) as error:
        raise ValueError(f"the file is no evidence ({type(error).__name__})") from error


def _case(raw: dict[str, Any]) -> Case:
    exhibits = tuple(
        Exhibit(
            str(e["topic"]),
            int(e["partition"]),
            int(e["offset"]),
            base64.b64decode(e["value"], validate=True),
            base64.b64decode(e["seal"], validate=True),
        )
        for e in raw["exhibits"]
    )
    empty = Case(str(raw["accused"]), str(raw["reason"]), bytes.fromhex(raw["job_id"]), 0, 0, exhibits)
    return replace(empty, attempt=int(raw["attempt"]), round=int(raw["round"]))
