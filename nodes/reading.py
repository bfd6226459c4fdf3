"""Reading hidden amounts as far as payment secrets go: a job's price and pay, everything that an auditor may read.

A ciphertext does not say whose it is, and a search under a wrong secret would take minutes to find nothing: so the keys that
a ciphertext was made for are looked up first.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from bitsage.privacy import UNIT, payment_public_key
from bitsage.privacy.dlog import Table
from bitsage.processors.hidden import handle, shares
from bitsage.processors.model import job_subject
from bitsage.schemas.events import EscrowLocked, EscrowRefunded, PaymentDue, PaymentEncrypted
from bitsage.schemas.hidden_events import PriceShared, PrivateAccountOpened, TransferSent
from bitsage.streams.topics import TOPICS, topic_name

from .claims import units_in
from .client import Answer, Client
from .device_curve import table_for


@dataclass(slots=True)
class Reader:
    """What some secrets can read. `secrets`: public payment key -> secret; `owners`: account subject -> its payment key."""

    client: Client
    secrets: Mapping[bytes, int]
    owners: dict[str, bytes] = field(default_factory=dict)
    answers: list[Answer] = field(default_factory=list)
    table: Table | None = None

    @classmethod
    def of(cls, client: Client, secrets: Sequence[int]) -> "Reader":
        """A reader of the whole log, as it is now."""
        reader = cls(client, {payment_public_key(secret): secret for secret in secrets})
        where = {(topic_name(t), p): 0 for t in ("accounts", "jobs") for p in range(TOPICS[t].partitions)}
        reader.answers = client.chained_history(where)
        for answer in reader.answers:
            body = answer.body
            if isinstance(body, PrivateAccountOpened | PaymentDue):
                reader.owners.setdefault(answer.envelope.subject, body.payment_key)
        return reader

    @property
    def escrow(self) -> list[bytes]:
        """The escrow's and any auditor's key."""
        keys = [bytes.fromhex(self.client.network.escrow_key)]
        return [*keys, bytes.fromhex(self.client.network.auditor_key)]

    def open(self, ciphertext: bytes, keys: Sequence[bytes]) -> int | None:
        """The units of a ciphertext whose handles are for `keys`, in their order; None when no secret is one of theirs."""
        for reader, key in enumerate(keys):
            if key in self.secrets and (part := handle(ciphertext, reader)) and len(part) == 2 * _POINT:
                return units_in(part, self.secrets[key], table=self.table)
        return None

    def price(self, subject: str, body: EscrowLocked) -> int | None:
        """The units of a sealed price in the escrow of `subject`."""
        return self.open(body.ciphertext, [self.owners.get(subject, b""), *self.escrow])


_POINT = 64


def payment_of(client: Client, job_id: bytes, secrets: Sequence[int]) -> dict[str, Any] | None:
    """A job's escrow and payment: public amounts, ciphertexts (hex), and what the secrets open (base units as text).

    None when the log has nothing of it.
    """
    reader = Reader.of(client, secrets)
    of_job = [a for a in reader.answers if getattr(a.body, "job_id", None) == job_id]
    locked = next(((a.envelope.subject, a.body) for a in of_job if isinstance(a.body, EscrowLocked)), None)
    due = [a.body for a in of_job if isinstance(a.body, PaymentDue)]
    if locked is None and not due:
        return None
    facts: dict[str, Any] = {"job_id": job_subject(job_id), "state": _state(of_job)}
    if locked is not None:
        shared = [a.body for a in of_job if isinstance(a.body, PriceShared)]
        facts |= _escrow(reader, locked[0], locked[1], shared)
    if due:
        facts |= _pay(reader, due[-1], [a.body for a in of_job if isinstance(a.body, PaymentEncrypted)])
    return facts


def _escrow(reader: Reader, client: str, body: EscrowLocked, shared: Sequence[PriceShared]) -> dict[str, Any]:
    units = reader.price(client, body) if body.ciphertext else None
    for told in shared:
        units = reader.open(told.ciphertext, [told.payment_key]) if units is None else units
    factor = shares(reader.client.network.parameters).price
    return {
        "client": client,
        "sealed": bool(body.ciphertext),
        "price": _text(body.amount, units, factor),
        "price_ciphertext": body.ciphertext.hex(),
    }


def _pay(reader: Reader, due: PaymentDue, made: Sequence[PaymentEncrypted]) -> dict[str, Any]:
    paid = next((body for body in made if body.payment_nonce == due.payment_nonce), None)
    units = reader.open(due.ciphertext, reader.escrow[:1]) if due.ciphertext else None
    if units is None and due.ciphertext and paid is not None:
        units = reader.open(paid.ciphertext, [due.payment_key])
    return {
        "worker": "0x" + due.worker.hex(),
        "paid": _text(due.amount, units, shares(reader.client.network.parameters).worker),
        "paid_ciphertext": "" if paid is None else paid.ciphertext.hex(),
    }


def _text(amount: int, units: int | None, factor: int) -> str | None:
    if amount:
        return str(amount)
    return None if units is None else str(factor * units * UNIT)


def _state(answers: Sequence[Answer]) -> str:
    names = {type(answer.body) for answer in answers}
    if EscrowRefunded in names:
        return "refunded"
    return "paid" if PaymentEncrypted in names else "due" if PaymentDue in names else "locked"


def amounts_for(client: Client, secret: int) -> list[dict[str, Any]]:
    """Every sealed price and transfer that the secret opens, oldest first; amounts in base units as text."""
    reader = Reader.of(client, [secret])
    factor = shares(client.network.parameters).price
    hidden = sum(isinstance(answer.body, EscrowLocked | TransferSent) for answer in reader.answers)
    reader.table = table_for(hidden) if hidden else None
    found = []
    for answer in reader.answers:
        body, subject = answer.body, answer.envelope.subject
        if isinstance(body, EscrowLocked) and body.ciphertext:
            units, job_id, to = reader.price(subject, body), body.job_id.hex(), "escrow"
            worth = None if units is None else factor * units
        elif isinstance(body, TransferSent):
            keys = [reader.owners.get(subject, b""), body.recipient_key, reader.escrow[1]]
            worth, job_id, to = reader.open(body.ciphertext, keys), "", "0x" + body.recipient.hex()
        else:
            continue
        if worth is not None:
            facts = {"event": answer.envelope.type, "subject": subject, "job_id": job_id, "to": to}
            found.append(facts | {"amount": str(worth * UNIT)})
    return found
