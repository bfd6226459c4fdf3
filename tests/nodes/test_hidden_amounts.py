"""Hidden amounts over a whole network: nothing plain in the log, the parties read, restarts and replays change nothing."""

import dataclasses
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from forgery import records, verdict_of
from testnetwork import FAST, TestNetwork, claimed, key, running, spec, wait

from bitsage.nodes.audit import audit
from bitsage.nodes.bidding import BiddingPolicy
from bitsage.nodes.client import Client
from bitsage.nodes.errors import CommandRefused, PurseError
from bitsage.nodes.payer import Payer
from bitsage.nodes.purse import Holdings, Purse, rounded_up
from bitsage.nodes.reading import amounts_for, payment_of
from bitsage.nodes.register import register_worker
from bitsage.nodes.worker import WorkerNode
from bitsage.privacy import UNIT, payment_public_key
from bitsage.schemas.commands import SubmitJob
from bitsage.schemas.events import (
    EscrowLocked,
    EscrowRefunded,
    JobAssigned,
    JobCompleted,
    JobReassigned,
    PaymentEncrypted,
    ReputationChanged,
)
from bitsage.schemas.hidden_commands import Deposit, Transfer, Withdraw
from bitsage.schemas.hidden_events import Deposited, PriceShared, TransferReceived, TransferReturned, Withdrawn
from bitsage.schemas.parameters import SAGE
from bitsage.streams.codec import decode_event
from bitsage.streams.memory_log import InMemoryLog
from bitsage.streams.topics import topic_name

#: 13.3712 SAGE: a price that nothing else in a log resembles.
PRICE = 13_371_200 * UNIT
#: One whose every part and unit takes five bytes and more.
HUGE = 50 * 9_876_543_210 * UNIT


def events(client: Client, topics: tuple[str, ...], subject: str, kind: type) -> list[Any]:
    return [a.body for a in client.history(topics, subject) if isinstance(a.body, kind)]


def code_of(action: Callable[[], Any]) -> str:
    with pytest.raises((CommandRefused, PurseError)) as refused:
        action()
    return str(refused.value.code)


