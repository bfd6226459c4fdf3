"""What a signer has signed it need not verify: the same answers as the full check, for its own, forged and foreign commands."""

import dataclasses
from typing import Any

import pytest
from testnetwork import key

from bitsage.nodes import signing
from bitsage.nodes.signing import CommandSigner, Prepared, refusal
from bitsage.processors.model import account_subject
from bitsage.schemas.commands import CreateWallet, RequestTokens
from bitsage.streams.codec import decode_command

SUBJECT = account_subject(key(1).address)


def check(signer: CommandSigner, prepared: Prepared, **changes: Any) -> str | None:
    signed = decode_command(prepared.record.value)
    digest = changes.pop("digest", signed.payload_hash)
    chain_id = changes.pop("chain_id", "test")
    envelope = dataclasses.replace(signed.envelope, **changes)
    answer = signer.refusal(envelope, digest, chain_id)
    assert answer == refusal(envelope, digest, chain_id)
    return answer


def test_its_own_signature_counts_without_arithmetic(monkeypatch: pytest.MonkeyPatch) -> None:
    signer = CommandSigner(key(1), "test")
    prepared = signer.sign(SUBJECT, CreateWallet())
    assert check(signer, prepared) is None
    # A process that has just started knows none of its signatures, and checks them like anybody's.
    assert check(CommandSigner(key(1), "test"), prepared) is None
    monkeypatch.setattr(signing, "verify_command", lambda *_: False)
    signed = decode_command(prepared.record.value)
    assert signer.refusal(signed.envelope, signed.payload_hash, "test") is None


def test_it_counts_for_exactly_what_was_signed() -> None:
    signer, stranger = CommandSigner(key(1), "test"), CommandSigner(key(2), "test")
    prepared, other = signer.sign(SUBJECT, CreateWallet()), signer.sign(SUBJECT, RequestTokens())
    assert check(signer, prepared, nonce=prepared.envelope.nonce + 1) == "bad_signature"
    assert check(signer, prepared, subject=account_subject(key(2).address)) == "bad_signature"
    assert check(signer, prepared, type="RequestTokens") == "bad_signature"
    assert check(signer, prepared, digest=bytes(32)) == "bad_signature"
    assert check(signer, prepared, chain_id="another") == "bad_signature"
    assert check(signer, prepared, signature=other.envelope.signature) == "bad_signature"
    assert check(signer, prepared, actor=key(2).address) == "unknown_key"
    assert check(signer, prepared, actor=key(2).address, public_key=key(2).public_key) == "bad_signature"
    assert check(signer, stranger.sign(SUBJECT, CreateWallet())) is None


def test_what_it_remembers_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(signing, "_REMEMBERED", 3)
    signer = CommandSigner(key(1), "test")
    prepared = [signer.sign(SUBJECT, CreateWallet()) for _ in range(5)]
    assert len(signer._made) == 3
    assert all(check(signer, one) is None for one in prepared)
