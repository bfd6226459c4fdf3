"""Joining the network: what a worker or validator says of itself."""

from collections.abc import Sequence

from bitsage.obelysk import JOB_TYPES
from bitsage.privacy import make_key_proof, payment_public_key
from bitsage.schemas.commands import RegisterValidator, RegisterWorker
from bitsage.schemas.events import Benchmark

from .bidding import BiddingPolicy
from .client import Answer, Client


def register_worker(
    client: Client,
    *,
    tier: str,
    gpu_model: str,
    slots: int = 1,
    job_types: Sequence[str] = (),
    policy: BiddingPolicy | None = None,
    benchmarks: Sequence[Benchmark] = (),
    insist: bool = False,
) -> list[Answer]:
    """Register the client's account as a worker, with its payment key and the proof that it knows the secret.

    Args:
        policy: what the worker bids by; given, its slots and job types count.
        benchmarks: what the device does, as `benchmark.measure` found it; registering without any withdraws them.
        insist: uphold a benchmark that the network has measured far less of; it costs stake when it does not hold.

    Raises:
        CommandRefused: stake too low for the tier, or another rule is not met.
        AnswerTimeout: nobody answered.
    """
    bids = policy or BiddingPolicy(slots=slots, job_types=tuple(job_types))
    return client.ask(client.subject, worker_registration(client, tier, gpu_model, bids, benchmarks, insist))


def worker_registration(
    client: Client,
    tier: str,
    gpu_model: str,
    bids: BiddingPolicy,
    benchmarks: Sequence[Benchmark] = (),
    insist: bool = False,
) -> RegisterWorker:
    """What the client's account says to register as a worker that bids by this policy."""
    names = list(bids.job_types) or sorted(JOB_TYPES)
    secret = client.key.payment_secret
    return RegisterWorker(
        tier=tier,
        gpu_model=gpu_model,
        payment_key=payment_public_key(secret),
        key_proof=make_key_proof(secret, client.key.address),
        job_types=names,
        slots=bids.slots,
        asks=bids.asks_of(names),
        clients=list(bids.clients),
        least_tier=bids.least_tier,
        max_collateral=bids.max_collateral,
        benchmarks=list(benchmarks),
        insist=insist,
    )


def register_validator(client: Client) -> list[Answer]:
    """Register the client's account as a validator.

    Raises:
        CommandRefused: stake too low.
        AnswerTimeout: nobody answered.
    """
    return client.ask(client.subject, RegisterValidator())
