"""No money is made or lost: 1,000 random operations beside plain integers, and balances in every form."""

import random
from dataclasses import dataclass, field
from typing import Any

import pytest

from bitsage.privacy.balances import (
    EMPTY,
    combined,
    credited,
    decode_balance,
    decrypt_balance,
    deposited,
    encode_balance,
    scaled,
)
from bitsage.privacy.curve import ORDER, G, decode_point, encode_point, random_scalar
from bitsage.privacy.dlog import DiscreteLog
from bitsage.privacy.elgamal import Ciphertext, encrypt
from bitsage.privacy.errors import AmountOutOfRange, EncodingInvalid, NotDecryptable
from bitsage.privacy.payments import payment_public_key
from bitsage.privacy.reencryption import make_reencryption, verify_reencryption
from bitsage.privacy.supply import (
    NO_COMMITMENT,
    CommitmentSum,
    commitment,
    reencryption_shift,
    transfer_shift,
    withdrawal_shift,
)
from bitsage.privacy.transfers import make_transfer, verify_transfer
from bitsage.privacy.verification import Batch
from bitsage.privacy.withdrawals import make_withdrawal, verify_withdrawal


@dataclass
class Owner:
    """An account and, beside it, what it should hold."""

    secret: int = field(default_factory=random_scalar)
    available: bytes = EMPTY
    pending: bytes = EMPTY
    available_units: int = 0
    pending_units: int = 0

    @property
    def key(self) -> bytes:
        return payment_public_key(self.secret)


def point_of(owner: Owner) -> Any:
    return decode_point(owner.key)


