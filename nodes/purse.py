"""An owner's hands on a hidden balance: read it, fill it, empty it, pay from it. Secrets and amounts stay in this process.

Everything is read from the log anew, so nothing is lost by a crash between two steps. A proof is about one state of the
account: when that moved on meanwhile (another process of the same wallet), the network answers `stale_sequence`.
"""

from dataclasses import dataclass, field, replace

from bitsage.privacy import (
    BALANCE_BITS,
    PAYMENT_BITS,
    UNIT,
    decrypt_balance,
    make_key_proof,
    make_transfer,
    make_withdrawal,
    payment_public_key,
)
from bitsage.privacy.errors import NotDecryptable
from bitsage.processors.account_state import Account, evolve
from bitsage.processors.hidden import escrow_context, readers, shares, transfer_context, withdrawal_context
from bitsage.processors.model import Rules, account_subject
from bitsage.schemas.amounts import in_sage
from bitsage.schemas.commands import SubmitJob
from bitsage.schemas.events import JobSpec
from bitsage.schemas.hidden_commands import Deposit, OpenPrivateAccount, Transfer, Withdraw
from bitsage.schemas.ids import job_id as job_id_of
from bitsage.schemas.parameters import SAGE

from .bookkeeping import balances_by_events
from .checks import ProductChecks
from .claims import encrypted_payments, paid
from .client import Answer, Client
from .errors import AmountTooLarge, PurseError, RecipientNotOpen
from .purse_limits import covered, stays_spendable, units_of
from .signing import Prepared

#: Amounts that a deposit is rounded up to: 1, 2 or 5 times a power of ten.
_STEPS = (1, 2, 5)


@dataclass(frozen=True, slots=True)
class Holdings:
    """What an account holds, base units: in public, hidden and ready to be spent, hidden and not yet folded in."""

    public: int
    available: int
    pending: int


