"""Dead letters that are earned do not make the audit fail."""

from pathlib import Path
from typing import Any

import pytest
from forgery import records, sealer, verdict_of
from testnetwork import key, running, wait

from bitsage.nodes.signing import CommandSigner
from bitsage.processors import wallet
from bitsage.schemas.commands import CreateWallet, RequestTokens
from bitsage.schemas.types import EventBody
from bitsage.streams.deadletters import redrive, waiting
from bitsage.streams.log import Outgoing
from bitsage.streams.memory_log import InMemoryLog


def test_a_failing_decider_and_what_waits_behind_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    real = wallet.decide

    def broken(local: Any, command: Any, rules: Any) -> list[EventBody]:
        if isinstance(command.body, RequestTokens):
            raise ZeroDivisionError
        return real(local, command, rules)

    monkeypatch.setattr(wallet, "decide", broken)
    log = InMemoryLog()
    with running(log, tmp_path) as network:
        client = network.client(20)
        client.create_wallet()
        producer = log.producer()
        sign = CommandSigner(key(20), network.network.chain_id)
        for body in (RequestTokens(), CreateWallet()):
            producer.send(sign.sign(client.subject, body).record)
        wait(lambda: len(waiting(log)) == 2)
        redrive(log, client.subject.encode(), sealer=sealer(network))
        wait(lambda: len(records(log, "deadletters")) == 5 and len(waiting(log)) == 2)
    assert [letter.code for letter in waiting(log)] == ["decider_failed", "parked"]
    verdict = verdict_of(log, network)
    assert verdict.findings == []
    assert verdict.counts["dead letters"] == 4


def test_garbage(tmp_path: Path) -> None:
    log = InMemoryLog()
    with running(log, tmp_path) as network:
        sent = CommandSigner(key(20), network.network.chain_id).sign("network", CreateWallet()).record
        for value, partition in ((b"garbage", 0), (None, 1), (sent.value, sent.partition), (sent.value, 5)):
            log.producer().send(Outgoing(sent.topic, partition, sent.key, value, ()))
        wait(lambda: len(waiting(log)) == 4)
    verdict = verdict_of(log, network)
    assert verdict.findings == []
    assert verdict.counts["dead letters"] == 4
