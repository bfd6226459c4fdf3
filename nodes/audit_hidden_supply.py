"""The sum of everything hidden, as commitments: it opens to what went into hidden form less what came out, and to nothing else.

A proof leaves a fresh commitment in the place of the one that it is about; the difference holds nothing (that is what the
proof shows), so it is taken out of the sum again. What is left is (deposits - withdrawals) * G, exactly.
"""

from collections.abc import Iterable
from dataclasses import dataclass, field

from bitsage.privacy import UNIT, CommitmentSum, commitment, reencryption_shift, transfer_shift, withdrawal_shift
from bitsage.processors.account_state import Account
from bitsage.processors.hidden import Shares, shares
from bitsage.processors.model import Rules, account_subject
from bitsage.schemas.events import EscrowLocked, EscrowReleased, FeesDistributed, PaymentDue, PaymentEncrypted
from bitsage.schemas.hidden_events import TransferReceived, TransferReturned, TransferSent, Withdrawn
from bitsage.schemas.types import EventBody

#: What is on its way, by what it is: (`wage` or `fee`, job, nonce) or (`transfer`, sender, sequence).
_Name = tuple[str, str, int]


@dataclass(slots=True)
class HiddenSupply:
    """Told about every event with the account before it; holds the shifts, and what left one place for another.

    What left and arrived is matched at the end: partitions are read one after the other.
    """

    rules: Rules
    _shifts: CommitmentSum = field(default_factory=CommitmentSum)
    _left: dict[_Name, tuple[bytes, int]] = field(default_factory=dict)
    _arrived: set[_Name] = field(default_factory=set)

    @property
    def _shares(self) -> Shares:
        return shares(self.rules.parameters)

    def moved(self, subject: str, before: Account, body: EventBody) -> None:
        """One more event.

        Raises:
            PrivacyError: a ciphertext in it is none.
        """
        available = before.private.available
        match body:
            case Withdrawn(amount=amount):
                self._shifts.add(withdrawal_shift(available, amount // UNIT, body.available))
            case EscrowLocked(ciphertext=ciphertext) if ciphertext:
                self._shifts.add(transfer_shift(available, ciphertext, self._shares.price, body.available))
            case TransferSent(ciphertext=ciphertext, sequence=sequence):
                self._shifts.add(transfer_shift(available, ciphertext, 1, body.available))
                self._left["transfer", subject, sequence] = (ciphertext, 1)
            case TransferReceived(sender=sender, transfer_sequence=sequence):
                self._arrived.add(("transfer", account_subject(sender), sequence))
            case TransferReturned(transfer_sequence=sequence):
                self._arrived.add(("transfer", subject, sequence))
            case EscrowReleased(ciphertext=ciphertext, job_id=job_id, payment_nonce=nonce) if ciphertext:
                self._left["wage", job_id.hex(), nonce] = (ciphertext, self._shares.worker)
                if self._shares.protocol:
                    self._left["fee", job_id.hex(), nonce] = (ciphertext, self._shares.protocol)
            case PaymentDue(job_id=job_id, payment_nonce=nonce):
                self._arrived.add(("wage", job_id.hex(), nonce))
            case FeesDistributed(ciphertext=ciphertext, job_id=job_id, attempt=attempt) if ciphertext:
                self._arrived.add(("fee", job_id.hex(), attempt))
            case PaymentEncrypted(job_id=job_id):
                due = before.payments.get(job_id)
                if due is not None and due.ciphertext:
                    self._shifts.add(reencryption_shift(due.ciphertext, body.ciphertext), self._shares.worker)
                elif due is not None:
                    # A public amount becomes a commitment with fresh randomness: all but the amount is shift.
                    self._shifts.add(withdrawal_shift(b"", -(due.amount // UNIT), body.ciphertext))

    def opens_to(self, accounts: Iterable[Account], sealed_fees: bytes, public: int) -> bool:
        """Whether everything hidden, less the shifts, opens to `public` base units.

        Raises:
            PrivacyError: a ciphertext is none.
        """
        total, units = CommitmentSum(), self._shares
        for account in accounts:
            total.add(commitment(account.private.available))
            total.add(commitment(account.private.pending))
            for sealed in account.sealed.values():
                total.add(commitment(sealed), units.price)
            for payment in account.payments.values():
                if payment.ciphertext and not payment.credit:
                    total.add(commitment(payment.ciphertext), units.worker)
        if units.protocol:
            total.add(commitment(sealed_fees), units.protocol)
        for name, (ciphertext, factor) in self._left.items():
            if name not in self._arrived:
                total.add(commitment(ciphertext), factor)
        total.subtract(self._shifts.to_bytes())
        return public % UNIT == 0 and total.opens_to(public // UNIT)
