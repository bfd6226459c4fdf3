"""Opening encrypted payments: what a worker can claim, and the claim itself."""

from dataclasses import dataclass

from bitsage.privacy import decrypt_payment, make_claim
from bitsage.schemas.events import PaymentClaimed, PaymentDue, PaymentEncrypted

from .client import Answer, Client


@dataclass(frozen=True, slots=True)
class Claimable:
    """One encrypted payment that has not been claimed, with what was due for it."""

    due: PaymentDue
    encrypted: PaymentEncrypted


def claimable(client: Client) -> list[Claimable]:
    """The account's encrypted, unclaimed payments, oldest first, as the log tells them."""
    due: dict[tuple[bytes, int], PaymentDue] = {}
    waiting: dict[tuple[bytes, int], Claimable] = {}
    for answer in client.history(("accounts",), client.subject):
        body = answer.body
        if isinstance(body, PaymentDue):
            due[body.job_id, body.payment_nonce] = body
        elif isinstance(body, PaymentEncrypted):
            key = (body.job_id, body.payment_nonce)
            if key in due:
                waiting[key] = Claimable(due[key], body)
        elif isinstance(body, PaymentClaimed):
            waiting.pop((body.job_id, body.payment_nonce), None)
    return list(waiting.values())


def claim(client: Client, payment: Claimable) -> tuple[int, list[Answer]]:
    """Decrypt a payment and take it into the public balance: (base units, the answering events).

    Raises:
        CommandRefused: it was claimed before, or is no payment of this account.
        NotDecryptable: the ciphertext is not under this account's key.
    """
    secret, body = client.key.payment_secret, payment.encrypted
    amount = decrypt_payment(body.payment, secret, hint=payment.due.amount)
    proof = make_claim(
        body.payment,
        secret,
        amount=amount,
        proof_commitment=body.proof_commitment,
        job_id=body.job_id,
        payment_nonce=body.payment_nonce,
        worker=client.key.address,
    )
    return amount, client.claim(body.job_id, amount, proof)
