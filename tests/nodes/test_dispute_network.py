"""A wrong decision on a real (in-memory) network, disputed and reversed; and what a coordinator cannot make of disputes."""

import json
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from forgery import checks, command_of_the_coordinator, records, rewritten, seal_event, sealer, verdict_of
from testnetwork import FAST, TestNetwork, key, running, spec, wait
from typer.testing import CliRunner

from bitsage.cli import validator as validator_cli
from bitsage.cli import worker as worker_cli
from bitsage.cli.sage import app
from bitsage.nodes.audit import audit
from bitsage.nodes.client import Client
from bitsage.nodes.coordinator import is_judgement
from bitsage.nodes.errors import CommandRefused
from bitsage.nodes.evidence import Case, check, collect, export, imported
from bitsage.nodes.execution import FollowUp
from bitsage.nodes.network import write_network
from bitsage.nodes.register import register_validator
from bitsage.nodes.signing import CommandSigner
from bitsage.processors.model import TREASURY
from bitsage.schemas.commands import (
    CastDisputeVote,
    CastVote,
    CloseDispute,
    EnforceVerdict,
    FileDispute,
    GrantRestitution,
    PayRestitution,
    SettleBond,
    SlashStake,
)
from bitsage.schemas.events import (
    BondReturned,
    ConsensusReached,
    DisputeResolved,
    DisputeVoteCast,
    FeesDistributed,
    ProofGenerated,
    RestitutionClaimed,
    RestitutionGranted,
    RestitutionPaid,
    Slashed,
    VoteCast,
    VoteRejected,
)
from bitsage.schemas.parameters import SAGE
from bitsage.schemas.types import CommandBody
from bitsage.streams.codec import decode_event, encode_event
from bitsage.streams.log import Record
from bitsage.streams.memory_log import InMemoryLog
from bitsage.streams.topics import topic_name
from bitsage.wallet import save_keystore

Lie = Callable[..., tuple[bool, str]]
PATIENT = replace(FAST, consensus_timeout_ms=20_000, heartbeat_timeout_ms=60_000)


def events(client: Client, topic: str, subject: str, kind: type) -> list[Any]:
    return [a.body for a in client.history((topic,), subject) if isinstance(a.body, kind)]


def wrongly_rejected(network: TestNetwork, lie: Lie) -> tuple[Client, bytes]:
    """The only validator that has not crashed lies: (the worker that was slashed for a valid proof, the job)."""
    network.validator(1, judgement=lie)
    worker = network.worker(10)
    client = network.funded(20)
    job_id, _ = client.submit_job(spec())
    (decision,) = wait(lambda: events(client, "votes", job_id.hex(), ConsensusReached), 60)
    assert decision.outcome == "rejected"
    wait(lambda: events(worker, "accounts", worker.subject, Slashed))
    for n in (2, 3, 4):
        network.validator(n)
    return worker, job_id


@pytest.fixture(scope="module")
def reversed_network(tmp_path_factory: pytest.TempPathFactory) -> tuple[InMemoryLog, TestNetwork, Client, bytes]:
    """The life that most tests here look at."""
    import importlib.util

    place = Path(__file__).with_name("conftest.py")
    found = importlib.util.spec_from_file_location("dispute_fixtures", place)
    assert found is not None
    assert found.loader is not None
    module = importlib.util.module_from_spec(found)
    found.loader.exec_module(module)
    log = InMemoryLog()
    with running(log, tmp_path_factory.mktemp("reversed"), parameters=PATIENT) as network:
        worker, job_id = wrongly_rejected(network, module.load("lying_validator").lie)
        worker.ask(worker.subject, FileDispute(job_id=job_id, attempt=1))
        wait(lambda: events(worker, "votes", job_id.hex(), DisputeResolved), 60)
        liar = network.client(1)
        wait(lambda: [e for e in events(liar, "accounts", liar.subject, Slashed) if e.reporter != bytes(32)])
        wait(lambda: events(worker, "accounts", worker.subject, RestitutionGranted))
        wait(lambda: events(worker, "accounts", worker.subject, BondReturned))
        with pytest.raises(CommandRefused, match="lowest tier"):
            network.funded(21).ask(network.client(21).subject, FileDispute(job_id=job_id, attempt=1))
    return log, network, worker, job_id