class Ledger:
    """Accounts, escrows and the sums that an audit keeps; proofs are checked in batches."""

    def __init__(self, seed: int) -> None:
        self.random = random.Random(seed)
        self.owners = [Owner() for _ in range(4)]
        self.escrow = random_scalar()
        self.jobs: list[tuple[bytes, int, int]] = []
        self.public = 0
        self.shifts = CommitmentSum()
        self.batch = Batch()

    def step(self) -> None:
        kinds = (self.deposit, self.deposit, self.apply, self.apply, self.submit, self.release, self.withdraw)
        self.random.choice(kinds)()

    def deposit(self) -> None:
        owner, units = self.random.choice(self.owners), self.random.randrange(10**6)
        owner.available = deposited(owner.available, units)
        owner.available_units += units
        self.public += units

    def apply(self) -> None:
        owner = self.random.choice(self.owners)
        owner.available, owner.pending = combined(owner.available, owner.pending), EMPTY
        owner.available_units, owner.pending_units = owner.available_units + owner.pending_units, 0

    def submit(self) -> None:
        owner = self.random.choice(self.owners)
        units = self.random.randrange(owner.available_units // 5 + 1)
        parts: dict[str, Any] = {"balance": owner.available, "recipients": [payment_public_key(self.escrow)]}
        parts |= {"factor": 5, "context": b"job"}
        data = make_transfer(secret=owner.secret, units=units, available_units=owner.available_units, **parts)
        transfer = verify_transfer(data, sender_key=owner.key, batch=self.batch, **parts)
        assert transfer is not None
        shift = transfer_shift(owner.available, transfer.amount, 5, transfer.remaining)
        self.shifts.add(shift)
        owner.available, owner.available_units = transfer.remaining, owner.available_units - 5 * units
        self.jobs.append((transfer.handle(1), units, 5))

    def release(self) -> None:
        if not self.jobs:
            return
        ciphertext, units, factor = self.jobs.pop(self.random.randrange(len(self.jobs)))
        worker, other = self.random.sample(self.owners, 2)
        parts: dict[str, Any] = {"ciphertext": ciphertext, "recipients": [worker.key, other.key], "context": b"pay"}
        data = make_reencryption(secret=self.escrow, units=units, **parts)
        paid = verify_reencryption(data, key=payment_public_key(self.escrow), batch=self.batch, **parts)
        assert paid is not None
        self.shifts.add(reencryption_shift(ciphertext, paid), factor)
        # 80/20, exact by construction.
        for owner, handle, share in ((worker, 1, 4), (other, 2, 1)):
            owner.pending = credited(owner.pending, paid[:64] + paid[64 * handle : 64 * handle + 64], share)
            owner.pending_units += share * units

    def withdraw(self) -> None:
        owner = self.random.choice(self.owners)
        units = (
            owner.available_units if self.random.random() < 0.2 else self.random.randrange(owner.available_units + 1)
        )
        parts: dict[str, Any] = {"balance": owner.available, "units": units, "context": b"out"}
        data = make_withdrawal(secret=owner.secret, available_units=owner.available_units, **parts)
        remaining = verify_withdrawal(data, key=owner.key, batch=self.batch, **parts)
        assert remaining is not None
        self.shifts.add(withdrawal_shift(owner.available, units, remaining))
        owner.available, owner.available_units = remaining, owner.available_units - units
        self.public -= units

    def total(self) -> CommitmentSum:
        total = CommitmentSum()
        for owner in self.owners:
            total.add(commitment(owner.available))
            total.add(commitment(owner.pending))
        for ciphertext, _, factor in self.jobs:
            total.add(commitment(ciphertext), factor)
        total.subtract(self.shifts.to_bytes())
        return total

    def check(self) -> None:
        assert self.batch.holds()
        held = sum(o.available_units + o.pending_units for o in self.owners) + sum(f * u for _, u, f in self.jobs)
        assert held == self.public
        assert self.total().opens_to(self.public)
        for owner in self.owners:
            assert decrypt_balance(owner.available, owner.secret, hint=owner.available_units) == owner.available_units
            assert decrypt_balance(owner.pending, owner.secret, hint=owner.pending_units) == owner.pending_units


def test_supply_is_conserved_over_random_operations() -> None:
    ledger = Ledger(1)
    for _ in range(30):
        ledger.step()
    ledger.check()


@pytest.mark.slow
def test_supply_is_conserved_over_1000_random_operations() -> None:
    ledger = Ledger(2)
    for n in range(1, 1001):
        ledger.step()
        if n % 100 == 0:
            ledger.check()


def test_money_from_nowhere_shows() -> None:
    ledger = Ledger(3)
    ledger.deposit()
    assert ledger.total().opens_to(ledger.public)
    assert not ledger.total().opens_to(ledger.public + 1)
    assert not ledger.total().opens_to(ledger.public - 1)
    owner = ledger.owners[0]
    minted = encrypt(1, [point_of(owner)], random_scalar())
    owner.pending = credited(owner.pending, minted.to_bytes())
    assert not ledger.total().opens_to(ledger.public)


def test_a_balance_has_one_encoding_and_infinity_has_one_too() -> None:
    owner = Owner()
    assert deposited(EMPTY, 0) == EMPTY
    assert combined(EMPTY, EMPTY) == EMPTY
    bare = deposited(EMPTY, 5)
    assert bare == encode_point(G * 5) + bytes(64)
    c = encrypt(3, [point_of(owner)], random_scalar())
    negative = Ciphertext(-c.commitment, (-c.handle,))
    assert credited(credited(EMPTY, c.to_bytes()), negative.to_bytes()) == EMPTY
    only_handle = encode_balance(Ciphertext(c.commitment - c.commitment, c.handles))
    assert only_handle == bytes(64) + encode_point(c.handle)
    for balance in (EMPTY, bare, only_handle, c.to_bytes()):
        assert encode_balance(decode_balance(balance)) == balance
    for bad in (bytes(128), b"\0", bytes(127), bytes(129), c.to_bytes()[:64], b"\xff" * 128):
        with pytest.raises(EncodingInvalid):
            decode_balance(bad)
    # A peer's ciphertext is no balance: infinity is refused.
    for peer in (EMPTY, bare, only_handle):
        with pytest.raises(EncodingInvalid):
            credited(EMPTY, peer)


def test_balances_add_up() -> None:
    owner = Owner()
    c = encrypt(3, [point_of(owner)], random_scalar()).to_bytes()
    assert decrypt_balance(credited(deposited(EMPTY, 10), c, 4), owner.secret, hint=22) == 22
    assert credited(EMPTY, c, 4) == scaled(c, 4) == credited(credited(EMPTY, c, 3), c)
    assert decrypt_balance(EMPTY, owner.secret) == 0
    assert decrypt_balance(deposited(EMPTY, 2**48 - 1), owner.secret, hint=2**48 - 1) == 2**48 - 1
    for factor in (0, -1, 2**16):
        with pytest.raises(AmountOutOfRange):
            credited(EMPTY, c, factor)
        with pytest.raises(AmountOutOfRange):
            scaled(c, factor)
    for units in (-1, 2**48):
        with pytest.raises(AmountOutOfRange):
            deposited(EMPTY, units)
    with pytest.raises(EncodingInvalid):
        scaled(c[:64], 2)


def test_a_balance_is_searched_for_beyond_the_hint_and_not_found_under_another_key() -> None:
    owner = Owner()
    c = encrypt(3, [point_of(owner)], random_scalar()).to_bytes()

    class SmallTable(DiscreteLog):
        def find(self, target: Any, bits: int = 0) -> int:
            assert bits == 48
            return super().find(target, 12)

    table = SmallTable.build(4)
    assert decrypt_balance(c, owner.secret, hint=4, table=table) == 3
    with pytest.raises(NotDecryptable):
        decrypt_balance(c, ORDER - 5, hint=3, table=table)


def test_commitments() -> None:
    owner = Owner()
    c = encrypt(3, [point_of(owner)] * 3, random_scalar()).to_bytes()
    assert commitment(c) == c[:64]
    assert commitment(EMPTY) == NO_COMMITMENT == bytes(64)
    assert commitment(deposited(EMPTY, 5)) == encode_point(G * 5)
    for bad in (c[:-1], c[:64], b"\1" * 192):
        with pytest.raises(EncodingInvalid):
            commitment(bad)
    total = CommitmentSum()
    assert total.opens_to(0)
    assert total.to_bytes() == NO_COMMITMENT
    total.subtract(encode_point(G * 5), 2)
    assert total.opens_to(-10)
    assert not total.opens_to(10)
