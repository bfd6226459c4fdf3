"""Asking validators over HTTP whether a proof is valid: retries, a circuit breaker each, and the next one in order.

An answer counts only with a signature of this network over this very statement. Who refuses the request (400, 413, 415) is not
asked again; nobody signs a refusal, so it ends the matter only when all refuse. All of it ends at one deadline, of which each
validator that may still be asked has an equal part: one that holds the line leaves time for the next.
"""

import asyncio
import ssl
import time
from collections.abc import Callable, Collection, Coroutine, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeVar

import httpx
import pybreaker
import structlog
from tenacity import (
    RetryCallState,
    Retrying,
    retry_if_exception_type,
    wait_exponential,
    wait_random,
)

from .errors import NodeError, StatementRefused, ValidatorsUnreachable
from .verdicts import IDEMPOTENCY_KEY, STATEMENT_BYTES, Statement, Verdict, digest, read_verdict

logger = structlog.get_logger(__name__)
T = TypeVar("T")
_ANSWER_MAX = 64 * 1024
_RETRY_AFTER_MAX_S = 5.0
_FIRST_WAIT_S, _LONGEST_WAIT_S = 0.1, 2.0
_OUR_FAULT = frozenset({400, 413, 415})


class _Elsewhere(NodeError):
    """This validator gives no usable answer; the next one may."""

    code = "validator_failed"


class _Transient(_Elsewhere):
    """The same validator may answer when it is asked again; `after`: not before so many seconds."""

    def __init__(self, why: str, after: float = 0.0) -> None:
        super().__init__(why)
        self.after = after


class _TooLate(_Elsewhere):
    """The time was over before this validator was asked: no failure of its own."""


