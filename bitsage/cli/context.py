"""What a command works with: configuration, log, network, keys, and a client or a node made of them."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from bitsage.config import Config, Loaded, load
from bitsage.streams.errors import BrokerUnreachable
from bitsage.streams.kafka_log import KafkaLog
from bitsage.streams.local_cluster import running_bootstrap
from bitsage.streams.log import Log
from bitsage.streams.settings import ClientSettings, client_settings

from . import flags

if TYPE_CHECKING:
    from bitsage.nodes.client import Client
    from bitsage.nodes.network import Network
    from bitsage.wallet import Key

    from .process import Node


def loaded() -> Loaded:
    """The configuration with its sources.

    Raises:
        ConfigError: it cannot be used.
    """
    given = flags.current()
    file = given.pop("file", None)
    return load(given, file)


def config() -> Config:
    """The configuration in force.

    Raises:
        ConfigError: it cannot be used.
    """
    return loaded().config


def data_folder() -> Path:
    """The folder of everything that this machine keeps."""
    return config().home


def kafka_settings() -> ClientSettings:
    """Client settings of the configured cluster, else of the local broker of the home folder.

    Raises:
        BadSettings: the address or the settings file is malformed.
        BrokerUnreachable: no cluster is configured and no local broker runs.
    """
    settings = config()
    if settings.kafka.bootstrap or settings.kafka.config:
        return client_settings(settings.kafka.bootstrap, settings.kafka.config)
    bootstrap = running_bootstrap(settings.home / "kafka")
    if bootstrap is None:
        raise BrokerUnreachable(
            f"no local Kafka broker runs for {settings.home}: start one with `sage kafka start`, or set KAFKA_BOOTSTRAP"
        )
    return client_settings(bootstrap)


def open_log() -> Log:
    """The log, once a broker has answered.

    Raises:
        BrokerUnreachable: none answered.
        BadSettings: the address or the settings file is malformed.
    """
    log = KafkaLog(kafka_settings())
    log.check()
    return log


def network() -> "Network":
    """The network that the home folder belongs to.

    Raises:
        NotConfigured: its network file is missing or malformed.
    """
    from bitsage.nodes.network import read_network

    return read_network(config().network_file)


def wallet_name(name: str | None, default: str) -> str:
    """The name given, else that of the configuration, else the role's.

    Raises:
        ConfigError: the name given is not one.
    """
    given = flags.current()
    file = given.pop("file", None)
    return load(given | {"name": name}, file).config.name or default


def load_key(name: str, password: str | None = None, password_file: Path | None = None) -> "Key":
    """The key of a wallet name; the password as given, else from SAGE_PASSWORD or a prompt.

    Raises:
        WalletError: no keystore, a wrong password, or a corrupt file.
        InputError: no password can be had.
    """
    from bitsage.wallet import load_keystore
    from bitsage.wallet.errors import KeystoreMissing

    from .passwords import password_for

    path = config().keystore(name)
    if not path.exists():
        raise KeystoreMissing(f"{path}; create it with create-wallet --name {name}")
    return load_keystore(path, password_for(name, password, password_file))


@contextmanager
def client_of(key: "Key") -> Iterator["Client"]:
    """A client that speaks for a key.

    Raises:
        BrokerUnreachable: no broker answered.
        NotConfigured: the home folder has no network file.
    """
    from bitsage.nodes.client import Client

    anchor, log = network(), open_log()
    client = Client(log, anchor, key)
    try:
        yield client
    finally:
        client.close()


@contextmanager
def onlooker() -> Iterator["Client"]:
    """A client that only reads; its key is made up on the spot and signs nothing."""
    import secrets

    from bitsage.wallet import Key

    with client_of(Key(secrets.randbits(240) + 1)) as client:
        yield client


def run_node(name: str, build: "Callable[[Client, Path], Node]", key: "Key | None" = None) -> None:
    """Run a node under the wallet `name` until SIGTERM or Ctrl-C; its folder is `nodes/NAME` in the home folder.

    A broker that goes away is waited for: the node is then built anew and goes on where the log says it stands.

    Raises:
        BrokerUnreachable: no broker answered at the start.
        NotConfigured, WalletError, InputError: network file, keystore or password are not there or not right.
    """
    from bitsage.nodes.client import Client

    from .process import serve

    settings, anchor = config(), network()
    own = key or load_key(name)
    clients: list[Client] = []

    def make(log: Log) -> "Node":
        for old in clients:
            old.close()
        clients[:] = [Client(log, anchor, own)]
        return build(clients[0], settings.node_folder(name))

    try:
        serve(name, make)
    finally:
        for client in clients:
            client.close()
