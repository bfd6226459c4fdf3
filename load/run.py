"""`./run load`: a network under load, and under attack: real processes, real keys, real proofs; then it is counted and audited.

    ./run load --workers 100 --jobs 1000
    ./run load --workers 20 --jobs 100 --coordinators 2 --kill-coordinator 30% --kill-worker 50% --pause validator@60%:5

Exit code 0 when nothing was lost, doubled or minted and the audit holds; 1 otherwise; 2 for bad input.
"""

import shutil
import subprocess
import sys
import time
from pathlib import Path
from typing import Annotated

import typer

sys.path.insert(0, str(Path(__file__).parent))

from chaos import KINDS, Blow, kills, pauses
from checks import Counted, count
from play import VALIDATORS, Load, console
from report import Report, write
from sampler import Sampler
from stage import Stage

import bitsage
from bitsage.nodes.audit import Verdict, audit
from bitsage.streams.admin import create_topics
from bitsage.streams.errors import StreamError


def judge(
    load: Load, counted: Counted, verdict: Verdict, problems: list[str], live_models: int
) -> dict[str, tuple[bool, str]]:
    """Every check by name: whether it holds, and its figures."""
    ends = counted.jobs_ended
    return {
        "every command that was acknowledged stands in the log": (
            not counted.lost,
            f"{counted.acknowledged} acknowledged, {len(counted.lost)} lost",
        ),
        "every command has an answer": (
            not counted.unanswered,
            f"{counted.commands} commands, {len(counted.unanswered)} unanswered",
        ),
        "no command has two answers": (
            not counted.answered_twice,
            f"{counted.answers} answers, {len(counted.answered_twice)} doubled",
        ),
        "every job that was accepted came to one end": (
            not counted.jobs_without_end
            and not counted.jobs_ended_twice
            and counted.jobs_accepted + sum(load.watch.refused.values()) == load.jobs,
            f"{counted.jobs_accepted} accepted; " + ", ".join(f"{n} {how}" for how, n in sorted(ends.items())),
        ),
        "every completed job is paid for, once": (
            not counted.paid_twice and not counted.completed_unpaid,
            f"{counted.paid} paid, {len(counted.paid_twice)} doubled, {len(counted.completed_unpaid)} missing",
        ),
        "the supply is conserved": (
            verdict.counts.get("supply conserved") == 1,
            f"{verdict.counts.get('supply conserved', 0)} check",
        ),
        "the full audit holds": (
            verdict.holds and verdict.counts.get("state hashes") == live_models,
            f"{sum(verdict.counts.values())} checks, {len(verdict.findings)} contradictions",
        ),
        "every process ended in good order": (not problems, "; ".join(problems) or "0 problems"),
    }