def test_a_wrong_rejection_is_disputed_and_reversed(reversed_network: Any) -> None:
    _, network, worker, job_id = reversed_network
    (verdict,) = events(worker, "votes", job_id.hex(), DisputeResolved)
    assert (verdict.outcome, verdict.verdict, verdict.threshold) == ("overturned", "approved", 3)
    # The validators verified the proof themselves, and the liar still lied.
    assert (verdict.votes_valid, verdict.disputer) == (3, worker.key.address)
    (claim,) = events(worker, "accounts", worker.subject, RestitutionClaimed)
    (paid,) = events(worker, "accounts", TREASURY, RestitutionPaid)
    (granted,) = events(worker, "accounts", worker.subject, RestitutionGranted)
    slash = events(worker, "accounts", worker.subject, Slashed)[0]
    assert claim.amount == slash.burnt + slash.treasury == paid.amount + paid.shortfall
    assert granted.amount == paid.amount
    assert events(worker, "accounts", TREASURY, FeesDistributed)
    liar = network.client(1)
    reasons = [(e.reason, e.round) for e in events(liar, "accounts", liar.subject, Slashed)]
    assert ("contrary_vote", 0) in reasons


def test_the_audit_of_a_reversed_decision_holds_and_remarks_it(reversed_network: Any) -> None:
    log, network, *_ = reversed_network
    verdict = verdict_of(log, network)
    assert verdict.holds, verdict.findings
    assert any("rejected, but the verifier accepts it; a dispute overturned it" in r for r in verdict.remarks)
    assert verdict.counts["tallies"] == 2


# ---- evidence ----


@pytest.fixture(scope="module")
def cases(reversed_network: Any) -> list[Case]:
    log, network, _, job_id = reversed_network
    return collect(log, network.network, job_id.hex())


def of(cases: list[Case], reason: str, accused: Client) -> Case:
    (found,) = [c for c in cases if (c.reason, c.accused, c.round) == (reason, accused.subject, 0)]
    return found


def test_the_evidence_of_a_wrong_vote_holds_for_anybody(reversed_network: Any, cases: list[Case]) -> None:
    _, network, *_ = reversed_network
    case = of(cases, "contrary_vote", network.client(1))
    assert check(case, network.network) == []
    # From a file alone, too.
    again = imported(export(cases, network.network), network.network)
    assert again == cases
    assert check(of(again, "contrary_vote", network.client(1)), network.network) == []


def test_the_evidence_of_a_wrong_slash_does_not_hold(reversed_network: Any, cases: list[Case]) -> None:
    _, network, worker, _ = reversed_network
    wrong = check(of(cases, "invalid_proof", worker), network.network)
    assert wrong == ["the verifier says otherwise: valid"]


def test_the_evidence_of_an_account_is_that_of_its_slashes(reversed_network: Any, cases: list[Case]) -> None:
    log, network, worker, _ = reversed_network
    assert collect(log, network.network, worker.subject) == [of(cases, "invalid_proof", worker)]


def without(case: Case, kind: str) -> Case:
    kept = tuple(e for e in case.exhibits if decode_event(e.value)[0].type != kind)
    assert len(kept) < len(case.exhibits)
    return replace(case, exhibits=kept)


