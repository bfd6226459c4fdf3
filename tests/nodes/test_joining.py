"""Joining in one go: a crash at any point costs nothing and doubles nothing."""

from pathlib import Path
from typing import Any

import pytest
from testnetwork import TestNetwork, running

from bitsage.nodes.audit import audit
from bitsage.nodes.bidding import BiddingPolicy
from bitsage.nodes.client import Client
from bitsage.nodes.errors import AnswerTimeout, CommandRefused
from bitsage.nodes.joining import Joining, Wanted, stake_verdict, standing
from bitsage.processors.stake import Insufficient, Unlocked, Valid
from bitsage.schemas.commands import RequestUnstake
from bitsage.schemas.events import Staked, TokensGranted, WalletCreated, WorkerRegistered
from bitsage.schemas.parameters import SAGE
from bitsage.streams.memory_log import InMemoryLog

ONCE = (WalletCreated, TokensGranted, Staked, WorkerRegistered)
WANTED = Wanted(tier="consumer", gpu_model="T4", stake=1_000 * SAGE, policy=BiddingPolicy(ask=3, slots=2))


class Crash(BaseException):
    """Stands for the end of the process."""


class CrashingClient(Client):
    """Dies at the `fatal`-th command: before it is sent, or after it was sent and before the answer is read."""

    def __init__(self, network: TestNetwork, n: int, fatal: int, sent: bool) -> None:
        made = network.client(n)
        super().__init__(network.log, network.network, made.key)
        self.fatal, self.sent = fatal, sent

    def ask_prepared(self, prepared: Any, timeout: float = 30.0) -> Any:
        self.fatal -= 1
        if self.fatal == 0:
            if self.sent:
                self.send_prepared(prepared)
            raise Crash
        return super().ask_prepared(prepared, timeout)


def joining(client: Client, folder: Path, wanted: Wanted = WANTED) -> tuple[Joining, list[str]]:
    steps: list[str] = []
    return Joining(client, folder, wanted, lambda step, answers: steps.append(step)), steps


def happened(client: Client) -> list[str]:
    found = client.history(("accounts", "workers"), client.subject)
    return sorted(type(a.body).__name__ for a in found if isinstance(a.body, ONCE))


def test_every_step_is_taken_once_whatever_crashes_between(tmp_path: Path) -> None:
    log = InMemoryLog()
    with running(log, tmp_path) as network:
        n = 30
        for fatal in (1, 2, 3, 4):
            for sent in (False, True):
                n += 1
                folder = tmp_path / f"w{n}"
                with pytest.raises(Crash):
                    joining(CrashingClient(network, n, fatal, sent), folder)[0].run()
                again, _ = joining(network.client(n), folder)
                found = again.run()
                assert found.worker.registered
                assert (found.account.stake, found.worker.slots, found.worker.asks[0]) == (1_000 * SAGE, 2, 3)
                assert happened(network.client(n)) == sorted(kind.__name__ for kind in ONCE), (fatal, sent)
                more, steps = joining(network.client(n), folder)
                more.run()
                assert steps == []
    assert audit(log, network.network).findings == []


def test_without_a_coordinator_it_goes_on_where_it_stopped(tmp_path: Path) -> None:
    log = InMemoryLog()
    network = TestNetwork(log, tmp_path)
    client = network.client(30)
    for _ in range(2):
        unheard, _ = joining(client, tmp_path / "w")
        unheard.timeout = 0.3
        with pytest.raises(AnswerTimeout):
            unheard.run()
    try:
        network.coordinator()
        joining(client, tmp_path / "w")[0].run()
        assert happened(client) == sorted(kind.__name__ for kind in ONCE)
    finally:
        network.close()
    assert network.failures == []


def test_a_changed_policy_or_stake_is_all_that_is_done_the_second_time(tmp_path: Path) -> None:
    with running(InMemoryLog(), tmp_path) as network:
        client = network.client(30)
        joining(client, tmp_path / "w")[0].run()
        changed = Wanted(tier="consumer", gpu_model="T4", stake=1_500 * SAGE, policy=BiddingPolicy(ask=4))
        more, steps = joining(client, tmp_path / "w", changed)
        found = more.run()
        assert steps == ["stake", "register"]
        assert (found.account.stake, found.worker.asks[0]) == (1_500 * SAGE, 4)
        dear = Wanted(tier="frontier", gpu_model="MI300X", stake=25_000 * SAGE, policy=BiddingPolicy())
        with pytest.raises(CommandRefused) as refused:
            joining(client, tmp_path / "w", dear)[0].run()
        assert refused.value.code == "insufficient_balance"


def test_verify_stake_is_told_in_its_three_answers(tmp_path: Path) -> None:
    with running(InMemoryLog(), tmp_path) as network:
        client = network.client(30)

        def verdict() -> object:
            return stake_verdict(client, standing(client, client.key.address), "consumer")

        assert verdict() == Insufficient(0, 1_000 * SAGE)
        joining(client, tmp_path / "w")[0].run()
        valid = verdict()
        assert isinstance(valid, Valid)
        assert (valid.amount, valid.tier) == (1_000 * SAGE, "consumer")
        client.ask(client.subject, RequestUnstake(amount=1))
        assert verdict() == Unlocked()
        # Unstaking put it out; joining once more stakes what is missing and registers anew.
        more, steps = joining(client, tmp_path / "w")
        assert more.run().worker.registered
        assert steps == ["stake", "register"]
