"""What processes say about their work: structlog on standard error, as lines for people or as JSON lines.

Everything bound with `structlog.contextvars` (a node binds `job` and `attempt`) is in every line of that work. A line about
a record or an aggregate names its `subject`; where that is a job, the line has it as `job` too.
"""

import logging
import re
import sys
from collections.abc import MutableMapping
from typing import Any

import structlog

_LEVELS = {"debug": logging.DEBUG, "info": logging.INFO, "warning": logging.WARNING, "error": logging.ERROR}


_JOB = re.compile("[0-9a-f]{32}")


def _job_named(_: Any, __: str, line: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    subject = line.get("subject")
    if isinstance(subject, str) and _JOB.fullmatch(subject):
        line.setdefault("job", subject)
    return line


class _StandardError:
    """Writes to whatever sys.stderr is at that moment: a progress bar or a test may stand in for it."""

    def msg(self, message: str) -> None:
        """Write one line."""
        sys.stderr.write(message + "\n")
        sys.stderr.flush()

    log = debug = info = warn = warning = msg
    fatal = failure = err = error = critical = exception = msg


def set_up(level: str = "info", form: str = "auto") -> None:
    """Choose the least level (debug, info, warning, error) and the form (auto, console, json)."""
    console = sys.stderr.isatty() if form == "auto" else form == "console"
    shared: list[Any] = [
        structlog.contextvars.merge_contextvars,
        _job_named,
        structlog.processors.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
    ]
    # Never the local variables of a traceback: they may hold a key or a password.
    plain = structlog.tracebacks.ExceptionDictTransformer(show_locals=False)
    ending: list[Any] = (
        [structlog.dev.ConsoleRenderer(colors=sys.stderr.isatty(), exception_formatter=structlog.dev.plain_traceback)]
        if console
        else [structlog.processors.ExceptionRenderer(plain), structlog.processors.JSONRenderer(default=str)]
    )
    structlog.configure(
        processors=[*shared, *ending],
        wrapper_class=structlog.make_filtering_bound_logger(_LEVELS[level]),
        logger_factory=lambda *_: _StandardError(),
        cache_logger_on_first_use=False,
    )
