"""`./run load`: a network under load, and under attack: real processes, real keys, real proofs; then it is counted and audited.

    ./run load --workers 100 --jobs 1000
    ./run load --workers 20 --jobs 100 --coordinators 2 --kill-coordinator 30% --kill-worker 50% --pause validator@60%:5

Exit code 0 when nothing was lost, doubled or minted and the audit holds; 1 otherwise; 2 for bad input.
"""

import shutil
import subprocess
import sys
import time
from collections import deque
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

sys.path.insert(0, str(Path(__file__).parent))

from chaos import KINDS, Blow, Chaos, kills, pauses
from checks import Counted, count
from report import Report, write
from sampler import Sampler
from stage import Stage
from watch import Watch

import bitsage
from bitsage.nodes.audit import Verdict, audit
from bitsage.nodes.audit_horizon import resting_place
from bitsage.nodes.client import Client
from bitsage.nodes.signing import Prepared, now_ms
from bitsage.privacy import make_key_proof, payment_public_key
from bitsage.schemas.commands import (
    CreateWallet,
    RegisterValidator,
    RegisterWorker,
    RequestTokens,
    StakeTokens,
    SubmitJob,
)
from bitsage.schemas.types import CommandBody
from bitsage.streams.admin import create_topics
from bitsage.streams.errors import BrokerUnreachable, StreamError

console = Console(highlight=False)
CLIENTS, VALIDATORS = 10, 4
#: Seconds without any job's end after which a run is given up.
STUCK_S = 300


