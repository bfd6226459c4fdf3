"""Fifth pass of the audit: every proof about a hidden amount once more, and the sum of everything that is hidden.

It needs no command, so it holds for all of history: the events carry the proofs and the ciphertexts that follow from them.
"""

from collections.abc import Callable, Collection, Iterator
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from bitsage.privacy.errors import PrivacyError
from bitsage.processors.account_state import Account, evolve, transfer_mark
from bitsage.processors.hidden import (
    CLIENT,
    ESCROW,
    RECIPIENT,
    SENDER,
    escrow_context,
    handle,
    payment_context,
    price_context,
    readers,
    shares,
    transfer_context,
    units_of,
    withdrawal_context,
)
from bitsage.processors.kernel import subject_kind
from bitsage.processors.model import TREASURY, PaymentContext, Rules, account_subject
from bitsage.processors.payments import worker_address
from bitsage.schemas.events import (
    EscrowLocked,
    EscrowRefunded,
    EscrowReleased,
    FeesDistributed,
    JobSubmitted,
    PaymentDue,
    PaymentEncrypted,
    WorkerRegistered,
)
from bitsage.schemas.hidden_events import (
    Deposited,
    PaymentClaimed,
    PriceShared,
    PrivateAccountOpened,
    TransferBounced,
    TransferReceived,
    TransferReturned,
    TransferSent,
    Withdrawn,
)
from bitsage.schemas.types import EventBody
from bitsage.streams.codec import decode_event

from .audit_events import EventAudit
from .audit_hidden_supply import HiddenSupply
from .audit_trails import Where
from .network import Network

if TYPE_CHECKING:
    from .audit import Verdict

Report = Callable[[str, int, int], None]
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
    """Verifies every event about hidden amounts; `skip`: events that are left to the next audit."""

    network: Network
    verdict: "Verdict"
    rules: Rules
    skip: Collection[Where] = ()
    _past: _Past = field(default_factory=_Past)
    _accounts: dict[str, Account] = field(default_factory=dict)
    _sealed_fees: bytes = b""

    def run(self, events: EventAudit, report: Report) -> None:
        """Check all of history."""
        facts = list(self._facts(events))
        for _, subject, body in facts:
            self._past.note(subject, body)
        supply = HiddenSupply(self.rules)
        for done, (where, subject, body) in enumerate(facts):
            report("verify hidden amounts", done, len(facts))
            self._fact(where, subject, body, supply)
        self._sum(supply)

    def _facts(self, events: EventAudit) -> Iterator[tuple[Where, str, EventBody]]:
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

    def _fact(self, where: Where, subject: str, body: EventBody, supply: HiddenSupply) -> None:
        try:
            detail = self._check(subject, body)
            supply.moved(subject, self._account(subject), body)
            if subject_kind(subject) == "address":
                self._accounts[subject] = evolve(self._account(subject), body, 0)
        except (PrivacyError, LookupError, ValueError) as error:
            detail = f"it cannot follow from what is before it ({type(error).__name__})"
        if isinstance(body, FeesDistributed) and body.sealed_fees:
            self._sealed_fees = body.sealed_fees
        if detail is not None:
            self.verdict.fail("privacy", where, f"{type(body).__name__} of {subject}: {detail}")
        elif type(body) in _CHECKED:
            self.verdict.count("hidden amounts verified")

    def _account(self, subject: str) -> Account:
        return self._accounts.get(subject, Account())

    def _sum(self, supply: HiddenSupply) -> None:
        public = sum(account.hidden for account in self._accounts.values())
        try:
            opens = supply.opens_to(self._accounts.values(), self._sealed_fees, public)
        except (PrivacyError, ValueError):
            opens = False
        if opens:
            self.verdict.count("hidden supply conserved")
        else:
            detail = "the commitments of everything hidden do not add up to what went in less what came out"
            self.verdict.fail("hidden supply", ("accounts", 0, 0), detail)

    def _check(self, subject: str, body: Any) -> str | None:
        rule = _CHECKED.get(type(body))
        return None if rule is None else rule(self, self._account(subject), subject, body)

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


