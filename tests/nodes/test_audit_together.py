"""The audit against a log in which rules of several rooms meet: forgeries past expired commands, and what only costs time."""

from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import pytest

from bitsage.nodes.audit import Verdict
from bitsage.nodes.audit_causes import CauseAudit
from bitsage.nodes.audit_trails import JobTrail, Trails
from bitsage.nodes.checks import ProductChecks
from bitsage.nodes.network import Network
from bitsage.processors.model import account_subject
from bitsage.schemas import events as e
from bitsage.schemas.parameters import Parameters
from bitsage.schemas.types import EventBody
from tests.nodes.test_audit_benchmarks import SPEC, Story, never

CLIENT, JOB = b"\x0c" * 32, b"\x77" * 16
SUBJECT = account_subject(CLIENT)
NETWORK = Network(chain_id="t", authority="", authority_key="", seal_key="", escrow_key="", parameters=Parameters())
REFUNDED = e.EscrowRefunded(job_id=JOB, amount=5, reason="job_exists")
LOCKED = e.EscrowLocked(job_id=JOB, amount=5)


def trails(*told: tuple[str, EventBody]) -> Trails:
    result = Trails()
    for n, (subject, body) in enumerate(told):
        envelope: Any = SimpleNamespace(subject=subject, type=type(body).__name__, at=n)
        result.add(("t", 0, n), envelope, body)
    return result


def findings(*told: tuple[str, EventBody]) -> list[str]:
    verdict = Verdict()
    CauseAudit(NETWORK, verdict, trails(*told), ProductChecks()).run()
    return [finding.detail for finding in verdict.findings]


def refused(command: str, reason: str) -> tuple[str, EventBody]:
    return JOB.hex(), e.CommandRejected(command=command, reason=reason)


def test_a_refused_dispute_is_no_reason_to_refund_an_escrow() -> None:
    told = [(SUBJECT, LOCKED), (SUBJECT, REFUNDED)]
    assert findings(*told, refused("AdmitJob", "job_exists")) == []
    assert findings(*told, refused("OpenDispute", "not_decided")) != []
    assert findings(*told, (SUBJECT, REFUNDED), refused("AdmitJob", "job_exists")) != []


@pytest.mark.parametrize("reason", ["cancelled", "deadline_passed"])
def test_an_escrow_closes_once(reason: str) -> None:
    end = (
        e.JobCancelled(job_id=JOB, attempt=1, worker=None)
        if reason == "cancelled"
        else e.JobFailed(job_id=JOB, reason=reason)
    )
    back = e.EscrowRefunded(job_id=JOB, amount=5, reason=reason)
    told = [(SUBJECT, LOCKED), (JOB.hex(), end), (SUBJECT, back)]
    assert findings(*told) == []
    assert findings(*told, (SUBJECT, back)) != []
    assert findings((SUBJECT, LOCKED), (SUBJECT, back)) != []


def test_a_job_that_many_name_does_not_hold_the_audit_up() -> None:
    """Filing costs nothing when the dispute is not admitted: what one job is named in must not be read for each of them."""
    told: list[tuple[str, EventBody]] = [refused("OpenDispute", "not_decided")]
    for n in range(1, 4_001):
        told += [
            (SUBJECT, e.DisputeFiled(job_id=JOB, attempt=1, filing=n, bond=1)),
            (SUBJECT, e.BondReturned(job_id=JOB, attempt=1, amount=1, outcome="not_decided")),
            (JOB.hex(), e.VoteRejected(job_id=JOB, proof_hash=bytes(32), validator=CLIENT, reason="stranger")),
        ]
    kept = trails(*told)
    looked = 0

    class Counting(list[Any]):
        def __iter__(self) -> Any:
            nonlocal looked
            looked += len(self)
            return super().__iter__()

        def __contains__(self, item: object) -> bool:
            found = super().index(item) if super().count(item) else len(self) - 1
            nonlocal looked
            looked += found + 1
            return found < len(self)

    trail: JobTrail = kept.jobs[JOB]
    assert not [fact for fact in trail.facts if isinstance(fact.body, e.VoteRejected)]
    trail.facts = Counting(trail.facts)
    trail._by_kind = {kind: Counting(found) for kind, found in trail._by_kind.items()}
    verdict = Verdict()
    CauseAudit(NETWORK, verdict, kept, ProductChecks()).run()
    assert verdict.findings == []
    assert looked < 10 * len(told), looked


def test_the_start_of_an_offer_with_a_lock_time_measures_nothing() -> None:
    assert "RateMeasured" in Story(True, JobAssigned={"lock_until": 9}).findings()


@pytest.mark.parametrize("amount", [74, 76, 100])
def test_a_slash_takes_the_share_of_the_table(amount: int) -> None:
    assert Story(True).findings() == set()
    burnt = amount * 30 // 100
    parts = {"amount": amount, "burnt": burnt, "treasury": amount - burnt, "remaining": 100 - amount}
    assert Story(True, Slashed=parts).findings() == {"Slashed"}
    assert Story(True, Staked={"amount": 200}).findings() == {"Slashed"}


def test_a_price_is_one_that_the_market_named_at_its_time() -> None:
    ramp = replace(SPEC, max_cost=100, min_cost=5, ramp_start=1, ramp_ms=1_000)

    def at(when: int) -> Any:
        def tell(story: Story, subject: str, body: EventBody, _: int) -> None:
            story.put(subject, body, when)

        return tell

    offer: dict[str, Any] = {"JobSubmitted": {"spec": ramp}, "EscrowLocked": {"amount": 100}}
    assert Story(True, **offer).findings() == set()
    assert "JobAssigned" in Story(True, **offer, JobQueued=at(1_001)).findings(), "the maximum was due by then"
    assert "JobAssigned" in Story(True, **offer, JobQueued={"price": 6}).findings()
    assert "JobAssigned" in Story(True, JobQueued=never).findings()
    raised: dict[str, Any] = {"JobMatched": {"price": 100}, "JobAssigned": {"cost": 100}, "JobQueued": {"price": 100}}
    assert "JobAssigned" in Story(True, **offer, **raised).findings(), "a price that was not yet due"
