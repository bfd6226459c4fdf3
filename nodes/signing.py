"""Signed commands: from a body and a key to the record that goes on the log, and the check on the other side."""

import dataclasses
import os
import threading
import time
from collections import OrderedDict
from pathlib import Path

from bitsage.schemas.types import CommandBody, CommandEnvelope
from bitsage.streams.codec import encode_command, fingerprint_of, payload_hash
from bitsage.streams.envelope import NONCE_LOW, cloud_event_headers, fresh_nonce, uuid7
from bitsage.streams.log import Outgoing
from bitsage.streams.topics import partition_for, topic_name
from bitsage.wallet import Key, address_matches, sign_command, verify_command

_NO_SIGNATURE = bytes(64)
#: What `refusal` finds. Such a record says nothing of anybody: it becomes a dead letter, and no event.
UNSIGNED = frozenset({"unknown_key", "bad_signature"})


@dataclasses.dataclass(frozen=True, slots=True)
class Prepared:
    """A signed command and the record that carries it."""

    envelope: CommandEnvelope
    body: CommandBody
    record: Outgoing


def now_ms() -> int:
    """The wall clock in milliseconds; the only place in the product that reads it for a command."""
    return time.time_ns() // 1_000_000


#: Signatures of its own that a signer remembers: more than the follow-ups that wait for their turn.
_REMEMBERED = 20_000


class CommandSigner:
    """Signs commands of one account on one chain; safe to use from several threads."""

    def __init__(self, key: Key, chain_id: str) -> None:
        self.key = key
        self.chain_id = chain_id
        # A node signs from several threads: its work, its heartbeats, its timer.
        self._lock = threading.Lock()
        self._last_nonce = 0
        self._kept: Path | None = None
        self._made: OrderedDict[bytes, tuple[str, str, bytes, int]] = OrderedDict()

    def keep_nonces(self, file: Path) -> None:
        """Remember the last nonce in `file`: after a restart nonces rise even if the clock was set back meanwhile."""
        self._kept = file
        file.parent.mkdir(parents=True, exist_ok=True)
        # A file that cannot be read is made anew; nonces then rise with the clock alone.
        text = file.read_text(encoding="utf-8", errors="replace").strip() if file.is_file() else ""
        if text.isascii() and text.isdigit() and len(text) < 20:
            self._last_nonce = max(self._last_nonce, min(int(text), NONCE_LOW - 1))

    def _nonce(self) -> int:
        with self._lock:
            # Two commands within a microsecond must still rise.
            self._last_nonce = max(fresh_nonce(), self._last_nonce + 1)
            if self._kept is not None:
                fresh = self._kept.with_suffix(".new")
                fresh.write_text(str(self._last_nonce), encoding="utf-8")
                os.replace(fresh, self._kept)
            return self._last_nonce

    def sign(
        self,
        subject: str,
        body: CommandBody,
        *,
        command_id: bytes | None = None,
        at: int | None = None,
        correlation: bytes | None = None,
        nonce: int | None = None,
        topic: str = "commands",
    ) -> Prepared:
        """A signed command for `subject`; id, time and nonce are fresh unless given (follow-ups give them)."""
        identifier = command_id or uuid7()
        envelope = CommandEnvelope(
            id=identifier,
            type=type(body).__name__,
            subject=subject,
            at=now_ms() if at is None else at,
            correlation=correlation or identifier,
            actor=self.key.address,
            public_key=self.key.public_key,
            nonce=self._nonce() if nonce is None else nonce,
            signature=_NO_SIGNATURE,
        )
        digest = payload_hash(envelope, body)
        signature = sign_command(self.key, self.chain_id, envelope.type, subject, digest, envelope.nonce)
        self._remember(signature, (envelope.type, subject, digest, envelope.nonce))
        envelope = dataclasses.replace(envelope, signature=signature)
        key = subject.encode()
        record = Outgoing(
            topic_name(topic),
            partition_for(key),
            key,
            encode_command(envelope, body),
            cloud_event_headers(envelope, fingerprint_of("commands", envelope.type)),
        )
        return Prepared(envelope, body, record)

    def _remember(self, signature: bytes, signed: tuple[str, str, bytes, int]) -> None:
        with self._lock:
            self._made[signature] = signed
            if len(self._made) > _REMEMBERED:
                self._made.popitem(last=False)

    def refusal(self, envelope: CommandEnvelope, digest: bytes, chain_id: str) -> str | None:
        """The same as the function `refusal`, without the arithmetic for what this very signer has signed.

        More than half of what a coordinator decides is its own follow-ups.
        """
        signed = (envelope.type, envelope.subject, digest, envelope.nonce)
        own = (envelope.actor, envelope.public_key, chain_id) == (self.key.address, self.key.public_key, self.chain_id)
        if own and self._made.get(envelope.signature) == signed:
            return None
        return refusal(envelope, digest, chain_id)


def refusal(envelope: CommandEnvelope, digest: bytes, chain_id: str) -> str | None:
    """Why a command's signature does not count: `unknown_key`, `bad_signature`, or None when it does."""
    if not address_matches(envelope.actor, envelope.public_key):
        return "unknown_key"
    good = verify_command(
        envelope.public_key, chain_id, envelope.type, envelope.subject, digest, envelope.nonce, envelope.signature
    )
    return None if good else "bad_signature"
