"""The payer: encrypts what is due for each worker, and the price of a sealed offer for the worker that has the job.

Encryption needs randomness, so it cannot be a decider's work. The decider checks what comes: the amount is exactly the
one due, and each payment is made once, however often this process starts again.
"""

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import structlog

from bitsage.privacy import decrypt_balance, make_payment, make_reencryption
from bitsage.processors.hidden import payment_context, price_context
from bitsage.processors.model import Rules, account_subject, job_subject
from bitsage.schemas.commands import PayWorker
from bitsage.schemas.events import (
    CommandRejected,
    JobAssigned,
    JobCancelled,
    JobCompleted,
    JobFailed,
    JobReassigned,
    JobSubmitted,
    PaymentDue,
    PaymentEncrypted,
    WorkerRegistered,
)
from bitsage.schemas.hidden_commands import SharePrice
from bitsage.schemas.hidden_events import PriceShared
from bitsage.schemas.types import EventBody, EventEnvelope
from bitsage.streams.log import Log, Record

from .checks import ProductChecks
from .follower import Follower, Keep
from .network import Network
from .signing import CommandSigner, Prepared

logger = structlog.get_logger(__name__)
#: A payment is sent again when the log does not show it for this long: it may have been refused, or lost on its way.
_REPEAT_S = 10.0
#: Prices of which the amount is remembered: each is needed once for every attempt and once for the payment.
_REMEMBERED = 10_000
_TOPICS = ("accounts", "jobs", "workers")


@dataclass(slots=True)
class Offer:
    """A sealed job that is not over: its price's ciphertext, who has it, and which attempt was told the price."""

    price: bytes = b""
    assigned: JobAssigned | None = None
    told: int = 0
    ended: int = 0


