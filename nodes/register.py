"""Joining the network: what a worker or validator says of itself."""

from collections.abc import Sequence

from bitsage.obelysk import JOB_TYPES
from bitsage.privacy import make_key_proof, payment_public_key
from bitsage.schemas.commands import RegisterValidator, RegisterWorker
from bitsage.schemas.events import Benchmark

from .client import Answer, Client


def register_worker(
    client: Client,
    *,
    tier: str,
    gpu_model: str,
    slots: int = 1,
    job_types: Sequence[str] = (),
    benchmarks: Sequence[Benchmark] = (),
    insist: bool = False,
) -> list[Answer]:
    """Register the client's account as a worker, with its payment key and the proof that it knows the secret.

    Args:
        benchmarks: what the device does, as `benchmark.measure` found it; registering without any withdraws them.
        insist: uphold a benchmark that the network has measured far less of; it costs stake when it does not hold.

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
        benchmarks=list(benchmarks),
        insist=insist,
    )
    return client.ask(client.subject, body)


def register_validator(client: Client) -> list[Answer]:
    """Register the client's account as a validator.

    Raises:
        CommandRefused: stake too low.
        AnswerTimeout: nobody answered.
    """
    return client.ask(client.subject, RegisterValidator())