@dataclass(slots=True)
class ValidatorClient:
    """Asks the validators at `urls` in order. One object keeps the breakers; calls may come from several threads that run
    no event loop (those to one validator go one after another).

    `validators`: addresses (0x...) whose word counts; empty: anybody's that is signed. `deadline_s` for all requests and
    waits of one `validate`, `timeout_s` for one request, `attempts` per validator; `failures` after which a validator is left
    out for `pause_s`, then tried once.
    """

    urls: Sequence[str]
    chain_id: str
    validators: Collection[str] = ()
    deadline_s: float = 180.0
    timeout_s: float = 90.0
    connect_s: float = 5.0
    attempts: int = 3
    failures: int = 3
    pause_s: float = 30.0
    sleep: Callable[[float], None] = time.sleep
    clock: Callable[[], float] = time.monotonic
    breakers: dict[str, pybreaker.CircuitBreaker] = field(init=False)
    _tls: ssl.SSLContext = field(init=False, default_factory=httpx.create_ssl_context)

    def __post_init__(self) -> None:
        def breaker(url: str) -> pybreaker.CircuitBreaker:
            return pybreaker.CircuitBreaker(
                self.failures,
                self.pause_s,
                exclude=[StatementRefused, _TooLate],
                name=url,
                throw_new_error_on_trip=False,
            )

        self.breakers = {url: breaker(url) for url in self.urls}

    def validate(self, statement: Statement, proof: bytes) -> tuple[Verdict, str]:
        """The first usable verdict, and the URL that gave it.

        Raises:
            StatementRefused: every validator says that the request is at fault.
            ValidatorsUnreachable: no validator gave a usable answer.
        """
        why, refusals = [], []
        end = self.clock() + self.deadline_s
        for n, url in enumerate(self.urls):
            now = self.clock()
            if now >= end:
                why.append(f"{url}: not asked, the time of {self.deadline_s:g} s was over")
                continue
            until = now + (end - now) / (len(self.urls) - n)
            try:
                return self.breakers[url].call(self._ask, url, statement, proof, until), url
            except StatementRefused as error:
                # Nobody signs a refusal, so whoever stands first, or between, must not end the matter with one.
                refusals.append(error)
                why.append(str(error))
            except pybreaker.CircuitBreakerError:
                why.append(f"{url}: left out after failures")
            except _Elsewhere as error:
                why.append(f"{url}: {error}")
                logger.warning("validator_failed", url=url, reason=str(error))
        if refusals and len(refusals) == len(self.urls):
            raise refusals[0]
        raise ValidatorsUnreachable("no validator answered: " + "; ".join(why))

    def _ask(self, url: str, statement: Statement, proof: bytes, until: float) -> Verdict:
        backoff = wait_exponential(multiplier=_FIRST_WAIT_S, max=_LONGEST_WAIT_S) + wait_random(0, _FIRST_WAIT_S)

        def wait(state: RetryCallState) -> float:
            error = state.outcome.exception() if state.outcome is not None else None
            return max(backoff(state), error.after if isinstance(error, _Transient) else 0.0)

        def enough(state: RetryCallState) -> bool:
            return state.attempt_number >= self.attempts or self.clock() + state.upcoming_sleep >= until

        retrying = Retrying(
            retry=retry_if_exception_type(_Transient),
            stop=enough,
            wait=wait,
            sleep=self.sleep,
            reraise=True,
        )
        verdict: Verdict = retrying(self._ask_once, url, statement, proof, until)
        return verdict

    def _ask_once(self, url: str, statement: Statement, proof: bytes, until: float) -> Verdict:
        head = statement.encode()
        headers = {
            STATEMENT_BYTES: str(len(head)),
            # Of the content, so that asking again is the same question, from wherever.
            IDEMPOTENCY_KEY: digest(head, proof).hex(),
            "Content-Type": "application/octet-stream",
        }
        limit = min(self.timeout_s, until - self.clock())
        if limit <= 0:
            raise _TooLate("the time was over")
        try:
            timeout = httpx.Timeout(limit, connect=min(self.connect_s, limit))
            http = httpx.AsyncClient(timeout=timeout, verify=self._tls, follow_redirects=False)
            status, after, said = _run(_post(http, _endpoint(url), headers, head + proof, limit))
        except TimeoutError as error:
            raise _Transient(f"no answer in {limit:.1f} s") from error
        except httpx.TransportError as error:
            raise _Transient(f"{type(error).__name__}") from error
        except (httpx.HTTPError, httpx.InvalidURL) as error:
            raise _Elsewhere(f"{type(error).__name__}") from error
        if status in _OUR_FAULT:
            raise StatementRefused(f"{url} refuses the request with status {status}")
        if status >= 500:
            raise _Transient(f"status {status}", _seconds(after))
        if status != 200:
            raise _Elsewhere(f"status {status}")
        return self._checked(said, statement)

    def _checked(self, said: bytes, statement: Statement) -> Verdict:
        verdict = read_verdict(said, self.chain_id)
        if verdict is None:
            raise _Elsewhere("the answer is no verdict that holds on this network")
        if not verdict.answers(statement):
            raise _Elsewhere("the answer is about something else")
        if self.validators and verdict.validator not in self.validators:
            raise _Elsewhere("the answer is signed by somebody who was not asked")
        return verdict


def _endpoint(url: str) -> str:
    return url.rstrip("/") + "/validate"


def _seconds(text: str) -> float:
    known = text.isascii() and text.isdigit() and len(text) < 10
    return min(float(text), _RETRY_AFTER_MAX_S) if known else 0.0


async def _post(
    client: httpx.AsyncClient, url: str, headers: dict[str, str], body: bytes, limit: float
) -> tuple[int, str, bytes]:
    """(status, Retry-After, body). `limit` is for everything: httpx's own are for each read, and a peer that sends a byte
    now and then never reaches them."""
    said = bytearray()
    async with (
        asyncio.timeout(limit),
        client as http,
        http.stream("POST", url, headers=headers, content=body) as answer,
    ):
        async for chunk in answer.aiter_raw():
            said += chunk
            if len(said) > _ANSWER_MAX:
                raise _Elsewhere("the answer is too long")
        return answer.status_code, answer.headers.get("retry-after", ""), bytes(said)


def _run(request: Coroutine[Any, Any, T]) -> T:
    """Not `asyncio.run`, which waits for a name that is still being looked up."""
    loop = asyncio.new_event_loop()
    try:
        return loop.run_until_complete(request)
    finally:
        loop.run_until_complete(loop.shutdown_asyncgens())
        loop.close()