def main(
    workers: Annotated[int, typer.Option(min=1, max=1000, help="Registered workers, each with its key.")] = 100,
    jobs: Annotated[int, typer.Option(min=1, help="Jobs to submit.")] = 1000,
    coordinators: Annotated[int, typer.Option(min=1, max=6, help="Coordinator processes.")] = 1,
    crews: Annotated[int, typer.Option(min=1, help="Processes that the workers are divided over.")] = 4,
    brokers: Annotated[int, typer.Option(min=1, max=9, help="Local brokers.")] = 1,
    in_flight: Annotated[int, typer.Option(min=1, help="Most jobs that are open at a time.")] = 100,
    size: Annotated[int, typer.Option(help="Size of the matrix products.")] = 16,
    seconds: Annotated[int, typer.Option(min=0, help="Submit no more after this time; 0: submit all.")] = 0,
    protocol: Annotated[str, typer.Option(help="Group protocol of the coordinators: classic or consumer.")] = "classic",
    kill_coordinator: Annotated[str, typer.Option(help="When: 20%,50% of the jobs, or 30s.")] = "",
    kill_validator: Annotated[str, typer.Option(help="The same for a validator.")] = "",
    kill_worker: Annotated[str, typer.Option(help="The same for a process of workers.")] = "",
    kill_broker: Annotated[str, typer.Option(help="The same for a broker.")] = "",
    pause: Annotated[str, typer.Option(help=f"KIND@WHEN:SECONDS; kinds: {', '.join(KINDS)}.")] = "",
    home: Annotated[Path, typer.Option(help="Where the data goes; is emptied first.")] = Path(".sage-load"),
    report: Annotated[Path, typer.Option(help="Report files to write: this name with .html and .json.")] = Path(
        ".sage-load/report"
    ),
) -> None:
    """Put a network under load, with processes that die; count what came of it, audit all of it, write a report."""
    if protocol not in ("classic", "consumer"):
        raise typer.BadParameter("classic or consumer", param_hint="--protocol")
    try:
        blows = [
            *kills("coordinator", kill_coordinator),
            *kills("validator", kill_validator),
            *kills("worker", kill_worker),
            *kills("broker", kill_broker),
            *pauses(pause),
        ]
    except ValueError as error:
        raise typer.BadParameter(str(error)) from None
    home = home.resolve()
    if home.exists() and any(home.iterdir()) and not (home / "load.txt").exists():
        raise typer.BadParameter(f"{home.name} is not empty and not a load run's folder", param_hint="--home")
    shutil.rmtree(home, ignore_errors=True)
    home.mkdir(parents=True)
    (home / "load.txt").write_text("Made by ./run load; emptied by the next one.\n")
    words = [f"--{name.replace('_', '-')} {value}" for name, value in sorted(typer_options(locals()).items())]
    crews = min(crews, workers)
    stage = Stage(home, brokers, protocol)
    try:
        load = Load(stage, workers, jobs, crews, in_flight, size, seconds)
        holds = run(load, coordinators, blows, report.resolve(), words)
    except (StreamError, subprocess.SubprocessError) as error:
        console.print(f"[red]error[/red]: {error}; see the logs in {home.name}/logs")
        raise typer.Exit(1) from None
    finally:
        stage.close()
    raise typer.Exit(0 if holds else 1)


def typer_options(given: dict[str, object]) -> dict[str, object]:
    """The options that say what was run: those with a value, without the paths."""
    return {k: v for k, v in given.items() if isinstance(v, int | str) and v != ""}


class Steps:
    """Says which step the audit is at: with a thousand jobs it takes minutes."""

    def __init__(self) -> None:
        self._step, self._began = "", time.monotonic()

    def __call__(self, step: str, done: int, total: int) -> None:
        if step != self._step:
            self._step = step
            console.print(f"  audit: {step} ({time.monotonic() - self._began:.0f} s)")


def run(load: Load, coordinators: int, blows: list[Blow], report: Path, words: list[str]) -> bool:
    """The whole run; whether everything holds."""
    stage = load.stage
    console.rule(
        f"[bold]{load.workers} workers, {load.jobs} jobs, {coordinators} coordinators, 4 validators, {stage.brokers} brokers"
    )
    stage.open()
    create_topics({"bootstrap.servers": stage.kafka.bootstrap})
    load.enter(coordinators)
    console.print(f"{load.workers} workers and {VALIDATORS} validators have joined")
    sampler = Sampler(stage)
    began = time.time()
    chaos = load.play(blows)
    took = time.time() - began
    problems = [*load.leave(), *(f"chaos: {error}" for error in chaos.failure)]
    sampler.close()
    console.print(f"{load.watch.over()} jobs over in {took:.0f} s; now every command and event is counted and audited")
    counted = count(stage.log, stage.network, sorted(stage.home.glob("acknowledged-*.txt")), load.sent)
    started = time.time()
    verdict = audit(stage.log, stage.network, live=stage.home / "projections", progress=Steps())
    checks = judge(load, counted, verdict, problems, len(bitsage.MODELS))
    found = Report(load, counted, verdict, checks, sampler, chaos, began, took, time.time() - started, words)
    write(found, report)
    for name, (holds, figures) in checks.items():
        console.print(f"  {'[green]holds[/green]' if holds else '[bold red]FAILS[/bold red]'}  {name}: {figures}")
    for finding in verdict.findings[:20]:
        console.print(f"  [red]contradiction[/red] {finding.check} at {finding.where()}: {finding.detail}")
    good = all(holds for holds, _ in checks.values())
    console.print(
        f"\n{'[bold green]nothing lost, doubled or minted' if good else '[bold red]the run FAILS'}[/]", end=""
    )
    console.print(f": {load.jobs / took:.1f} jobs/s; report: {report.name}.html, {report.name}.json")
    return good


if __name__ == "__main__":
    typer.run(main)
