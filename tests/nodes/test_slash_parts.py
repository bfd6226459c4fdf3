"""Where the parts of a slash go follows from the decision behind it: for the audit below the retention, and for evidence."""

from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import pytest

from bitsage.nodes.audit import Verdict
from bitsage.nodes.audit_causes import CauseAudit
from bitsage.nodes.audit_proofs import _misnamed
from bitsage.nodes.audit_trails import Trails
from bitsage.nodes.checks import ProductChecks
from bitsage.nodes.evidence_parts import misdivided
from bitsage.nodes.network import Network
from bitsage.processors.model import TREASURY, account_subject
from bitsage.schemas import events as e
from bitsage.schemas.parameters import Parameters
from bitsage.schemas.types import EventBody

JOB, NOBODY = b"\x77" * 16, bytes(32)
WORKER, DISPUTER, FIRST, SECOND = (bytes([n]) * 32 for n in (1, 2, 3, 4))
NETWORK = Network(chain_id="t", authority="", authority_key="", seal_key="", escrow_key="", parameters=Parameters())
HELD: dict[str, Any] = {"job_id": JOB, "attempt": 1, "worker": WORKER, "proof_hash": bytes(32)}
COUNTED: dict[str, Any] = {"votes_valid": 1, "votes_invalid": 1, "threshold": 1}
REJECTED = e.ConsensusReached(
    **HELD, **COUNTED, output_hash=bytes(32), outcome="rejected", contrary=[SECOND], reporter=FIRST
)
APPROVED = replace(REJECTED, outcome="approved", contrary=[SECOND], reporter=None)
OVER = e.JobFailed(job_id=JOB, reason="invalid_proof", worker=WORKER)
OPENED = e.DisputeOpened(
    **HELD, round=1, disputer=DISPUTER, filing=1, decision="approved", output_hash=bytes(32), validators=[FIRST],
    epoch=1, threshold=1, expires_at=9,
)  # fmt: skip
RESOLVED = e.DisputeResolved(
    **HELD, **COUNTED, round=1, disputer=DISPUTER, outcome="overturned", verdict="rejected", contrary=[SECOND],
    reporter=FIRST,
)  # fmt: skip
ENFORCED = e.VerdictEnforced(
    job_id=JOB, attempt=1, round=1, part=0, contrary=[SECOND], wrong=[FIRST], wronged=[], beneficiary=DISPUTER
)
FILED = e.DisputeFiled(job_id=JOB, attempt=1, filing=1, bond=100)


def vote(validator: bytes, valid: bool) -> e.VoteCast:
    said = {"job_id": JOB, "attempt": 1, "proof_hash": bytes(32), "validator": validator, "valid": valid}
    return e.VoteCast(**said, reason="", signed_at=0, signed_correlation=bytes(16))


def slash(reason: str, reporter: bytes, round_: int = 0, **changes: Any) -> e.Slashed:
    """Ten percent of a stake of 1,010, divided as the table says."""
    reward = 50 if reporter != NOBODY else 0
    body = e.Slashed(
        amount=101, reason=reason, job_id=JOB, attempt=1, reporter=reporter, reporter_amount=reward, burnt=30,
        treasury=71 - reward, remaining=909, round=round_,
    )  # fmt: skip
    return replace(body, **changes)


#: What a slash follows from, whom it takes from, its reason, its round, and who is its reporter.
CASES: list[tuple[list[EventBody], bytes, str, int, bytes]] = [
    ([REJECTED, OVER], WORKER, "invalid_proof", 0, FIRST),
    ([REJECTED], SECOND, "contrary_vote", 0, NOBODY),
    ([APPROVED, OPENED, RESOLVED], WORKER, "invalid_proof", 1, DISPUTER),
    ([APPROVED, OPENED, RESOLVED, ENFORCED], SECOND, "contrary_vote", 1, NOBODY),
    ([APPROVED, OPENED, RESOLVED, ENFORCED], FIRST, "contrary_vote", 0, DISPUTER),
    ([replace(OVER, reason="attempt_timeout")], WORKER, "timeout", 0, NOBODY),
]
FORGED: list[dict[str, Any]] = [
    {"reporter": b"\x09" * 32, "reporter_amount": 50, "treasury": 21},
    {"reporter": NOBODY, "reporter_amount": 0, "treasury": 71},
    {"reporter_amount": 71, "treasury": 0},
    {"burnt": 0, "treasury": 101, "reporter_amount": 0},
    {"burnt": 71, "treasury": 30, "reporter_amount": 0},
    {"burnt": 31},
]


