"""The heartbeat: a signed record of the `heartbeats` topic, neither command nor event (kept for a day)."""

from dataclasses import dataclass

from .types import CommandBody


@dataclass(frozen=True, slots=True, kw_only=True)
class Heartbeat(CommandBody):
    """A worker is alive. It travels in a command envelope, so it is signed and cannot be replayed."""

    running: int
    slots: int
    version: str
