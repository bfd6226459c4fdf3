"""Third pass of the audit: verify every judged proof again and hold it against votes and decisions."""

from collections.abc import Callable, Collection
from dataclasses import dataclass
from typing import TYPE_CHECKING

from bitsage.schemas.events import ConsensusReached, TallyOpened
from bitsage.schemas.parameters import threshold

from .audit_trails import JobTrail, Trails, Where
from .jobwork import judge
from .network import Network

if TYPE_CHECKING:
    from .audit import Verdict


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
        if decision.outcome == "approved" and not valid:
            self.verdict.fail("proof", proof_where, f"approved, but the verifier refuses it: {reason}")
        if decision.outcome == "rejected" and valid:
            self.verdict.fail("proof", proof_where, "rejected, but the verifier accepts it")

    def _votes(
        self, where: Where, decision: ConsensusReached, tally: TallyOpened, trail: JobTrail, valid: bool
    ) -> None:
        counted: dict[bytes, bool] = {}
        for place, vote in trail.votes:
            if vote.proof_hash != decision.proof_hash or vote.attempt != decision.attempt or place[2] > where[2]:
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
        reached = {"approved": yes >= needed, "rejected": no >= needed, "expired": yes < needed and no < needed}
        if tally.threshold != needed or not reached.get(decision.outcome, False):
            self.verdict.fail(
                "tally", where, f"{decision.outcome} with {yes} valid and {no} invalid of {needed} needed"
            )
        else:
            self.verdict.count("tallies")
