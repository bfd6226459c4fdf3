"""Attacks on hidden amounts whose every proof holds, and amounts that a refused command would have told."""

import dataclasses
import secrets
from pathlib import Path
from typing import Any, cast

import pytest
from forgery import expire, records, verdict_of
from testnetwork import TestNetwork, running, spec, wait

from bitsage.nodes import handler
from bitsage.nodes.audit import Verdict
from bitsage.nodes.audit_hidden_supply import HiddenSupply
from bitsage.nodes.audit_privacy import PrivacyAudit
from bitsage.nodes.checks import ProductChecks
from bitsage.nodes.errors import PurseError
from bitsage.nodes.execution import FollowUp
from bitsage.nodes.network import Network
from bitsage.nodes.purse import Purse
from bitsage.privacy import UNIT, deposited, make_transfer, payment_public_key, verify_transfer
from bitsage.privacy.curve import ORDER
from bitsage.processors import escrow, payments, policies, treasury
from bitsage.processors.hidden import ESCROW, handle
from bitsage.processors.model import TREASURY, Command, Rules
from bitsage.processors.treasury_state import Treasury, evolve
from bitsage.schemas.commands import CollectFees, OwePayment
from bitsage.schemas.events import EscrowReleased, FeesDistributed, PaymentDue
from bitsage.schemas.parameters import SAGE, Parameters
from bitsage.streams.codec import decode_command
from bitsage.streams.memory_log import InMemoryLog

ATTACKER, ESCROW_SECRET = 4_242, 777
ESCROW_KEY = payment_public_key(ESCROW_SECRET)
RULES = Rules(Parameters(), ProductChecks(), frozenset(), "test", ESCROW_KEY)


def price_of_nothing(randomness: int) -> bytes:
    """What the escrow reads of a proven price of 0 that was made with chosen randomness."""
    chosen, balance = [randomness], deposited(b"", 100)
    context = b"context"
    proof = make_transfer(
        secret=ATTACKER, balance=balance, units=0, available_units=100, recipients=[ESCROW_KEY], factor=50,
        context=context, rng=lambda bits: chosen.pop() if chosen else secrets.randbits(bits),
    )  # fmt: skip
    found = verify_transfer(
        proof, balance=balance, sender_key=payment_public_key(ATTACKER), recipients=[ESCROW_KEY], factor=50,
        context=context,
    )  # fmt: skip
    assert found is not None
    return handle(found.amount, ESCROW)


class _At:
    """The treasury's state, for its decider."""

    def __init__(self, state: Treasury) -> None:
        self._state = state

    def state(self, topic: str) -> Treasury:
        return self._state


def collect(state: Treasury, ciphertext: bytes, attempt: int) -> FeesDistributed:
    body = CollectFees(
        job_id=bytes(16), attempt=attempt, payer=bytes(32), source="job_fee", amount=0, burnt=0, treasury=0,
        stakers=0, ciphertext=ciphertext,
    )  # fmt: skip
    command = Command(body, bytes(16), TREASURY, 0, bytes(16), bytes(32), bytes(32), 0)
    [event] = treasury.decide(cast(Any, _At(state)), command, RULES)
    assert isinstance(event, FeesDistributed)
    return event


def test_fees_that_cancel_each_other_out_leave_nothing_of_the_sum() -> None:
    """Two prices of nothing, made with r and -r, add up to infinity, which is written as no bytes at all."""
    prices = [price_of_nothing(r) for r in (77, ORDER - 77, 5)]
    audit = PrivacyAudit(cast(Network, None), Verdict())
    audit.rules = RULES
    supply, state = HiddenSupply(RULES), Treasury()
    sums = []
    for attempt, price in enumerate(prices, 1):
        event = collect(state, price, attempt)
        assert audit._fact(TREASURY, event, supply) is None
        state = evolve(state, event, 0)
        sums.append(state.sealed_fees)
        assert audit.sealed_fees == state.sealed_fees
    assert sums == [prices[0], b"", prices[2]]


def sent(log: InMemoryLog, since: int) -> list[str]:
    """Types of the commands that the log has beyond the first `since`."""
    return [decode_command(record.value).envelope.type for record in records(log, "commands")[since:]]


def refused(action: Any) -> PurseError:
    with pytest.raises(PurseError) as caught:
        action()
    return caught.value


