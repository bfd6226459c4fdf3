"""uvicorn's HTTP/1.1 with a time limit between answers: whoever sends the head of a request slowly holds no connection.

uvicorn waits for ever for a head that comes byte by byte, and each byte puts off its keep-alive timer. Here the time runs from
the connection, or from the last answer, until the next head is whole, whatever is sent meanwhile. What comes after the head is
the application's to limit.
"""

import asyncio
from typing import Any

import structlog
from uvicorn.protocols.http.h11_impl import H11Protocol

logger = structlog.get_logger(__name__)


class TimedProtocol(H11Protocol):
    """One connection; `head_timeout_s` is the time for a request's head."""

    head_timeout_s: float = 10.0
    _head_timer: asyncio.TimerHandle | None = None

    def connection_made(self, transport: Any) -> None:
        """The time begins."""
        super().connection_made(transport)
        self._watch()

    def data_received(self, data: bytes) -> None:
        """The time ends when a request is being answered."""
        super().data_received(data)
        if self._answering():
            self._unwatch()

    def on_response_complete(self) -> None:
        """It begins anew, unless the next request has come already."""
        self._unwatch()
        super().on_response_complete()
        if not self._answering() and not self.transport.is_closing():
            self._watch()

    def connection_lost(self, exc: Exception | None) -> None:
        """Nothing to wait for."""
        self._unwatch()
        super().connection_lost(exc)

    def _answering(self) -> bool:
        return self.cycle is not None and not self.cycle.response_complete

    def _watch(self) -> None:
        self._head_timer = self.loop.call_later(self.head_timeout_s, self._too_slow)

    def _unwatch(self) -> None:
        if self._head_timer is not None:
            self._head_timer.cancel()
            self._head_timer = None

    def _too_slow(self) -> None:
        self._head_timer = None
        logger.info("bridge_head_timeout")
        # Not `close`, which waits until a peer that may not read has taken what was written.
        self.transport.abort()


def timed(head_timeout_s: float) -> type[TimedProtocol]:
    """The protocol with this time limit."""
    return type("TimedProtocol", (TimedProtocol,), {"head_timeout_s": head_timeout_s})
