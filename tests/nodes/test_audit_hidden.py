"""The audit of hidden amounts: what a forging coordinator seals is found from the events alone."""

import dataclasses
from pathlib import Path
from typing import Any

import pytest
from forgery import checks, expire, records, rewritten, seal_event, verdict_of
from testnetwork import TestNetwork, claimed, running, wait

from bitsage.nodes.audit_horizon import resting_place
from bitsage.nodes.execution import FollowUp
from bitsage.nodes.purse import Purse
from bitsage.privacy import UNIT, deposited
from bitsage.processors.model import TREASURY
from bitsage.schemas.commands import CollectFees, OwePayment
from bitsage.schemas.events import (
    EscrowLocked,
    EscrowRefunded,
    FeesDistributed,
    JobCompleted,
    PaymentDue,
    PaymentEncrypted,
)
from bitsage.schemas.hidden_commands import CreditTransfer
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
from bitsage.schemas.parameters import SAGE
from bitsage.schemas.types import CommandBody, EventBody
from bitsage.streams.codec import decode_event
from bitsage.streams.memory_log import InMemoryLog


@pytest.fixture(scope="module")
def lived(tmp_path_factory: pytest.TempPathFactory) -> tuple[InMemoryLog, TestNetwork]:
    """A network that came to rest: a sealed job was paid, one refunded, a transfer arrived and one bounced."""
    log, folder = InMemoryLog(), tmp_path_factory.mktemp("lived")
    with running(log, folder) as network:
        network.validator(1)
        worker, client, other = network.worker(10), network.funded(20), network.funded(21)
        job_id = network.sealed(client)
        assert isinstance(client.wait_job(job_id, 60).body, JobCompleted)
        assert claimed(worker) == 8 * SAGE
        cancelled = network.sealed(client, tier="frontier")
        wait(lambda: client.history(("jobs",), cancelled.hex()))
        client.cancel_job(cancelled)
        purse = Purse(client)
        purse.cover(5 * SAGE)
        Purse(other).open()
        purse.transfer(other.key.address, SAGE)
        purse.transfer(network.funded(22).key.address, SAGE, key=purse.key)
        wait(lambda: any(isinstance(a.body, TransferReturned) for a in client.history(("accounts",), client.subject)))
        wait(lambda: any(isinstance(a.body, FeesDistributed) for a in client.history(("accounts",), TREASURY)))
        wait(lambda: resting_place(log) is not None)
    assert verdict_of(log, network).findings == []
    return log, network


def events_of(log: InMemoryLog, kind: type) -> list[tuple[Any, str, Any]]:
    """(envelope, topic, body) of every event of a kind."""
    found = []
    for topic in ("accounts", "jobs"):
        for record in records(log, topic):
            envelope, body = decode_event(record.value or b"")
            if isinstance(body, kind):
                found.append((envelope, topic, body))
    return found


def _other(value: bytes) -> bytes:
    """The ciphertext of one unit more: another amount that looks as good."""
    return deposited(value[:128], 1) + value[128:]


