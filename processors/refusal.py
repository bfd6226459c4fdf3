"""The refusal that has no event of its own name, and limits on what outsiders may write into events."""

from bitsage.schemas.events import CommandRejected
from bitsage.schemas.parameters import SAGE
from bitsage.schemas.types import EventBody

from .model import Command

#: The whole supply (domain specification, section 2): no amount is larger.
SUPPLY = 1_000_000_000 * SAGE
#: Characters of a name or remark that is copied from a command into an event.
NAME_MAX = 64
REMARK_MAX = 200


def rejected(command: Command, reason: str, details: str = "") -> list[EventBody]:
    """The command is refused for `reason`, a code of `schemas.reasons`."""
    return [CommandRejected(command=type(command.body).__name__, reason=reason, details=details)]


def is_amount(amount: int) -> bool:
    """Whether somebody could own it: more than nothing, at most the supply."""
    return 0 < amount <= SUPPLY
