"""Whether a worker is there, as the coordinator's heartbeat watch reports it."""

from bitsage.schemas.commands import ReportPresence
from bitsage.schemas.events import WorkerReturned, WorkerWentOffline
from bitsage.schemas.types import EventBody

from .model import Command, Local, Rules
from .payments import worker_address
from .refusal import rejected
from .reputation import changed
from .views import worker

_NO_JOB = bytes(16)


def decide(local: Local, command: Command, rules: Rules) -> list[EventBody]:
    """WorkerWentOffline with a loss of reputation, or WorkerReturned."""
    state = worker(local)
    match command.body:
        case ReportPresence(online=online, last_seen=last_seen):
            if not state.registered:
                return rejected(command, "not_registered")
            if state.suspended:
                return rejected(command, "worker_suspended")
            silent = command.at - last_seen > rules.parameters.heartbeat_timeout_ms
            if online == state.online or online == silent:
                return rejected(command, "presence_unchanged")
            address = worker_address(command.subject)
            if online:
                return [WorkerReturned(worker=address)]
            return [
                WorkerWentOffline(worker=address, reason="inactivity"),
                changed(state, "inactivity", _NO_JOB, 0, rules),
            ]
    return rejected(command, "wrong_subject")
