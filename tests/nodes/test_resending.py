"""Payments and votes that were refused are sent again, and nonces rise over a restart with a clock that was set back."""

import sys
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from testnetwork import running, spec, wait

import bitsage.nodes.payer
import bitsage.nodes.signing
import bitsage.nodes.validator
from bitsage.nodes.audit import audit
from bitsage.nodes.claims import claimable
from bitsage.nodes.signing import CommandSigner, now_ms
from bitsage.schemas.commands import CreateWallet
from bitsage.schemas.events import CommandRejected, JobCompleted
from bitsage.streams.memory_log import InMemoryLog
from bitsage.wallet import Key


def refused_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """The first vote is dated a day ahead, the first payment is empty."""
    sign, waiting = CommandSigner.sign, {"CastVote", "PayWorker"}

    def signed(self: CommandSigner, subject: str, body: Any, **options: Any) -> Any:
        if (kind := type(body).__name__) in waiting:
            waiting.remove(kind)
            options["at"] = now_ms() + 86_400_000
            body = replace(body, payment=b"") if kind == "PayWorker" else body
        return sign(self, subject, body, **options)

    monkeypatch.setattr(CommandSigner, "sign", signed)


def test_a_refused_payment_and_a_refused_vote_are_sent_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bitsage.nodes.payer, "_REPEAT_S", 0.5)
    monkeypatch.setattr(bitsage.nodes.validator, "_REPEAT_S", 0.5)
    refused_once(monkeypatch)
    log = InMemoryLog()
    with running(log, tmp_path) as network:
        network.validator(1)
        worker, client = network.worker(10), network.funded(20)
        job_id, _ = client.submit_job(spec())
        assert isinstance(client.wait_job(job_id, 60).body, JobCompleted)
        assert wait(lambda: claimable(worker))
        votes = [a.body for a in client.history(("votes",), job_id.hex())]
        pay = [a.body for a in client.history(("accounts",), worker.subject)]
        refusals = [b for b in (*votes, *pay) if isinstance(b, CommandRejected)]
        assert [(b.command, b.reason) for b in refusals] == [
            ("CastVote", "clock_skew"),
            ("PayWorker", "payment_invalid"),
        ]
    assert audit(log, network.network, proofs=False).findings == []


def nonces(file: Path, count: int) -> list[int]:
    signer = CommandSigner(Key(7), "test")
    signer.keep_nonces(file)
    return [signer.sign("0x" + "0" * 64, CreateWallet()).envelope.nonce for _ in range(count)]


def test_nonces_rise_over_a_restart_with_a_clock_that_was_set_back(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "node" / "last.nonce"
    before = nonces(file, 3)
    monkeypatch.setattr(bitsage.nodes.signing, "fresh_nonce", lambda: 5)
    after = nonces(file, 2)
    assert after == [before[-1] + 1, before[-1] + 2]
    for damaged in ("", "x", "-3", "9" * 40):
        file.write_text(damaged, encoding="utf-8")
        assert nonces(file, 2) == [5, 6]


def test_threads_that_sign_at_once_never_share_a_nonce(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bitsage.nodes.signing, "fresh_nonce", lambda: 5)
    signer = CommandSigner(Key(7), "test")
    signer.keep_nonces(tmp_path / "last.nonce")
    interval = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    try:
        with ThreadPoolExecutor(8) as pool:
            drawn = list(pool.map(lambda _: signer._nonce(), range(400)))
    finally:
        sys.setswitchinterval(interval)
    assert sorted(drawn) == list(range(5, 405))
    assert (tmp_path / "last.nonce").read_text(encoding="utf-8") == "404"
