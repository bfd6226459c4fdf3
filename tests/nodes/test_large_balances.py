"""Hidden balances beyond every search: their owner reads them from the amounts that they are made of."""

import dataclasses
from collections.abc import Callable
from pathlib import Path

import pytest
from forgery import verdict_of
from testnetwork import FAST, TestNetwork, key, running, spec, wait

from bitsage.nodes import purse
from bitsage.nodes.bookkeeping import balances_by_events
from bitsage.nodes.claims import claimable
from bitsage.nodes.client import Client
from bitsage.nodes.errors import BalanceTooLarge, PurseError
from bitsage.nodes.purse import Holdings, Purse
from bitsage.nodes.purse_limits import STUCK
from bitsage.privacy import PAYMENT_BITS, UNIT, decrypt_balance, payment_public_key
from bitsage.privacy.errors import NotDecryptable
from bitsage.schemas.events import EscrowLocked, EscrowRefunded, JobCompleted, PaymentDue, PaymentEncrypted
from bitsage.schemas.hidden_commands import Deposit
from bitsage.schemas.hidden_events import (
    Deposited,
    PaymentClaimed,
    TransferReceived,
    TransferReturned,
    TransferSent,
    Withdrawn,
)
from bitsage.schemas.parameters import SAGE
from bitsage.schemas.types import EventBody
from bitsage.streams.memory_log import InMemoryLog

MILLION = 1_000_000 * SAGE
RICH = dataclasses.replace(FAST, faucet_sage=500 * MILLION)
#: Base units: below this lies what a proof can be about.
LIMIT = UNIT << 48


def bodies(client: Client) -> list[EventBody]:
    return [answer.body for answer in client.history(("accounts",), client.subject)]


def code_of(one: Purse, amount: int) -> str:
    with pytest.raises(PurseError) as refused:
        one.withdraw(amount)
    return refused.value.code


def test_a_balance_above_every_search_is_read_and_spent(tmp_path: Path) -> None:
    log = InMemoryLog()
    with running(log, tmp_path, parameters=RICH) as network:
        mine, theirs = Purse(network.funded(20)), Purse(network.funded(21))
        for one, amount in ((mine, 200 * MILLION), (mine, 200 * MILLION), (theirs, 3 * MILLION)):
            one.open()
            one.deposit(amount)
        for _ in range(2):
            theirs.transfer(mine.client.key.address, MILLION)
        wait(lambda: mine.read().private.waiting == 2)
        # What waits is more than one search finds; what is available is what was deposited.
        assert 2 * MILLION // UNIT >= 1 << PAYMENT_BITS
        assert mine.holdings() == Holdings(100 * MILLION, 400 * MILLION, 2 * MILLION)
        mine.claim()
        have = 402 * MILLION
        assert have >= LIMIT
        assert mine.holdings() == Holdings(100 * MILLION, have, 0)
        # One step leaves less than 2^48 units, and moves less.
        assert code_of(mine, SAGE) == "balance_too_large"
        assert code_of(mine, have - LIMIT) == "balance_too_large"
        assert code_of(mine, LIMIT) == "balance_too_large"
        assert code_of(mine, have + UNIT) == "insufficient_hidden"
        with pytest.raises(PurseError) as refused:
            mine.transfer(theirs.client.key.address, MILLION)
        assert refused.value.code == "balance_too_large"
        with pytest.raises(PurseError) as refused:
            mine.transfer(theirs.client.key.address, 2 * MILLION)
        assert refused.value.code == "amount_too_large"
        mine.withdraw(have - LIMIT + UNIT)
        assert mine.holdings().available == LIMIT - UNIT
        # Everything, in as many steps as it takes.
        mine.deposit(200 * MILLION)
        assert mine.withdraw()[0] == LIMIT - UNIT
        assert mine.withdraw()[0] == 200 * MILLION
        assert mine.holdings() == Holdings(502 * MILLION, 0, 0)
    assert verdict_of(log, network).findings == []


def refused_unsent(one: Purse, step: Callable[[], object], why: str) -> None:
    """`step` is refused with that text, and no event comes of it."""
    before = bodies(one.client)
    with pytest.raises(BalanceTooLarge, match=why):
        step()
    assert bodies(one.client) == before


