"""What the load run calls lost, unanswered or doubled: each is found when it is there."""

import sys
from pathlib import Path

import pytest
from testnetwork import TestNetwork, running, spec, wait

from bitsage.schemas.commands import CreateWallet
from bitsage.schemas.events import JobCompleted
from bitsage.streams.log import Outgoing, Record
from bitsage.streams.memory_log import InMemoryLog
from bitsage.streams.topics import topic_name

sys.path.insert(0, str(Path(__file__).parents[2] / "load"))
import checks


@pytest.fixture(scope="module")
def network(tmp_path_factory: pytest.TempPathFactory) -> TestNetwork:
    """The log of one paid job."""
    folder = tmp_path_factory.mktemp("load")
    with running(InMemoryLog(), folder) as found:
        for n in range(1, 5):
            found.validator(n)
        found.worker(10)
        client = found.funded(20)
        job, _ = client.submit_job(spec())
        assert isinstance(client.wait_job(job, 60).body, JobCompleted)
        wait(lambda: checks.count(found.log, found.network, [], []).paid == 1)
        wait(lambda: not checks.count(found.log, found.network, [], []).unanswered)
    return found


def copy_of(network: TestNetwork, *, without: tuple[str, ...] = (), twice: str = "") -> InMemoryLog:
    """The same log without, or with one record more of, the events of a type."""
    log = InMemoryLog()
    for short in ("commands", *checks.OUTPUT):
        reader = network.log.reader({(topic_name(short), p): 0 for p in range(6)}, follow=False)
        while records := reader.read(500, 1.0):
            for record in records:
                kind = _type(record)
                for _ in range(0 if f"{short}/{kind}" in without else 1 + (twice == f"{short}/{kind}")):
                    log.append(Outgoing(record.topic, record.partition, record.key, record.value, record.headers))
    return log


def _type(record: Record) -> str:
    return (dict(record.headers).get("ce_type") or b"").decode().rsplit(".", 1)[-1]


def test_a_whole_log_counts_as_whole(network: TestNetwork) -> None:
    found = checks.count(copy_of(network), network.network, [], [])
    assert found.commands == found.answers > 20
    assert (found.lost, found.unanswered, found.answered_twice, found.paid_twice) == ([], [], [], [])
    assert (found.jobs_accepted, found.jobs_ended, found.paid) == (1, {"completed": 1}, 1)
    assert (found.jobs_without_end, found.jobs_ended_twice, found.completed_unpaid) == ([], [], [])


def test_what_was_acknowledged_and_is_not_there_is_lost(network: TestNetwork, tmp_path: Path) -> None:
    client = network.client(30)
    gone = client.signer.sign(client.subject, CreateWallet()).envelope.id
    file = tmp_path / "acknowledged.txt"
    file.write_text(f"{bytes(16).hex()}\n{bytes(15).hex()}")
    found = checks.count(copy_of(network), network.network, [file], [gone])
    assert sorted(found.lost) == sorted([gone.hex(), bytes(16).hex()])
    assert found.acknowledged == 2


def test_a_missing_and_a_doubled_answer_are_found(network: TestNetwork) -> None:
    missing = checks.count(copy_of(network, without=("votes/TallyOpened",)), network.network, [], [])
    assert len(missing.unanswered) == 1
    assert missing.answered_twice == []
    twice = checks.count(copy_of(network, twice="proofs/ProofGenerated"), network.network, [], [])
    assert len(twice.answered_twice) == 1
    assert twice.unanswered == []


def test_a_job_without_end_an_unpaid_and_a_doubly_paid_one_are_found(network: TestNetwork) -> None:
    assert (
        len(checks.count(copy_of(network, without=("jobs/JobCompleted",)), network.network, [], []).jobs_without_end)
        == 1
    )
    assert len(checks.count(copy_of(network, twice="jobs/JobCompleted"), network.network, [], []).jobs_ended_twice) == 1
    unpaid = copy_of(network, without=("accounts/PaymentEncrypted",))
    assert len(checks.count(unpaid, network.network, [], []).completed_unpaid) == 1
    for kind in ("EscrowReleased", "PaymentDue", "PaymentEncrypted"):
        doubled = copy_of(network, twice=f"accounts/{kind}")
        assert len(checks.count(doubled, network.network, [], []).paid_twice) == 1
