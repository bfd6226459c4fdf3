"""Typed access to the co-located states of a subject (`model.Local`)."""

from typing import TypeVar

from .account_state import Account
from .job_state import Job
from .market_state import Market
from .model import Local
from .proof_state import Proofs
from .treasury_state import Treasury
from .vote_state import Votes
from .worker_state import Worker

S = TypeVar("S")


def _view(local: Local, topic: str, cls: type[S]) -> S:
    state = local.state(topic)
    assert isinstance(state, cls), f"{topic} of this subject holds no {cls.__name__}"
    return state


def account(local: Local) -> Account:
    """The account of an address subject."""
    return _view(local, "accounts", Account)


def worker(local: Local) -> Worker:
    """The worker or validator of an address subject."""
    return _view(local, "workers", Worker)


def treasury(local: Local) -> Treasury:
    """The treasury, under its own subject."""
    return _view(local, "accounts", Treasury)


def market(local: Local) -> Market:
    """The market, under the subject `network`."""
    return _view(local, "workers", Market)


def job(local: Local) -> Job:
    """The job of a job subject."""
    return _view(local, "jobs", Job)


def proofs(local: Local) -> Proofs:
    """The proofs of a job subject."""
    return _view(local, "proofs", Proofs)


def votes(local: Local) -> Votes:
    """The judgements of a job subject."""
    return _view(local, "votes", Votes)
