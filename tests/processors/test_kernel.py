"""The kernel: what a command goes through before its decider, and how streams are staged."""

import dataclasses
from typing import Any

import pytest

from bitsage.processors.kernel import Stream, Streams, decide, fold, is_routable, subject_kind
from bitsage.processors.model import NETWORK, TREASURY, Rules, account_subject
from bitsage.processors.nonces import SPENT_MAX, is_used, nonce_key, with_spent, with_used
from bitsage.schemas.commands import CancelJob, CastVote, CreateWallet, OfferCapacity, RequestTokens, StartJob
from bitsage.schemas.events import CommandRejected, TokensGranted, WalletCreated
from bitsage.schemas.parameters import Parameters
from bitsage.schemas.types import CommandEnvelope, EventEnvelope

OWNER, OTHER, AUTHORITY = (bytes([n]) * 32 for n in (1, 2, 9))
SUBJECT = account_subject(OWNER)
NOW = 1_790_000_000_000


def rules() -> Rules:
    return Rules(Parameters(), checks=None, authorities=frozenset({AUTHORITY}))  # type: ignore[arg-type]


def envelope(kind: str = "CreateWallet", **changes: Any) -> CommandEnvelope:
    values: dict[str, Any] = {
        "id": bytes(16),
        "type": kind,
        "subject": SUBJECT,
        "at": NOW,
        "correlation": bytes(16),
        "actor": OWNER,
        "public_key": bytes(32),
        "nonce": 10,
        "signature": bytes(64),
    }
    return CommandEnvelope(**(values | changes))


def event(sequence: int, nonce: int, actor: bytes = OWNER, **changes: Any) -> EventEnvelope:
    values: dict[str, Any] = {
        "id": bytes(16),
        "type": "WalletCreated",
        "subject": SUBJECT,
        "sequence": sequence,
        "previous": bytes(32),
        "at": NOW,
        "cause": bytes(16),
        "correlation": bytes(16),
        "actor": actor,
        "public_key": bytes(32),
        "signature": bytes(64),
        "command": "CreateWallet",
        "nonce": nonce,
        "payload_hash": bytes(32),
    }
    return EventEnvelope(**(values | changes))


def ask(streams: Streams, head: CommandEnvelope, body: Any = None, **changes: Any) -> Any:
    options: dict[str, Any] = {"logged_at": NOW}
    topic, events = decide(streams, head, body or CreateWallet(), rules(), **(options | changes))
    assert topic in ("accounts", "workers")
    assert len(events) == 1
    return events[0]


def with_wallet(nonce: int = 10) -> Streams:
    streams = Streams()
    body = WalletCreated(address=OWNER, public_key=bytes(32))
    streams.put(
        "accounts", SUBJECT, fold(streams.get("accounts", SUBJECT), "accounts", event(1, nonce), body, b"h" * 32)
    )
    streams.commit()
    return streams


@pytest.mark.parametrize(
    ("subject", "kind"),
    [
        (SUBJECT, "address"),
        (SUBJECT.upper(), None),
        (SUBJECT + "\n", None),
        ("0x" + "1" * 63, None),
        ("a" * 32, "job"),
        ("A" * 32, None),
        (NETWORK, "network"),
        (TREASURY, "treasury"),
        ("", None),
        ("x" * 100_000, None),
    ],
)
def test_subjects(subject: str, kind: str | None) -> None:
    assert subject_kind(subject) == kind
    assert is_routable(envelope(subject=subject)) is (kind in ("address", "treasury"))


def test_an_unknown_command_is_not_routable() -> None:
    assert not is_routable(envelope("Mint"))


def test_the_owner_is_heard() -> None:
    assert isinstance(ask(Streams(), envelope()), WalletCreated)


def test_somebody_else_is_not_the_owner() -> None:
    assert ask(Streams(), envelope(actor=OTHER)).reason == "not_owner"


def test_only_the_authority_signs_follow_ups() -> None:
    body = OfferCapacity(worker=OWNER, tier="consumer", reputation=1, slots=1, attested=False, job_types=["matmul"])
    head = envelope("OfferCapacity", subject=NETWORK)
    assert ask(Streams(), head, body).reason == "not_authorized"
    assert not isinstance(ask(Streams(), dataclasses.replace(head, actor=AUTHORITY), body), CommandRejected)


