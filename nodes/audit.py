"""The audit: read the whole log from offset zero and believe nothing that can be recomputed.

What it checks, in this order: every event's seal, schema, place, chain, id and nonce; every authorisation (signature
over the payload hash, and what its signer may bring about); every command executed again, the events, follow-ups and dead
letters compared byte for byte; that every payment, decision and slash follows from what allows it; every proof about a
hidden amount verified again, and the commitments summed up; every STARK verified again and compared with the votes and the
decision; the sum of all money; the state hashes of the projections.
"""

import tempfile
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from bitsage.projections import MODELS, Projection, Supply, supply
from bitsage.streams.log import Log

from .audit_causes import CauseAudit
from .audit_events import EventAudit
from .audit_execution import ExecutionAudit
from .audit_horizon import resting_place, take
from .audit_privacy import PrivacyAudit
from .audit_proofs import ProofAudit
from .checks import ProductChecks
from .network import Network

#: (what is checked, done, total)
Progress = Callable[[str, int, int], None]


@dataclass(frozen=True, slots=True)
class Finding:
    """One contradiction, and where it stands."""

    check: str
    topic: str
    partition: int
    offset: int
    detail: str

    def where(self) -> str:
        """topic[partition]@offset."""
        return f"{self.topic}[{self.partition}]@{self.offset}"


@dataclass(slots=True)
class Verdict:
    """What an audit found: counts per check, findings (empty: the log holds), and remarks that are no contradictions."""

    counts: dict[str, int] = field(default_factory=dict)
    findings: list[Finding] = field(default_factory=list)
    remarks: list[str] = field(default_factory=list)
    state_hashes: dict[str, str] = field(default_factory=dict)

    @property
    def holds(self) -> bool:
        """Whether nothing contradicts the log."""
        return not self.findings

    def count(self, check: str, n: int = 1) -> None:
        """Note `n` passed checks."""
        self.counts[check] = self.counts.get(check, 0) + n

    def fail(self, check: str, where: tuple[str, int, int], detail: str) -> None:
        """Note a contradiction at (topic, partition, offset)."""
        self.findings.append(Finding(check, *where, detail))

    def as_dict(self) -> dict[str, Any]:
        """For --json."""
        return {
            "holds": self.holds,
            "counts": self.counts,
            "findings": [{"check": f.check, "where": f.where(), "detail": f.detail} for f in self.findings],
            "remarks": self.remarks,
            "state_hashes": self.state_hashes,
        }


def audit(
    log: Log, network: Network, *, live: Path | None = None, proofs: bool = True, progress: Progress | None = None
) -> Verdict:
    """Audit the whole log of `network`.

    Args:
        live: a folder of live projections whose state hashes are compared with rebuilt ones (nobody may be writing).
        proofs: also verify every STARK again (most of the time goes there).
        progress: told about long steps.
    """
    verdict = Verdict()
    report = progress or (lambda check, done, total: None)
    # First, so that whatever was decided by then is read with its answer.
    horizon = take(log, network)
    events = EventAudit(network, verdict)
    events.read(log, report)
    execution = ExecutionAudit(network, verdict, horizon)
    execution.run(log, events, report)
    CauseAudit(network, verdict, events.trails, ProductChecks(), execution.unsettled).run()
    PrivacyAudit(network, verdict, execution.unsettled).run(events, report)
    if proofs:
        ProofAudit(network, verdict, execution.unsettled).run(events.trails, report)
    _audit_projections(log, network, live, verdict, report)
    return verdict


def _audit_projections(log: Log, network: Network, live: Path | None, verdict: Verdict, report: Progress) -> None:
    with tempfile.TemporaryDirectory() as scratch:
        for n, model in enumerate(MODELS):
            report("rebuild projections", n, len(MODELS))
            rebuilt = Projection(model, Path(scratch), authenticate=network.seal_check())
            try:
                before = resting_place(log)
                rebuilt.catch_up(log)
                verdict.state_hashes[model.name] = rebuilt.state_hash()
                if model.name == "balances":
                    _audit_supply(supply(rebuilt), before is not None and before == resting_place(log), verdict)
                if live is not None and live.is_dir():
                    _compare_live(rebuilt, live, network, verdict, log)
            finally:
                rebuilt.close()


def _audit_supply(money: Supply, at_rest: bool, verdict: Verdict) -> None:
    # While the network runs, an arrival may be read before its departure; the causes are matched one by one anyway.
    if not money.conserved or (at_rest and money.overdrawn):
        verdict.fail("supply", ("accounts", 0, 0), str(money))
    else:
        verdict.count("supply conserved")


def _compare_live(rebuilt: Projection, live: Path, network: Network, verdict: Verdict, log: Log) -> None:
    name = rebuilt.model.name
    standing = Projection(rebuilt.model, live, authenticate=network.seal_check())
    try:
        before = resting_place(log)
        for model in (standing, rebuilt):
            model.catch_up(log)
        verdict.state_hashes[name] = rebuilt.state_hash()
        if standing.state_hash() == verdict.state_hashes[name]:
            verdict.count("state hashes")
        elif before is not None and before == resting_place(log):
            verdict.fail("state hash", (name, 0, 0), f"the live {name} model differs from the rebuilt one")
        else:
            verdict.remarks.append(f"the network ran on: the live {name} model was not compared with the rebuilt one")
    finally:
        standing.close()