def test_no_balance_is_made_that_nothing_can_be_taken_out_of(tmp_path: Path) -> None:
    richer = dataclasses.replace(FAST, faucet_sage=900 * MILLION)
    with running(InMemoryLog(), tmp_path, parameters=richer) as network:
        mine, theirs = Purse(network.funded(20)), Purse(network.funded(21))
        for one, amount in ((mine, 281 * MILLION), (mine, 281 * MILLION), (theirs, 2 * MILLION)):
            one.open()
            one.deposit(amount)
        # What others send cannot be refused; it waits, and counts.
        theirs.transfer(mine.client.key.address, MILLION)
        wait(lambda: mine.read().private.waiting == 1)
        for step in (mine.claim, lambda: mine.deposit(UNIT), lambda: mine.cover(700 * MILLION)):
            refused_unsent(mine, step, "never be taken out")
        mine.withdraw(281 * MILLION)
        mine.claim()
        most = (STUCK - 1) * UNIT - 282 * MILLION
        refused_unsent(mine, lambda: mine.deposit(most + UNIT), "never be taken out")
        mine.deposit(most)
        # By another program it can be made, and then nothing comes out; of one unit less (below), everything.
        mine.client.ask(mine.client.subject, Deposit(amount=UNIT))
        assert mine.holdings().available == STUCK * UNIT
        for step in (mine.withdraw, lambda: mine.withdraw(UNIT)):
            refused_unsent(mine, step, "any more")
        refused_unsent(mine, lambda: mine.transfer(theirs.client.key.address, UNIT), "any more")
        for amount in (LIMIT - UNIT, LIMIT - UNIT - MILLION):
            theirs.deposit(amount)
        assert [theirs.withdraw()[0] for _ in range(2)] == [LIMIT - UNIT] * 2


def test_every_event_of_a_hidden_balance_is_in_the_books(tmp_path: Path) -> None:
    """Whatever an account goes through, each balance that it had holds what the books say."""
    log = InMemoryLog()
    with running(log, tmp_path) as network:
        network.validator(1)
        worker, client = network.worker(10), network.funded(20)
        _live(network, worker, client)
        seen: set[type] = set()
        for one in (worker, client):
            secret, events = one.key.payment_secret, bodies(one)
            seen |= {type(body) for body in events}
            books = balances_by_events(events, lambda c, s=secret: decrypt_balance(c, s), network.parameters)  # type: ignore[misc]
            assert len(books) > 5
            for balance, units in books.items():
                assert decrypt_balance(balance, secret, hint=units, bits=0) == units
            state = Purse(one).read().private
            assert {state.available, state.pending} <= set(books)
    ways = {Deposited, Withdrawn, EscrowLocked, EscrowRefunded, PaymentDue, PaymentEncrypted, PaymentClaimed}
    assert ways | {TransferSent, TransferReceived, TransferReturned} <= seen


def _live(network: TestNetwork, worker: Client, client: Client) -> None:
    """A sealed and an open job, one taken back, transfers that arrive and one that comes back."""
    sealed = network.sealed(client, 10 * SAGE)
    assert isinstance(client.wait_job(sealed, 60).body, JobCompleted)
    public, _ = client.submit_job(spec(seed=2))
    assert isinstance(client.wait_job(public, 60).body, JobCompleted)
    wait(lambda: len(claimable(worker)) == 2, 60)
    earned, spender = Purse(worker), Purse(client)
    earned.claim()
    for stop, _ in network.stops[1:]:
        stop.set()
    client.cancel_job(network.sealed(client, 5 * SAGE, seed=3))
    earned.transfer(client.key.address, 3 * SAGE)
    spender.cover(4 * SAGE)
    spender.transfer(worker.key.address, SAGE)
    spender.transfer(worker.key.address, SAGE, key=payment_public_key(key(99).payment_secret))
    wait(lambda: any(isinstance(body, TransferReturned) for body in bodies(client)))
    wait(lambda: any(isinstance(body, EscrowRefunded) for body in bodies(client)))
    wait(lambda: any(isinstance(body, TransferReceived) for body in bodies(worker)))
    spender.claim()
    earned.claim()
    earned.withdraw(SAGE)


def test_what_the_books_say_has_to_be_what_the_ciphertext_holds(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with running(InMemoryLog(), tmp_path, parameters=RICH) as network:
        theirs = Purse(network.funded(20))
        theirs.open()
        theirs.deposit(200 * MILLION)
        state = theirs.read()
        balance = state.private.available
        for wrong in (200 * MILLION // UNIT + 1, -1):
            with monkeypatch.context() as patch:
                patch.setattr(purse, "balances_by_events", lambda *_, wrong=wrong: {balance: wrong})
                with pytest.raises(NotDecryptable):
                    Purse(theirs.client)._units(state, balance)
        assert Purse(theirs.client)._units(state, balance) == 200 * MILLION // UNIT
        # Under another key than the wallet's nothing is searched for at all.
        monkeypatch.setattr(Purse, "_search", None)
        another = dataclasses.replace(state.private, payment_key=payment_public_key(key(99).payment_secret))
        with pytest.raises(NotDecryptable):
            Purse(theirs.client)._available(dataclasses.replace(state, private=another))
