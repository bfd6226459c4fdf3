"""From a proof on the log to the decision on it: ProofGenerated to ConsensusReached, on a local broker with four validators.

Coordinator, validators and the driver are processes of their own, as in production. The time is taken between the
broker's own times of the commands that caused the two events (SubmitProof, and the vote that reaches the threshold), and
the verification is what the slowest of the validators that made the quorum measured; the difference is what the log, the
coordinator and the waiting cost. Proofs come one at a time (latency), and several at once (under load).
"""

import json
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from signal import SIGTERM, signal
from typing import Any

from rich.console import Console
from rich.table import Table

from bitsage.nodes.client import Client
from bitsage.nodes.coordinator import Coordinator
from bitsage.nodes.jobwork import judge
from bitsage.nodes.network import Network
from bitsage.nodes.register import register_validator, register_worker
from bitsage.nodes.validator import ValidatorNode
from bitsage.nodes.worker import WorkerNode
from bitsage.privacy import payment_public_key
from bitsage.schemas.events import ConsensusReached, JobSpec, ProofGenerated, VoteCast
from bitsage.schemas.parameters import SAGE, Parameters
from bitsage.streams.admin import create_topics
from bitsage.streams.kafka_log import KafkaLog
from bitsage.streams.local_kafka import LocalKafka
from bitsage.streams.seal import seal_key
from bitsage.wallet import Key

VALIDATORS = 4
JOBS, BURST = 30, 16
AUTHORITY = Key(192837465)
NETWORK = Network(
    chain_id="bench-consensus",
    authority="0x" + AUTHORITY.address.hex(),
    authority_key="0x" + AUTHORITY.public_key.hex(),
    seal_key=seal_key(AUTHORITY.seal_secret).hex(),
    escrow_key=payment_public_key(AUTHORITY.payment_secret).hex(),
    parameters=Parameters(heartbeat_timeout_ms=600_000),
)


def serve(role: str, bootstrap: str, folder: str, number: str) -> None:
    """One process of the network."""
    stop = threading.Event()
    signal(SIGTERM, lambda *_: stop.set())
    log = KafkaLog({"bootstrap.servers": bootstrap})
    place = Path(folder) / f"{role}{number}"
    if role == "coordinator":
        node: Any = Coordinator(log, NETWORK, AUTHORITY, AUTHORITY.seal_secret, place)
    else:
        client = Client(log, NETWORK, Key(5_000 + int(number)))
        node = WorkerNode(client, place) if role == "worker" else ValidatorNode(client, place, judgement=_timed(place))
    node.stop = stop
    node.run()


def _timed(place: Path) -> Any:
    place.mkdir(parents=True, exist_ok=True)

    def judged(job_type: str, text: str, proof: ProofGenerated, parameters: Parameters) -> tuple[bool, str]:
        started = time.perf_counter()
        found = judge(job_type, text, proof, parameters)
        took = (time.perf_counter() - started) * 1000
        with (place / "verified.jsonl").open("a") as file:
            file.write(json.dumps([proof.job_id.hex(), took]) + "\n")
        return found

    return judged


def joined(log: KafkaLog, number: int, stake: int, tier: str) -> Client:
    client = Client(log, NETWORK, Key(5_000 + number))
    client.create_wallet()
    client.request_tokens()
    if stake:
        client.stake(stake * SAGE, tier)
    return client


def decided(client: Client, wanted: int, submit: Any) -> dict[str, dict[str, Any]]:
    """job -> when its proof and its decision came (ms, the broker's time), and who made the quorum."""
    jobs: dict[str, dict[str, Any]] = {}
    left = iter(range(wanted))
    for _ in range(submit.at_once):
        submit(next(left))
    for answer in client.follow(("proofs", "votes"), timeout=60.0, from_start=True):
        body = answer.body
        if not isinstance(body, ProofGenerated | VoteCast | ConsensusReached) or body.job_id not in submit.jobs:
            continue
        job = jobs.setdefault(body.job_id.hex(), {"voters": []})
        match body:
            case ProofGenerated():
                job["proved"] = answer.envelope.at
            case VoteCast(validator=who):
                job["voters"].append(who)
            case ConsensusReached(outcome=outcome):
                job["decided"], job["outcome"] = answer.envelope.at, outcome
                if (n := next(left, None)) is not None:
                    submit(n)
        if len(jobs) == wanted and all("decided" in j and "proved" in j for j in jobs.values()):
            return jobs
    raise TimeoutError("the network came to no decision within a minute")