@pytest.mark.parametrize(
    ("kind", "sentence"),
    [
        ("TallyOpened", "nobody opened the vote"),
        ("VoteCast", "the decision is not what the votes come to"),
        ("ConsensusReached", "the decision is not what the votes come to"),
        ("DisputeResolved", "no dispute overturned the decision"),
        ("DisputeVoteCast", "the decision is not what the votes come to"),
        ("ValidatorSetChanged", "the judges are not the validators"),
        ("ProofGenerated", "the job or its proof is missing"),
        ("JobSubmitted", "the job or its proof is missing"),
        ("Slashed", "the slash itself is not among the exhibits"),
        ("VerdictEnforced", "the accused did not vote against the outcome"),
    ],
)
def test_evidence_with_something_missing_does_not_hold(
    reversed_network: Any, cases: list[Case], kind: str, sentence: str
) -> None:
    _, network, *_ = reversed_network
    case = of(cases, "contrary_vote", network.client(1))
    assert any(w.startswith(sentence) for w in check(without(case, kind), network.network))


def test_a_byte_that_was_changed_anywhere_is_found(reversed_network: Any, cases: list[Case]) -> None:
    _, network, *_ = reversed_network
    case = of(cases, "contrary_vote", network.client(1))
    for n, exhibit in enumerate(case.exhibits):
        forged = replace(exhibit, value=exhibit.value[:-1] + bytes([exhibit.value[-1] ^ 1]))
        exhibits = (*case.exhibits[:n], forged, *case.exhibits[n + 1 :])
        assert any("no seal" in w for w in check(replace(case, exhibits=exhibits), network.network))


def resealed(network: TestNetwork, case: Case, kind: type, **changes: Any) -> Case:
    """What a coordinator can do that lies: seal events of its own making."""
    exhibits = []
    for exhibit in case.exhibits:
        envelope, body = decode_event(exhibit.value)
        if isinstance(body, kind):
            value = encode_event(envelope, replace(body, **changes))  # type: ignore[type-var]
            exhibit = replace(exhibit, value=value, seal=sealer(network).seal(exhibit.topic, value))
        exhibits.append(exhibit)
    return replace(case, exhibits=tuple(exhibits))


@pytest.mark.parametrize(
    ("kind", "changes", "sentence"),
    [
        (VoteCast, {"valid": True}, "signed something else"),
        (VoteCast, {"proof_hash": bytes(32)}, "signed something else"),
        (DisputeVoteCast, {"round": 2}, "signed something else"),
        (ProofGenerated, {"proof": b"garbage"}, "signed something else"),
        (VoteCast, {"validator": bytes(32)}, "somebody else than its signer"),
        (VoteCast, {"job_id": bytes(16)}, "does not stand where"),
    ],
)
def test_the_coordinator_cannot_put_words_into_a_signers_mouth(
    reversed_network: Any, cases: list[Case], kind: type, changes: dict[str, Any], sentence: str
) -> None:
    _, network, *_ = reversed_network
    case = of(cases, "contrary_vote", network.client(1))
    assert any(sentence in w for w in check(resealed(network, case, kind, **changes), network.network))


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"format":"bitsage evidence 1","chain_id":"other","cases":[]}'])
def test_a_file_that_is_no_evidence_of_this_network(reversed_network: Any, text: str) -> None:
    _, network, *_ = reversed_network
    with pytest.raises(ValueError, match=r"file|Expecting"):
        imported(text, network.network)


def test_an_equivocation_is_proven_by_both_signed_votes(tmp_path: Path) -> None:
    log = InMemoryLog()
    with running(log, tmp_path, parameters=PATIENT) as network:
        network.validator(1)
        network.worker(10)
        client = network.funded(20)
        job_id, _ = client.submit_job(spec())
        (decision,) = wait(lambda: events(client, "votes", job_id.hex(), ConsensusReached), 60)
        liar = network.client(1)
        ballot = CastVote(attempt=1, proof_hash=decision.proof_hash, valid=False, reason="I was wrong")
        with pytest.raises(CommandRefused, match="both ways"):
            liar.ask(job_id.hex(), ballot)
        wait(lambda: events(liar, "accounts", liar.subject, Slashed))
    assert verdict_of(log, network).holds
    (case,) = collect(log, network.network, liar.subject)
    assert case.reason == "equivocation"
    assert check(case, network.network) == []
    for kind in ("VoteCast", "VoteRejected"):
        assert check(without(case, kind), network.network) == [
            "there are no two contradictory votes of the accused on one proof"
        ]
    forged = resealed(network, case, VoteRejected, valid=True)
    assert any("signed something else" in w for w in check(forged, network.network))