@dataclass(slots=True)
class Payer:
    """Answers each PaymentDue with one PayWorker, and each assignment of a sealed job with one SharePrice."""

    log: Log
    network: Network
    signer: CommandSigner
    folder: Path
    due: dict[str, PaymentDue] = field(default_factory=dict)
    offers: dict[bytes, Offer] = field(default_factory=dict)
    keys: dict[bytes, bytes] = field(default_factory=dict)
    _sent: dict[str, float] = field(default_factory=dict)
    _units: dict[bytes, int] = field(default_factory=dict)
    #: id of a command that was sent and not answered -> its job, for the log
    _asked: dict[bytes, str] = field(default_factory=dict)

    def run(self, stop: threading.Event) -> None:
        """Encrypt until `stop` is set."""
        self.signer.keep_nonces(self.folder / "payer.nonce")
        follower = Follower(
            self.log,
            self.network.seal_check(),
            _TOPICS,
            self.folder / "payer.db",
            f"{self.network.chain_id}/2",
            self.fold,
        )
        producer = self.log.producer()

        def pay() -> None:
            for name, make in self.outstanding():
                asked = make()
                self._asked[asked.envelope.id] = asked.envelope.correlation.hex()
                producer.send(asked.record)
                self._sent[name] = time.monotonic()

        try:
            follower.run(stop, pay)
        finally:
            producer.close()

    def outstanding(self) -> list[tuple[str, Callable[[], Prepared]]]:
        """(name, how to make it) of every command that is to be sent now; payments first."""
        now = time.monotonic()
        found: list[tuple[str, Callable[[], Prepared]]] = []
        for group, due in self.due.items():
            found.append((group, lambda due=due: self._payment(due)))  # type: ignore[misc]
        for job_id, offer in self.offers.items():
            held = offer.assigned
            if held is None or not offer.price or held.attempt <= max(offer.told, offer.ended):
                continue
            if (key := self.keys.get(held.worker)) is not None:
                name = f"price/{job_id.hex()}/{held.attempt}"
                found.append((name, lambda o=offer, h=held, k=key: self._price(o, h, k)))  # type: ignore[misc]
        return [(name, make) for name, make in found if now - self._sent.get(name, -_REPEAT_S) >= _REPEAT_S]

    def _payment(self, due: PaymentDue) -> Prepared:
        logger.info("payment_encrypted", job=due.job_id.hex())
        body = PayWorker(
            job_id=due.job_id,
            payment=self.encrypt(due),
            proof_commitment=due.proof_commitment,
            payment_nonce=due.payment_nonce,
        )
        return self.signer.sign(account_subject(due.worker), body, correlation=due.job_id)

    def encrypt(self, due: PaymentDue) -> bytes:
        """What pays `due`, with fresh randomness from the operating system."""
        if not due.ciphertext:
            return make_payment(
                amount=due.amount,
                payment_key=due.payment_key,
                proof_commitment=due.proof_commitment,
                job_id=due.job_id,
                payment_nonce=due.payment_nonce,
                worker=due.worker,
            )
        context = payment_context(self._rules, due.proof_commitment, due.job_id, due.payment_nonce, due.worker)
        return self._encrypt_anew(due.ciphertext, due.payment_key, context)

    def _price(self, offer: Offer, held: JobAssigned, key: bytes) -> Prepared:
        logger.info("price_shared", job=held.job_id.hex(), attempt=held.attempt)
        context = price_context(self._rules, held.job_id, held.attempt, held.worker)
        proof = self._encrypt_anew(offer.price, key, context)
        body = SharePrice(attempt=held.attempt, worker=held.worker, payment_key=key, proof=proof)
        return self.signer.sign(job_subject(held.job_id), body, correlation=held.job_id)

    def _encrypt_anew(self, ciphertext: bytes, key: bytes, context: bytes) -> bytes:
        secret = self.signer.key.payment_secret
        units = decrypt_balance(ciphertext, secret, hint=self._units.get(ciphertext))
        if len(self._units) >= _REMEMBERED:
            self._units.clear()
        self._units[ciphertext] = units
        return make_reencryption(secret=secret, ciphertext=ciphertext, units=units, recipients=[key], context=context)

    @property
    def _rules(self) -> Rules:
        return self.network.rules(ProductChecks())

    def fold(self, record: Record, envelope: EventEnvelope, body: EventBody) -> tuple[str, Keep]:
        """Keep what is due and not paid, and the sealed jobs that are not over (`follower.Fold`)."""
        job = self._asked.pop(envelope.cause, None)
        match body:
            case PaymentDue():
                self.due[_group(body)] = body
                return _group(body), Keep.RETAIN
            case PaymentEncrypted():
                group = _group(body)
                due = self.due.pop(group, None)
                self._sent.pop(group, None)
                if due is not None:
                    self._units.pop(due.ciphertext, None)
                return group, Keep.DONE
            case WorkerRegistered(worker=worker, payment_key=key):
                known = self.keys.get(worker) == key
                self.keys[worker] = key
                return f"key/{worker.hex()}", Keep.IGNORE if known else Keep.RETAIN
            case CommandRejected(command="PayWorker" | "SharePrice"):
                logger.warning("payment_refused", job=job, command=body.command, reason=body.reason)
        return self._fold_offer(envelope.subject, body)

    def _fold_offer(self, subject: str, body: EventBody) -> tuple[str, Keep]:
        job_id = getattr(body, "job_id", None)
        if not isinstance(body, _OF_OFFERS) or not isinstance(job_id, bytes):
            return subject, Keep.IGNORE
        group = f"offer/{job_id.hex()}"
        if isinstance(body, JobCompleted | JobFailed | JobCancelled):
            self.offers.pop(job_id, None)
            return group, Keep.DONE
        # All of it stands in one partition, so a sealed job is known from its beginning.
        if not (body.price if isinstance(body, JobSubmitted) else job_id in self.offers):
            return group, Keep.IGNORE
        offer = self.offers.setdefault(job_id, Offer())
        match body:
            case JobSubmitted(price=price):
                offer.price = price
            case JobAssigned():
                offer.assigned = body
            case PriceShared(attempt=attempt):
                offer.told = max(offer.told, attempt)
                self._sent.pop(f"price/{job_id.hex()}/{attempt}", None)
            case JobReassigned(next_attempt=attempt):
                offer.ended = max(offer.ended, attempt - 1)
        return group, Keep.RETAIN


_OF_OFFERS = (JobSubmitted, JobAssigned, JobReassigned, PriceShared, JobCompleted, JobFailed, JobCancelled)


def _group(body: PaymentDue | PaymentEncrypted) -> str:
    return f"{body.job_id.hex()}/{body.payment_nonce}"
