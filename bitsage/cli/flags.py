"""The flags of the running command line; empty outside of one, and forgotten when it ends."""

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any

_FLAGS: ContextVar[dict[str, Any] | None] = ContextVar("flags", default=None)


@contextmanager
def fresh() -> Iterator[None]:
    """A new, empty set of flags for the time of one command line."""
    token = _FLAGS.set({})
    try:
        yield
    finally:
        _FLAGS.reset(token)


def keep(**values: Any) -> None:
    """Remember flags; `file` is the configuration file, other names are keys with _ for the dot of their section."""
    flags = _FLAGS.get()
    if flags is not None:
        flags.update({name: value for name, value in values.items() if value is not None})


def current() -> dict[str, Any]:
    """The flags given so far."""
    return dict(_FLAGS.get() or {})
