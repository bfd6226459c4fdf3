"""What a worker says of its attempts, until the log has answered: refusals come back to the one who spoke."""

import threading
import time
from typing import NamedTuple

from bitsage.processors.model import job_subject
from bitsage.schemas.commands import AbandonJob, DeclineJob, StartJob, SubmitProof
from bitsage.schemas.types import EventBody, EventEnvelope, Rejection

from .client import Client

Said = StartJob | SubmitProof | AbandonJob | DeclineJob
#: Refusals of the signature's circumstances, not of what was said: it is worth saying again.
AGAIN = frozenset({"clock_skew", "nonce_reused"})
#: Seconds until it is said again: a clock that is wrong is not right in a moment.
_REPEAT_S = 5.0


class Refused(NamedTuple):
    """A command that was refused for `reason`; `due` (monotonic seconds) is when to act on it."""

    job_id: bytes
    said: Said
    reason: str
    due: float


class Outbox:
    """Sends commands on jobs and remembers them until they are answered.

    The thread that follows the log calls `hear`; any thread may `send`.
    """

    def __init__(self, client: Client) -> None:
        self._client = client
        self._lock = threading.Lock()
        self._sending = threading.Lock()
        #: (command id, signature) -> what it said
        self._waiting: dict[tuple[bytes, bytes], tuple[bytes, Said]] = {}
        self._refused: list[Refused] = []

    def send(self, job_id: bytes, said: Said) -> None:
        """Sign and send a command to the job; durable when this returns."""
        # One at a time: nonces have to reach the log in the order in which they were made.
        with self._sending:
            prepared = self._client.signer.sign(job_subject(job_id), said)
            with self._lock:
                # Before it is sent: the answer may be here before `send` returns.
                self._waiting[prepared.envelope.id, prepared.envelope.signature] = (job_id, said)
            self._client.send_prepared(prepared)

    def hear(self, envelope: EventEnvelope, body: EventBody) -> None:
        """Note an event of the job's topics if it answers a command that was sent from here."""
        with self._lock:
            # The signature too: an answer to a forgery under this command's id is not ours.
            found = self._waiting.pop((envelope.cause, envelope.signature), None)
            if found is not None and isinstance(body, Rejection):
                wait = _REPEAT_S if body.reason in AGAIN else 0.0
                self._refused.append(Refused(*found, body.reason, time.monotonic() + wait))

    def refused(self) -> list[Refused]:
        """The refusals that are due, each once."""
        now = time.monotonic()
        with self._lock:
            due = [entry for entry in self._refused if entry.due <= now]
            self._refused = [entry for entry in self._refused if entry.due > now]
        return due
