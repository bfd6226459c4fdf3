"""What can be refused without a proof's verification is: a stranger must not have the loop verify for nothing.

Every command here carries a proof that holds, so that nothing but the order of the checks keeps it from being verified.
"""

import dataclasses
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from forgery import verdict_of
from testnetwork import TestNetwork, key, running, spec

from bitsage.nodes.checks import ProductChecks
from bitsage.nodes.errors import CommandRefused
from bitsage.nodes.purse import Purse
from bitsage.nodes.signing import CommandSigner, Prepared, now_ms
from bitsage.privacy import UNIT, make_key_proof, make_transfer, make_withdrawal, payment_public_key
from bitsage.processors.hidden import escrow_context, readers, transfer_context, withdrawal_context
from bitsage.schemas.commands import SubmitJob
from bitsage.schemas.events import CommandRejected
from bitsage.schemas.hidden_commands import OpenPrivateAccount, Transfer, Withdraw
from bitsage.schemas.parameters import SAGE
from bitsage.schemas.types import CommandBody
from bitsage.streams.codec import encode_command
from bitsage.streams.memory_log import InMemoryLog

OWNER, FRESH = 20, 21
HAVE = 100 * SAGE // UNIT
VERIFIERS = ("key_proof", "withdrawal", "transfer", "reencryption", "payment")


@pytest.fixture
def verified(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The names of the verifications that were made, in order; the real ones, wrapped."""
    made: list[str] = []

    def wrapped(name: str) -> Any:
        real = getattr(ProductChecks, name)

        def verify(self: ProductChecks, *given: Any, **named: Any) -> Any:
            made.append(name)
            return real(self, *given, **named)

        return verify

    for name in VERIFIERS:
        monkeypatch.setattr(ProductChecks, name, wrapped(name))
    return made


@pytest.fixture
def network(tmp_path: Path) -> Iterator[TestNetwork]:
    """One account with 100 SAGE hidden at sequence 1, and one with a wallet alone."""
    with running(InMemoryLog(), tmp_path) as network:
        owner = Purse(network.funded(OWNER))
        owner.open()
        owner.deposit(100 * SAGE)
        network.funded(FRESH)
        yield network


def bodies(network: TestNetwork) -> dict[str, CommandBody]:
    """A command of each kind that carries its sender's proof, good for the owner's account as it is."""
    rules, me = network.network.rules(ProductChecks()), key(OWNER)
    secret, public = me.payment_secret, payment_public_key(me.payment_secret)
    balance = Purse(network.client(OWNER)).read().private.available
    about: dict[str, Any] = {"secret": secret, "balance": balance, "available_units": HAVE}
    to, other = key(FRESH).address, payment_public_key(key(FRESH).payment_secret)
    leave = make_withdrawal(units=5, context=withdrawal_context(rules, me.address, 1), **about)
    send = make_transfer(
        units=5, recipients=readers(other, rules), factor=1, context=transfer_context(rules, me.address, 1, to), **about
    )
    offer = make_transfer(
        units=5,
        recipients=readers(rules.escrow_key, rules),
        factor=50,
        context=escrow_context(rules, me.address, 1),
        **about,
    )
    return {
        "key_proof": OpenPrivateAccount(payment_key=public, key_proof=make_key_proof(secret, me.address)),
        "withdrawal": Withdraw(amount=5 * UNIT, sequence=1, proof=leave),
        "transfer": Transfer(recipient=to, recipient_key=other, sequence=1, transfer=send),
        "offer": SubmitJob(spec=spec(cost=0), sequence=1, transfer=offer),
    }


def code_of(network: TestNetwork, prepared: Prepared, n: int = OWNER) -> str:
    with pytest.raises(CommandRefused) as refused:
        network.client(n).ask_prepared(prepared)
    return refused.value.code


@pytest.mark.parametrize("drift", [-400_000, 400_000])
def test_a_stale_command_is_refused_before_its_proof_is_verified(
    network: TestNetwork, verified: list[str], drift: int
) -> None:
    client = network.client(OWNER)
    offered = bodies(network)
    verified.clear()
    for body in offered.values():
        late = client.signer.sign(client.subject, body, at=now_ms() + drift)
        assert code_of(network, late) == "clock_skew"
    assert verified == []
    # With the clock set right the very same bodies are heard, and verified once each.
    client.ask(client.subject, offered["withdrawal"])
    assert verified == ["withdrawal"]


def test_a_signature_a_nonce_and_a_state_are_looked_at_before_a_proof(
    network: TestNetwork, verified: list[str]
) -> None:
    client, stranger = network.client(OWNER), key(FRESH)
    offered = bodies(network)
    verified.clear()
    known = client.signer.sign(client.subject, offered["withdrawal"])
    client.ask_prepared(known)
    assert verified == ["withdrawal"]
    verified.clear()
    for body in offered.values():
        good = client.signer.sign(client.subject, body)
        forged = dataclasses.replace(good.envelope, signature=bytes(63) + b"\1")
        record = dataclasses.replace(good.record, value=encode_command(forged, body))
        assert code_of(network, dataclasses.replace(good, envelope=forged, record=record)) == "bad_signature"
        again = client.signer.sign(client.subject, body, nonce=known.envelope.nonce)
        assert code_of(network, again) == "nonce_reused"
        assert code_of(network, CommandSigner(stranger, "test").sign(client.subject, body)) == "not_owner"
        # The withdrawal was made from what the proofs are about; the account is open already.
        stale = "private_account_exists" if isinstance(body, OpenPrivateAccount) else "stale_sequence"
        assert code_of(network, client.signer.sign(client.subject, body)) == stale
    # Accounts that hold nothing hidden, or nothing at all.
    for n, reasons in ((FRESH, {"no_private_account"}), (22, {"no_private_account", "no_wallet"})):
        signer, subject = CommandSigner(key(n), "test"), network.client(n).subject
        for name in ("withdrawal", "transfer", "offer") if n == FRESH else offered:
            assert code_of(network, signer.sign(subject, offered[name]), n) in reasons
    assert verified == []


def test_the_audit_refuses_a_stale_proof_in_the_same_way(tmp_path: Path, verified: list[str]) -> None:
    log = InMemoryLog()
    with running(log, tmp_path) as network:
        owner = Purse(network.funded(OWNER))
        owner.open()
        owner.deposit(100 * SAGE)
        offered = bodies(network)
        for body in offered.values():
            late = owner.client.signer.sign(owner.client.subject, body, at=now_ms() - 400_000)
            assert code_of(network, late) == "clock_skew"
        answers = owner.client.history(("accounts",), owner.client.subject)
        assert [a.body.command for a in answers if isinstance(a.body, CommandRejected)] == [
            type(body).__name__ for body in offered.values()
        ]
    verified.clear()
    verdict = verdict_of(log, network)
    assert verdict.findings == []
    # The opening of the account: executed again, and once more among the hidden facts.
    assert verified == ["key_proof", "key_proof"]