def findings(kind: type, *told: tuple[bytes | str, EventBody]) -> list[str]:
    """The sentences on events of that type."""
    trails = Trails()
    for n, (who, body) in enumerate(told):
        subject = who if isinstance(who, str) else account_subject(who)
        envelope: Any = SimpleNamespace(subject=subject, type=type(body).__name__, at=n)
        trails.add(("t", 0, n), envelope, body)
    verdict = Verdict()
    CauseAudit(NETWORK, verdict, trails, ProductChecks()).run()
    return [f.detail for f in verdict.findings if f.detail.startswith(kind.__name__)]


def slashed(grounds: list[EventBody], accused: bytes, body: e.Slashed) -> list[str]:
    stake = (accused, e.Staked(amount=1_010, total=1_010, tier="validator"))
    limit = NETWORK.parameters.slash_percent["timeout"]
    if body.reason == "timeout":
        stake = (accused, replace(stake[1], amount=101 * 100 // limit))
    return findings(e.Slashed, stake, *((JOB.hex(), ground) for ground in grounds), (accused, body))


@pytest.mark.parametrize("case", CASES)
def test_the_audit_takes_nobodys_word_for_the_parts_of_a_slash(case: Any) -> None:
    grounds, accused, reason, round_, reporter = case
    fair = slash(reason, reporter, round_)
    assert slashed(grounds, accused, fair) == []
    tried = 0
    for forged in FORGED:
        body = replace(fair, **forged)
        if body != fair:
            tried += 1
            assert slashed(grounds, accused, body) != [], forged
    assert tried >= 5


def test_the_accused_is_not_its_own_reporter() -> None:
    own = replace(REJECTED, reporter=WORKER)
    assert slashed([own, OVER], WORKER, slash("invalid_proof", NOBODY)) == []
    assert slashed([own, OVER], WORKER, slash("invalid_proof", WORKER)) != []


def bond(**changes: Any) -> e.BondForfeited:
    body = e.BondForfeited(job_id=JOB, attempt=1, amount=100, reporter=FIRST, reporter_amount=50, burnt=30, treasury=20)
    return replace(body, **changes)


def test_a_lost_bond_is_divided_like_a_slash() -> None:
    upheld = replace(RESOLVED, outcome="upheld", verdict="approved")
    lost: list[tuple[bytes | str, EventBody]] = [(DISPUTER, FILED), (JOB.hex(), APPROVED), (JOB.hex(), upheld)]
    assert findings(e.BondForfeited, *lost, (DISPUTER, bond())) == []
    for forged in (
        {"reporter": SECOND},
        {"reporter": NOBODY},
        {"reporter_amount": 70, "treasury": 0},
        {"burnt": 0, "treasury": 50},
    ):
        assert findings(e.BondForfeited, *lost, (DISPUTER, bond(**forged))) != [], forged
    assert findings(e.BondForfeited, *lost[:2], (DISPUTER, bond())) != []


def test_the_protocols_parts_arrive_as_they_left() -> None:
    taken = slash("contrary_vote", NOBODY)
    income = e.FeesDistributed(
        job_id=JOB, attempt=1, payer=SECOND, source="contrary_vote", amount=101, burnt=30, treasury=71, stakers=0
    )

    def told(body: e.FeesDistributed) -> list[str]:
        return findings(e.FeesDistributed, (JOB.hex(), REJECTED), (SECOND, taken), (TREASURY, body))

    assert told(income) == []
    assert told(replace(income, burnt=0, treasury=101)) != []
    assert told(replace(income, treasury=0, stakers=71)) != []
    assert told(replace(income, attempt=2)) != []
    assert findings(e.FeesDistributed, (TREASURY, replace(income, source="dispute_lost"))) != []


# ---- the votes behind a decision ----


def test_a_decision_names_whom_the_votes_name() -> None:
    counted = {FIRST: False, SECOND: True, WORKER: False}
    assert _misnamed(REJECTED, counted) is None
    assert _misnamed(replace(REJECTED, reporter=WORKER), counted) is not None
    assert _misnamed(replace(REJECTED, reporter=None), counted) is not None
    assert _misnamed(replace(REJECTED, contrary=[]), counted) is not None
    assert _misnamed(replace(REJECTED, contrary=[FIRST, SECOND]), counted) is not None
    yes = {FIRST: True, SECOND: False}
    assert _misnamed(APPROVED, yes) is None
    assert _misnamed(replace(APPROVED, reporter=FIRST), yes) is not None
    assert _misnamed(replace(REJECTED, outcome="expired", contrary=[], reporter=None), counted) is None
    assert _misnamed(replace(REJECTED, outcome="expired", reporter=None), counted) is not None
    assert _misnamed(RESOLVED, {FIRST: False, SECOND: True}) is None
    assert _misnamed(replace(RESOLVED, verdict="approved"), {FIRST: True, SECOND: False}) is None
    assert _misnamed(replace(RESOLVED, reporter=None), {FIRST: False, SECOND: True}) is not None


# ---- evidence ----


def misnamed(grounds: list[EventBody], accused: bytes, body: e.Slashed) -> list[str]:
    given = [(SimpleNamespace(sequence=n, subject=JOB.hex()), one) for n, one in enumerate(grounds)]
    # As a file may have them: in any order.
    backwards: Any = given[::-1]
    return misdivided(account_subject(accused), body, backwards, NETWORK)


@pytest.mark.parametrize("case", CASES)
def test_evidence_shows_who_is_to_be_paid(case: Any) -> None:
    grounds, accused, reason, round_, reporter = case
    if grounds[0] is REJECTED:
        # By the signed votes and not by the coordinator's word.
        said: list[EventBody] = [vote(SECOND, True), vote(FIRST, False), vote(DISPUTER, False)]
        grounds = [*said, replace(REJECTED, reporter=DISPUTER), *grounds[1:]]
    fair = slash(reason, reporter, round_)
    assert misnamed(grounds, accused, fair) == []
    for forged in FORGED:
        if (body := replace(fair, **forged)) != fair:
            assert misnamed(grounds, accused, body) != [], forged


def test_what_other_jobs_were_about_names_nobody() -> None:
    fair = slash("contrary_vote", NOBODY)
    elsewhere = [replace(one, job_id=b"\x78" * 16) for one in (OPENED, RESOLVED, replace(ENFORCED, wrong=[SECOND]))]
    # A dispute of this decision that was lost, and one of another job in which the accused was wrong.
    upheld = replace(RESOLVED, outcome="upheld", verdict="approved")
    grounds: list[EventBody] = [APPROVED, OPENED, upheld, *elsewhere]
    assert misnamed(grounds, SECOND, fair) == []
    assert misnamed(grounds, SECOND, slash("contrary_vote", DISPUTER)) != []


@pytest.mark.parametrize("rounds", [1, 3])
def test_who_contests_its_own_wrong_vote_gets_no_reward_for_it(rounds: int) -> None:
    """Disputes before the last one expired, filed by others; the last one is filed by a validator that had been wrong."""
    last: dict[str, Any] = {"round": rounds, "disputer": FIRST}
    over: list[EventBody] = []
    for n in range(1, rounds):
        over += [
            replace(OPENED, round=n),
            replace(RESOLVED, round=n, outcome="expired", verdict="expired", contrary=[]),
        ]
    over += [replace(OPENED, **last), replace(RESOLVED, **last, reporter=SECOND)]
    enforced = replace(ENFORCED, round=rounds, beneficiary=FIRST, wrong=[FIRST, SECOND])
    for accused, reporter in ((FIRST, NOBODY), (SECOND, FIRST)):
        grounds = [APPROVED, *over, enforced]
        fair = slash("contrary_vote", reporter)
        assert slashed(grounds, accused, fair) == misnamed(grounds, accused, fair) == []
        for other in {NOBODY, FIRST, SECOND, DISPUTER} - {reporter}:
            assert slashed(grounds, accused, slash("contrary_vote", other)) != []
            assert misnamed(grounds, accused, slash("contrary_vote", other)) != []
