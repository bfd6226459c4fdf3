"""Partitions that move between coordinators: whose state is whose, what a cache may claim, and who has the duties."""

import threading
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from testnetwork import TestNetwork, running, spec, wait

from bitsage.nodes.audit import audit
from bitsage.nodes.cache import StateCache
from bitsage.nodes.checks import ProductChecks
from bitsage.nodes.coordinator import GROUP, Coordinator
from bitsage.nodes.duties import Duties
from bitsage.nodes.handler import CoordinatorHandler
from bitsage.nodes.recovery import Recovery
from bitsage.nodes.signing import CommandSigner
from bitsage.processors.kernel import Streams
from bitsage.projections import MODELS
from bitsage.schemas.commands import CreateWallet, RequestTokens, StakeTokens
from bitsage.schemas.events import JobCompleted
from bitsage.schemas.parameters import SAGE
from bitsage.streams.loop import Loop
from bitsage.streams.memory_log import InMemoryLog
from bitsage.streams.seal import Sealer
from bitsage.streams.topics import topic_name

COMMANDS = topic_name("commands")


class One:
    """A coordinator's loop and handler, driven batch by batch: what it does is in the hands of the test."""

    def __init__(self, network: TestNetwork, name: str) -> None:
        self.network = network
        self.cache = StateCache(network.folder / f"{name}.db", "moving")
        sealer = Sealer(network.authority.seal_secret, network.chain_id)
        self.handler = CoordinatorHandler(
            network.network.rules(ProductChecks()),
            CommandSigner(network.authority, network.chain_id),
            sealer,
            Recovery(network.log, network.network.seal_check(), self.cache),
            self.cache,
        )
        self.loop = Loop(
            network.log, self.handler, group=GROUP, topics=[COMMANDS], transactional_id=name, batch=100, sealer=sealer
        )

    def work(self, seconds: float = 0.5) -> None:
        """Join, decide what there is, and leave without a word, as a process that is killed."""
        stop = threading.Event()
        saved = self.handler.save
        self.handler.save = lambda: None  # type: ignore[method-assign]
        thread = threading.Thread(target=self.loop.run, args=(stop,))
        thread.start()
        time.sleep(seconds)
        stop.set()
        thread.join()
        self.handler.save = saved  # type: ignore[method-assign]


def folded(network: TestNetwork, cache: StateCache | None) -> dict[object, object]:
    streams = Streams()
    for partition in range(6):
        Recovery(network.log, network.network.seal_check(), cache).recover(partition, streams)
    return dict(streams.items())


@pytest.fixture
def network(tmp_path: Path) -> TestNetwork:
    return TestNetwork(InMemoryLog(), tmp_path)


def ask(network: TestNetwork, *bodies: object) -> None:
    client = network.client(1)
    for body in bodies:
        client.send(client.subject, body)  # type: ignore[arg-type]


def test_a_cache_never_claims_what_another_process_wrote_meanwhile(network: TestNetwork) -> None:
    """The old owner saves after its partitions have moved: it knows less than the log, and must say so."""
    ask(network, CreateWallet())
    old = One(network, "old")
    client = network.log.processor(
        GROUP, [COMMANDS], "old", lambda ps: old.handler.assigned(ps, network.log), lambda _: None
    )
    records = client.poll_batch(100, 1.0)
    outgoing = [out for record in records for out in old.handler.handle(record)]
    written = client.commit(outgoing, {(r.topic, r.partition): r.offset + 1 for r in records})
    old.handler.committed(written)
    # Stopped here; another one takes the name's place in the group and decides more.
    client.close()
    ask(network, RequestTokens(), StakeTokens(amount=1_000 * SAGE, tier="consumer"))
    One(network, "new").work()
    old.handler.save()
    assert folded(network, StateCache(network.folder / "old.db", "moving")) == folded(network, None)


def test_what_a_recovery_folded_is_cached_before_the_positions_pass_it(network: TestNetwork) -> None:
    """Killed without a save, recovered from the log, saved after work on another account, and started again."""
    ask(network, CreateWallet(), RequestTokens())
    One(network, "one").work()
    other = network.client(2)
    other.send(other.subject, CreateWallet())
    again = One(network, "one")
    stop = threading.Event()
    thread = threading.Thread(target=again.loop.run, args=(stop,))
    thread.start()
    wait(lambda: network.log.committed(GROUP, [(COMMANDS, p) for p in range(6)]))
    time.sleep(0.3)
    stop.set()
    thread.join()
    again.handler.save()
    assert folded(network, StateCache(network.folder / "one.db", "moving")) == folded(network, None)


def test_two_coordinators_share_the_work_and_one_of_them_has_the_duties(tmp_path: Path) -> None:
    with running(InMemoryLog(), tmp_path) as network:
        second = Coordinator(
            network.log,
            network.network,
            network.authority,
            network.authority.seal_secret,
            tmp_path / "coordinator",
            instance="coordinator-1",
        )
        network.run(second)
        for n in range(1, 5):
            network.validator(n)
        network.worker(10)
        client = network.funded(20)
        jobs = [client.submit_job(spec(seed=n))[0] for n in range(3)]
        assert all(isinstance(client.wait_job(job, 60).body, JobCompleted) for job in jobs)
        # One leaves in the middle; the other takes over what it had, the duties among it.
        network.stops[0][0].set()
        job, _ = client.submit_job(spec(seed=9))
        assert isinstance(client.wait_job(job, 60).body, JobCompleted)
        folder = tmp_path / "coordinator"
        wait(lambda: (folder / "coordinators" / "coordinator-1" / "payer.db").exists())
        assert (folder / "state-coordinator-0.db").exists()
        assert (folder / "state-coordinator-1.db").exists()
    verdict = audit(network.log, network.network, live=folder / "projections")
    assert verdict.findings == []
    assert verdict.counts["state hashes"] == len(MODELS)


class Term:
    """A duty that counts its terms."""

    def __init__(self) -> None:
        self.began = self.ended = 0

    def __call__(self, over: threading.Event) -> None:
        self.began += 1
        over.wait()
        self.ended += 1


def serving(duties: Duties) -> Callable[[], None]:
    stop = threading.Event()
    thread = threading.Thread(target=duties.run, args=(stop,))
    thread.start()

    def end() -> None:
        stop.set()
        thread.join(10)
        assert not thread.is_alive()

    return end


def test_the_duties_follow_partition_0() -> None:
    term, failures = Term(), []
    duties = Duties({"term": term}, lambda name, error: failures.append(name))
    end = serving(duties)
    duties.own({1, 2})
    assert not duties.lead
    duties.own({0, 1, 2})
    wait(lambda: term.began == 1)
    duties.own({0})
    assert duties.lead
    duties.own({1})
    wait(lambda: term.ended == 1)
    # Gone and back before anybody looked: the old term ends all the same, and a new one looks at the log anew.
    duties.own({0})
    wait(lambda: term.began == 2)
    duties.own(set())
    duties.own({0})
    wait(lambda: (term.began, term.ended) == (3, 2))
    end()
    assert (term.began, term.ended) == (3, 3)
    assert failures == []


def test_a_duty_that_fails_is_told_and_ends_the_others() -> None:
    term, failures = Term(), []

    def broken(over: threading.Event) -> None:
        raise ValueError("no timer")

    duties = Duties({"term": term, "broken": broken}, lambda name, error: failures.append((name, str(error))))
    end = serving(duties)
    duties.own({0})
    wait(lambda: ("broken", "no timer") in failures)
    duties.own(set())
    end()
    assert term.began == term.ended
