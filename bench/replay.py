"""Replay: events per second into each read model, from a log in memory and from a local broker.

Decoding, the checks of each record, the fold and the SQLite transaction are all inside the measured time.
"""

import os
import platform
import statistics
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

from bitsage.projections import MODELS, Projection, rebuild
from bitsage.schemas import events as e
from bitsage.schemas.events import EVENT_TOPIC
from bitsage.schemas.types import ZERO_HASH, EventBody, EventEnvelope
from bitsage.streams.admin import create_topics
from bitsage.streams.codec import encode_event
from bitsage.streams.envelope import chain_hash
from bitsage.streams.kafka_log import KafkaLog
from bitsage.streams.local_kafka import LocalKafka
from bitsage.streams.log import Log, Outgoing
from bitsage.streams.memory_log import InMemoryLog
from bitsage.streams.seal import HEADER, SealCheck, Sealer
from bitsage.streams.topics import partition_for, topic_name

JOBS = 1_500
WORKERS = 50
REPEATS = 3
ZERO16, ZERO32, ZERO64 = bytes(16), bytes(32), bytes(64)


class Story:
    """Sealed events of `jobs` jobs that are escrowed, matched, proved, approved by four validators, paid and claimed."""

    def __init__(self, jobs: int) -> None:
        self.records: list[Outgoing] = []
        self._heads: dict[tuple[str, str], tuple[int, bytes]] = {}
        self._sealer = Sealer(bytes(range(32)), "bench")
        self.seals = self._sealer.check()
        self._validators = [n.to_bytes(32, "big") for n in range(1, 5)]
        for n in range(jobs):
            self._job(
                n.to_bytes(16, "big"), (100 + n % WORKERS).to_bytes(32, "big"), (500 + n % 200).to_bytes(32, "big")
            )

    def _tell(self, subject: str | bytes, body: EventBody) -> None:
        subject = subject if isinstance(subject, str) else "0x" + subject.hex()
        name = type(body).__name__
        topic = EVENT_TOPIC[name]
        sequence, previous = self._heads.get((topic, subject), (0, ZERO_HASH))
        head: dict[str, Any] = {"id": ZERO16, "cause": ZERO16, "correlation": ZERO16, "actor": ZERO32, "nonce": 0}
        head |= {"public_key": ZERO32, "signature": ZERO64, "command": "Bench", "payload_hash": ZERO32, "at": 1}
        envelope = EventEnvelope(type=name, subject=subject, sequence=sequence + 1, previous=previous, **head)
        value = encode_event(envelope, body)
        self._heads[topic, subject] = (sequence + 1, chain_hash(value))
        key, full = subject.encode(), topic_name(topic)
        headers = ((HEADER, self._sealer.seal(full, value)),)
        self.records.append(Outgoing(full, partition_for(key), key, value, headers))

    def _job(self, job: bytes, worker: bytes, client: bytes) -> None:
        subject, proof, one = job.hex(), job * 2, 10**18
        spec = e.JobSpec(
            job_type="matmul", input='{"n":16}', max_cost=one, tier="consumer", tee=False, priority=0, deadline=1
        )
        about: dict[str, Any] = {"job_id": job, "attempt": 1}
        mine = about | {"worker": worker}
        judged = mine | {"proof_hash": proof, "output_hash": ZERO32}
        bound = {"job_id": job, "proof_commitment": ZERO32, "payment_nonce": 1}
        market = {"job_type": "matmul", "tier": "consumer", "tee": False, "priority": 0, "submitted_at": 1}
        numbers = {"security_bits": 96, "run_ms": 1, "prove_ms": 1}
        what = {"public_inputs": "{}", "proof": b"p" * 200, "proof_system": "stark", "backend": "numpy"}
        self._tell(client, e.TokensGranted(amount=2 * one, gas_amount=1))
        self._tell(client, e.EscrowLocked(job_id=job, amount=one))
        self._tell(subject, e.JobSubmitted(job_id=job, client=client, spec=spec))
        self._tell("network", e.JobQueued(**about, **market, excluded=[]))
        self._tell("network", e.JobMatched(**mine))
        self._tell(subject, e.JobAssigned(**mine, cost=one, expires_at=1))
        self._tell(subject, e.JobStarted(**mine))
        self._tell(subject, e.ProofGenerated(**judged, **numbers, **what))
        voters = {"validators": self._validators, "epoch": 1, "threshold": 3, "expires_at": 1}
        self._tell(subject, e.TallyOpened(**judged, **voters))
        for validator in self._validators[:3]:
            self._tell(subject, e.VoteCast(**about, proof_hash=proof, validator=validator, valid=True, reason=""))
        count = {"votes_valid": 3, "votes_invalid": 0, "threshold": 3, "contrary": []}
        self._tell(subject, e.ConsensusReached(**judged, **count, outcome="approved"))
        self._tell(subject, e.JobCompleted(**judged))
        self._tell("network", e.JobWithdrawn(**mine))
        wage, fee = one * 8 // 10, one * 2 // 10
        parts = {"worker": worker, "worker_amount": wage, "protocol_amount": fee, "refund": 0}
        self._tell(client, e.EscrowReleased(**bound, **parts))
        self._tell(worker, e.PaymentDue(**bound, worker=worker, amount=wage, payment_key=b"k" * 64))
        arrived = {"ciphertext": b"C" * 128, "pending": b"P" * 128, "credit": 1}
        self._tell(worker, e.PaymentEncrypted(**bound, worker=worker, payment=b"c" * 400, **arrived))
        self._tell(worker, e.PaymentClaimed(available=b"A" * 128, sequence=1, credit=1))
        self._tell(worker, e.Withdrawn(amount=wage, proof=b"w" * 900, available=b"B" * 128, sequence=2))
        split = {"burnt": fee * 7 // 10, "treasury": fee * 2 // 10, "stakers": fee // 10}
        self._tell("treasury", e.FeesDistributed(**about, payer=client, source="job_fee", amount=fee, **split))
        change = {"before": 500, "after": 515, "reason": "job_done", "failures": 0}
        self._tell(worker, e.ReputationChanged(**about, **change))


def replay(log: Log, model: str, seals: SealCheck | None) -> tuple[int, float]:
    """Records folded into an empty model, and events per second (median of the repeats)."""
    rates, records = [], 0
    for _ in range(REPEATS):
        with tempfile.TemporaryDirectory() as folder, Projection(model, Path(folder), seals) as projection:
            begin = time.perf_counter()
            records = projection.catch_up(log)
            rates.append(records / (time.perf_counter() - begin))
            assert not projection.query("select * from anomalies")
    return records, statistics.median(rates)


def replay_all(log: Log, count: int, seals: SealCheck | None) -> float:
    """Events per second into all models from one reading of the log."""
    rates = []
    for _ in range(REPEATS):
        with tempfile.TemporaryDirectory() as folder:
            begin = time.perf_counter()
            rebuild(log, Path(folder), (), seals)
            rates.append(count / (time.perf_counter() - begin))
    return statistics.median(rates)


def run() -> None:
    """Print the table."""
    story = Story(JOBS)
    memory = InMemoryLog()
    memory.producer().send_many(story.records)
    title = f"replay, events/s, median of {REPEATS} ({platform.machine()}, {os.cpu_count()} cores, Python "
    table = Table(title=title + f"{sys.version.split()[0]}, {len(story.records):,} events)")
    for name in ("model", "events", "memory", "memory, seals checked", "local broker"):
        table.add_column(name, justify="left" if name == "model" else "right")
    with tempfile.TemporaryDirectory() as folder, LocalKafka(Path(folder)) as kafka:
        settings = {"bootstrap.servers": kafka.bootstrap}
        create_topics(settings)
        broker = KafkaLog(settings)
        for start in range(0, len(story.records), 1000):
            broker.send_atomically("bench-replay", story.records[start : start + 1000])
        for model in MODELS:
            events, plain = replay(memory, model.name, None)
            rates = (plain, replay(memory, model.name, story.seals)[1], replay(broker, model.name, None)[1])
            table.add_row(model.name, f"{events:,}", *(f"{rate:,.0f}" for rate in rates))
        count = len(story.records)
        rates = (
            replay_all(memory, count, None),
            replay_all(memory, count, story.seals),
            replay_all(broker, count, None),
        )
        table.add_row("all six at once", f"{count:,}", *(f"{rate:,.0f}" for rate in rates))
    Console().print(table)


if __name__ == "__main__":
    run()
