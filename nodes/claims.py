"""Reading hidden amounts: what waits in an account's pending balance, and what the ciphertexts of payments hold."""

from dataclasses import dataclass

from bitsage.privacy import UNIT, decrypt_balance
from bitsage.privacy.dlog import Table
from bitsage.processors.hidden import shares
from bitsage.schemas.events import PaymentDue, PaymentEncrypted
from bitsage.schemas.hidden_events import PaymentClaimed
from bitsage.schemas.parameters import Parameters

from .client import Client


@dataclass(frozen=True, slots=True)
class Claimable:
    """One encrypted payment, with what was due for it."""

    due: PaymentDue
    encrypted: PaymentEncrypted


def encrypted_payments(client: Client) -> tuple[list[Claimable], int]:
    """Every encrypted payment of the account, oldest first, and the last credit that was folded in; as the log tells them."""
    due: dict[tuple[bytes, int], PaymentDue] = {}
    found: list[Claimable] = []
    folded = 0
    for answer in client.history(("accounts",), client.subject):
        body = answer.body
        if isinstance(body, PaymentDue):
            due[body.job_id, body.payment_nonce] = body
        elif isinstance(body, PaymentEncrypted):
            found.append(Claimable(due[body.job_id, body.payment_nonce], body))
        elif isinstance(body, PaymentClaimed):
            folded = body.credit
    return found, folded


def claimable(client: Client) -> list[Claimable]:
    """The account's encrypted payments that wait in `pending`, oldest first."""
    found, folded = encrypted_payments(client)
    return [payment for payment in found if payment.encrypted.credit > folded]


def paid(payment: Claimable, secret: int, parameters: Parameters) -> int:
    """What a payment is worth to its worker, in base units, decrypted with the worker's payment secret.

    Raises:
        NotDecryptable: the ciphertext is not under this secret's key.
    """
    if not payment.due.ciphertext:
        return payment.due.amount
    return shares(parameters).worker * units_in(payment.encrypted.ciphertext, secret) * UNIT


def units_in(ciphertext: bytes, secret: int, table: Table | None = None) -> int:
    """The units of a ciphertext (C and one handle), searched for in `table` (default: the host's).

    Raises:
        NotDecryptable: it is not under this secret's key.
    """
    return decrypt_balance(ciphertext, secret, table=table)