@pytest.mark.parametrize(("nonce", "fresh"), [(9, False), (10, False), (11, True), (-1, False), (2**62, True)])
def test_a_nonce_must_rise(nonce: int, fresh: bool) -> None:
    answer = ask(with_wallet(10), envelope("RequestTokens", nonce=nonce), RequestTokens())
    assert isinstance(answer, TokensGranted) is fresh
    assert fresh or answer.reason == "nonce_reused"


def test_lanes_and_signers_have_nonces_of_their_own() -> None:
    streams = with_wallet(10)
    assert isinstance(ask(streams, envelope("RequestTokens", nonce=(1 << 56) + 1), RequestTokens()), TokensGranted)
    assert nonce_key(OWNER, (3 << 56) | 7) == (OWNER.hex() + "/3", 7)
    assert ask(streams, envelope("RequestTokens", nonce=1, actor=OTHER), RequestTokens()).reason == "not_owner"


@pytest.mark.parametrize(("drift", "heard"), [(299_000, True), (-299_000, True), (301_000, False), (-301_000, False)])
def test_a_clock_may_be_off_by_five_minutes(drift: int, heard: bool) -> None:
    answer = ask(Streams(), envelope(at=NOW + drift))
    assert isinstance(answer, WalletCreated) is heard
    assert heard or answer.reason == "clock_skew"


@pytest.mark.parametrize("drift", [-200_000, 0, 200_000])
@pytest.mark.parametrize(("left", "granted"), [(1, False), (0, True)])
def test_periods_are_measured_on_the_brokers_clock(drift: int, left: int, granted: bool) -> None:
    streams = with_wallet(10)
    stream = streams.get("accounts", SUBJECT)
    grant = TokensGranted(amount=1, gas_amount=1)
    streams.put("accounts", SUBJECT, fold(stream, "accounts", event(2, 11), grant, b"i" * 32))
    logged_at = NOW + Parameters().faucet_cooldown_ms - left
    head = envelope("RequestTokens", nonce=12, at=logged_at + drift)
    answer = ask(streams, head, RequestTokens(), logged_at=logged_at)
    assert isinstance(answer, TokensGranted) is granted
    assert granted or answer.reason == "faucet_cooldown"


def test_follow_ups_keep_the_time_of_their_cause() -> None:
    body = OfferCapacity(worker=OWNER, tier="consumer", reputation=1, slots=1, attested=False, job_types=["matmul"])
    head = envelope("OfferCapacity", subject=NETWORK, actor=AUTHORITY, at=NOW - 10**9)
    assert not isinstance(ask(Streams(), head, body), CommandRejected)


@pytest.mark.parametrize("reason", ["nonce_reused", "not_owner", "not_authorized"])
def test_refusals_of_strangers_do_not_use_up_a_nonce(reason: str) -> None:
    streams = with_wallet(10)
    before = streams.get("accounts", SUBJECT)
    after = fold(before, "accounts", event(2, 99), CommandRejected(command="x", reason=reason), b"i" * 32)
    assert after.nonces == before.nonces
    assert (after.sequence, after.previous) == (2, b"i" * 32)


def test_a_refusal_by_a_rule_uses_up_its_nonce() -> None:
    before = with_wallet(10).get("accounts", SUBJECT)
    rejected = CommandRejected(command="CreateWallet", reason="wallet_exists")
    after = fold(before, "accounts", event(2, 99), rejected, b"i" * 32)
    assert after.nonces == {OWNER.hex() + "/0": [99]}


def test_a_command_that_was_refused_for_its_time_is_not_heard_when_its_time_has_come() -> None:
    streams, ahead = with_wallet(10), NOW + 3_600_000
    early = envelope("RequestTokens", nonce=5_000, at=ahead)
    refused = ask(streams, early, RequestTokens())
    assert refused.reason == "clock_skew"
    stream = streams.get("accounts", SUBJECT)
    streams.put("accounts", SUBJECT, fold(stream, "accounts", event(2, 5_000), refused, b"i" * 32))
    assert ask(streams, early, RequestTokens(), logged_at=ahead).reason == "nonce_reused"
    # Its signer, the clock set right, goes on with smaller nonces.
    assert isinstance(ask(streams, envelope("RequestTokens", nonce=11), RequestTokens()), TokensGranted)


