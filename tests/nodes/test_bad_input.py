"""What bad input gets on the log: an event or a dead letter; nothing stops, nothing is lost."""

import dataclasses
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import zstandard
from testnetwork import TestNetwork, key, running, spec, wait

from bitsage.nodes.audit import audit
from bitsage.nodes.client import Client
from bitsage.nodes.errors import CommandRefused
from bitsage.nodes.jobwork import judge, prove_attempt, unpack
from bitsage.nodes.purse import Purse
from bitsage.nodes.register import register_validator, register_worker
from bitsage.nodes.signing import CommandSigner, now_ms
from bitsage.processors.model import account_subject, job_subject
from bitsage.schemas.commands import (
    CastVote,
    CreateWallet,
    RefundEscrow,
    RequestTokens,
    StakeTokens,
    StartJob,
    SubmitProof,
)
from bitsage.schemas.events import (
    CommandRejected,
    JobAssigned,
    JobMatched,
    ProofRefused,
    TokensGranted,
    VoteRejected,
)
from bitsage.schemas.hidden_commands import ClaimPayment
from bitsage.schemas.parameters import SAGE, Parameters
from bitsage.stark import ProofRefused as StarkRefused
from bitsage.streams.codec import decode_command, encode_command
from bitsage.streams.deadletters import waiting
from bitsage.streams.log import Outgoing
from bitsage.streams.memory_log import InMemoryLog
from bitsage.streams.topics import TOPICS, partition_for, topic_name


@pytest.fixture
def network(tmp_path: Path) -> Iterator[TestNetwork]:
    with running(InMemoryLog(), tmp_path) as found:
        yield found
    assert audit(found.log, found.network).findings == []


def code_of(call: Callable[[], Any]) -> str:
    with pytest.raises(CommandRefused) as refused:
        call()
    assert str(refused.value).count("\n") == 0
    return refused.value.code


def test_stake_and_registration(network: TestNetwork) -> None:
    client = network.client(1)
    assert code_of(client.request_tokens) == "no_wallet"
    client.create_wallet()
    assert code_of(client.create_wallet) == "wallet_exists"
    assert code_of(lambda: client.stake(1_000 * SAGE, "consumer")) == "insufficient_balance"
    client.request_tokens()
    assert code_of(client.request_tokens) == "faucet_cooldown"
    assert code_of(lambda: client.stake(999 * SAGE, "consumer")) == "below_minimum"
    assert code_of(lambda: client.stake(1_000 * SAGE, "mainframe")) == "unknown_tier"
    assert code_of(lambda: register_worker(client, tier="consumer", gpu_model="T4"))
    assert code_of(lambda: register_validator(client))


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"job_type": "mining"}, "unknown_job_type"),
        ({"input": '{"seed":1,"size":17}'}, "input_size"),
        ({"input": '{"seed":-1,"size":16}'}, "input_seed"),
        ({"input": "[1]"}, "input_fields"),
        ({"input": "{"}, "input_fields"),
        ({"input": "[" * 100_000}, "input_fields"),
        ({"input": '{"a":"!","b":"!"}'}, "input_bytes_encoding"),
        ({"input": '{"a":"AAAA","b":"AAAA"}'}, "input_matrix_format"),
        ({"deadline": 1}, "deadline_passed"),
    ],
)
def test_a_job_that_cannot_be_admitted_costs_nothing(network: TestNetwork, changes: dict[str, Any], code: str) -> None:
    client = network.funded(1)
    assert code_of(lambda: client.submit_job(dataclasses.replace(spec(), **changes))) == code


def test_a_job_without_funds_is_refused(network: TestNetwork) -> None:
    client = network.funded(1)
    assert code_of(lambda: client.submit_job(spec(cost=10**5))) == "insufficient_balance"


def test_a_foreign_signature_a_wrong_key_and_a_replay_are_refused(network: TestNetwork) -> None:
    client, thief = network.funded(1), network.client(2)
    prepared = client.signer.sign(client.subject, StakeTokens(amount=1_000 * SAGE, tier="consumer"))
    forged = dataclasses.replace(prepared.envelope, signature=b"\x01" * 64)
    other = dataclasses.replace(prepared.envelope, public_key=thief.key.public_key)

    def send(envelope: Any) -> str:
        record = dataclasses.replace(prepared.record, value=encode_command(envelope, prepared.body))
        return code_of(lambda: client.ask_prepared(dataclasses.replace(prepared, envelope=envelope, record=record)))

    assert send(forged) == "bad_signature"
    assert send(other) == "unknown_key"
    stolen = CommandSigner(thief.key, "test").sign(client.subject, StakeTokens(amount=1, tier="consumer"))
    assert code_of(lambda: client.ask_prepared(stolen)) == "not_owner"
    client.ask_prepared(prepared)
    assert code_of(lambda: client.ask_prepared(prepared)) == "nonce_reused"
    foreign_chain = CommandSigner(client.key, "another").sign(client.subject, RequestTokens())
    assert code_of(lambda: client.ask_prepared(foreign_chain)) == "bad_signature"


