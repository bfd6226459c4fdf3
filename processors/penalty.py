"""How what is taken from an account is divided, a slash or a lost bond, and where the parts go."""

from typing import NamedTuple

from bitsage.schemas.commands import CollectFees, GrantReward
from bitsage.schemas.events import BondForfeited, Slashed
from bitsage.schemas.parameters import Parameters
from bitsage.schemas.types import ZERO_HASH, CommandBody

from .model import TREASURY, account_subject
from .payments import worker_address


class Parts(NamedTuple):
    """Base units; they add up to what was taken."""

    reporter: bytes
    reward: int
    burnt: int
    treasury: int


def divided(amount: int, reporter: bytes | None, subject: str, parameters: Parameters) -> Parts:
    """The parts of `amount`, taken from `subject`; without a reporter other than itself the treasury gets its part."""
    if reporter is None or account_subject(reporter) == subject:
        reporter = ZERO_HASH
    reward = amount * parameters.slash_reporter_percent // 100 if reporter != ZERO_HASH else 0
    burnt = amount * parameters.slash_burnt_percent // 100
    return Parts(reporter, reward, burnt, amount - reward - burnt)


def passed_on(
    subject: str, event: Slashed | BondForfeited, reason: str, round_: int = 0
) -> list[tuple[str, CommandBody]]:
    """The reporter's reward and the protocol's income; nothing where a part is nothing."""
    who = worker_address(subject)
    result: list[tuple[str, CommandBody]] = []
    if event.reporter_amount:
        reward = GrantReward(
            amount=event.reporter_amount,
            slashed=who,
            reason=reason,
            job_id=event.job_id,
            attempt=event.attempt,
            round=round_,
        )
        result.append((account_subject(event.reporter), reward))
    collected = CollectFees(
        job_id=event.job_id,
        attempt=event.attempt,
        payer=who,
        source=reason,
        amount=event.burnt + event.treasury,
        burnt=event.burnt,
        treasury=event.treasury,
        stakers=0,
        round=round_,
    )
    return [*result, *([(TREASURY, collected)] if collected.amount else [])]