Rule = Callable[[PrivacyAudit, Account, str, Any], str | None]


def _opened(audit: PrivacyAudit, state: Account, subject: str, body: PrivateAccountOpened) -> str | None:
    if state.private.payment_key:
        return "the account is open already"
    good = audit.rules.checks.key_proof(body.payment_key, body.key_proof, worker_address(subject))
    return None if good else "its proof does not hold"


def _deposited(audit: PrivacyAudit, state: Account, subject: str, body: Deposited) -> str | None:
    units = units_of(body.amount)
    left = None if not units else audit.rules.checks.deposited(state.private.available, units)
    return audit.spent(state, body, left)


def _withdrawn(audit: PrivacyAudit, state: Account, subject: str, body: Withdrawn) -> str | None:
    units, own = units_of(body.amount), state.private
    if not units:
        return "it is no amount of whole units"
    context = withdrawal_context(audit.rules, worker_address(subject), own.sequence)
    left = audit.rules.checks.withdrawal(
        body.proof, balance=own.available, key=own.payment_key, units=units, context=context
    )
    return audit.spent(state, body, left)


def _moved(
    audit: PrivacyAudit, state: Account, body: EscrowLocked | TransferSent, to: bytes, factor: int, context: bytes
) -> str | None:
    own = state.private
    found = audit.rules.checks.transfer(
        body.transfer,
        balance=own.available,
        sender_key=own.payment_key,
        recipients=readers(to, audit.rules),
        factor=factor,
        context=context,
    )
    if found is not None and found[0] != body.ciphertext:
        return "its ciphertext is not that of its proof"
    return audit.spent(state, body, None if found is None else found[1])


def _locked(audit: PrivacyAudit, state: Account, subject: str, body: EscrowLocked) -> str | None:
    if not body.transfer:
        return None if not body.ciphertext else "its proof is missing"
    if body.amount:
        return "a sealed price has no public amount"
    context = escrow_context(audit.rules, worker_address(subject), state.private.sequence)
    factor = shares(audit.network.parameters).price
    return _moved(audit, state, body, audit.rules.escrow_key, factor, context)


def _sent(audit: PrivacyAudit, state: Account, subject: str, body: TransferSent) -> str | None:
    context = transfer_context(audit.rules, worker_address(subject), state.private.sequence, body.recipient)
    return _moved(audit, state, body, body.recipient_key, 1, context)


def _released(audit: PrivacyAudit, state: Account, subject: str, body: EscrowReleased) -> str | None:
    sealed = state.sealed.get(body.job_id)
    wanted = b"" if sealed is None else handle(sealed, ESCROW)
    return None if body.ciphertext == wanted else "it is not what was locked"


def _refunded(audit: PrivacyAudit, state: Account, subject: str, body: EscrowRefunded) -> str | None:
    sealed = state.sealed.get(body.job_id)
    if sealed is None:
        return None if not body.credit and not body.ciphertext else "no sealed price was locked"
    factor = shares(audit.network.parameters).price
    return audit.arrived(state, body, handle(sealed, CLIENT), factor) if body.amount == 0 else "it has two amounts"


def _due(audit: PrivacyAudit, state: Account, subject: str, body: PaymentDue) -> str | None:
    if state.private.payment_key:
        return None if body.payment_key == state.private.payment_key else "it is under another key than the account"
    known = audit.is_key_of(worker_address(subject), body.payment_key)
    return None if known else "it is under a key that the worker never registered"


def _encrypted(audit: PrivacyAudit, state: Account, subject: str, body: PaymentEncrypted) -> str | None:
    due, worker = state.payments.get(body.job_id), worker_address(subject)
    if due is None or due.credit:
        return "nothing was due, or it was paid before"
    bound = (due.payment_nonce, due.proof_commitment)
    if (body.payment_nonce, body.proof_commitment) != bound:
        return "it is bound to another proof than the payment that was due"
    if not due.ciphertext:
        context = PaymentContext(due.proof_commitment, body.job_id, due.payment_nonce, worker)
        paid = audit.rules.checks.payment(body.payment, due.payment_key, due.amount, context)
        return "its proof does not hold" if paid is None else audit.arrived(state, body, paid)
    paid = audit.rules.checks.reencryption(
        body.payment,
        ciphertext=due.ciphertext,
        key=audit.rules.escrow_key,
        recipients=[due.payment_key],
        context=payment_context(audit.rules, due.proof_commitment, body.job_id, due.payment_nonce, worker),
    )
    if paid is None:
        return "its proof does not hold"
    return audit.arrived(state, body, paid, shares(audit.network.parameters).worker)