def test_spent_nonces_are_few_and_forgotten_when_the_lane_has_passed_them() -> None:
    nonces = with_used({}, OWNER, 10)
    for number in (40, 20, 30, 20, 5):
        nonces = with_spent(nonces, OWNER, number)
    assert nonces == {OWNER.hex() + "/0": [10, 20, 30, 40]}
    assert [n for n in range(50) if not is_used(nonces, OWNER, n)] == [
        *range(11, 20),
        *range(21, 30),
        *range(31, 40),
        *range(41, 50),
    ]
    assert with_used(nonces, OWNER, 30) == {OWNER.hex() + "/0": [30, 40]}
    assert with_used(nonces, OWNER, 9) == nonces
    for number in range(100, 200):
        nonces = with_spent(nonces, OWNER, number)
    assert len(nonces[OWNER.hex() + "/0"]) <= SPENT_MAX + 1
    assert all(is_used(nonces, OWNER, n) for n in (20, 30, 40, *range(100, 200)))


@pytest.mark.parametrize("at", [NOW, NOW + 3_600_000])
@pytest.mark.parametrize(
    ("body", "reason"),
    [
        (CancelJob(), "unknown_job"),
        (StartJob(attempt=1), "unknown_job"),
        (CastVote(attempt=1, proof_hash=bytes(32), valid=True, reason=""), "unknown_proof"),
    ],
)
def test_a_job_that_is_unknown_keeps_no_nonces(body: Any, reason: str, at: int) -> None:
    streams, subject, kind = Streams(), "ab" * 16, type(body).__name__
    topic, answers = decide(streams, envelope(kind, subject=subject, at=at), body, rules(), logged_at=NOW)
    assert [answer.reason for answer in answers] == [reason]  # type: ignore[attr-defined]
    head = event(1, 10, subject=subject, command=kind)
    assert fold(streams.get(topic, subject), topic, head, answers[0], b"h" * 32).nonces == {}


def test_the_coordinator_uses_a_nonce_up_on_an_unknown_job_too() -> None:
    """A refused AssignJob frees a slot of the market: it must not be told again."""
    head = event(1, 10, AUTHORITY, subject="ab" * 16, command="AssignJob")
    stream = Streams().get("jobs", "ab" * 16)
    refused = CommandRejected(command="AssignJob", reason="unknown_job")
    assert fold(stream, "jobs", head, refused, b"h" * 32).nonces == {AUTHORITY.hex() + "/0": [10]}


def test_a_record_that_failed_leaves_no_trace_and_the_batch_before_it_stays() -> None:
    streams = Streams()
    streams.put("accounts", SUBJECT, Stream(None, 1))
    streams.keep()
    streams.put("accounts", SUBJECT, Stream(None, 2))
    assert streams.get("accounts", SUBJECT).sequence == 2
    streams.undo()
    assert streams.get("accounts", SUBJECT).sequence == 1
    assert streams.commit() == [("accounts", SUBJECT)]
    streams.put("accounts", SUBJECT, Stream(None, 3))
    streams.keep()
    streams.abort()
    assert streams.get("accounts", SUBJECT).sequence == 1
    assert [stream.sequence for _, stream in streams.items()] == [1]


def test_streams_of_other_processes_are_dropped() -> None:
    streams = with_wallet()
    streams.drop(lambda subject: subject == SUBJECT)
    assert list(streams.items()) == []


def test_there_is_no_stream_without_a_decider() -> None:
    streams = Streams()
    for topic, subject in (("jobs", SUBJECT), ("accounts", "nobody"), ("heartbeats", SUBJECT)):
        with pytest.raises(KeyError):
            streams.get(topic, subject)
    with pytest.raises(KeyError):
        fold(Stream(None), "jobs", event(1, 1), WalletCreated(address=OWNER, public_key=bytes(32)), bytes(32))