@pytest.mark.parametrize(
    ("kind", "field"),
    [
        (PrivateAccountOpened, "key_proof"),
        (Deposited, "available"),
        (Deposited, "sequence"),
        (Withdrawn, "amount"),
        (Withdrawn, "available"),
        (Withdrawn, "proof"),
        (Withdrawn, "sequence"),
        (EscrowLocked, "ciphertext"),
        (EscrowLocked, "available"),
        (EscrowLocked, "transfer"),
        (EscrowLocked, "sequence"),
        (EscrowRefunded, "ciphertext"),
        (EscrowRefunded, "pending"),
        (EscrowRefunded, "credit"),
        (PaymentDue, "ciphertext"),
        (PaymentDue, "payment_key"),
        (PaymentEncrypted, "ciphertext"),
        (PaymentEncrypted, "payment"),
        (PaymentEncrypted, "pending"),
        (PaymentEncrypted, "credit"),
        (PaymentClaimed, "available"),
        (PaymentClaimed, "credit"),
        (TransferSent, "ciphertext"),
        (TransferSent, "transfer"),
        (TransferSent, "available"),
        (TransferSent, "recipient"),
        (TransferReceived, "ciphertext"),
        (TransferReceived, "pending"),
        (TransferReceived, "transfer_sequence"),
        (TransferBounced, "transfer_sequence"),
        (TransferReturned, "ciphertext"),
        (TransferReturned, "transfer_sequence"),
        (FeesDistributed, "ciphertext"),
        (FeesDistributed, "sealed_fees"),
        (PriceShared, "ciphertext"),
        (PriceShared, "payment_key"),
        (PriceShared, "proof"),
    ],
)
def test_an_altered_event_is_found_without_its_command(
    lived: tuple[InMemoryLog, TestNetwork], kind: type[EventBody], field: str
) -> None:
    """The audit's own pass over the events, told another body in the place of the true one."""
    from bitsage.nodes.audit import Verdict
    from bitsage.nodes.audit_events import EventAudit
    from bitsage.nodes.audit_privacy import PrivacyAudit

    log, network = lived
    verdict = Verdict()
    events = EventAudit(network.network, verdict)
    events.read(log, lambda *_: None)
    audit = PrivacyAudit(network.network, verdict)
    real, done = audit._facts, []

    def facts(read: EventAudit) -> Any:
        for where, subject, body in real(read):
            if isinstance(body, kind) and getattr(body, field) and not done:
                value = getattr(body, field)
                done.append(body)
                body = dataclasses.replace(body, **{field: _altered(field, value)})
            yield where, subject, body

    audit.__class__ = type("Altered", (PrivacyAudit,), {"__slots__": (), "_facts": lambda self, read: facts(read)})
    audit.run(events, lambda *_: None)
    assert done, "there was no such event"
    assert "privacy" in checks(verdict)


def _altered(field: str, value: Any) -> Any:
    if isinstance(value, int):
        return value + (UNIT if field == "amount" else 1)
    if field in ("available", "pending", "ciphertext", "sealed_fees"):
        return _other(value)
    return value[:-1] + bytes([value[-1] ^ 1])


def test_hidden_money_out_of_nothing_is_found(tmp_path: Path) -> None:
    """A coordinator that seals a larger balance: the event does not follow, and the sum does not add up."""
    log = InMemoryLog()
    with running(log, tmp_path) as network:
        client = network.funded(20)
        Purse(client).cover(5 * SAGE)
        wait(lambda: resting_place(log) is not None)
    [(envelope, _, body)] = events_of(log, Deposited)
    minted = dataclasses.replace(body, amount=UNIT, available=deposited(body.available, 10**6), sequence=2)
    seal_event(log, network, "accounts", client.subject, envelope, minted)
    assert {"privacy", "hidden supply"} <= checks(verdict_of(log, network))


@pytest.mark.parametrize("kind", [OwePayment, CollectFees, CreditTransfer])
def test_a_follow_up_with_another_ciphertext_is_found(tmp_path: Path, kind: type[CommandBody]) -> None:
    def change(follow: FollowUp) -> CommandBody | None:
        body: Any = follow.body
        if not isinstance(body, kind):
            return None
        # The commitment of one unit more; for a transfer the recipient's part of it.
        return dataclasses.replace(body, ciphertext=_other(body.ciphertext))

    arrival = {OwePayment: PaymentDue, CollectFees: FeesDistributed, CreditTransfer: TransferReceived}[kind]
    log = InMemoryLog()
    with rewritten(change), running(log, tmp_path) as network:
        client, other = network.funded(20), network.funded(21)
        if kind is CreditTransfer:
            Purse(other).open()
            Purse(client).cover(SAGE)
            Purse(client).transfer(other.key.address, SAGE)
        else:
            network.validator(1)
            network.worker(10)
            network.sealed(client)
        wait(lambda: events_of(log, arrival), 60)
    found = checks(verdict_of(log, network))
    assert {"follow-up", "origin", "hidden supply"} <= found
    assert found & {"cause", "privacy"}


def test_old_history_is_verified_when_its_commands_have_expired(lived: tuple[InMemoryLog, TestNetwork]) -> None:
    log, network = lived
    before = verdict_of(log, network).counts
    assert before["hidden amounts verified"] >= 15
    expire(log)
    after = verdict_of(log, network)
    assert after.findings == []
    assert after.counts["hidden amounts verified"] == before["hidden amounts verified"]
    assert after.counts["hidden supply conserved"] == 1
