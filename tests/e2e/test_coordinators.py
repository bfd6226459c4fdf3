"""Coordinators that come, go and are killed while they share a load: nothing is lost, doubled or minted."""

import subprocess
import sys
import time
from collections import Counter
from pathlib import Path

import pytest
from crash_network import NETWORK, commands_of
from echo import wait

from bitsage.nodes.audit import audit
from bitsage.nodes.audit_horizon import decided_offsets, resting_place
from bitsage.nodes.sealed import sealed_event
from bitsage.streams.envelope import event_id
from bitsage.streams.kafka_log import KafkaLog
from bitsage.streams.topics import topic_name

SUPPORT = Path(__file__).parents[1] / "support"
ACCOUNTS = 25


def decided(log: KafkaLog) -> int:
    return sum(decided_offsets(log).values())


def answers(log: KafkaLog) -> Counter[bytes]:
    """How often each command was answered: only the first event of an answer has the index 0 in its id."""
    found: Counter[bytes] = Counter()
    reader = log.reader(
        {(topic_name(t), p): 0 for t in ("accounts", "jobs", "workers") for p in range(6)}, follow=False
    )
    while records := reader.read(2_000, 10.0):
        for record in records:
            if (sealed := sealed_event(record, NETWORK.seal_check())) is not None:
                e = sealed[0]
                found[e.cause] += event_id(e.cause, 0, e.type, e.command, e.subject, e.sequence) == e.id
    reader.close()
    return found


@pytest.mark.kafka
@pytest.mark.slow
@pytest.mark.timeout(500)
@pytest.mark.parametrize("protocol", ["classic", "consumer"])
def test_coordinators_that_are_added_and_killed(
    fresh_topics: object, kafka: object, tmp_path: Path, protocol: str
) -> None:
    bootstrap: str = kafka.bootstrap  # type: ignore[attr-defined]
    log = KafkaLog({"bootstrap.servers": bootstrap})
    running: dict[str, subprocess.Popen[bytes]] = {}

    def start(name: str) -> None:
        # Another group member's name for each protocol: the places of the other test are kept for a session.
        command = [sys.executable, str(SUPPORT / "crashing_coordinator.py"), bootstrap, str(tmp_path / "state")]
        with (tmp_path / f"{name}.log").open("ab") as out:
            running[name] = subprocess.Popen([*command, f"{protocol}-{name}", protocol], stdout=out, stderr=out)

    def more(first: int) -> int:
        accounts = [commands_of(n) for n in range(first, first + ACCOUNTS)]
        ids.update(identifier for _, names in accounts for identifier in names)
        before = decided(log)
        producer.send_many([records[k] for k in range(20) for records, _ in accounts])
        wait(lambda: decided(log) > before + 100, 120)
        return first + ACCOUNTS

    ids: set[bytes] = set()
    producer = log.producer()
    try:
        start("one")
        last = more(0 if protocol == "classic" else 10_000)
        # In the middle of what is waiting: a second one comes, the first one dies, comes back, and the second one leaves.
        start("two")
        last = more(last)
        running["one"].kill()
        running["one"].wait()
        last = more(last)
        start("one")
        more(last)
        running["two"].terminate()
        assert running.pop("two").wait(60) == 0
        wait(lambda: resting_place(log) is not None, 240)
        time.sleep(1)
        assert running["one"].poll() is None, (tmp_path / "one.log").read_text()[-3000:]
    finally:
        for process in running.values():
            process.terminate()
            process.wait(60)
        producer.close()
    found = answers(log)
    assert {identifier for identifier in ids if found[identifier] != 1} == set()
    verdict = audit(log, NETWORK)
    assert verdict.findings == []
    assert verdict.counts["supply conserved"] == 1
    assert verdict.counts["commands executed again"] > len(ids)