def _claimed(audit: PrivacyAudit, state: Account, subject: str, body: PaymentClaimed) -> str | None:
    own = state.private
    if body.credit != own.credits or not own.waiting:
        return "it does not fold what was pending"
    return audit.spent(state, body, audit.rules.checks.folded(own.available, own.pending))


def _received(audit: PrivacyAudit, state: Account, subject: str, body: TransferReceived) -> str | None:
    left = audit.sent(account_subject(body.sender), body.transfer_sequence)
    if left is None or account_subject(left.recipient) != subject or left.recipient_key != state.private.payment_key:
        return "no such transfer was sent to it"
    if transfer_mark("in", body.sender, body.transfer_sequence) in state.marks:
        return "it arrived before, or was turned away"
    return audit.arrived(state, body, handle(left.ciphertext, RECIPIENT))


def _bounced(audit: PrivacyAudit, state: Account, subject: str, body: TransferBounced) -> str | None:
    left = audit.sent(account_subject(body.sender), body.transfer_sequence)
    if left is None or account_subject(left.recipient) != subject or left.recipient_key == state.private.payment_key:
        return "no transfer that it had to turn away was sent to it"
    again = transfer_mark("in", body.sender, body.transfer_sequence) in state.marks
    return "it arrived before, or was turned away" if again else None


def _returned(audit: PrivacyAudit, state: Account, subject: str, body: TransferReturned) -> str | None:
    left = audit.sent(subject, body.transfer_sequence)
    recipient, sender = account_subject(body.recipient), worker_address(subject)
    if left is None or left.recipient != body.recipient:
        return "it never left"
    if not audit.bounced(recipient, sender, body.transfer_sequence):
        return "its recipient did not turn it away"
    if transfer_mark("back", body.recipient, body.transfer_sequence) in state.marks:
        return "it came back before"
    return audit.arrived(state, body, handle(left.ciphertext, SENDER))


def _fees(audit: PrivacyAudit, state: Account, subject: str, body: FeesDistributed) -> str | None:
    if not body.ciphertext:
        return None if not body.sealed_fees else "it changes the sealed sum without a sealed fee"
    if subject != TREASURY or body.amount:
        return "a sealed fee is the treasury's and has no public amount"
    total = audit.rules.checks.credited(audit._sealed_fees, body.ciphertext, 1)
    return None if body.sealed_fees == total else "the sum after it is another"


def _shared(audit: PrivacyAudit, state: Account, subject: str, body: PriceShared) -> str | None:
    price = audit.price(body.job_id)
    if not price or subject != body.job_id.hex() or not audit.is_key_of(body.worker, body.payment_key):
        return "it is no sealed price, or under a key that the worker never registered"
    found = audit.rules.checks.reencryption(
        body.proof,
        ciphertext=price,
        key=audit.rules.escrow_key,
        recipients=[body.payment_key],
        context=price_context(audit.rules, body.job_id, body.attempt, body.worker),
    )
    return None if found is not None and found == body.ciphertext else "its proof does not hold"


_CHECKED: dict[type, Rule] = {
    PrivateAccountOpened: _opened,
    Deposited: _deposited,
    Withdrawn: _withdrawn,
    EscrowLocked: _locked,
    EscrowReleased: _released,
    EscrowRefunded: _refunded,
    TransferSent: _sent,
    TransferReceived: _received,
    TransferBounced: _bounced,
    TransferReturned: _returned,
    PaymentDue: _due,
    PaymentEncrypted: _encrypted,
    PaymentClaimed: _claimed,
    FeesDistributed: _fees,
    PriceShared: _shared,
}
