"""The validator bridge: `POST /validate`, `GET /healthz`, `GET /metrics`; it verifies proofs for whoever asks.

Nothing is held beyond its limit: a body is read chunk by chunk and refused at the byte that is too much, at most `open_max`
bodies are read at a time, and at most `workers` proofs verified. A verification cannot be stopped; one that takes too
long is answered 504 and keeps its place until it ends.
"""

import asyncio
from collections import OrderedDict
from collections.abc import AsyncIterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

import structlog
from fastapi import FastAPI, Request
from fastapi.responses import JSONResponse, PlainTextResponse, Response
from prometheus_client import CONTENT_TYPE_LATEST, CollectorRegistry, Counter, Gauge, Histogram, generate_latest
from starlette.requests import ClientDisconnect

from bitsage.schemas.parameters import Parameters
from bitsage.wallet import Key

from .jobwork import UNDECIDED
from .signing import now_ms
from .verdicts import (
    IDEMPOTENCY_KEY,
    STATEMENT_BYTES,
    Statement,
    digest,
    examine,
    read_statement,
    sign_verdict,
    statement_limit,
)

logger = structlog.get_logger(__name__)
#: code -> (HTTP status, sentence); docs/bridge.md lists them, a test compares.
REFUSALS: dict[str, tuple[int, str]] = {
    "statement_invalid": (400, "the statement is no JSON object with the fields of docs/bridge.md"),
    "statement_length": (
        400,
        "the header Bitsage-Statement-Bytes must say how many bytes of the body are the statement",
    ),
    "key_invalid": (400, "an idempotency key has 1 to 128 printable ASCII characters"),
    "body_incomplete": (400, "the body ended before it was whole"),
    "body_timeout": (408, "the body did not come in time"),
    "body_too_large": (413, "the statement or the proof is larger than the network allows"),
    "encoding_unsupported": (415, "the body must not be encoded; a proof is packed already"),
    "key_reused": (422, "the idempotency key was used for another statement or proof"),
    "undecided": (500, "this validator cannot judge the job type"),
    "saturated": (503, "as many proofs are being verified as this validator takes; ask again"),
    "verify_timeout": (504, "the verification took too long"),
}
RETRY_AFTER_S = 1
_DISCARD_MAX, _DISCARD_S = 4 * 1024 * 1024, 2.0


@dataclass(frozen=True, slots=True, kw_only=True)
class BridgeLimits:
    """`workers`: verifications at once. `open_max`: bodies read at once. `cache`: answers that are remembered."""

    workers: int = 2
    open_max: int = 32
    body_timeout_s: float = 15.0
    verify_timeout_s: float = 60.0
    cache: int = 1024


class Refused(Exception):
    """A request that is not answered with a verdict; `code` is one of REFUSALS."""

    def __init__(self, code: str) -> None:
        super().__init__(code)
        self.code = code


