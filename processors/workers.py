"""The decider of workers and validators: hands each command to the file that knows its rules."""

from bitsage.schemas.commands import (
    AdjustReputation,
    DepartValidator,
    DepartWorker,
    RegisterValidator,
    RegisterWorker,
    ReportPresence,
    ReviewStanding,
)
from bitsage.schemas.types import EventBody

from . import presence, registration, reputation
from .model import Command, Local, Rules
from .refusal import rejected
from .worker_state import Worker, evolve

INITIAL = Worker()


def decide(local: Local, command: Command, rules: Rules) -> list[EventBody]:
    """The events that answer a command to a worker or validator."""
    match command.body:
        case RegisterWorker() | RegisterValidator() | DepartWorker() | DepartValidator() | ReviewStanding():
            return registration.decide(local, command, rules)
        case AdjustReputation():
            return reputation.decide(local, command, rules)
        case ReportPresence():
            return presence.decide(local, command, rules)
    return rejected(command, "wrong_subject")


__all__ = ["INITIAL", "decide", "evolve"]
