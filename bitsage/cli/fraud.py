"""`sage fraud`: what in the log points at fraud, and the events that show it."""

from __future__ import annotations

from typing import Annotated

import typer

from bitsage.projections import as_of, model_named, parse_as_of
from bitsage.projections.findings import Finding, Thresholds, findings, located
from bitsage.projections.sandbox import Rows

from . import context, projection
from .failures import REFUSED
from .projection import AsCsv, AsJson, Offline
from .rows import Output, print_rows

fraud_app = typer.Typer(help="What in the log points at fraud.", no_args_is_help=True)
_DEFAULTS = Thresholds()


@fraud_app.callback()
def _fraud() -> None:
    """What in the log points at fraud."""


@fraud_app.command("report")
def report(
    slow_jobs: Annotated[
        int, typer.Option("--slow-jobs", min=1, help="Slow jobs in a row before a standing benchmark is named.")
    ] = _DEFAULTS.slow_jobs,
    together: Annotated[
        int, typer.Option("--together", min=1, help="Common votes against results before a pair is named.")
    ] = _DEFAULTS.together,
    against: Annotated[
        int,
        typer.Option("--against", min=1, max=100, metavar="PERCENT", help="Share of such votes that names one alone."),
    ] = _DEFAULTS.against_percent,
    chance: Annotated[
        int, typer.Option("--chance", min=1, metavar="N", help="Name pairs rarer than 1 in N by chance.")
    ] = _DEFAULTS.chance_one_in,
    gaps: Annotated[
        int, typer.Option("--gaps", min=1, help="Gaps in heartbeats before a worker is named.")
    ] = _DEFAULTS.gap_count,
    longest: Annotated[
        int, typer.Option("--longest", min=1, metavar="SECONDS", help="Length of a gap before a worker is named.")
    ] = _DEFAULTS.gap_longest_ms // 1000,
    at: Annotated[
        str | None,
        typer.Option("--as-of", help="A time (2026-01-31T12:00:00Z), an offset (17), or a list (votes:0:4)."),
    ] = None,
    offline: Offline = False,
    as_json: AsJson = False,
    as_csv: AsCsv = False,
) -> None:
    """Report what points at fraud, with evidence: exit 0 nothing found, 1 something found.

    A finding is a reason to look, no verdict: docs/fraud.md says what each kind can and cannot show.

    Example: sage fraud report

    Example: sage fraud report --together 5 --chance 100000 --json
    """
    output = Output.of(as_json=as_json, as_csv=as_csv)
    limits = Thresholds(slow_jobs, together, against, chance, gaps, longest * 1000)
    found = _found(limits, at, offline=offline)
    rows: Rows = [_row(finding, as_json) for finding in found]
    print_rows(rows, output, brief=("kind", "who", "says", "evidence"))
    if found:
        raise typer.Exit(REFUSED)


def _found(limits: Thresholds, at: str | None, *, offline: bool) -> list[Finding]:
    model, trust = model_named("fraud"), projection.authenticate()
    if at is None:
        with projection.opened(model, offline=offline) as live:
            found = findings(live, limits)
        return found if offline else located(context.open_log(), found, trust)
    bound, log = parse_as_of(at), context.open_log()
    with projection.bar("folding fraud") as progress, as_of(log, model, bound, trust, progress) as past:
        return located(log, findings(past, limits), trust)


def _row(finding: Finding, as_json: bool) -> dict[str, object]:
    shows = [str(one) for one in finding.evidence]
    who = list(finding.who)
    if as_json:
        return {"kind": finding.kind, "who": who, "says": finding.says, "evidence": shows}
    return {"kind": finding.kind, "who": " ".join(who), "says": finding.says, "evidence": " ".join(shows)}
