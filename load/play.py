"""A run's players: the network's processes, the accounts behind them, and the clients that submit jobs."""

import subprocess
import sys
import time
from collections import deque
from pathlib import Path

from chaos import Blow, Chaos
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn
from stage import PARAMETERS, Stage
from watch import Watch

import bitsage
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
from bitsage.streams.errors import BrokerUnreachable, StreamError

console = Console(highlight=False)
CLIENTS, VALIDATORS = 10, 4
#: Seconds without any job's end after which a run is given up: more than an attempt may take that goes to another worker.
STUCK_S = PARAMETERS.attempt_timeout_ms // 1000 + 180
#: Seconds in which all have to join, and those that each account adds.
JOIN_S, JOIN_EACH_S = 180, 3
#: Seconds in which the log has to come to rest once everybody has left.
REST_S = 300


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

    def send(self, prepared: list[Prepared]) -> None:
        """Send commands, again while no broker acknowledges.

        Raises:
            BrokerUnreachable: none did in ten tries.
        """
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
        self.send(prepared)
        patience = JOIN_S + JOIN_EACH_S * len(members)
        self._wait(lambda: members <= self.watch.joined, patience, "workers and validators join")
        for name in validators:
            stage.add("validator", name, "sage-validator", "start", "--name", name)
        script = str(Path(__file__).parent / "crew.py")
        for crew in sorted(set(crew_of.values())):
            stage.add("worker", crew, sys.executable, script, str(stage.home), stage.kafka.bootstrap, crew)
        self._wait(lambda: workers <= self.watch.heard, patience, "every worker's heartbeat")

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
                        batch.append(client.signer.sign(client.subject, SubmitJob(spec=self.spec(waiting.popleft()))))
                        turn += 1
                    if batch:
                        self.send(batch)
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
            self._wait(lambda: _rests(self.stage.log), REST_S, "the log comes to rest")
            self.stage.end("coordinator")
        except subprocess.SubprocessError as error:
            problems.append(str(error))
        self.watch.close()
        for client in self.clients:
            client.close()
        return problems

    def spec(self, n: int) -> bitsage.JobSpec:
        """The `n`-th job."""
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
