"""The coordinator process: the exactly-once loop with all deciders; and, in one process of the group, the duties.

Several processes share the partitions of `commands`. Each has a name of its own, and with it a transactional id, a place
in the group and a state cache; what belongs to all of them (timer, payer, read models) follows partition 0.
"""

import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import structlog

from bitsage.projections import MODELS, ProjectionRunner
from bitsage.schemas.commands import COMMANDS
from bitsage.streams.codec import decode_command
from bitsage.streams.errors import Undecodable
from bitsage.streams.log import Log, Record
from bitsage.streams.loop import Loop
from bitsage.streams.seal import Sealer
from bitsage.streams.topics import topic_name
from bitsage.wallet import Key

from . import __version__
from .cache import StateCache
from .checks import ProductChecks
from .duties import Duties
from .handler import CoordinatorHandler
from .network import Network
from .payer import Payer
from .recovery import Recovery
from .signing import CommandSigner
from .timer import Timer

GROUP = "bitsage-coordinator"
#: Everything that the decider of votes answers: tallies and disputes.
_JUDGEMENT = frozenset(name for name, rule in COMMANDS.items() if rule.topic == "votes")
logger = structlog.get_logger(__name__)


@dataclass(slots=True)
class Coordinator:
    """One coordinator; `instance` is its static name (transactional id, group instance id), `folder` the network's."""

    log: Log
    network: Network
    key: Key
    seal_secret: bytes
    folder: Path
    instance: str = "coordinator-0"
    batch: int = 1000
    stop: threading.Event = field(default_factory=threading.Event)

    def run(self) -> None:
        """Serve until `stop` is set, then finish the open batch and leave.

        Raises:
            BaseException: whatever ended one of the parts; the others are stopped first.
        """
        self.folder.mkdir(parents=True, exist_ok=True)
        failure: list[BaseException] = []
        parts = [
            threading.Thread(target=self._part, args=(name, body, failure), name=name)
            for name, body in self._parts(failure).items()
        ]
        for part in parts:
            part.start()
        for part in parts:
            part.join()
        if failure:
            raise failure[0]

    def _parts(self, failure: list[BaseException]) -> dict[str, Callable[[], None]]:
        def signer() -> CommandSigner:
            return CommandSigner(self.key, self.network.chain_id)

        def watch(over: threading.Event) -> None:
            Timer(self.log, self.network, signer(), own).run(over)

        def pay(over: threading.Event) -> None:
            Payer(self.log, self.network, signer(), own).run(over)

        def project(over: threading.Event) -> None:
            # In the network's folder, for whoever asks: of the processes of a machine only the one with the duties writes.
            projections = self.folder / "projections"
            ProjectionRunner(self.log, projections, MODELS, authenticate=self.network.seal_check()).run(over)

        def failed(name: str, error: BaseException) -> None:
            self._fail(name, error, failure)

        own = self.folder / "coordinators" / self.instance
        duties = Duties({"timer": watch, "payer": pay, "projections": project}, failed)

        def decide() -> None:
            run_processors(
                self.log,
                self.network,
                self.key,
                self.seal_secret,
                self.folder,
                self.instance,
                self.batch,
                self.stop,
                on_change=duties.own,
            )

        return {"processors": decide, "duties": lambda: duties.run(self.stop)}

    def _part(self, name: str, body: Callable[[], None], failure: list[BaseException]) -> None:
        try:
            body()
        # One dead part means a half-working coordinator: stop all of it and say why.
        except BaseException as error:  # noqa: BLE001
            self._fail(name, error, failure)
        finally:
            self.stop.set()

    def _fail(self, name: str, error: BaseException, failure: list[BaseException]) -> None:
        logger.error("part_failed", part=name, error=type(error).__name__, detail=str(error))
        failure.append(error)
        self.stop.set()


def is_judgement(record: Record) -> bool:
    """Whether a record is a vote, or opens or closes a tally or a dispute: those are decided whatever waits under their key."""
    try:
        return decode_command(record.value).envelope.type in _JUDGEMENT
    except Undecodable:
        return False


def run_processors(
    log: Log,
    network: Network,
    key: Key,
    seal_secret: bytes,
    folder: Path,
    instance: str,
    batch: int,
    stop: threading.Event,
    on_change: Callable[[frozenset[int]], None] = lambda _: None,
) -> None:
    """The exactly-once loop over `commands` with all deciders, until `stop` is set; `on_change` hears what it owns."""
    sealer = Sealer(seal_secret, network.chain_id)
    cache = StateCache(folder / f"state-{instance}.db", f"{network.chain_id}/{network.seal_key}/{__version__}")
    handler = CoordinatorHandler(
        network.rules(ProductChecks()),
        CommandSigner(key, network.chain_id),
        sealer,
        Recovery(log, network.seal_check(), cache),
        cache,
        on_change,
    )
    loop = Loop(
        log,
        handler,
        group=GROUP,
        topics=[topic_name("commands")],
        transactional_id=f"{GROUP}-{instance}",
        batch=batch,
        version=__version__,
        sealer=sealer,
        never_parked=is_judgement,
    )
    try:
        loop.run(stop)
        handler.save()
    finally:
        cache.close()
