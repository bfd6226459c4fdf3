"""Third pass of the audit: verify every judged proof again and hold it against votes and decisions."""

from collections.abc import Callable, Collection, Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from bitsage.schemas.events import (
    ConsensusReached,
    DisputeOpened,
    DisputeResolved,
    DisputeVoteCast,
    TallyOpened,
    VoteCast,
)
from bitsage.schemas.parameters import threshold

from .audit_trails import JobTrail, Trails, Where
from .jobwork import judge
from .network import Network

if TYPE_CHECKING:
    from .audit import Verdict

_Cast = tuple[Where, VoteCast | DisputeVoteCast]


@dataclass(slots=True)
class ProofAudit:
    """Recomputes every judgement."""

    network: Network
    verdict: "Verdict"
    #: decisions that the next audit looks at
    skip: Collection[Where] = ()

    def run(self, trails: Trails, report: Callable[[str, int, int], None]) -> None:
        """Check every job's trail."""
        total = len(trails.jobs)
        for done, trail in enumerate(trails.jobs.values()):
            report("verify proofs again", done, total)
            for where, decision in trail.decisions:
                if where not in self.skip:
                    self._decision(where, decision, trail)

    def _decision(self, where: Where, decision: ConsensusReached, trail: JobTrail) -> None:
        tally = next((t for _, t in trail.tallies if t.attempt == decision.attempt), None)
        found = trail.proofs.get((decision.attempt, decision.proof_hash))
        if tally is None or found is None or trail.submitted is None:
            self.verdict.fail("decision", where, "decided without a tally, a proof or a job")
            return
        proof_where, proof = found
        spec = trail.submitted.spec
        valid, reason = judge(spec.job_type, spec.input, proof, self.network.parameters)
        self.verdict.count("proofs verified again")
        self._votes(where, decision, tally, trail, valid)
        wrong = {("approved", False): f"approved, but the verifier refuses it: {reason}",
                 ("rejected", True): "rejected, but the verifier accepts it"}.get((decision.outcome, valid))  # fmt: skip
        if wrong is not None and trail.overturned(decision.attempt):
            self.verdict.remarks.append(f"{where[0]}[{where[1]}]@{where[2]}: {wrong}; a dispute overturned it")
        elif wrong is not None:
            self.verdict.fail("proof", proof_where, wrong)
        for place, verdict in trail.verdicts:
            if verdict.attempt == decision.attempt and place not in self.skip:
                self._verdict(place, verdict, trail, valid)

    def _verdict(self, where: Where, verdict: DisputeResolved, trail: JobTrail, valid: bool) -> None:
        """The same for a dispute about the proof."""
        opened = next((d for d in trail.disputes if (d.attempt, d.round) == (verdict.attempt, verdict.round)), None)
        if opened is None:
            self.verdict.fail("decision", where, "resolved without a dispute")
            return
        cast = [
            (place, vote)
            for place, vote in trail.dispute_votes
            if (vote.attempt, vote.round, vote.proof_hash) == (verdict.attempt, verdict.round, verdict.proof_hash)
        ]
        self._count(where, verdict, opened, cast, valid)
        if verdict.verdict != "expired" and (verdict.verdict == "approved") != valid:
            self.verdict.fail("proof", where, f"a dispute found it {verdict.verdict}, against the verifier")

    def _votes(
        self, where: Where, decision: ConsensusReached, tally: TallyOpened, trail: JobTrail, valid: bool
    ) -> None:
        named = (decision.attempt, decision.proof_hash)
        cast = [(place, vote) for place, vote in trail.votes if (vote.attempt, vote.proof_hash) == named]
        self._count(where, decision, tally, cast, valid)

    def _count(
        self,
        where: Where,
        decision: ConsensusReached | DisputeResolved,
        tally: TallyOpened | DisputeOpened,
        cast: Iterable[_Cast],
        valid: bool,
    ) -> None:
        outcome = _outcome(decision)
        counted: dict[bytes, bool] = {}
        for place, vote in cast:
            if place[2] > where[2]:
                continue
            if vote.validator not in tally.validators or vote.validator in counted:
                self.verdict.fail("vote", place, "counted twice, or of a stranger")
            counted[vote.validator] = vote.valid
            if vote.valid == valid:
                self.verdict.count("honest votes")
            else:
                self.verdict.remarks.append(
                    f"{place[0]}[{place[1]}]@{place[2]}: validator 0x{vote.validator.hex()} voted against the proof"
                )
        yes, no = sum(counted.values()), sum(not v for v in counted.values())
        needed = threshold(len(tally.validators))
        if (wrong := _misnamed(decision, counted)) is not None:
            self.verdict.fail("tally", where, wrong)
        reached = {"approved": yes >= needed, "rejected": no >= needed, "expired": yes < needed and no < needed}
        if tally.threshold != needed or not reached.get(outcome, False):
            self.verdict.fail("tally", where, f"{outcome} with {yes} valid and {no} invalid of {needed} needed")
        else:
            self.verdict.count("tallies")


def _outcome(decision: ConsensusReached | DisputeResolved) -> str:
    return decision.outcome if isinstance(decision, ConsensusReached) else decision.verdict


def _misnamed(decision: ConsensusReached | DisputeResolved, counted: dict[bytes, bool]) -> str | None:
    """Whom a decision names follows from the votes: `counted` holds them in their order."""
    outcome = _outcome(decision)
    yes = outcome == "approved"
    contrary = [] if outcome == "expired" else sorted(v for v, said in counted.items() if said != yes)
    if decision.contrary != contrary:
        return "it names others than those that voted against it"
    # An approval of a proof has no reporter; an approval by a dispute has one, whose part comes from the bond or a slash.
    named = outcome == "rejected" or (outcome == "approved" and isinstance(decision, DisputeResolved))
    first = next((v for v, said in counted.items() if said == yes), None) if named else None
    return None if decision.reporter == first else "its reporter is not the first that voted so"
