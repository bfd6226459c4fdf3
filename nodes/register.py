"""Joining the network: what a worker or validator says of itself."""

from collections.abc import Sequence

from bitsage.obelysk import JOB_TYPES
from bitsage.privacy import make_key_proof, payment_public_key
from bitsage.schemas.commands import RegisterValidator, RegisterWorker

from .client import Answer, Client


def register_worker(
    client: Client, *, tier: str, gpu_model: str, slots: int = 1, job_types: Sequence[str] = ()
) -> list[Answer]:
    """Register the client's account as a worker, with its payment key and the proof that it knows the secret.

    Raises:
        CommandRefused: stake too low for the tier, or another rule is not met.
        AnswerTimeout: nobody answered.
    """
    secret = client.key.payment_secret
    body = RegisterWorker(
        tier=tier,
        gpu_model=gpu_model,
        payment_key=payment_public_key(secret),
        key_proof=make_key_proof(secret, client.key.address),
        job_types=list(job_types) or sorted(JOB_TYPES),
        slots=slots,
    )
    return client.ask(client.subject, body)


def register_validator(client: Client) -> list[Answer]:
    """Register the client's account as a validator.

    Raises:
        CommandRefused: stake too low.
        AnswerTimeout: nobody answered.
    """
    return client.ask(client.subject, RegisterValidator())
