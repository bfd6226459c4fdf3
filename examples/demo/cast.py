"""The demo's actors: keystores, clients and processes, and the printing of every event with its place in the log."""

import contextlib
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from rich.console import Console

import bitsage
from bitsage.cli.events import line
from bitsage.nodes.network import Network, write_network
from bitsage.privacy import payment_public_key
from bitsage.streams.seal import seal_key
from bitsage.streams.topics import TOPICS, topic_name

HERE = Path(__file__).parent
FOLLOWED = ("accounts", "workers", "jobs", "proofs", "votes")
VALIDATORS = ("validator-1", "validator-2", "validator-3", "liar")
#: A test keystore need not withstand a search for its password.
SCRYPT_N = 4096


class Cast:
    """Everybody on the stage."""

    def __init__(self, home: Path, bootstrap: str, password: str, console: Console) -> None:
        self.home = home
        self.password = password
        self.console = console
        self.log = bitsage.KafkaLog({"bootstrap.servers": bootstrap})
        self.processes: dict[str, subprocess.Popen[bytes]] = {}
        self.seen: list[bitsage.Answer] = []
        self._stop = threading.Event()
        self._watch = threading.Thread(target=self._print_events, name="events")
        self._hidden = True
        self.network = self._found()
        self.audience = bitsage.Client(self.log, self.network, self.key("client"))

    def _found(self) -> Network:
        authority = self.key("coordinator")
        network = Network(
            chain_id="bitsage-demo",
            authority="0x" + authority.address.hex(),
            authority_key="0x" + authority.public_key.hex(),
            seal_key=seal_key(authority.seal_secret).hex(),
            escrow_key=payment_public_key(authority.payment_secret).hex(),
            parameters=bitsage.Parameters(),
        )
        write_network(self.home / "network.json", network)
        return network

    def key(self, name: str) -> bitsage.Key:
        """The actor's key; made, with its keystore, when it is first asked for."""
        path = self.home / "keystores" / f"{name}.json"
        if path.exists():
            return bitsage.load_keystore(path, self.password)
        path.parent.mkdir(parents=True, exist_ok=True)
        key = bitsage.key_from_mnemonic(bitsage.new_mnemonic())
        bitsage.save_keystore(path, key, self.password, scrypt_n=SCRYPT_N)
        return key

    def client(self, name: str) -> bitsage.Client:
        """The actor's way to talk to the network."""
        return bitsage.Client(self.log, self.network, self.key(name))

    def enter(self) -> None:
        """Start the coordinator and the validators; the validators join unseen."""
        self._watch.start()
        self.start("coordinator", "sage-coordinator", "start")
        clients = [self.client(name) for name in VALIDATORS]
        for client in clients:
            client.ask_prepared(client.signer.sign(client.subject, bitsage_command("CreateWallet")), timeout=60)
            client.request_tokens()
            client.stake(10_000 * bitsage.SAGE, "validator")
            bitsage.register_validator(client)
            client.close()
        for name in VALIDATORS[:-1]:
            self.start(name, "sage-validator", "start", "--name", name)
        self.start("liar", sys.executable, str(HERE / "lying_validator.py"), "liar")
        self.console.print("validators: 3 honest, 1 liar, 10,000 SAGE staked each; a decision needs 3 of 4")
        self._hidden = False

    def start(self, name: str, program: str, *words: str) -> None:
        """Start a process of its own; its log goes to the demo's folder."""
        path = program if program == sys.executable else str(Path(sys.executable).parent / program)
        (self.home / "logs").mkdir(exist_ok=True)
        with (self.home / "logs" / f"{name}.log").open("ab") as log:
            self.processes[name] = subprocess.Popen([path, *words], stdout=log, stderr=log, stdin=subprocess.DEVNULL)

    def end(self, *names: str) -> None:
        """Ask processes to finish, and wait for them."""
        for name in names:
            self.processes[name].terminate()
        for name in names:
            process = self.processes.pop(name)
            try:
                code = process.wait(30)
            except subprocess.TimeoutExpired:
                process.kill()
                raise
            if code != 0:
                tail = (self.home / "logs" / f"{name}.log").read_text(errors="replace")[-2000:]
                raise subprocess.SubprocessError(f"{name} ended with exit code {code}:\n{tail}")

    def leave(self) -> None:
        """Stop everybody, whatever happened."""
        self._stop.set()
        if self._watch.ident is not None:
            self._watch.join()
        problems = []
        for name in list(self.processes):
            try:
                self.end(name)
            except subprocess.SubprocessError as error:
                problems.append(error)
        if problems and sys.exc_info()[0] is None:
            raise problems[0]

    def wait(self, what: str, found: Callable[[Any], bool], seconds: float = 300.0) -> Any:
        """The first event that was seen with `found`.

        Raises:
            SubprocessError: it did not come, or a process died.
        """
        deadline = time.monotonic() + seconds
        with self._status(what):
            while time.monotonic() < deadline:
                for answer in list(self.seen):
                    if found(answer.body):
                        return answer.body
                for name, process in self.processes.items():
                    if process.poll() is not None:
                        raise subprocess.SubprocessError(f"{name} ended with exit code {process.returncode}")
                time.sleep(0.05)
        raise subprocess.SubprocessError(f"{what}: nothing came within {seconds:g} s")

    @contextlib.contextmanager
    def _status(self, what: str) -> Iterator[None]:
        if self.console.is_terminal:
            with self.console.status(what):
                yield
        else:
            yield

    def _print_events(self) -> None:
        where = {(topic_name(topic), p): 0 for topic in FOLLOWED for p in range(TOPICS[topic].partitions)}
        reader = self.log.reader(where, follow=True)
        while not self._stop.is_set():
            for record in reader.read(200, 0.1):
                answer = self.audience.read(record)
                if answer is not None:
                    if not self._hidden:
                        self.console.print("  " + line(answer), soft_wrap=True, markup=False)
                    self.seen.append(answer)
        reader.close()


def bitsage_command(name: str) -> Any:
    """An empty command body by its name."""
    from bitsage.schemas.commands import COMMANDS

    return COMMANDS[name].body()