def test_the_evidence_of_invalid_proofs_and_of_malice(tmp_path: Path, cheat: Any) -> None:
    log = InMemoryLog()
    with running(log, tmp_path, parameters=replace(PATIENT, malicious_proofs=2)) as network:
        network.validator(1)
        cheater = network.worker(10, produce=partial(cheat, "flip"))
        client = network.funded(20)
        for n in (1, 2):
            client.submit_job(spec(seed=n))
            wait(lambda n=n: len(events(client, "accounts", cheater.subject, Slashed)) >= n, 60)
        wait(lambda: any(e.reason == "malicious" for e in events(client, "accounts", cheater.subject, Slashed)))
    verdict = verdict_of(log, network)
    assert verdict.holds, verdict.findings
    cases = collect(log, network.network, cheater.subject)
    assert [case.reason for case in cases] == ["invalid_proof", "invalid_proof", "malicious"]
    assert [check(case, network.network) for case in cases] == [[], [], []]
    patient = replace(network.network, parameters=replace(PATIENT, malicious_proofs=3))
    assert check(cases[2], patient) == ["too few proofs of the accused were voted down in time"]
    assert check(replace(cases[2], reason="invalid_proof"), network.network) != []


def test_a_person_checks_evidence_and_disputes_on_the_command_line(
    reversed_network: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    log, network, worker, job_id = reversed_network
    write_network(tmp_path / "network.json", network.network)
    monkeypatch.setenv("SAGE_HOME", str(tmp_path))
    for module in ("evidence", "models"):
        monkeypatch.setattr(f"bitsage.cli.{module}.open_log", lambda: log)
    file = tmp_path / "evidence.json"

    def sage(*words: str) -> Any:
        return CliRunner().invoke(app, list(words))

    found = sage("audit", "evidence", network.client(1).subject, "--export", str(file), "--json")
    assert (found.exit_code, json.loads(found.stdout)["holds"]) == (0, True)
    # Without the log, by whoever has the file and network.json.
    monkeypatch.setattr("bitsage.cli.evidence.open_log", lambda: pytest.fail("the log is not needed"))
    assert json.loads(sage("audit", "evidence", "--file", str(file), "--json").stdout) == json.loads(found.stdout)
    monkeypatch.setattr("bitsage.cli.evidence.open_log", lambda: log)
    wrong = sage("audit", "evidence", worker.subject)
    assert wrong.exit_code == 1
    assert "the verifier says otherwise" in wrong.stdout
    assert "nobody was slashed" in sage("audit", "evidence", "00" * 16).stdout
    file.write_text("{}")
    for words, code in (
        (("audit", "evidence", "--file", str(file)), "evidence_file"),
        (("audit", "evidence", "--file", str(tmp_path / "none")), "file_error"),
        (("audit", "evidence", "00" * 16, "--export", str(tmp_path / "no" / "folder")), "file_error"),
        (("audit", "evidence"), "bad_argument"),
        (("dispute", "show", "00" * 16), "unknown_dispute"),
        (("dispute", "file", "00" * 16), "unknown_decision"),
        (("dispute", "file", "00" * 16, "--attempt", "1"), "unknown_decision"),
        (("dispute", "file", job_id.hex(), "--attempt", "9"), "unknown_decision"),
    ):
        refused = sage(*words)
        assert (refused.exit_code, f"[{code}]" in refused.stderr) == (2, True), (words, refused.output)
    shown = json.loads(sage("dispute", "show", job_id.hex(), "--json").stdout)
    assert [row["outcome"] for row in shown["disputes"]] == ["overturned"]
    # The liar's vote may have come before the decision or after it.
    assert sum(vote["valid"] for vote in shown["votes"]) == 3
    assert job_id.hex() in sage("dispute", "list").stdout
    assert sage("dispute", "show", job_id.hex()).exit_code == 0
    assert json.loads(sage("dispute", "list", "--json").stdout)["disputes"] == shown["disputes"]


def test_the_status_of_worker_and_validator_shows_disputes(
    reversed_network: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    log, network, worker, job_id = reversed_network
    write_network(tmp_path / "network.json", network.network)
    monkeypatch.setenv("SAGE_HOME", str(tmp_path))
    for module in ("models", "context"):
        monkeypatch.setattr(f"bitsage.cli.{module}.open_log", lambda: log)
    (tmp_path / "keystores").mkdir()
    for name, own in (("worker", worker.key), ("validator", network.client(2).key)):
        save_keystore(tmp_path / "keystores" / f"{name}.json", own, "a password", scrypt_n=4096)
    for cli in (worker_cli.app, validator_cli.app):
        assert CliRunner().invoke(cli, ["status"]).exit_code == 0
    mine = json.loads(CliRunner().invoke(worker_cli.app, ["status", "--json"]).stdout)
    assert mine["disputes"] == [{"job_id": job_id.hex(), "attempt": 1, "outcome": "overturned"}]
    judge = json.loads(CliRunner().invoke(validator_cli.app, ["status", "--json"]).stdout)
    assert (judge["dispute_votes"], judge["disputes"], judge["reputation"]) == (1, {}, 500)


@pytest.mark.parametrize(
    ("body", "judgement"),
    [
        (CastVote(attempt=1, proof_hash=bytes(32), valid=True, reason=""), True),
        (CastDisputeVote(attempt=1, round=1, proof_hash=bytes(32), valid=True, reason=""), True),
        (CloseDispute(attempt=1, round=1), True),
        (EnforceVerdict(attempt=1, round=1, part=0), True),
        (FileDispute(job_id=bytes(16), attempt=1), False),
    ],
)
def test_votes_in_disputes_do_not_wait_behind_a_command_that_failed(body: CommandBody, judgement: bool) -> None:
    prepared = CommandSigner(key(1), "test").sign("00" * 16, body).record
    record = Record(prepared.topic, prepared.partition, 0, 0, prepared.key, prepared.value, prepared.headers)
    assert is_judgement(record) is judgement


# ---- what a coordinator cannot make of disputes ----


def test_restitution_that_nobody_is_owed(tmp_path: Path) -> None:
    log = InMemoryLog()
    with running(log, tmp_path) as network:
        friend = network.funded(20)
        granting = GrantRestitution(amount=SAGE, reason="invalid_proof", job_id=bytes(16), attempt=1)
        assert isinstance(command_of_the_coordinator(network, friend.subject, granting), RestitutionGranted)
        paying = PayRestitution(
            account=friend.key.address, amount=SAGE, reason="invalid_proof", job_id=bytes(16), attempt=1
        )
        assert isinstance(command_of_the_coordinator(network, TREASURY, paying), RestitutionPaid)
    verdict = verdict_of(log, network)
    assert {"origin", "cause"} <= checks(verdict)
    assert {f.detail.split(" ")[0] for f in verdict.findings if f.check == "cause"} == {
        "RestitutionGranted", "RestitutionPaid",
    }  # fmt: skip


def test_a_slash_for_malice_that_was_none(tmp_path: Path) -> None:
    log = InMemoryLog()
    with running(log, tmp_path) as network:
        victim = network.funded(20, 2_500, "consumer")
        with pytest.raises(CommandRefused, match="too few proofs"):
            network.client(0).ask(victim.subject, SlashStake(reason="malicious", job_id=bytes(16), attempt=1))
        envelope, _ = decode_event(records(log, "accounts", victim.subject)[-1].value)
        parts = {"amount": 10, "reporter": bytes(32), "reporter_amount": 0, "burnt": 3, "treasury": 7, "remaining": 0}
        forged = Slashed(reason="malicious", job_id=bytes(16), attempt=1, **parts)
        seal_event(log, network, "accounts", victim.subject, envelope, forged)
    verdict = verdict_of(log, network)
    assert {"execution", "cause"} <= checks(verdict)
    assert any("there is no malicious" in f.detail for f in verdict.findings)


def test_a_bond_that_is_given_back_though_the_dispute_was_lost(tmp_path: Path) -> None:
    def kind(follow: FollowUp) -> CommandBody | None:
        body = follow.body
        return replace(body, lost=False) if isinstance(body, SettleBond) else None

    log = InMemoryLog()
    with rewritten(kind), running(log, tmp_path, parameters=PATIENT) as network:
        network.validator(1)
        worker = network.worker(10)
        client = network.funded(20, 2_000, "consumer")
        job_id, _ = client.submit_job(spec())
        wait(lambda: events(client, "votes", job_id.hex(), ConsensusReached), 60)
        client.ask(client.subject, FileDispute(job_id=job_id, attempt=1))
        (verdict,) = wait(lambda: events(worker, "votes", job_id.hex(), DisputeResolved), 60)
        assert verdict.outcome == "upheld"
        wait(lambda: events(client, "accounts", client.subject, BondReturned))
    verdict = verdict_of(log, network)
    assert {"follow-up", "origin", "cause"} <= checks(verdict)
    assert any("no dispute ended so" in f.detail for f in verdict.findings)


def test_a_dispute_that_nobody_judges_is_closed_by_the_timer(tmp_path: Path) -> None:
    log = InMemoryLog()
    with running(log, tmp_path) as network:
        register_validator(network.funded(3, 10_000, "validator"))
        network.validator(1)
        worker = network.worker(10)
        client = network.funded(20)
        # One of two is silent: no decision, so there is nothing to dispute and the bond comes back.
        job_id, _ = client.submit_job(spec())
        (decision,) = wait(lambda: events(client, "votes", job_id.hex(), ConsensusReached), 60)
        assert decision.outcome == "expired"
        worker.ask(worker.subject, FileDispute(job_id=job_id, attempt=1))
        (back,) = wait(lambda: events(worker, "accounts", worker.subject, BondReturned))
        assert back.outcome == "not_decided"
    assert verdict_of(log, network).holds


def test_a_dispute_without_a_quorum_expires(tmp_path: Path) -> None:
    log = InMemoryLog()
    with running(log, tmp_path) as network:
        network.validator(1)
        worker = network.worker(10)
        client = network.funded(20)
        job_id, _ = client.submit_job(spec())
        wait(lambda: events(client, "votes", job_id.hex(), ConsensusReached), 60)
        for n in (3, 4, 5):
            register_validator(network.funded(n, 10_000, "validator"))
        worker.ask(worker.subject, FileDispute(job_id=job_id, attempt=1))
        (verdict,) = wait(lambda: events(worker, "votes", job_id.hex(), DisputeResolved), 60)
        assert verdict.outcome == "expired"
        (back,) = wait(lambda: events(worker, "accounts", worker.subject, BondReturned))
        assert back.amount == network.parameters.dispute_bond
    assert verdict_of(log, network).holds


@pytest.mark.slow
def test_retention_may_cut_the_commands_of_a_dispute_anywhere(reversed_network: Any) -> None:
    log, network, *_ = reversed_network
    places = [(topic_name("commands"), p) for p in range(6)]
    whole = {place: log.partitions[place].entries.copy() for place in places}
    steps = 0
    try:
        # Kafka removes whole segments, so partitions are cut at different times: a cause may go before its follow-up.
        while not all(log.partitions[place].start + 3 > log.end_of(place) for place in places):
            place = places[steps * 5 % 6]
            log.trim(place, min(log.partitions[place].start + 3, log.end_of(place)))
            verdict = audit(log, network.network, proofs=steps % 10 == 0)
            assert verdict.holds, (steps, verdict.findings)
            steps += 1
    finally:
        # Other tests look at the same life.
        for place, entries in whole.items():
            log.partitions[place].entries, log.partitions[place].start = entries, 0
    assert steps > 20
