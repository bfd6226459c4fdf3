"""A worker's bidding policy as it is typed: the table [worker] of the configuration, and the flags over it."""

from typing import Annotated

import typer

from bitsage.amounts import to_base_units
from bitsage.errors import InputError
from bitsage.nodes.bidding import BiddingPolicy
from bitsage.wallet import parse_address
from bitsage.wallet.errors import AddressInvalid

from .context import config
from .shared import gpu_tier

MinPrice = Annotated[
    str | None,
    typer.Option(
        "--min-price", metavar="SAGE[,TYPE=SAGE...]", help="Least price per proven row; default: worker.min_price."
    ),
]
JobTypes = Annotated[list[str] | None, typer.Option("--job-type", help="Only jobs of this type; may be repeated.")]
Clients = Annotated[list[str] | None, typer.Option("--client", metavar="ACCOUNT", help="Only for it; may be repeated.")]
LeastTier = Annotated[str | None, typer.Option("--least-tier", metavar="TIER", help="Least tier that a job asks for.")]
Slots = Annotated[int | None, typer.Option("--slots", help="Jobs at once, 1 to 4; default: worker.slots.")]
MaxCollateral = Annotated[
    str | None, typer.Option("--max-collateral", metavar="SAGE", help="Most stake to pledge for one job.")
]


def bidding_policy(
    *,
    min_price: str | None = None,
    job_types: list[str] | None = None,
    clients: list[str] | None = None,
    least_tier: str | None = None,
    slots: int | None = None,
    max_collateral: str | None = None,
) -> BiddingPolicy:
    """The policy of the flags, and of the configuration where a flag was not given.

    Raises:
        InputError: an amount, tier or account that is none (`bad_amount`, `unknown_tier`, `bad_argument`).
    """
    settings = config().worker
    tier = settings.least_tier if least_tier is None else least_tier
    ask, asks = read_prices(settings.min_price if min_price is None else min_price)
    return BiddingPolicy(
        ask=ask,
        asks=asks,
        job_types=tuple(sorted(set(job_types or settings.job_types))),
        clients=tuple(sorted({_account(text) for text in clients or settings.clients})),
        least_tier=gpu_tier(tier) if tier else "",
        slots=settings.slots if slots is None else slots,
        max_collateral=to_base_units(settings.max_collateral if max_collateral is None else max_collateral),
    )


def read_prices(text: str) -> tuple[int, dict[str, int]]:
    """The price per row for any type, and those of certain types, in base units: `0.001,vm=0.002`.

    Raises:
        InputError: something else (`bad_amount`, `bad_argument`).
    """
    ask, asks = 0, {}
    for part in text.split(","):
        name, found, price = part.rpartition("=")
        if not found:
            ask = to_base_units(price)
        elif not name.strip() or name.strip() in asks:
            raise InputError(
                "bad_argument", "a price is for any type, as in 0.001, or for one, as in vm=0.002, each once"
            )
        else:
            asks[name.strip()] = to_base_units(price)
    return ask, asks


def _account(text: str) -> bytes:
    try:
        return parse_address(text)
    except AddressInvalid:
        raise InputError(
            "bad_argument", f"{text[:70]!r} is no account; an account is 0x and up to 64 hex digits"
        ) from None
