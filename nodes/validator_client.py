"""Asking validators over HTTP whether a proof is valid: retries, a circuit breaker each, and the next one in order.

An answer counts only with a signature of this network over this very statement. What the request itself is at fault for
(400, 413, 415) is no reason to ask elsewhere; everything else is.
"""

import time
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, field
from typing import Any

import httpx
import pybreaker
import structlog
from tenacity import (
    RetryCallState,
    Retrying,
    retry_if_exception_type,
    stop_after_attempt,
    wait_exponential,
    wait_random,
)

from .errors import NodeError, StatementRefused, ValidatorsUnreachable
from .verdicts import IDEMPOTENCY_KEY, STATEMENT_BYTES, Statement, Verdict, digest, read_verdict

logger = structlog.get_logger(__name__)
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


@dataclass(slots=True)
class ValidatorClient:
    """Asks the validators at `urls` in order. One object keeps the breakers; calls may come from several threads
    (those to one validator go one after another).

    `validators`: addresses (0x...) whose word counts; empty: anybody's that is signed. `attempts` per validator;
    `failures` after which a validator is left out for `pause_s`, then tried once.
    """

    urls: Sequence[str]
    chain_id: str
    validators: Collection[str] = ()
    timeout_s: float = 90.0
    connect_s: float = 5.0
    attempts: int = 3
    failures: int = 3
    pause_s: float = 30.0
    sleep: Callable[[float], None] = time.sleep
    breakers: dict[str, pybreaker.CircuitBreaker] = field(init=False)
    _http: httpx.Client = field(init=False)

    def __post_init__(self) -> None:
        def breaker(url: str) -> pybreaker.CircuitBreaker:
            return pybreaker.CircuitBreaker(
                self.failures, self.pause_s, exclude=[StatementRefused], name=url, throw_new_error_on_trip=False
            )

        self.breakers = {url: breaker(url) for url in self.urls}
        timeout = httpx.Timeout(self.timeout_s, connect=self.connect_s)
        self._http = httpx.Client(timeout=timeout, follow_redirects=False)

    def close(self) -> None:
        """Close the connections."""
        self._http.close()

    def validate(self, statement: Statement, proof: bytes) -> tuple[Verdict, str]:
        """The first usable verdict, and the URL that gave it.

        Raises:
            StatementRefused: the request can be answered by nobody.
            ValidatorsUnreachable: no validator gave a usable answer.
        """
        why = []
        for url in self.urls:
            try:
                return self.breakers[url].call(self._ask, url, statement, proof), url
            except StatementRefused:
                raise
            except pybreaker.CircuitBreakerError:
                why.append(f"{url}: left out after failures")
            except _Elsewhere as error:
                why.append(f"{url}: {error}")
                logger.warning("validator_failed", url=url, reason=str(error))
        raise ValidatorsUnreachable("no validator answered: " + "; ".join(why))

    def _ask(self, url: str, statement: Statement, proof: bytes) -> Verdict:
        backoff = wait_exponential(multiplier=_FIRST_WAIT_S, max=_LONGEST_WAIT_S) + wait_random(0, _FIRST_WAIT_S)

        def wait(state: RetryCallState) -> float:
            error = state.outcome.exception() if state.outcome is not None else None
            return max(backoff(state), error.after if isinstance(error, _Transient) else 0.0)

        retrying = Retrying(
            retry=retry_if_exception_type(_Transient),
            stop=stop_after_attempt(self.attempts),
            wait=wait,
            sleep=self.sleep,
            reraise=True,
        )
        verdict: Verdict = retrying(self._ask_once, url, statement, proof)
        return verdict

    def _ask_once(self, url: str, statement: Statement, proof: bytes) -> Verdict:
        head = statement.encode()
        headers = {
            STATEMENT_BYTES: str(len(head)),
            # Of the content, so that asking again is the same question, from wherever.
            IDEMPOTENCY_KEY: digest(head, proof).hex(),
            "Content-Type": "application/octet-stream",
        }
        try:
            with self._http.stream("POST", _endpoint(url), headers=headers, content=head + proof) as answer:
                said = _bounded(answer)
                status, after = answer.status_code, answer.headers.get("retry-after", "")
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


def _bounded(answer: Any) -> bytes:
    said = bytearray()
    for chunk in answer.iter_raw():
        said += chunk
        if len(said) > _ANSWER_MAX:
            raise _Elsewhere("the answer is too long")
    return bytes(said)