def test_what_is_missing_for_a_price_never_stands_in_a_refused_deposit(tmp_path: Path) -> None:
    """The deposit would be refused, and its amount, which is the sealed price, would be in the log for good."""
    log, price = InMemoryLog(), 30_000 * SAGE + 50 * UNIT
    with running(log, tmp_path) as network:
        purse = _open(network)
        before = len(records(log, "commands"))
        error = refused(lambda: purse.cover(price))
        assert error.code == "insufficient_balance"
        assert str(price) not in str(error)
        assert "30000" not in str(error)
        assert sent(log, before) == []


@pytest.mark.parametrize(
    "part", [{"min_cost": 5 * SAGE}, {"ramp_ms": 60_000}, {"ramp_start": 1_800_000_000_000}], ids=str
)
def test_a_sealed_offer_with_the_numbers_of_an_open_one_is_not_sent(tmp_path: Path, part: dict[str, int]) -> None:
    """The network refuses it, and the public numbers of the refused command would tell about the price."""
    log = InMemoryLog()
    with running(log, tmp_path) as network:
        purse = _open(network)
        purse.deposit(20 * SAGE)
        before = len(records(log, "commands"))
        assert refused(lambda: purse.submit_job(dataclasses.replace(spec(), **part), 10 * SAGE)).code == "offer_invalid"
        assert sent(log, before) == []


def _open(network: TestNetwork) -> Purse:
    purse = Purse(network.funded(20))
    purse.open()
    return purse


@pytest.mark.parametrize("is_sealed", [True, False], ids=["sealed", "open"])
def test_a_wage_booked_under_another_account_is_found_without_its_command(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, is_sealed: bool
) -> None:
    """A coordinator that pays its own account with an event that names the worker, and waits until commands expire."""
    sign, owe = handler.CoordinatorHandler._sign, payments._owe
    log = InMemoryLog()
    with running(log, tmp_path) as network:
        network.validator(1)
        worker, client, thief = network.worker(10), network.funded(20), network.funded(21)
        Purse(thief).open()

        def redirected(self: Any, follow: FollowUp) -> Any:
            if isinstance(follow.body, OwePayment):
                follow = dataclasses.replace(follow, subject=thief.subject)
            return sign(self, follow)

        def disguised(*given: Any) -> list[Any]:
            return [
                dataclasses.replace(body, worker=worker.key.address) if isinstance(body, PaymentDue) else body
                for body in owe(*given)
            ]

        monkeypatch.setattr(handler.CoordinatorHandler, "_sign", redirected)
        monkeypatch.setattr(payments, "_owe", disguised)
        job_id = network.sealed(client) if is_sealed else client.submit_job(spec())[0]
        client.wait_job(job_id, 60)
        booked = wait(
            lambda: [a for a in thief.history(("accounts",), thief.subject) if isinstance(a.body, PaymentDue)]
        )
        assert booked[0].body.worker == worker.key.address
    monkeypatch.undo()
    expire(log)
    found = verdict_of(log, network)
    assert "PaymentDue names another account than its own" in {f.detail for f in found.findings if f.check == "rights"}


def test_a_wage_or_a_fee_that_is_divided_otherwise_is_found_without_its_command(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The coordinator keeps most of a wage as a fee, and all of the fee from being burnt; the sums are right."""
    honest = policies._POLICIES[EscrowReleased]

    def greedy(*given: Any) -> Any:
        return [
            (to, dataclasses.replace(body, burnt=0, treasury=body.amount, stakers=0))
            if isinstance(body, CollectFees)
            else (to, body)
            for to, body in honest(*given)
        ]

    log = InMemoryLog()
    with monkeypatch.context() as patch, running(log, tmp_path) as network:
        patch.setattr(escrow, "worker_part", lambda cost, rules: UNIT)
        patch.setitem(policies._POLICIES, EscrowReleased, greedy)
        network.validator(1)
        network.worker(10)
        client = network.funded(20)
        client.wait_job(client.submit_job(spec())[0], 60)
        wait(lambda: client.history(("accounts",), TREASURY))
    expire(log)
    found = [f.detail for f in verdict_of(log, network).findings if f.check == "cause"]
    assert any("the worker's part of it is another" in detail for detail in found)
    assert any("its parts are not those of the table" in detail for detail in found)