class Submit:
    """Submits one small job more; `at_once`: how many are on their way."""

    def __init__(self, client: Client, at_once: int) -> None:
        self._client = client
        self.at_once = at_once
        self.jobs: set[bytes] = set()

    def __call__(self, n: int) -> None:
        spec = JobSpec(
            job_type="matmul", input=json.dumps({"seed": n, "size": 16}, separators=(",", ":")), max_cost=SAGE, tier="",
            tee=False, priority=0, deadline=time.time_ns() // 1_000_000 + 3_600_000,
        )  # fmt: skip
        job_id, _ = self._client.submit_job(spec)
        self.jobs.add(job_id)


def verification(folder: str) -> dict[tuple[int, str], float]:
    found = {}
    for number in range(VALIDATORS):
        for line in (Path(folder) / f"validator{number}" / "verified.jsonl").read_text().splitlines():
            job, took = json.loads(line)
            found[number, job] = took
    return found


def measure(log: KafkaLog, bootstrap: str, folder: str) -> list[tuple[str, list[float], list[float]]]:
    processes = [_start("coordinator", bootstrap, folder, 0)]
    try:
        with ThreadPoolExecutor(8) as pool:
            judging = [pool.submit(joined, log, n, 10_000, "validator") for n in range(VALIDATORS)]
            working = [pool.submit(joined, log, 100 + n, 1_000, "consumer") for n in range(2)]
            paying = pool.submit(joined, log, 200, 0, "")
        members, workers, client = [f.result() for f in judging], [f.result() for f in working], paying.result()
        for member in members:
            register_validator(member)
        for worker in workers:
            register_worker(worker, tier="consumer", gpu_model="T4", slots=4)
        processes += [_start("validator", bootstrap, folder, n) for n in range(VALIDATORS)]
        processes += [_start("worker", bootstrap, folder, 100 + n) for n in range(2)]
        numbers = {member.key.address: n for n, member in enumerate(members)}
        decided(client, 3, Submit(client, 3))  # warm
        rows = []
        for name, wanted, at_once in (("one at a time", JOBS, 1), (f"{BURST} at once", 2 * BURST, BURST)):
            jobs = decided(client, wanted, Submit(client, at_once))
            took = verification(folder)
            whole = [float(j["decided"] - j["proved"]) for j in jobs.values()]
            own = [
                max((took.get((numbers[v], job), 0.0) for v in j["voters"][:3]), default=0.0) for job, j in jobs.items()
            ]
            assert all(j["outcome"] == "approved" for j in jobs.values())
            rows.append((name, whole, [max(0.0, w - v) for w, v in zip(whole, own, strict=True)]))
        return rows
    finally:
        for process in processes:
            process.terminate()
        for process in processes:
            process.wait(60)


def _start(role: str, bootstrap: str, folder: str, number: int) -> "subprocess.Popen[bytes]":
    command = [sys.executable, __file__, role, bootstrap, folder, str(number)]
    return subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)


def _percentile(values: list[float], share: float) -> float:
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(share * len(ordered)))]


def run() -> None:
    with tempfile.TemporaryDirectory() as folder, LocalKafka(Path(folder) / "kafka") as kafka:
        settings = {"bootstrap.servers": kafka.bootstrap}
        create_topics(settings)
        rows = measure(KafkaLog(settings), kafka.bootstrap, folder)
    table = Table(
        "proofs", "n", "whole p50", "whole p99", "beyond p50", "beyond p99", "bar",
        title="ProofGenerated to ConsensusReached, ms; beyond: less the slowest verification of the quorum",
    )  # fmt: skip
    for name, whole, beyond in rows:
        figures = [
            statistics.median(whole),
            _percentile(whole, 0.99),
            statistics.median(beyond),
            _percentile(beyond, 0.99),
        ]
        met = "met" if figures[3] < 1000 else "missed"
        table.add_row(name, str(len(whole)), *(f"{figure:.0f}" for figure in figures), f"p99 < 1000: {met}")
    Console().print(table)


if __name__ == "__main__":
    serve(*sys.argv[1:5])
