"""The coordinator is killed 15 times while it works off 20,000 commands: nothing is lost, doubled or minted."""

import random
import subprocess
import sys
import time
from collections import Counter
from pathlib import Path

import pytest
from crash_network import HIDDEN, NETWORK, commands_of

from bitsage.nodes.audit import Verdict, audit
from bitsage.nodes.audit_events import EventAudit
from bitsage.schemas.events import EscrowLocked
from bitsage.schemas.types import EventBody
from bitsage.streams.codec import decode_event
from bitsage.streams.kafka_log import KafkaLog
from bitsage.streams.topics import TOPICS, topic_name

ACCOUNTS, KILLS = 1_000, 15
SUPPORT = Path(__file__).parents[1] / "support"
COMMANDS = topic_name("commands")


def start(bootstrap: str, folder: Path) -> subprocess.Popen[bytes]:
    command = [sys.executable, str(SUPPORT / "crashing_coordinator.py"), bootstrap, str(folder)]
    with (folder.parent / "coordinator.log").open("ab") as log:
        return subprocess.Popen(command, stdout=log, stderr=log)


def handled(log: KafkaLog) -> tuple[int, int]:
    """(offsets that the group has committed, the end of the commands), summed over the partitions."""
    places = [(COMMANDS, p) for p in range(TOPICS["commands"].partitions)]
    reader = log.reader(dict.fromkeys(places, 0), follow=False)
    try:
        ends = reader.end_offsets()
    finally:
        reader.close()
    done = log.committed("bitsage-coordinator", places)
    # A control record at the very end is nobody's to commit.
    return sum(done.values()), sum(ends.values())


def count(log: KafkaLog) -> int:
    reader = log.reader({(COMMANDS, p): 0 for p in range(TOPICS["commands"].partitions)}, follow=False)
    total = 0
    while records := reader.read(5_000, 10.0):
        total += len(records)
    reader.close()
    return total


def is_sealed(body: EventBody) -> bool:
    return isinstance(body, EscrowLocked) and bool(body.ciphertext)


@pytest.mark.kafka
@pytest.mark.slow
@pytest.mark.timeout(1200)
def test_fifteen_kills_lose_double_and_mint_nothing(fresh_topics: object, kafka: object, tmp_path: Path) -> None:
    bootstrap: str = kafka.bootstrap  # type: ignore[attr-defined]
    log = KafkaLog({"bootstrap.servers": bootstrap})
    chance = random.Random(20_000)
    records, ids = [], []
    for n in range(ACCOUNTS):
        mine, names = commands_of(n)
        records.append(mine)
        ids += names
    assert len(ids) == 20 * ACCOUNTS
    producer = log.producer()
    # Interleaved, so that every partition always has work.
    producer.send_many([account[k] for k in range(20) for account in records])
    producer.close()
    folder = tmp_path / "state"
    _, total = handled(log)
    process = start(bootstrap, folder)
    try:
        for n in range(KILLS):
            # Spread over the whole work and not over time: each kill hits a coordinator that still has commands to decide.
            upto = int(total * (n + chance.uniform(0.1, 0.9)) / (KILLS + 1))
            while (now := handled(log))[0] < upto:
                assert process.poll() is None, (tmp_path / "coordinator.log").read_text()[-3000:]
                time.sleep(0.05)
            process.kill()
            process.wait()
            assert now[0] < total <= now[1]
            process = start(bootstrap, folder)
        last, quiet_since = (-1, -1), time.monotonic()
        # Nearly at the end, a short silence is enough: what is left are control records. Else it may still be folding.
        while time.monotonic() - quiet_since < (15 if last[1] - last[0] <= TOPICS["commands"].partitions else 90):
            time.sleep(1.0)
            now = handled(log)
            if now != last:
                last, quiet_since = now, time.monotonic()
            assert process.poll() is None, (tmp_path / "coordinator.log").read_text()[-3000:]
    finally:
        process.terminate()
        process.wait(60)

    verdict = Verdict()
    events = EventAudit(NETWORK, verdict)
    events.read(log, lambda *_: None)
    assert verdict.findings == []
    answered = {entry.envelope.cause for entries in events.entries.values() for entry in entries}
    assert set(ids) <= answered, f"{len(set(ids) - answered)} commands have no answer"
    full = audit(log, NETWORK)
    assert full.findings == []
    assert full.counts["commands executed again"] == count(log)
    assert full.counts["supply conserved"] == 1
    assert full.counts["hidden supply conserved"] == 1
    kinds = Counter(entry.envelope.type for entries in events.entries.values() for entry in entries)
    assert kinds["Withdrawn"] == kinds["PrivateAccountOpened"] == kinds["Deposited"] == ACCOUNTS // HIDDEN
    sealed = [b for entries in events.entries.values() for e in entries if is_sealed(b := decode_event(e.value)[1])]
    assert len(sealed) == ACCOUNTS // HIDDEN, "each sealed offer is made once"
    assert full.counts["commands executed again"] > 20 * ACCOUNTS