def test_a_clock_that_is_off_is_refused(network: TestNetwork) -> None:
    client = network.funded(1)
    for at in (now_ms() + 24 * 3_600_000, now_ms() - 24 * 3_600_000):
        late = client.signer.sign(client.subject, RequestTokens(), at=at)
        assert code_of(lambda late=late: client.ask_prepared(late)) == "clock_skew"  # type: ignore[misc]


def test_only_the_coordinator_signs_follow_ups(network: TestNetwork) -> None:
    client = network.funded(1)
    assert code_of(lambda: client.ask(client.subject, RefundEscrow(job_id=bytes(16), reason="x"))) == "not_authorized"


def test_unknown_jobs_and_payments(network: TestNetwork) -> None:
    client = network.funded(1)
    nowhere = job_subject(b"\x07" * 16)
    assert code_of(lambda: client.cancel_job(b"\x07" * 16)) == "unknown_job"
    assert code_of(lambda: client.ask(nowhere, StartJob(attempt=1))) == "unknown_job"
    vote = CastVote(attempt=1, proof_hash=bytes(32), valid=True, reason="")
    assert code_of(lambda: client.ask(nowhere, vote)) == "unknown_proof"
    claim = ClaimPayment(job_id=b"\x07" * 16)
    assert code_of(lambda: client.ask(client.subject, claim)) == "no_private_account"
    Purse(client).open()
    assert code_of(lambda: client.ask(client.subject, claim)) == "no_payment"


def test_garbage_on_every_topic_stops_nobody(network: TestNetwork) -> None:
    client = network.funded(1)
    producer = network.log.producer()
    garbage = [b"", b"\xc3\x01" + bytes(8), b"\xc3\x01" + bytes(20), b"x" * 1000, None]
    for name, topic in TOPICS.items():
        for partition in range(topic.partitions):
            for value in garbage:
                producer.send(Outgoing(topic_name(name), partition, client.subject.encode(), value))
                producer.send(Outgoing(topic_name(name), partition, None, value))
    command = client.signer.sign(client.subject, RequestTokens()).record
    producer.send(dataclasses.replace(command, topic=topic_name("accounts")))
    client.stake(1_000 * SAGE, "consumer")
    letters = wait(lambda: (found := waiting(network.log, network.network.seal_check())) and len(found) == 60 and found)
    assert {letter.code for letter in letters} == {"not_single_object", "schema_unknown"}


def test_a_command_in_the_wrong_place_is_a_dead_letter(network: TestNetwork) -> None:
    client = network.funded(1)
    good = client.signer.sign(client.subject, CreateWallet()).record
    elsewhere = (good.partition + 1) % 6
    network.log.producer().send(dataclasses.replace(good, partition=elsewhere))
    network.log.producer().send(dataclasses.replace(good, key=b"another"))
    odd = client.signer.sign("nobody", CreateWallet()).record
    network.log.producer().send(odd)
    assert odd.partition == partition_for(b"nobody")
    letters = wait(lambda: (found := waiting(network.log, network.network.seal_check())) and len(found) == 3 and found)
    assert sorted(d.code for d in letters) == ["misrouted", "misrouted", "unroutable"]
    assert not any(d.parked for d in letters)
    assert client.stake(1_000 * SAGE, "consumer")


def test_votes_of_strangers_and_second_votes_are_refused(network: TestNetwork) -> None:
    validators = [network.funded(n, 10_000, "validator") for n in range(1, 5)]
    for validator in validators:
        register_validator(validator)
    worker, client = network.worker(10), network.funded(20)
    job_id, _ = client.submit_job(spec())
    subject = job_subject(job_id)
    tally = wait(lambda: [a.body for a in client.history(("votes",), subject)])[0]

    def vote(who: Client, valid: bool = True, proof_hash: bytes = tally.proof_hash) -> Any:
        return who.ask(subject, CastVote(attempt=1, proof_hash=proof_hash, valid=valid, reason=""))

    assert code_of(lambda: vote(client)) == "stranger"
    assert code_of(lambda: vote(worker)) == "stranger"
    assert code_of(lambda: vote(validators[0], proof_hash=bytes(32))) == "unknown_proof"
    vote(validators[0])
    assert code_of(lambda: vote(validators[0])) == "duplicate"
    assert code_of(lambda: vote(validators[0], valid=False)) == "equivocation"
    vote(validators[1])
    vote(validators[2])
    assert code_of(lambda: vote(validators[3])) == "late"
    refused = [a.body for a in client.history(("votes",), subject) if isinstance(a.body, VoteRejected)]
    assert len(refused) == 6


