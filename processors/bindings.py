"""Which decider answers for which topic and kind of subject: the table that the kernel, the cache and the docs read."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal

from bitsage.schemas.types import EventBody

from . import (
    account_state,
    accounts,
    job_state,
    jobs,
    market,
    market_state,
    proof_state,
    proofs,
    treasury,
    treasury_state,
    vote_state,
    votes,
    worker_state,
    workers,
)
from .model import Command, Local, Rules

Kind = Literal["address", "job", "network", "treasury"]


@dataclass(frozen=True, slots=True)
class Binding:
    """One decider: the topic (without prefix) it alone writes for subjects of `kind`, and its state."""

    topic: str
    kind: Kind
    state: type
    initial: Any
    decide: Callable[[Local, Command, Rules], list[EventBody]]
    evolve: Callable[[Any, EventBody, int], Any]


BINDINGS: tuple[Binding, ...] = (
    Binding(
        "accounts", "address", account_state.Account, account_state.Account(), accounts.decide, account_state.evolve
    ),
    Binding(
        "accounts",
        "treasury",
        treasury_state.Treasury,
        treasury_state.Treasury(),
        treasury.decide,
        treasury_state.evolve,
    ),
    Binding("workers", "address", worker_state.Worker, worker_state.Worker(), workers.decide, worker_state.evolve),
    Binding("workers", "network", market_state.Market, market_state.Market(), market.decide, market_state.evolve),
    Binding("jobs", "job", job_state.Job, job_state.Job(), jobs.decide, job_state.evolve),
    Binding("proofs", "job", proof_state.Proofs, proof_state.Proofs(), proofs.decide, proof_state.evolve),
    Binding("votes", "job", vote_state.Votes, vote_state.Votes(), votes.decide, vote_state.evolve),
)
_TABLE: dict[tuple[str, str], Binding] = {(binding.topic, binding.kind): binding for binding in BINDINGS}


def binding_for(topic: str, kind: str) -> Binding | None:
    """The decider of `topic` for subjects of `kind`; None when there is none."""
    return _TABLE.get((topic, kind))