class Load:
    """One run."""

    def __init__(
        self, stage: Stage, workers: int, jobs: int, crews: int, in_flight: int, size: int, seconds: int
    ) -> None:
        self.stage = stage
        self.workers, self.jobs, self.crews, self.in_flight, self.size = workers, jobs, crews, in_flight, size
        self.seconds = seconds
        self.sent: list[bytes] = []
        self.clients: list[Client] = []

    def _send(self, prepared: list[Prepared]) -> None:
        for _ in range(10):
            try:
                self._producer.send_many([p.record for p in prepared])
                break
            except BrokerUnreachable:
                # The same signed records: whichever of them did get through are refused for their nonce the second time.
                console.print("  no broker acknowledged; sending again")
        else:
            raise BrokerUnreachable("no broker acknowledged in ten tries")
        # Only now: what was not acknowledged may be missing.
        self.sent += [p.envelope.id for p in prepared]

    def _ask(self, client: Client, *bodies: CommandBody) -> list[Prepared]:
        return [client.signer.sign(client.subject, body) for body in bodies]

    def enter(self, coordinators: int) -> None:
        """Start everybody, and wait until all have joined."""
        stage = self.stage
        for n in range(coordinators):
            stage.add("coordinator", f"coordinator-{n}", "sage-coordinator", "start", "--instance", str(n))
        self._producer = stage.log.producer()
        self.watch = Watch(stage.log, stage.network)
        opening = [CreateWallet(), RequestTokens()]
        validators = [f"validator-{n}" for n in range(VALIDATORS)]
        crew_of = {f"crew-{n % self.crews}-{n:03d}": f"crew-{n % self.crews}" for n in range(self.workers)}
        prepared: list[Prepared] = []
        members: set[bytes] = set()
        workers: set[bytes] = set()
        for name in [*validators, *crew_of]:
            client = Client(stage.log, stage.network, stage.key(name))
            members.add(client.key.address)
            if name in crew_of:
                workers.add(client.subject.encode())
            stake = 10_000 if name in validators else 2_500
            tier = "validator" if name in validators else "consumer"
            prepared += self._ask(client, *opening, StakeTokens(amount=stake * bitsage.SAGE, tier=tier))
            prepared += self._ask(client, RegisterValidator() if name in validators else _as_worker(client.key))
            client.close()
        for n in range(CLIENTS):
            client = Client(stage.log, stage.network, stage.key(f"client-{n}"))
            self.clients.append(client)
            prepared += self._ask(client, *opening)
        self._send(prepared)
        self._wait(lambda: members <= self.watch.joined, 180, "workers and validators join")
        for name in validators:
            stage.add("validator", name, "sage-validator", "start", "--name", name)
        script = str(Path(__file__).parent / "crew.py")
        for crew in sorted(set(crew_of.values())):
            stage.add("worker", crew, sys.executable, script, str(stage.home), stage.kafka.bootstrap, crew)
        self._wait(lambda: workers <= self.watch.heard, 180, "every worker's heartbeat")

    def play(self, blows: list[Blow]) -> Chaos:
        """Submit all jobs, at most `in_flight` of them open at a time, and wait for their ends."""
        chaos = Chaos(self.stage, blows, lambda: self.watch.over() / self.jobs, console)
        turn, waiting = 0, deque(range(self.jobs))
        last, since = -1, time.monotonic()
        began = since
        with _progress() as bar:
            task = bar.add_task("jobs over and paid", total=self.jobs)
            try:
                while self.watch.over() + sum(self.watch.refused.values()) < self.jobs:
                    over = self.watch.over()
                    bar.update(task, completed=over)
                    last, since = (over, time.monotonic()) if over != last else (last, since)
                    if time.monotonic() - since > STUCK_S or chaos.failure:
                        break
                    if waiting and self.seconds and time.monotonic() - began > self.seconds:
                        # What is open is finished; nothing more is submitted.
                        self.jobs -= len(waiting)
                        waiting.clear()
                        console.print(f"  the time is over: {self.jobs} jobs were submitted")
                    room = self.in_flight - (self.jobs - len(waiting) - over)
                    batch = []
                    for _ in range(min(room, len(waiting))):
                        client = self.clients[turn % len(self.clients)]
                        batch.append(client.signer.sign(client.subject, SubmitJob(spec=self._spec(waiting.popleft()))))
                        turn += 1
                    if batch:
                        self._send(batch)
                    time.sleep(0.05)
                bar.update(task, completed=self.watch.over())
                # A process that was killed last is let come back: it has to leave in good order.
                chaos.quiet.wait(60)
            finally:
                chaos.close()
        return chaos

    def leave(self) -> list[str]:
        """Let everybody finish: those who ask first, those who decide when nothing is left to decide; what went wrong."""
        problems = [f"{name} ended by itself" for name in self.stage.dead()]
        try:
            self.stage.end("worker", "validator")
        except subprocess.SubprocessError as error:
            problems.append(str(error))
        try:
            self._wait(lambda: _rests(self.stage.log), 120, "the log comes to rest")
            self.stage.end("coordinator")
        except subprocess.SubprocessError as error:
            problems.append(str(error))
        self.watch.close()
        for client in self.clients:
            client.close()
        return problems

    def _spec(self, n: int) -> bitsage.JobSpec:
        return bitsage.JobSpec(
            job_type="matmul",
            input=f'{{"seed":{n + 1},"size":{self.size}}}',
            max_cost=10 * bitsage.SAGE,
            tier="",
            tee=False,
            priority=n % 11,
            deadline=now_ms() + 3_600_000,
        )

    def _wait(self, found, seconds: float, what: str) -> None:
        deadline = time.monotonic() + seconds
        while not found():
            if dead := self.stage.dead():
                raise subprocess.SubprocessError(f"{what}: {', '.join(dead)} ended")
            if time.monotonic() > deadline:
                raise subprocess.SubprocessError(f"{what}: not within {seconds:g} s")
            time.sleep(0.1)


def _as_worker(key: bitsage.Key) -> RegisterWorker:
    secret = key.payment_secret
    return RegisterWorker(
        tier="consumer",
        gpu_model="T4",
        payment_key=payment_public_key(secret),
        key_proof=make_key_proof(secret, key.address),
        job_types=["matmul"],
        slots=1,
    )


def _rests(log: bitsage.KafkaLog) -> bool:
    try:
        return resting_place(log) is not None
    except StreamError:
        return False


def _progress() -> Progress:
    return Progress(
        TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn(), console=console
    )


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
    verdict = audit(stage.log, stage.network, live=stage.home / "projections")
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