def encodings(amount: int) -> list[bytes]:
    """An amount in base units as any part of a record may write it: Avro decimal and long, big and little endian, text."""
    forms = []
    for value in (amount, amount // UNIT):
        size = (value.bit_length() + 8) // 8
        zigzag, varint = 2 * value, bytearray()
        while zigzag:
            varint.append(zigzag & 0x7F | (0x80 if zigzag > 0x7F else 0))
            zigzag >>= 7
        forms += [value.to_bytes(size, "big"), value.to_bytes(size, "little"), bytes(varint)]
        forms += [str(value).encode(), f"{value:x}".encode()]
    # Fewer bytes are found by chance, as a log has some hundred thousand of random ones.
    assert min(map(len, forms)) >= 5
    return forms


def log_text(log: InMemoryLog) -> bytes:
    parts = []
    for place, partition in log.partitions.items():
        for record in log.fetch(place, partition.start, 10**6)[0]:
            parts += [record.value or b"", record.key or b"", *(value for _, value in record.headers)]
    return b"\0".join(parts)


def test_no_price_stands_in_the_log_but_what_its_owner_withdraws(tmp_path: Path) -> None:
    log, rich = InMemoryLog(), dataclasses.replace(FAST, faucet_sage=2_000_000 * SAGE)
    with running(log, tmp_path, parameters=rich) as network:
        network.validator(1)
        worker, client = network.worker(10), network.funded(20)
        job_id = network.sealed(client, HUGE)
        assert isinstance(client.wait_job(job_id, 60).body, JobCompleted)
        wait(lambda: events(client, ("accounts",), worker.subject, PaymentEncrypted))
        assert Purse(worker).claim()[0] == [(job_id, HUGE * 4 // 5)]
        # Everybody who takes part can read it all the same.
        for n in (0, 10, 20):
            facts = payment_of(client, job_id, [key(n).payment_secret])
            assert facts is not None
            assert facts["price"] == str(HUGE)
            assert facts["paid"] == (None if n == 20 else str(HUGE * 4 // 5))
        nobody = payment_of(client, job_id, [key(99).payment_secret])
        assert nobody is not None
        assert (nobody["sealed"], nobody["price"], nobody["paid"], nobody["state"]) == (True, None, None, "paid")
        text, parts = log_text(log), [HUGE * share // 50 for share in (50, 40, 10, 7, 2, 1)]
        assert not [form for amount in parts for form in encodings(amount) if form in text]
        # The search itself finds what is public, and what a withdrawal makes public.
        assert any(form in text for form in encodings(500_000 * SAGE))
        Purse(worker).withdraw()
        assert any(form in log_text(log) for form in encodings(HUGE * 4 // 5))
    verdict = audit(log, network.network, live=tmp_path / "coordinator" / "projections")
    assert verdict.findings == []
    assert verdict.counts["hidden supply conserved"] == 1
    assert verdict.counts["hidden amounts verified"] >= 8
    assert verdict.counts["state hashes"] == 7


def test_the_worker_of_an_attempt_is_told_the_price(tmp_path: Path) -> None:
    log = InMemoryLog()
    with running(log, tmp_path) as network:
        network.worker(10, produce=_never)
        client = network.funded(20)
        job_id = network.sealed(client, PRICE)
        told = wait(lambda: events(client, ("jobs",), job_id.hex(), PriceShared))[0]
        assert (told.attempt, told.payment_key) == (1, payment_public_key(key(10).payment_secret))
        found = payment_of(client, job_id, [key(10).payment_secret])
        assert found is not None
        assert (found["price"], found["state"]) == (str(PRICE), "locked")
        assert events(client, ("jobs",), job_id.hex(), JobAssigned)[0].cost == 0
    assert verdict_of(log, network).findings == []


def _never(job: Any, worker: bytes, progress: Any) -> Any:
    """A stand-in prover that leaves the others time, and then gives the job back."""
    from bitsage.stark import ProverError

    wait(lambda: job.told, 20)
    raise ProverError("it gives every job back")


def test_a_refund_comes_back_hidden_and_pays_for_the_next_job(tmp_path: Path) -> None:
    log = InMemoryLog()
    with running(log, tmp_path) as network:
        client = network.funded(20)
        job_id = network.sealed(client, PRICE)
        wait(lambda: client.history(("jobs",), job_id.hex()))
        client.cancel_job(job_id)
        refund = wait(lambda: events(client, ("accounts",), client.subject, EscrowRefunded))[0]
        assert (refund.amount, refund.credit) == (0, 1)
        purse = Purse(client)
        assert purse.holdings() == Holdings(19_980 * SAGE, 20 * SAGE - PRICE, PRICE)
        network.sealed(client, PRICE)
        assert len(events(client, ("accounts",), client.subject, Deposited)) == 1
        assert purse.holdings() == Holdings(19_980 * SAGE, 20 * SAGE - PRICE, 0)
    assert verdict_of(log, network).findings == []


def test_transfers_arrive_or_come_back_and_the_auditor_reads_them(tmp_path: Path) -> None:
    log, auditor = InMemoryLog(), key(77).payment_secret
    with running(log, tmp_path, auditor_key=payment_public_key(auditor).hex()) as network:
        alice, bob, carol = (network.funded(n) for n in (20, 21, 22))
        purse, other = Purse(alice), Purse(bob)
        assert code_of(lambda: purse.transfer(bob.key.address, SAGE)) == "recipient_not_open"
        other.open()
        purse.cover(PRICE)
        purse.transfer(bob.key.address, 3 * SAGE)
        wait(lambda: events(bob, ("accounts",), bob.subject, TransferReceived))
        assert other.holdings().pending == 3 * SAGE
        # Carol has no private account: what is sent to her comes back.
        purse.transfer(carol.key.address, 2 * SAGE, key=purse.key)
        wait(lambda: events(alice, ("accounts",), alice.subject, TransferReturned))
        assert purse.holdings() == Holdings(19_980 * SAGE, 15 * SAGE, 2 * SAGE)
        purse.submit_job(spec(), 50 * UNIT)
        read = amounts_for(alice, auditor)
        assert [(row["event"], row["amount"]) for row in read] == [
            ("TransferSent", str(3 * SAGE)),
            ("TransferSent", str(2 * SAGE)),
            ("EscrowLocked", str(50 * UNIT)),
        ]
        assert [row["amount"] for row in amounts_for(alice, bob.key.payment_secret)] == [str(3 * SAGE)]
        assert amounts_for(alice, carol.key.payment_secret) == []
    assert verdict_of(log, network).findings == []


def test_every_bad_amount_and_proof_has_its_code_and_moves_nothing(tmp_path: Path) -> None:
    log = InMemoryLog()
    with running(log, tmp_path) as network:
        client = network.funded(20)
        purse, me = Purse(client), client.subject
        assert code_of(lambda: purse.deposit(SAGE)) == "no_private_account"
        assert code_of(lambda: purse.submit_job(spec(), 50 * UNIT)) == "no_private_account"
        purse.open()
        assert purse.open() == []
        purse.deposit(5 * SAGE)
        before = purse.holdings()
        assert code_of(lambda: purse.deposit(UNIT + 1)) == "not_in_units"
        assert code_of(lambda: purse.deposit(20_000 * SAGE)) == "insufficient_balance"
        assert code_of(lambda: purse.withdraw(UNIT + 1)) == "not_in_units"
        assert code_of(lambda: purse.withdraw(6 * SAGE)) == "insufficient_hidden"
        assert code_of(lambda: purse.submit_job(spec(), 49 * UNIT)) == "not_in_units"
        assert code_of(lambda: purse.submit_job(spec(), -50 * UNIT)) == "not_in_units"
        assert code_of(lambda: purse.submit_job(spec(), 0)) == "amount_out_of_range"
        assert code_of(lambda: purse.submit_job(spec(), 50 * UNIT << 40)) == "cost_too_large"
        assert code_of(lambda: purse.submit_job(spec(), 6 * SAGE)) == "insufficient_hidden"
        assert code_of(lambda: client.claim()) == "nothing_pending"
        assert (
            code_of(lambda: client.ask(me, Withdraw(amount=SAGE, sequence=1, proof=b"x" * 900))) == "withdrawal_invalid"
        )
        assert code_of(lambda: client.ask(me, Withdraw(amount=SAGE, sequence=9, proof=b""))) == "stale_sequence"
        junk = {"recipient": bytes(32), "recipient_key": purse.key, "sequence": 1}
        assert code_of(lambda: client.ask(me, Transfer(transfer=b"\xff" * 2_000, **junk))) == "transfer_invalid"
        for transfer in (b"\x01", b"\xff" * 1_500):
            body = SubmitJob(spec=spec(cost=0), sequence=1, transfer=transfer)
            assert code_of(lambda body=body: client.ask(me, body)) == "transfer_invalid"  # type: ignore[misc]
        thief = network.funded(21)
        assert code_of(lambda: thief.ask(me, Deposit(amount=SAGE))) == "not_owner"
        assert purse.holdings() == before == Holdings(19_995 * SAGE, 5 * SAGE, 0)
    assert verdict_of(log, network).findings == []


def test_a_proof_holds_once_whatever_is_sent_again(tmp_path: Path) -> None:
    """Redelivery under a fresh nonce, from another account, and after a restart with and without the cache."""
    log = InMemoryLog()
    with running(log, tmp_path) as network:
        network.validator(1)
        worker, client = network.worker(10), network.funded(20)
        job_id = network.sealed(client, PRICE)
        assert isinstance(client.wait_job(job_id, 60).body, JobCompleted)
        assert claimed(worker) == PRICE * 4 // 5
    said = records(log, "commands")
    for cache in ("kept", "gone"):
        if cache == "gone":
            for file in (tmp_path / "coordinator").glob("state-*.db*"):
                file.unlink()
        with running(log, tmp_path) as network:
            client, worker = network.client(20), network.client(10)
            _again(client, worker, said)
            # The very records, once more: their nonces are used.
            before = [_holdings(network, n) for n in (10, 20)]
            producer = log.producer()
            for record in said:
                producer.send(dataclasses.replace(_outgoing(record)))
            client.ask(client.subject, Deposit(amount=UNIT))
            after = [_holdings(network, n) for n in (10, 20)]
            assert after[0] == before[0]
            assert after[1].available == before[1].available + UNIT
    verdict = verdict_of(log, network)
    assert verdict.findings == []
    assert len(events(client, ("accounts",), worker.subject, PaymentEncrypted)) == 1
    assert len(events(client, ("accounts",), worker.subject, Withdrawn)) == 1
    assert len(events(client, ("accounts",), client.subject, EscrowLocked)) == 1


def _outgoing(record: Any) -> Any:
    from bitsage.streams.log import Outgoing

    return Outgoing(record.topic, record.partition, record.key, record.value, record.headers)


def _holdings(network: TestNetwork, n: int) -> Holdings:
    return Purse(network.client(n)).holdings()


def _again(client: Client, worker: Client, said: list[Any]) -> None:
    """The bodies of the run's commands under fresh ids and nonces of their own signers: all refused."""
    from bitsage.streams.codec import decode_command

    expected = {"SubmitJob": {"stale_sequence"}, "Withdraw": {"stale_sequence"}, "ClaimPayment": {"nothing_pending"}}
    for record in said:
        signed = decode_command(record.value)
        name = signed.envelope.type
        owner = {client.key.address: client, worker.key.address: worker}.get(signed.envelope.actor)
        if owner is not None and name in expected:
            assert code_of(lambda o=owner, s=signed: o.ask(o.subject, s.body)) in expected[name]  # type: ignore[misc]


def test_somebody_else_cannot_use_a_proof(tmp_path: Path) -> None:
    log = InMemoryLog()
    with running(log, tmp_path) as network:
        client, thief = network.funded(20), network.funded(21)
        for one in (client, thief):
            Purse(one).cover(5 * SAGE)
        Purse(client).withdraw(SAGE)
        taken = events(client, ("accounts",), client.subject, Withdrawn)[0]
        body = Withdraw(amount=taken.amount, sequence=1, proof=taken.proof)
        assert code_of(lambda: thief.ask(thief.subject, body)) == "withdrawal_invalid"
    assert verdict_of(log, network).findings == []


def test_the_state_comes_back_from_the_log_alone(tmp_path: Path) -> None:
    log = InMemoryLog()
    with running(log, tmp_path) as network:
        client = network.funded(20)
        network.sealed(client, PRICE)
        state = Purse(client).read()
    values = [r.value for r in records(log, "accounts", client.subject)]
    assert all(decode_event(value or b"") for value in values)
    with running(log, tmp_path / "elsewhere") as network:
        # A coordinator with no memory of its own goes on where the log stands.
        network.sealed(client, PRICE)
        again = Purse(client).read()
    assert again.private.sequence == state.private.sequence + 2
    assert (again.private.payment_key, again.hidden) == (state.private.payment_key, 30 * SAGE)
    assert verdict_of(log, network).findings == []
    assert topic_name("accounts") in {place[0] for place in log.partitions}


def test_a_deposit_is_rounded_up_and_never_what_is_missing() -> None:
    cases = {1: 1, SAGE - 1: 1, SAGE: 2, 2 * SAGE: 5, 4 * SAGE: 5, 5 * SAGE: 10, 13 * SAGE: 20, 999 * SAGE: 1_000}
    assert {missing: rounded_up(missing) // SAGE for missing in cases} == cases


def test_a_worker_reads_a_sealed_price_and_declines_what_is_too_low(tmp_path: Path) -> None:
    log, asking = InMemoryLog(), BiddingPolicy(ask=SAGE)  # a matmul of 16 has 16 rows or more
    with running(log, tmp_path) as network:
        network.validator(1)
        worker = network.funded(10, 2_500, "consumer")
        register_worker(worker, tier="consumer", gpu_model="T4", policy=asking)
        network.run(WorkerNode(worker, tmp_path / "w10", policy=asking))
        client = network.funded(20)
        low = network.sealed(client, 5 * SAGE)
        gone = wait(lambda: events(client, ("jobs",), low.hex(), JobReassigned))[0]
        assert (gone.reason, gone.worker) == ("declined", worker.key.address)
        high = network.sealed(client, 5_000 * SAGE)
        assert isinstance(client.wait_job(high, 60).body, JobCompleted)
        records_of = [a.body for a in client.history(("workers",), worker.subject)]
        assert not [b for b in records_of if isinstance(b, ReputationChanged) and b.after < b.before]
    assert verdict_of(log, network).findings == []


def test_a_worker_that_is_not_told_the_price_declines(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("bitsage.nodes.worker._TELL_S", 0.3)
    monkeypatch.setattr(Payer, "outstanding", lambda self: [])
    log, asking = InMemoryLog(), BiddingPolicy(ask=1)
    with running(log, tmp_path) as network:
        worker = network.funded(10, 2_500, "consumer")
        register_worker(worker, tier="consumer", gpu_model="T4", policy=asking)
        network.run(WorkerNode(worker, tmp_path / "w10", policy=asking))
        client = network.funded(20)
        job_id = network.sealed(client, 5 * SAGE)
        assert wait(lambda: events(client, ("jobs",), job_id.hex(), JobReassigned))[0].reason == "declined"