def test_proofs_that_are_too_large_or_of_strangers_are_refused_without_a_slash(network: TestNetwork) -> None:
    validator = network.funded(1, 10_000, "validator")
    register_validator(validator)
    worker, client = network.funded(10, 2_500, "consumer"), network.funded(20)
    register_worker(worker, tier="consumer", gpu_model="T4")
    job_id, _ = client.submit_job(spec())
    subject = job_subject(job_id)
    wait(lambda: len(client.history(("jobs",), subject)) > 1)
    body = SubmitProof(
        attempt=1, output_hash=bytes(32), public_inputs="", proof=bytes(300_000), proof_hash=bytes(32),
        proof_system="", security_bits=96, backend="", run_ms=0, prove_ms=0,
    )  # fmt: skip
    assert code_of(lambda: worker.ask(subject, body)) == "too_large"
    small = dataclasses.replace(body, proof=b"x")
    assert code_of(lambda: client.ask(subject, small)) == "not_assigned"
    assert code_of(lambda: worker.ask(subject, dataclasses.replace(small, attempt=2))) == "wrong_attempt"
    worker.ask(subject, small)
    assert code_of(lambda: worker.ask(subject, small)) == "already_submitted"
    refused = [a.body for a in client.history(("proofs",), subject) if isinstance(a.body, ProofRefused)]
    assert len(refused) == 4


def test_a_zip_bomb_is_unpacked_no_further_than_the_bound() -> None:
    bomb = zstandard.ZstdCompressor(level=19).compress(bytes(1 << 30))
    assert len(bomb) < 256 * 1024
    with pytest.raises(StarkRefused) as refused:
        unpack(bomb, 4 << 20)
    assert refused.value.reason == "too_large_unpacked"
    for data, reason in ((b"", "proof_empty"), (b"garbage", "not_zstd"), (bomb[:50], "unreadable")):
        try:
            unpack(data, 4 << 20)
        except StarkRefused as error:
            assert error.reason in (reason, "not_zstd")  # noqa: PT017


def test_a_hostile_proof_gets_a_judgement_and_never_an_error(network: TestNetwork) -> None:
    from bitsage.nodes.openjobs import OpenJob
    from bitsage.schemas.events import JobSubmitted, ProofGenerated

    worker = key(1).address
    job = OpenJob(
        b"j" * 16,
        submitted=JobSubmitted(job_id=b"j" * 16, client=worker, spec=spec()),
        assigned=JobAssigned(job_id=b"j" * 16, attempt=1, worker=worker, cost=1, expires_at=2**50),
    )
    work = prove_attempt(job, worker, None)
    fields = {f.name: getattr(work, f.name) for f in dataclasses.fields(work)}
    good = ProofGenerated(job_id=b"j" * 16, attempt=1, worker=worker, **fields)
    assert judge("matmul", spec().input, good, Parameters()) == (True, "valid")
    bad = {
        "proof_hash_mismatch": dataclasses.replace(good, proof_hash=bytes(32)),
        "proof_empty": dataclasses.replace(good, proof=b""),
        "not_zstd": dataclasses.replace(good, proof=b"\xff" * 100),
        "output_mismatch": dataclasses.replace(good, output_hash=bytes(32)),
    }
    for reason, proof in bad.items():
        assert judge("matmul", spec().input, proof, Parameters()) == (False, reason)
    for changes in ({"attempt": 2}, {"worker": bytes(32)}, {"job_id": bytes(16)}):
        assert judge("matmul", spec().input, dataclasses.replace(good, **changes), Parameters())[0] is False
    assert judge("matmul", spec(seed=2).input, good, Parameters())[0] is False
    assert judge("mining", spec().input, good, Parameters()) == (False, "unknown_job_type")


def test_the_faucet_grants_once_even_when_asked_at_once(network: TestNetwork) -> None:
    client = network.client(1)
    client.create_wallet()
    records = [client.signer.sign(client.subject, RequestTokens()).record for _ in range(5)]
    network.log.producer().send_many(records)
    subject = account_subject(client.key.address)
    wait(lambda: len(client.history(("accounts",), subject)) == 6)
    grants = [a for a in client.history(("accounts",), subject) if isinstance(a.body, TokensGranted)]
    assert len(grants) == 1


def test_an_old_follow_up_that_is_sent_again_sets_nothing_going(network: TestNetwork) -> None:
    """A hostile writer produces the coordinator's own AssignJob record once more while the attempt is running."""
    worker, client = network.funded(10, 2_500, "consumer"), network.funded(20)
    register_worker(worker, tier="consumer", gpu_model="T4")
    job_id, _ = client.submit_job(spec())
    wait(lambda: any(isinstance(a.body, JobAssigned) for a in client.history(("jobs",), job_subject(job_id))))
    reader = network.log.reader({(topic_name("commands"), p): 0 for p in range(6)}, follow=False)
    records = reader.read(10_000, 1.0)
    follow_ups = [r for r in records if decode_command(r.value).envelope.actor == network.authority.address]
    assert {"AssignJob", "AdmitJob", "EnqueueJob"} <= {decode_command(r.value).envelope.type for r in follow_ups}
    again = [Outgoing(r.topic, r.partition, r.key, r.value, r.headers) for r in follow_ups]
    network.log.producer().send_many(again)
    client.stake(1_000 * SAGE, "consumer")
    reader = network.log.reader({(topic_name("commands"), p): 0 for p in range(6)}, follow=False)
    assert len(reader.read(10_000, 1.0)) == len(records) + len(again) + 1
    market = client.history(("workers",), "network")
    assert sum(isinstance(a.body, JobMatched) for a in market) == 1
    refused = [a.body.reason for a in market if isinstance(a.body, CommandRejected)]
    assert set(refused) == {"nonce_reused"}
