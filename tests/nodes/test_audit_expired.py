"""The audit of a log whose oldest commands have expired."""

import dataclasses
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from forgery import checks, expire, records, rewritten, seal_event, signer, verdict_of
from testnetwork import FAST, TestNetwork, claimed, key, running, spec, wait

from bitsage.nodes.audit import audit
from bitsage.nodes.audit_horizon import resting_place
from bitsage.nodes.client import Client
from bitsage.nodes.execution import FollowUp
from bitsage.processors.model import job_subject
from bitsage.schemas.commands import ReleaseEscrow, SlashStake
from bitsage.schemas.events import EscrowReleased, JobCompleted, Slashed, Staked, TokensGranted
from bitsage.schemas.parameters import SAGE
from bitsage.schemas.types import CommandBody
from bitsage.streams.codec import decode_command, decode_event
from bitsage.streams.memory_log import InMemoryLog
from bitsage.streams.topics import topic_name


def _job(network: TestNetwork, client: Client, worker: Client) -> None:
    job_id = network.sealed(client)
    assert isinstance(client.wait_job(job_id, 60).body, JobCompleted)
    claimed(worker)
    wait(lambda: client.history(("jobs",), job_subject(job_id)))


@pytest.mark.parametrize("keep", [0, 3, 12])
def test_what_is_retained_is_executed_from_the_states_that_the_rest_left(tmp_path: Path, keep: int) -> None:
    log = InMemoryLog()
    with running(log, tmp_path) as network:
        network.validator(1)
        worker, client = network.worker(10), network.funded(20)
        _job(network, client, worker)
        wait(lambda: resting_place(log) is not None)
        expire(log, keep)
        before = verdict_of(log, network)
        _job(network, client, worker)
    assert before.findings == []
    verdict = verdict_of(log, network)
    assert verdict.findings == []
    assert verdict.counts["events folded without their commands"] > 0
    assert verdict.counts["commands executed again"] > 10
    assert any("have expired" in remark for remark in verdict.remarks)


@pytest.mark.slow
def test_retention_may_cut_each_partition_anywhere(tmp_path: Path) -> None:
    log = InMemoryLog()
    with running(log, tmp_path) as network:
        network.validator(1)
        worker, client = network.worker(10), network.funded(20)
        _job(network, client, worker)
        wait(lambda: resting_place(log) is not None)
    traced = 0
    places = [(topic_name("commands"), p) for p in range(6)]
    # Kafka removes whole segments, so partitions are cut at different times: a cause may go before its follow-up.
    for step in range(1, 100):
        if all(log.partitions[place].start + 3 > log.end_of(place) for place in places):
            break
        place = places[step * 5 % 6]
        log.trim(place, min(log.partitions[place].start + 3, log.end_of(place)))
        verdict = audit(log, network.network, proofs=False)
        assert verdict.findings == [], f"step {step}"
        traced += verdict.counts.get("commands of the coordinator traced to an expired one", 0)
    assert traced > 0


def test_an_expired_signature_counts_once(tmp_path: Path) -> None:
    log = InMemoryLog()
    with running(log, tmp_path) as network:
        victim = network.funded(20)
    expire(log)
    assert verdict_of(log, network).findings == []
    envelope, body = decode_event(records(log, "accounts", victim.subject)[-1].value)
    assert isinstance(body, TokensGranted)
    seal_event(log, network, "accounts", victim.subject, envelope, body)
    assert checks(verdict_of(log, network)) == {"nonce"}
    seal_event(log, network, "accounts", victim.subject, envelope, dataclasses.replace(body, amount=10**27))
    assert checks(verdict_of(log, network)) == {"nonce", "rights"}


def test_a_signature_is_good_for_its_own_command_alone(tmp_path: Path) -> None:
    log = InMemoryLog()
    with running(log, tmp_path) as network:
        victim, donor = network.funded(21), network.funded(20)
    expire(log)
    lent, _ = decode_event(records(log, "accounts", donor.subject)[0].value)
    own, _ = decode_event(records(log, "accounts", victim.subject)[-1].value)
    # Actor, key and subject are the victim's; cause, payload hash and signature stand in an event read before.
    forged = dataclasses.replace(
        own,
        command="StakeTokens",
        nonce=own.nonce + 1,
        cause=lent.cause,
        payload_hash=lent.payload_hash,
        signature=lent.signature,
    )
    staked = Staked(amount=20_000 * SAGE, total=20_000 * SAGE, tier="validator")
    seal_event(log, network, "accounts", victim.subject, forged, staked)
    assert checks(verdict_of(log, network)) == {"signature"}


def test_a_command_that_never_was_pays_nobody(tmp_path: Path) -> None:
    log = InMemoryLog()
    with running(log, tmp_path) as network:
        victim, accomplice = network.funded(20), network.funded(21)
        job_id, _ = victim.submit_job(spec(tier="frontier"))
        wait(lambda: resting_place(log) is not None)
    expire(log)
    address = accomplice.key.address
    release = ReleaseEscrow(job_id=job_id, worker=address, cost=10 * SAGE, proof_commitment=bytes(32), payment_nonce=1)
    sent = signer(network).sign(victim.subject, release)
    last, _ = decode_event(records(log, "accounts", victim.subject)[-1].value)
    envelope = dataclasses.replace(
        last,
        cause=sent.envelope.id,
        actor=sent.envelope.actor,
        public_key=sent.envelope.public_key,
        signature=sent.envelope.signature,
        command="ReleaseEscrow",
        nonce=sent.envelope.nonce,
        payload_hash=decode_command(sent.record.value).payload_hash,
    )
    released = EscrowReleased(
        job_id=job_id,
        worker=address,
        worker_amount=8 * SAGE,
        protocol_amount=2 * SAGE,
        refund=0,
        proof_commitment=bytes(32),
        payment_nonce=1,
    )
    seal_event(log, network, "accounts", victim.subject, envelope, released)
    assert checks(verdict_of(log, network)) == {"origin", "cause"}


def test_a_reporter_whom_the_votes_do_not_name(tmp_path: Path, cheat: Any) -> None:
    """The coordinator signs a slash of its own making: its id, its time and its fault are right, and its parts add up."""
    friend = key(33).address

    def other(follow: FollowUp) -> CommandBody | None:
        body = follow.body
        named = isinstance(body, SlashStake) and body.reporter is not None
        return dataclasses.replace(body, reporter=friend) if named else None  # type: ignore[type-var]

    log = InMemoryLog()
    patient = dataclasses.replace(FAST, consensus_timeout_ms=60_000, heartbeat_timeout_ms=60_000)
    with rewritten(other), running(log, tmp_path, parameters=patient) as network:
        network.validator(1)
        cheater = network.worker(10, produce=partial(cheat, "flip"))
        network.funded(20).submit_job(spec())
        slashed = wait(
            lambda: [a for a in cheater.history(("accounts",), cheater.subject) if isinstance(a.body, Slashed)], 60
        )
        assert slashed[0].body.reporter == friend
        wait(lambda: resting_place(log) is not None)
    assert checks(verdict_of(log, network)) >= {"follow-up"}, "as long as the commands are there"
    expire(log)
    verdict = verdict_of(log, network)
    assert checks(verdict) == {"cause"}
    assert any("its reporter is another" in finding.detail for finding in verdict.findings)
