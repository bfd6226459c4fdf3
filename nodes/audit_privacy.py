"""Fifth pass of the audit: every proof about a hidden amount once more, and the sum of everything that is hidden.

It needs no command, so it holds for all of history: the events carry the proofs and the ciphertexts that follow from them.
"""

from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from bitsage.privacy import Batch
from bitsage.privacy.errors import PrivacyError
from bitsage.processors.account_state import Account, evolve
from bitsage.processors.kernel import subject_kind
from bitsage.processors.model import Rules
from bitsage.schemas.events import (
    FeesDistributed,
    JobSubmitted,
    WorkerRegistered,
)
from bitsage.schemas.hidden_events import (
    TransferBounced,
    TransferSent,
)
from bitsage.schemas.types import EventBody
from bitsage.streams.codec import decode_event

from .audit_events import EventAudit
from .audit_hidden_rules import CHECKED
from .audit_hidden_supply import HiddenSupply
from .audit_trails import Where
from .checks import ProductChecks
from .device_curve import engine_for
from .network import Network

if TYPE_CHECKING:
    from .audit import Verdict

Report = Callable[[str, int, int], None]
#: (where it stands, subject, event)
Fact = tuple[Where, str, EventBody]
_TOPICS = ("accounts", "jobs", "workers")


@dataclass(slots=True)
class _Past:
    """What happened anywhere, for events whose cause stands under another subject."""

    sent: dict[tuple[str, int], TransferSent] = field(default_factory=dict)
    bounced: set[tuple[str, bytes, int]] = field(default_factory=set)
    prices: dict[bytes, bytes] = field(default_factory=dict)
    keys: dict[bytes, set[bytes]] = field(default_factory=dict)

    def note(self, subject: str, body: EventBody) -> None:
        """Remember an event that others follow from."""
        match body:
            case TransferSent(sequence=sequence):
                self.sent[subject, sequence] = body
            case TransferBounced(sender=sender, transfer_sequence=sequence):
                self.bounced.add((subject, sender, sequence))
            case JobSubmitted(job_id=job_id, price=price):
                self.prices[job_id] = price
            case WorkerRegistered(worker=worker, payment_key=key):
                self.keys.setdefault(worker, set()).add(key)


@dataclass(slots=True)
class PrivacyAudit:
    """Verifies every event about hidden amounts; `skip`: events that are left to the next audit.

    All proofs are checked as one batch; when that does not hold, one by one, to name those that are false.
    """

    network: Network
    verdict: "Verdict"
    skip: Collection[Where] = ()
    rules: Rules = field(init=False)
    _past: _Past = field(default_factory=_Past)
    _accounts: dict[str, Account] = field(default_factory=dict)
    sealed_fees: bytes = b""

    def run(self, events: EventAudit, report: Report) -> None:
        """Check all of history."""
        facts = list(self._facts(events))
        for _, subject, body in facts:
            self._past.note(subject, body)
        batch = Batch(engine_for(len(facts)))
        found, opens = self._look(facts, ProductChecks(batch), report)
        if not batch.holds():
            found, opens = self._look(facts, ProductChecks(), report)
        for where, detail in found:
            self.verdict.fail("privacy", where, detail)
        checked = sum(type(body) in CHECKED for _, _, body in facts)
        if checked > len(found):
            self.verdict.count("hidden amounts verified", checked - len(found))
        if opens:
            self.verdict.count("hidden supply conserved")
        else:
            detail = "the commitments of everything hidden do not add up to what went in less what came out"
            self.verdict.fail("hidden supply", ("accounts", 0, 0), detail)

    def _facts(self, events: EventAudit) -> Iterator[Fact]:
        ended: set[tuple[str, str]] = set()
        for (topic, _), entries in events.entries.items():
            if topic.rsplit(".", 1)[1] not in _TOPICS:
                continue
            for entry in entries:
                subject = entry.envelope.subject
                # A subject's chain counts up to the first event that the next audit looks at.
                if entry.where in self.skip:
                    ended.add((topic, subject))
                elif (topic, subject) not in ended:
                    yield entry.where, subject, decode_event(entry.value)[1]

    def _look(
        self, facts: Sequence[Fact], checks: ProductChecks, report: Report
    ) -> tuple[list[tuple[Where, str]], bool]:
        """(what contradicts the log, whether the sum opens) from the beginning, with these verifications."""
        self.rules, self._accounts, self.sealed_fees = self.network.rules(checks), {}, b""
        supply, found = HiddenSupply(self.rules), []
        for done, (where, subject, body) in enumerate(facts):
            report("verify hidden amounts", done, len(facts))
            detail = self._fact(subject, body, supply)
            if detail is not None:
                found.append((where, f"{type(body).__name__} of {subject}: {detail}"))
        public = sum(account.hidden for account in self._accounts.values())
        try:
            return found, supply.opens_to(self._accounts.values(), self.sealed_fees, public)
        except (PrivacyError, ValueError):
            return found, False

    def _fact(self, subject: str, body: EventBody, supply: HiddenSupply) -> str | None:
        state = self._accounts.get(subject, Account())
        try:
            detail = self._check(state, subject, body)
            supply.moved(subject, state, body)
            if subject_kind(subject) == "address":
                self._accounts[subject] = evolve(state, body, 0)
        except (PrivacyError, LookupError, ValueError) as error:
            detail = f"it cannot follow from what is before it ({type(error).__name__})"
        if isinstance(body, FeesDistributed) and body.ciphertext:
            self.sealed_fees = body.sealed_fees
        return detail

    def _check(self, state: Account, subject: str, body: Any) -> str | None:
        rule = CHECKED.get(type(body))
        return None if rule is None else rule(self, state, subject, body)

    # ---- shared by the rules ----

    def spent(self, state: Account, body: Any, available: bytes | None) -> str | None:
        """Whether the event's available balance is the one that its proof leaves, under the next sequence."""
        if available is None:
            return "its proof does not hold"
        if not state.private.payment_key:
            return "the account holds no hidden amounts"
        if (body.available, body.sequence) != (available, state.private.sequence + 1):
            return "the balance after it is another"
        return None

    def arrived(self, state: Account, body: Any, ciphertext: bytes | None, factor: int = 1) -> str | None:
        """Whether the event credits `factor` times this ciphertext, as the next credit."""
        if ciphertext is None or body.ciphertext != ciphertext:
            return "it is not what was to come"
        own = state.private
        pending = self.rules.checks.credited(own.pending, ciphertext, factor)
        if not own.payment_key or (body.pending, body.credit) != (pending, own.credits + 1):
            return "the balance after it is another"
        return None

    def sent(self, sender: str, sequence: int) -> TransferSent | None:
        """The transfer that `sender` made at this sequence."""
        return self._past.sent.get((sender, sequence))

    def bounced(self, recipient: str, sender: bytes, sequence: int) -> bool:
        """Whether the recipient turned this transfer away."""
        return (recipient, sender, sequence) in self._past.bounced

    def price(self, job_id: bytes) -> bytes:
        """A job's sealed price, empty when there is none."""
        return self._past.prices.get(job_id, b"")

    def is_key_of(self, worker: bytes, key: bytes) -> bool:
        """Whether the worker ever registered this payment key."""
        return key in self._past.keys.get(worker, ())
