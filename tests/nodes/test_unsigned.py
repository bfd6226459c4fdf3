"""What nobody signed leaves no event, no state and no nonce: a dead letter, which ends."""

import dataclasses
import secrets
from pathlib import Path

import pytest
from testnetwork import TestNetwork, key, running

from bitsage.nodes.audit import audit
from bitsage.nodes.checks import ProductChecks
from bitsage.nodes.errors import CommandRefused
from bitsage.nodes.execution import execute
from bitsage.nodes.signing import CommandSigner
from bitsage.processors.kernel import Streams
from bitsage.schemas.commands import CancelJob, RequestTokens
from bitsage.streams.codec import encode_command
from bitsage.streams.deadletters import waiting
from bitsage.streams.errors import PermanentFailure
from bitsage.streams.log import Record
from bitsage.streams.memory_log import InMemoryLog
from bitsage.streams.topics import partition_for


def test_an_unsigned_command_to_any_subject_leaves_no_stream(tmp_path: Path) -> None:
    network = TestNetwork(InMemoryLog(), tmp_path)
    streams, rules = Streams(), network.network.rules(ProductChecks())
    signed = CommandSigner(key(9), "test").sign("0" * 32, CancelJob())
    for n in range(20):
        subject = secrets.token_hex(16)
        envelope = dataclasses.replace(signed.envelope, subject=subject)
        where = partition_for(subject.encode())
        value = encode_command(envelope, signed.body)
        with pytest.raises(PermanentFailure) as refused:
            execute(
                Record("bitsage.commands", where, n, envelope.at, subject.encode(), value, ()), streams, rules, "test"
            )
        assert (refused.value.code, refused.value.park) == ("bad_signature", False)
    streams.commit()
    assert list(streams.items()) == []


def test_an_unsigned_command_is_a_dead_letter_that_its_sender_hears_of(tmp_path: Path) -> None:
    log = InMemoryLog()
    with running(log, tmp_path) as network:
        client = network.funded(1)
        before = len(client.history(("accounts",), client.subject))
        prepared = CommandSigner(client.key, "another network").sign(client.subject, RequestTokens())
        with pytest.raises(CommandRefused) as refused:
            client.ask_prepared(prepared)
        assert refused.value.code == "bad_signature"
        letters = waiting(log, network.network.seal_check())
        assert [(d.code, d.parked, d.value) for d in letters] == [("bad_signature", False, prepared.record.value)]
        assert len(client.history(("accounts",), client.subject)) == before
        # Its key waits for nobody.
        with pytest.raises(CommandRefused) as cooling:
            client.request_tokens()
        assert cooling.value.code == "faucet_cooldown"
    assert audit(log, network.network).findings == []
