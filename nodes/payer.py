"""The payer: turns every payment that is due into a ciphertext under the worker's key.

Encryption needs randomness, so it cannot be a decider's work. The decider checks what comes: the amount is exactly the
one due, and each payment is made once, however often this process starts again.
"""

import threading
import time
from dataclasses import dataclass, field
from pathlib import Path

import structlog

from bitsage.privacy import make_payment
from bitsage.processors.model import account_subject
from bitsage.schemas.commands import PayWorker
from bitsage.schemas.events import CommandRejected, PaymentDue, PaymentEncrypted
from bitsage.schemas.types import EventBody, EventEnvelope
from bitsage.streams.log import Log, Record

from .follower import Follower, Keep
from .network import Network
from .signing import CommandSigner

logger = structlog.get_logger(__name__)
#: A payment is sent again when the log does not show it for this long: it may have been refused, or lost on its way.
_REPEAT_S = 10.0


@dataclass(slots=True)
class Payer:
    """Follows the accounts topic and answers each PaymentDue with one PayWorker command."""

    log: Log
    network: Network
    signer: CommandSigner
    folder: Path
    due: dict[str, PaymentDue] = field(default_factory=dict)
    _sent: dict[str, float] = field(default_factory=dict)
    #: id of a command that was sent and not answered -> its job, for the log
    _asked: dict[bytes, str] = field(default_factory=dict)

    def run(self, stop: threading.Event) -> None:
        """Encrypt until `stop` is set."""
        self.signer.keep_nonces(self.folder / "payer.nonce")
        follower = Follower(
            self.log,
            self.network.seal_check(),
            ("accounts",),
            self.folder / "payer.db",
            f"{self.network.chain_id}/1",
            self.fold,
        )
        producer = self.log.producer()

        def pay() -> None:
            now = time.monotonic()
            for group in [g for g in self.due if now - self._sent.get(g, -_REPEAT_S) >= _REPEAT_S]:
                due = self.due[group]
                asked = self.signer.sign(account_subject(due.worker), encrypt(due), correlation=due.job_id)
                self._asked[asked.envelope.id] = due.job_id.hex()
                producer.send(asked.record)
                self._sent[group] = now
                logger.info("payment_encrypted", job=due.job_id.hex())

        try:
            follower.run(stop, pay)
        finally:
            producer.close()

    def fold(self, record: Record, envelope: EventEnvelope, body: EventBody) -> tuple[str, Keep]:
        """Keep what is due and not paid."""
        job = self._asked.pop(envelope.cause, None)
        if isinstance(body, PaymentDue):
            group = _group(body)
            self.due[group] = body
            return group, Keep.RETAIN
        if isinstance(body, PaymentEncrypted):
            group = _group(body)
            self.due.pop(group, None)
            self._sent.pop(group, None)
            return group, Keep.DONE
        if isinstance(body, CommandRejected) and body.command == "PayWorker":
            logger.warning("payment_refused", job=job, subject=envelope.subject, reason=body.reason)
        return envelope.subject, Keep.IGNORE


def encrypt(due: PaymentDue) -> PayWorker:
    """The command that pays `due`, with fresh randomness from the operating system."""
    payment = make_payment(
        amount=due.amount,
        payment_key=due.payment_key,
        proof_commitment=due.proof_commitment,
        job_id=due.job_id,
        payment_nonce=due.payment_nonce,
        worker=due.worker,
    )
    return PayWorker(
        job_id=due.job_id, payment=payment, proof_commitment=due.proof_commitment, payment_nonce=due.payment_nonce
    )


def _group(body: PaymentDue | PaymentEncrypted) -> str:
    return f"{body.job_id.hex()}/{body.payment_nonce}"
