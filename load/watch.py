"""The run's own look at the log: when each job reached each stage, and which accounts have joined."""

import threading
import time
from collections import Counter
from dataclasses import dataclass, field

import bitsage
from bitsage.nodes.network import Network
from bitsage.schemas.events import (
    ConsensusReached,
    EscrowLocked,
    JobAssigned,
    JobCancelled,
    JobCompleted,
    JobFailed,
    JobQueued,
    JobReassigned,
    JobRejected,
    PaymentEncrypted,
    ProofGenerated,
    ValidatorRegistered,
    WorkerRegistered,
)
from bitsage.streams.errors import StreamError
from bitsage.streams.log import Record
from bitsage.streams.topics import TOPICS, topic_name

TOPICS_WATCHED = ("accounts", "workers", "jobs", "proofs", "votes", "heartbeats")
HEARTBEATS = topic_name("heartbeats")
#: In the order of a job's life; each is the time (ms) at which the event was written, of the last attempt.
STAGES = ("submitted", "queued", "assigned", "proved", "decided", "paid")
_STAGE_OF = {
    JobQueued: "queued",
    JobAssigned: "assigned",
    ProofGenerated: "proved",
    ConsensusReached: "decided",
    PaymentEncrypted: "paid",
}


@dataclass
class Watch:
    """A thread that follows all events from offset zero."""

    log: bitsage.KafkaLog
    network: Network
    stages: dict[bytes, dict[str, int]] = field(default_factory=dict)
    ended: dict[bytes, str] = field(default_factory=dict)
    refused: Counter[str] = field(default_factory=Counter)
    joined: set[bytes] = field(default_factory=set)
    #: subjects that have sent a heartbeat
    heard: set[bytes] = field(default_factory=set)
    reassigned: Counter[str] = field(default_factory=Counter)
    events: int = 0
    #: (seconds since the epoch, jobs over so far, events so far), about every second
    pace: list[tuple[float, int, int]] = field(default_factory=list)

    def __post_init__(self) -> None:
        self._stop = threading.Event()
        # Kept as the events come: with thousands of jobs nobody counts them anew at every look.
        self._over: set[bytes] = set()
        self._thread = threading.Thread(target=self._run, name="watch", daemon=True)
        self._client = bitsage.Client(self.log, self.network, bitsage.Key(1))
        self._thread.start()

    def over(self) -> int:
        """How many jobs have ended, the paid ones when their payment stands in the log."""
        return len(self._over)

    def is_over(self, job_id: bytes) -> bool:
        """Whether that job is one of them."""
        return job_id in self._over

    def close(self) -> None:
        """Stop following."""
        self._stop.set()
        self._thread.join(30)

    def _run(self) -> None:
        where = {(topic_name(t), p): 0 for t in TOPICS_WATCHED for p in range(TOPICS[t].partitions)}
        while not self._stop.is_set():
            try:
                self._follow(where)
            except StreamError:
                # A broker that is being killed; what was read is not read again.
                time.sleep(0.5)

    def _follow(self, where: dict[tuple[str, int], int]) -> None:
        reader = self.log.reader(where, follow=True)
        try:
            while not self._stop.is_set():
                for record in reader.read(1_000, 0.2):
                    where[record.topic, record.partition] = record.offset + 1
                    self._see(record)
                if not self.pace or time.time() - self.pace[-1][0] >= 1:
                    self.pace.append((time.time(), self.over(), self.events))
        finally:
            reader.close()

    def _see(self, record: Record) -> None:
        if record.topic == HEARTBEATS:
            self.heard.add(record.key or b"")
            return
        answer = self._client.read(record)
        if answer is None:
            return
        self.events += 1
        body, at = answer.body, record.timestamp
        match body:
            case EscrowLocked():
                self.stages.setdefault(body.job_id, {})["submitted"] = answer.envelope.at
            case JobRejected():
                self.refused[body.reason] += 1
            case WorkerRegistered() | ValidatorRegistered():
                self.joined.add(answer.envelope.actor)
            case JobReassigned():
                self.reassigned[body.reason] += 1
            case JobCompleted() | JobFailed() | JobCancelled():
                kind = type(body).__name__.removeprefix("Job").lower()
                self.ended[body.job_id] = kind
        if (stage := _STAGE_OF.get(type(body))) is not None:
            self.stages.setdefault(body.job_id, {})[stage] = at
        job = getattr(body, "job_id", b"")
        how = self.ended.get(job)
        if how is not None and (how != "completed" or "paid" in self.stages.get(job, {})):
            self._over.add(job)
