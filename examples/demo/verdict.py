"""The demo's end: everything is stopped; all projections are rebuilt from offset zero and the log is audited."""

from cast import Cast
from rich.console import Console
from rich.table import Table

from bitsage.nodes.audit import audit


def verdict(cast: Cast, console: Console) -> bool:
    """Print the audit; whether the log holds."""
    console.rule("[bold]everything is stopped: rebuild all projections from offset zero, audit the whole log")
    live = cast.home / "projections"
    result = audit(cast.log, cast.network, live=live)
    table = Table("checked", "times", title="audit")
    for check, times in sorted(result.counts.items()):
        table.add_row(check, f"{times:,}")
    console.print(table)
    hashes = Table("model", "state hash: live = rebuilt", title="projections")
    for model, digest in result.state_hashes.items():
        hashes.add_row(model, digest)
    console.print(hashes)
    for remark in result.remarks:
        console.print(f"  remark: {remark}", soft_wrap=True, markup=False)
    for finding in result.findings:
        console.print(f"  [red]contradiction[/red] {finding.check} at {finding.where()}: {finding.detail}")
    holds = result.holds and result.counts.get("state hashes", 0) == len(result.state_hashes)
    word = "[bold green]the log holds" if holds else "[bold red]the log does NOT hold"
    console.print(f"\n{word}[/]: {sum(result.counts.values()):,} checks, {len(result.findings)} contradictions")
    return holds