@dataclass(slots=True)
class Purse:
    """The hidden balance of a client's own account."""

    client: Client
    #: ciphertexts whose units are known already
    _known: dict[bytes, int] = field(default_factory=dict)

    @property
    def rules(self) -> Rules:
        """The network's rules, with the product's verifications."""
        return self.client.network.rules(ProductChecks())

    @property
    def key(self) -> bytes:
        """The account's public payment key."""
        return payment_public_key(self.client.key.payment_secret)

    def read(self) -> Account:
        """The account as the log has it now."""
        return account_in_log(self.client, self.client.key.address)

    def holdings(self) -> Holdings:
        """Decrypt what the account holds.

        Raises:
            NotDecryptable: the account was opened under another key than this wallet's.
        """
        state = self.read()
        pending = self._units(state, state.private.pending) * UNIT
        return Holdings(state.balance, self._available(state) * UNIT, pending)

    def open(self) -> list[Answer]:
        """Open the private account, if it is not open; a worker's opens by itself with its first payment."""
        if self.read().private.payment_key:
            return []
        secret = self.client.key.payment_secret
        proof = make_key_proof(secret, self.client.key.address)
        return self.client.ask(self.client.subject, OpenPrivateAccount(payment_key=self.key, key_proof=proof))

    def deposit(self, amount: int) -> list[Answer]:
        """Move a public amount (base units) into the hidden balance. Everybody sees the amount.

        Raises:
            PurseError: what is hidden would become too much to be ever taken out again.
            NotDecryptable: the account was opened under another key than this wallet's.
            CommandRefused: more than the public balance, no whole number of units, or no private account.
        """
        state = self.read()
        if amount <= state.balance:
            self._stays_spendable(state, amount // UNIT)
        return self.client.ask(self.client.subject, Deposit(amount=amount))

    def claim(self, job_id: bytes | None = None) -> tuple[list[tuple[bytes, int]], list[Answer]]:
        """Fold everything pending: what was paid, as (job id, base units), and the answer.

        Raises:
            PurseError: the balance would become too large to be ever spent from again.
            CommandRefused: nothing is pending; or not the payment of `job_id`.
        """
        secret, parameters = self.client.key.payment_secret, self.client.network.parameters
        state = self.read()
        self._stays_spendable(state)
        before = state.private.folded
        answers = self.client.claim(job_id)
        # What came between the look and the claim was folded in with the rest.
        payments, folded = encrypted_payments(self.client)
        mine = [payment for payment in payments if before < payment.encrypted.credit <= folded]
        return [(payment.encrypted.job_id, paid(payment, secret, parameters)) for payment in mine], answers

    def withdraw(self, amount: int | None = None) -> tuple[int, list[Answer]]:
        """Move `amount` (base units) to the public balance. Everybody sees the amount.

        None: everything available, or the most that one proof can be about, 2^48 units less one.

        Raises:
            PurseError: no whole number of units, more than is available, or more than one step can move or leave.
            CommandRefused: the account moved on meanwhile.
        """
        state = self.read()
        have = self._available(state)
        most = min(have, (1 << BALANCE_BITS) - 1)
        units = most if amount is None else units_of(amount, UNIT, "a hidden amount", "0.000001")
        if not units and amount is None:
            return 0, []
        covered(units, have)
        own = state.private
        proof = make_withdrawal(
            secret=self.client.key.payment_secret,
            balance=own.available,
            units=units,
            available_units=have,
            context=withdrawal_context(self.rules, self.client.key.address, own.sequence),
        )
        body = Withdraw(amount=units * UNIT, sequence=own.sequence, proof=proof)
        return units * UNIT, self.client.ask(self.client.subject, body)

    def transfer(self, recipient: bytes, amount: int, key: bytes | None = None) -> list[Answer]:
        """Move a hidden amount (base units) to another account's pending balance.

        `key` is the recipient's payment key; None: the one that the log has. With another one the amount comes back.

        Raises:
            PurseError: no whole number of units, more than is available, or the recipient has no private account.
            CommandRefused: the account moved on meanwhile.
        """
        units = units_of(amount, UNIT, "a hidden amount", "0.000001")
        to = account_in_log(self.client, recipient).private.payment_key if key is None else key
        if not to:
            raise RecipientNotOpen("the recipient has no private account yet; it has to open one")
        state = self.read()
        context = transfer_context(self.rules, self.client.key.address, state.private.sequence, recipient)
        proof = self._proof(state, units, readers(to, self.rules), 1, context)
        body = Transfer(recipient=recipient, recipient_key=to, sequence=state.private.sequence, transfer=proof)
        return self.client.ask(self.client.subject, body)

    def cover(self, amount: int) -> list[Answer]:
        """Make `amount` (base units) available: open the account, fold in what is pending, deposit what is missing.

        A deposit is public, so it is rounded up, to an amount that is larger than what is missing.

        Raises:
            PurseError: the public balance does not hold what is missing, or the hidden one becomes too large.
        """
        answers = self.open()
        state = self.read()
        if self._available(state) * UNIT < amount and state.private.waiting:
            self._stays_spendable(state)
            answers += self.client.claim()
            state = self.read()
        missing = amount - self._available(state) * UNIT
        if missing > 0:
            most = state.balance - state.balance % UNIT
            if missing > most:
                # A deposit of it would be refused, and yet stand in the log: often it is the sealed price itself.
                raise PurseError("the public and the hidden balance together do not cover that", "insufficient_balance")
            answers += self.deposit(min(rounded_up(missing), most))
        return answers

    def check_price(self, price: int) -> int:
        """The price's units, `price` in base units.

        Raises:
            PurseError: it does not split into whole shares, is nothing, or more than a payment can hold.
        """
        factor = shares(self.rules.parameters).price
        units = units_of(price, factor * UNIT, "a sealed price", in_sage(factor * UNIT))
        if not units:
            raise PurseError("a sealed price is more than nothing", "amount_out_of_range")
        if units >= 1 << PAYMENT_BITS:
            raise PurseError("a sealed price is below 2^40 times its smallest unit; offer less", "cost_too_large")
        return units

    def submit_job(self, spec: JobSpec, price: int) -> tuple[bytes, list[Answer]]:
        """Submit a job with a sealed offer of `price` base units; its id, and the events that locked its escrow.

        Raises what `prepare_job` raises.

        Raises:
            CommandRefused: bad input, or the account moved on meanwhile.
        """
        job_id, prepared = self.prepare_job(spec, price)
        return job_id, self.client.ask_prepared(prepared)

    def prepare_job(self, spec: JobSpec, price: int) -> tuple[bytes, Prepared]:
        """The same, signed and not sent: the job's id and the command.

        Raises:
            PurseError: the price does not split into whole shares, is more than is available, or the job has a ramp.
        """
        if spec.min_cost or spec.ramp_ms or spec.ramp_start:
            # It would be refused, and its public numbers would tell about the price.
            raise PurseError("a sealed offer has one price and no ramp; leave it out or offer openly", "offer_invalid")
        units = self.check_price(price)
        factor = shares(self.rules.parameters).price
        state = self.read()
        own = state.private
        if not own.payment_key:
            raise PurseError("the account holds no hidden amounts yet; deposit some first", "no_private_account")
        context = escrow_context(self.rules, self.client.key.address, own.sequence)
        proof = self._proof(state, units, readers(self.rules.escrow_key, self.rules), factor, context)
        body = SubmitJob(spec=replace(spec, max_cost=0), sequence=own.sequence, transfer=proof)
        prepared = self.client.signer.sign(self.client.subject, body)
        return job_id_of(self.client.key.address, prepared.envelope.id), prepared

    def _proof(self, state: Account, units: int, recipients: list[bytes], factor: int, context: bytes) -> bytes:
        have = self._available(state)
        if factor * units <= have and units >> PAYMENT_BITS:
            raise AmountTooLarge("a hidden transfer is below 2^40 micro-SAGE; move less at once")
        covered(factor * units, have)
        return make_transfer(
            secret=self.client.key.payment_secret,
            balance=state.private.available,
            units=units,
            available_units=have,
            recipients=recipients,
            factor=factor,
            context=context,
        )

    def _stays_spendable(self, state: Account, more: int = 0) -> None:
        stays_spendable(self._available(state) + self._units(state, state.private.pending) + more)

    def _available(self, state: Account) -> int:
        return self._units(state, state.private.available, max(0, state.hidden) // UNIT)

    def _units(self, state: Account, balance: bytes, hint: int = 0) -> int:
        if balance and state.private.payment_key != self.key:
            # A search for what is not there takes its longest.
            raise NotDecryptable
        try:
            return self._search(balance, hint)
        except NotDecryptable:
            # Sums grow beyond what is searched in a second, and beyond 2^48; the amounts that they are made of do not.
            bodies = (answer.body for answer in self.client.history(("accounts",), self.client.subject))
            told = balances_by_events(bodies, self._search, self.client.network.parameters).get(balance)
            # Nothing is taken on trust: the sum has to be what the ciphertext holds.
            self._known[balance] = decrypt_balance(balance, self.client.key.payment_secret, hint=told, bits=0)
            return self._known[balance]

    def _search(self, ciphertext: bytes, hint: int = 0) -> int:
        if ciphertext not in self._known:
            secret = self.client.key.payment_secret
            self._known[ciphertext] = decrypt_balance(ciphertext, secret, hint=hint, bits=PAYMENT_BITS)
        return self._known[ciphertext]


def account_in_log(client: Client, address: bytes) -> Account:
    """Any account, folded from its events."""
    state = Account()
    for answer in client.history(("accounts",), account_subject(address)):
        state = evolve(state, answer.body, answer.envelope.at)
    return state


def rounded_up(amount: int) -> int:
    """The next of 1, 2, 5, 10, 20, 50, ... SAGE above `amount` (base units)."""
    power = SAGE
    while True:
        for step in _STEPS:
            if step * power > amount:
                return step * power
        power *= 10


__all__ = ["Holdings", "Purse", "account_in_log", "rounded_up"]
