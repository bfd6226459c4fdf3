"""Partitions move between two coordinators on a real broker, between hidden commands and their replay: whoever owns the
partition by then refuses it, and nothing moves."""

import threading
from collections import Counter
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from confluent_kafka.admin import AdminClient
from testnetwork import TestNetwork, key, running, wait

from bitsage.nodes.audit import audit
from bitsage.nodes.audit_horizon import resting_place
from bitsage.nodes.claims import claimable
from bitsage.nodes.client import Client
from bitsage.nodes.coordinator import GROUP, Coordinator
from bitsage.nodes.purse import Purse
from bitsage.processors.account_state import Account
from bitsage.processors.model import account_subject
from bitsage.projections import MODELS
from bitsage.schemas.commands import SubmitJob
from bitsage.schemas.events import JobCompleted
from bitsage.schemas.hidden_commands import ClaimPayment, Transfer, Withdraw
from bitsage.schemas.parameters import SAGE
from bitsage.schemas.types import Rejection
from bitsage.streams.codec import SignedCommand, decode_command
from bitsage.streams.kafka_log import KafkaLog
from bitsage.streams.local_kafka import LocalKafka
from bitsage.streams.log import Outgoing, Record
from bitsage.streams.topics import TOPICS, partition_for, topic_name

PARTITIONS = TOPICS["commands"].partitions
FIRST, SECOND = "coordinator-0", "coordinator-1"


def number_of(partition: int) -> int:
    """The first key whose account stands in the partition."""
    return next(n for n in range(100, 1_000) if partition_for(account_subject(key(n).address).encode()) == partition)


#: One account for each partition, so that some are in those that move; two of them make a job, and one is paid for it.
NUMBERS = [number_of(partition) for partition in range(PARTITIONS)]
WORKER, CLIENT = NUMBERS[2], NUMBERS[3]


def owners(bootstrap: str) -> dict[int, str]:
    """Which member of the group has which partition, as the broker says."""
    admin = AdminClient({"bootstrap.servers": bootstrap, "log_level": 0})
    group = admin.describe_consumer_groups([GROUP])[GROUP].result(30)
    return {
        place.partition: member.group_instance_id.removeprefix(f"{GROUP}-")
        for member in group.members
        for place in member.assignment.topic_partitions
    }


def start(network: TestNetwork, instance: str) -> threading.Event:
    folder, secret = network.folder / "coordinator", network.authority.seal_secret
    return network.run(Coordinator(network.log, network.network, network.authority, secret, folder, instance))


def history(network: TestNetwork) -> None:
    """Hidden offers, payments, transfers, claims and withdrawals of six accounts, as their owners make them."""
    network.validator(1)
    network.worker(WORKER)
    purses = [Purse(network.client(n)) for n in NUMBERS]
    # At the same time, since most of it is waiting.
    with ThreadPoolExecutor(len(NUMBERS)) as pool:
        others = [n for n in NUMBERS if n != WORKER]
        list(pool.map(lambda n: Purse(network.funded(n)).cover(10 * SAGE), others))
        job_id = network.sealed(network.client(CLIENT))
        assert isinstance(network.client(CLIENT).wait_job(job_id, 120).body, JobCompleted)
        # Nobody offers or takes work from here on.
        for stop, _ in network.stops[1:]:
            stop.set()
        paid = network.client(WORKER)
        wait(lambda: claimable(paid), 60)
        assert Purse(paid).claim(job_id)[0] == [(job_id, 8 * SAGE)]
        purses[NUMBERS.index(CLIENT)].cover(10 * SAGE)
        to = [key(n).address for n in (*NUMBERS[1:], NUMBERS[0])]
        list(pool.map(lambda purse, recipient: purse.transfer(recipient, 2 * SAGE), purses, to))

        def fold(purse: Purse) -> None:
            wait(lambda: purse.read().private.waiting, 60)
            purse.claim()
            purse.withdraw(SAGE)

        list(pool.map(fold, purses))
    # Something waits, so that a claim that is claimed once more has something to take.
    purses[NUMBERS.index(CLIENT)].transfer(key(WORKER).address, SAGE)
    wait(lambda: Purse(paid).read().private.waiting, 60)
    wait(lambda: resting_place(network.log), 60)


def commands(network: TestNetwork) -> list[Record]:
    """Every command in the log."""
    reader = network.log.reader({(topic_name("commands"), p): 0 for p in range(PARTITIONS)}, follow=False)
    found: list[Record] = []
    while records := reader.read(1_000, 5.0):
        found += records
    reader.close()
    return found


def states(network: TestNetwork) -> list[Account]:
    """All that the log says of the six accounts: balances, ciphertexts, marks."""
    return [Purse(network.client(n)).read() for n in NUMBERS]


