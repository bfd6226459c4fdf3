"""What travels on the log: the bodies of events and commands, their Avro schemas, and the numbers and codes they speak of.

A body is a dataclass in `events` or `commands`; its `.avsc` file is made from it, and the registry finds a schema, of today
or from `history/`, by the fingerprint that a record carries. `parameters` holds the network's numbers, `reasons` every code
of a refusal with its meaning. Names are loaded when they are first used.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .commands import COMMANDS
    from .errors import SchemaDrift, SchemaError, SchemaUnknown
    from .events import EVENT_TOPIC, EVENTS, JobSpec
    from .parameters import SAGE, Parameters
    from .reasons import REASONS
    from .types import CommandBody, CommandEnvelope, EventBody, EventEnvelope

_HOME_OF = {
    "COMMANDS": "commands",
    "SchemaDrift": "errors",
    "SchemaError": "errors",
    "SchemaUnknown": "errors",
    "EVENT_TOPIC": "events",
    "EVENTS": "events",
    "JobSpec": "events",
    "SAGE": "parameters",
    "Parameters": "parameters",
    "REASONS": "reasons",
    "CommandBody": "types",
    "CommandEnvelope": "types",
    "EventBody": "types",
    "EventEnvelope": "types",
}
__all__ = [
    "COMMANDS",
    "EVENTS",
    "EVENT_TOPIC",
    "REASONS",
    "SAGE",
    "CommandBody",
    "CommandEnvelope",
    "EventBody",
    "EventEnvelope",
    "JobSpec",
    "Parameters",
    "SchemaDrift",
    "SchemaError",
    "SchemaUnknown",
]


def __getattr__(name: str) -> Any:
    if name not in _HOME_OF:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_HOME_OF[name]}"), name)