class Bridge:
    """One validator's answers. All of its state is of one event loop; verifications run in threads."""

    def __init__(self, key: Key, chain_id: str, parameters: Parameters, limits: BridgeLimits) -> None:
        self.key, self.chain_id, self.parameters, self.limits = key, chain_id, parameters, limits
        self.registry = CollectorRegistry()
        self._answered = Counter("bitsage_bridge_requests", "Requests by outcome.", ["outcome"], registry=self.registry)
        self._took = Histogram("bitsage_bridge_verify_seconds", "Time of a verification.", registry=self.registry)
        self._busy = Gauge("bitsage_bridge_verifying", "Verifications that run now.", registry=self.registry)
        self._pool = ThreadPoolExecutor(limits.workers, thread_name_prefix="verify")
        self._open = self._verifying = 0
        #: idempotency key -> (digest of the request, its answer, perhaps still to come)
        self._known: OrderedDict[str, tuple[bytes, asyncio.Future[dict[str, Any]]]] = OrderedDict()

    async def validate(self, request: Request) -> Response:
        """Answer one request."""
        try:
            answer, replayed = await self._validate(request)
        except Refused as refused:
            await self._discard(request)
            return self._refuse(refused.code)
        except ClientDisconnect:
            return self._refuse("body_incomplete")
        self._answered.labels("valid" if answer["valid"] else "invalid").inc()
        return JSONResponse(answer, headers={"Idempotent-Replayed": "true"} if replayed else None)

    async def _discard(self, request: Request) -> None:
        """Read on for a moment: a connection that is closed with bytes unread is reset, and the refusal lost with it."""
        left = _DISCARD_MAX
        try:
            async with asyncio.timeout(_DISCARD_S):
                async for chunk in request.stream():
                    left -= len(chunk)
                    if left < 0:
                        return
        # The body is whole already, or will never be.
        except (TimeoutError, ClientDisconnect, RuntimeError):
            return

    def _refuse(self, code: str) -> Response:
        self._answered.labels(code).inc()
        status, message = REFUSALS[code]
        # What is left of the body is not read, so the connection cannot be used again.
        headers = {"Connection": "close"} | ({"Retry-After": str(RETRY_AFTER_S)} if code == "saturated" else {})
        return JSONResponse({"error": {"code": code, "message": message}}, status, headers)

    async def _validate(self, request: Request) -> tuple[dict[str, Any], bool]:
        name = request.headers.get(IDEMPOTENCY_KEY)
        if name is not None and not (0 < len(name) <= 128 and name.isascii() and name.isprintable()):
            raise Refused("key_invalid")
        if self._open >= self.limits.open_max:
            raise Refused("saturated")
        self._open += 1
        try:
            async with asyncio.timeout(self.limits.body_timeout_s):
                head, proof = await self._read(request)
        except TimeoutError:
            raise Refused("body_timeout") from None
        finally:
            self._open -= 1
        statement = read_statement(head)
        if statement is None:
            raise Refused("statement_invalid")
        return await self._once(name, digest(head, proof), statement, proof)

    async def _read(self, request: Request) -> tuple[bytes, bytes]:
        if request.headers.get("content-encoding", "identity") != "identity":
            raise Refused("encoding_unsupported")
        text = request.headers.get(STATEMENT_BYTES, "")
        if not (text.isascii() and text.isdigit() and 0 < len(text) <= 9 and int(text)):
            raise Refused("statement_length")
        split = int(text)
        if split > statement_limit(self.parameters):
            raise Refused("body_too_large")
        limit = split + self.parameters.proof_max_bytes
        declared = request.headers.get("content-length", "0")
        if not (declared.isascii() and declared.isdigit()) or int(declared[:19]) > limit:
            raise Refused("body_too_large")
        body = bytearray()
        async for chunk in request.stream():
            if len(body) + len(chunk) > limit:
                raise Refused("body_too_large")
            body += chunk
        if len(body) < split:
            raise Refused("body_incomplete")
        return bytes(body[:split]), bytes(body[split:])

    async def _once(
        self, name: str | None, content: bytes, statement: Statement, proof: bytes
    ) -> tuple[dict[str, Any], bool]:
        if name is not None and (known := self._known.get(name)) is not None:
            if known[0] != content:
                raise Refused("key_reused")
            self._known.move_to_end(name)
            return await self._await(known[1]), True
        if self._verifying >= self.limits.workers:
            raise Refused("saturated")
        # Before the task begins: another request may be looked at first.
        self._count(1)
        answer = asyncio.ensure_future(self._verify(statement, proof))
        if name is not None:
            self._known[name] = (content, answer)
            if len(self._known) > self.limits.cache:
                self._known.popitem(last=False)
        answer.add_done_callback(lambda done: self._forget_failure(name, done))
        return await self._await(answer), False

    async def _await(self, answer: asyncio.Future[dict[str, Any]]) -> dict[str, Any]:
        try:
            # Whoever asks again must find the work of the first; it goes on when its asker is gone.
            async with asyncio.timeout(self.limits.verify_timeout_s):
                return await asyncio.shield(answer)
        except TimeoutError:
            raise Refused("verify_timeout") from None

    def _forget_failure(self, name: str | None, done: asyncio.Future[dict[str, Any]]) -> None:
        failed = done.cancelled() or done.exception() is not None
        if failed and name is not None and (known := self._known.get(name)) is not None and known[1] is done:
            del self._known[name]

    async def _verify(self, statement: Statement, proof: bytes) -> dict[str, Any]:
        try:
            loop = asyncio.get_running_loop()
            with self._took.time():
                valid, reason = await loop.run_in_executor(self._pool, examine, statement, proof, self.parameters)
        # A verifier that fails in a way that nobody foresaw has judged nothing.
        except Exception as error:
            logger.exception("verification_failed", job=statement.job_id)
            raise Refused("undecided") from error
        finally:
            self._count(-1)
        if not valid and reason in UNDECIDED:
            logger.error("undecided", job=statement.job_id, reason=reason)
            raise Refused("undecided")
        logger.info("validated", job=statement.job_id, valid=valid, reason=reason)
        return sign_verdict(self.key, self.chain_id, statement, valid, reason, now_ms()).as_dict()

    def _count(self, change: int) -> None:
        self._verifying += change
        self._busy.set(self._verifying)

    def health(self) -> dict[str, Any]:
        """Who answers here, and how busy it is."""
        return {
            "status": "ok",
            "validator": "0x" + self.key.address.hex(),
            "chain_id": self.chain_id,
            "verifying": self._verifying,
            "workers": self.limits.workers,
        }

    def close(self) -> None:
        """Let the threads end."""
        self._pool.shutdown(wait=True)


def bridge_app(key: Key, chain_id: str, parameters: Parameters, limits: BridgeLimits | None = None) -> FastAPI:
    """The ASGI application of one validator's bridge."""
    bridge = Bridge(key, chain_id, parameters, limits or BridgeLimits())

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        yield
        await asyncio.to_thread(bridge.close)

    app = FastAPI(title="BitSage validator bridge", lifespan=lifespan, docs_url=None, redoc_url=None, openapi_url=None)
    app.add_api_route("/validate", bridge.validate, methods=["POST"], response_model=None)

    @app.get("/healthz")
    async def healthz() -> dict[str, Any]:
        return bridge.health()

    @app.get("/metrics")
    async def metrics() -> PlainTextResponse:
        return PlainTextResponse(generate_latest(bridge.registry), media_type=CONTENT_TYPE_LATEST)

    return app