def refusals(network: TestNetwork) -> Counter[tuple[bytes, str]]:
    """How often each command, by its id, was refused for which reason."""
    client = Client(network.log, network.network, key(NUMBERS[0]))
    answers = client.chained_history({(topic_name("accounts"), p): 0 for p in range(PARTITIONS)})
    client.close()
    return Counter((a.envelope.cause, a.body.reason) for a in answers if isinstance(a.body, Rejection))


def redeliver(network: TestNetwork, said: Iterable[Record]) -> None:
    """The very records once more, all of them, those of the coordinator too."""
    producer = network.log.producer()
    producer.send_many([Outgoing(r.topic, r.partition, r.key, r.value, r.headers) for r in said])
    producer.close()


def expected(body: object) -> str | None:
    """What a body is answered with when its signer says it once more under a new nonce; None: it is not about this."""
    match body:
        case Withdraw() | Transfer() | SubmitJob(transfer=bytes(_)):
            return "stale_sequence"
        case ClaimPayment(job_id=bytes(_)):
            return "already_claimed"
    return None


def replay(network: TestNetwork, said: Iterable[SignedCommand], partitions: Iterable[int]) -> int:
    """The hidden commands of the accounts in these partitions once more, with the same proofs; all are refused."""
    asked: dict[bytes, str] = {}
    for n in (NUMBERS[p] for p in partitions):
        client = network.client(n)
        for signed in said:
            code = expected(signed.body) if signed.envelope.actor == client.key.address else None
            if code is not None:
                asked[client.send(client.subject, signed.body).envelope.id] = code
        client.close()
    wait(lambda: resting_place(network.log), 60)
    found = refusals(network)
    assert {(cause, code): found[cause, code] for cause, code in asked.items()} == dict.fromkeys(asked.items(), 1)
    return len(asked)


@pytest.mark.kafka
@pytest.mark.slow
def test_the_new_owner_of_a_partition_refuses_what_the_old_one_booked(fresh_topics: LocalKafka, tmp_path: Path) -> None:
    bootstrap = fresh_topics.bootstrap
    log = KafkaLog({"bootstrap.servers": bootstrap})

    def owned_by(name: str) -> set[int]:
        return {partition for partition, owner in owners(bootstrap).items() if owner == name}

    def is_settled(*names: str) -> bool:
        found = owners(bootstrap)
        return len(found) == PARTITIONS and set(found.values()) == set(names)

    with running(log, tmp_path) as network:
        history(network)
        assert is_settled(FIRST)
        before, records = states(network), commands(network)
        said = [decode_command(record.value) for record in records]
        hidden = [s.envelope.id for s in said if expected(s.body) is not None]
        assert len(hidden) == 15  # an offer, seven transfers, six withdrawals, and the claim of the payment

        # Delivered again while partitions are on their way.
        start(network, SECOND)
        redeliver(network, records)
        wait(lambda: is_settled(FIRST, SECOND), 60)
        wait(lambda: resting_place(log), 60)
        found = refusals(network)
        assert {found[identifier, "nonce_reused"] for identifier in hidden} == {1}
        assert states(network) == before

        # Replayed where the second coordinator decides now, with a new nonce and then with the old one.
        moved = owned_by(SECOND)
        count = replay(network, said, moved)
        assert owned_by(SECOND) == moved
        # The first one goes, and the second has them all.
        network.stops[0][0].set()
        wait(lambda: is_settled(SECOND), 60)
        count += replay(network, said, set(range(PARTITIONS)) - moved)
        assert count == len(hidden)
        redeliver(network, records)
        wait(lambda: resting_place(log), 60)
        found = refusals(network)
        assert {found[identifier, "nonce_reused"] for identifier in hidden} == {2}
        # The first one comes back, with what it remembers of partitions that others have written to meanwhile.
        assert (tmp_path / "coordinator" / f"state-{FIRST}.db").exists()
        start(network, FIRST)
        wait(lambda: is_settled(FIRST, SECOND), 60)
        back = owned_by(FIRST)
        assert replay(network, said, back) >= len(back)
        assert owned_by(FIRST) == back
        assert states(network) == before

    verdict = audit(log, network.network, live=tmp_path / "coordinator" / "projections")
    assert verdict.findings == []
    assert verdict.counts["supply conserved"] == 1
    assert verdict.counts["hidden supply conserved"] == 1
    # The live read models, written by whoever had partition 0, are those that are rebuilt from offset zero.
    assert verdict.counts["state hashes"] == len(MODELS)
    assert audit(log, network.network, proofs=False).state_hashes == verdict.state_hashes
