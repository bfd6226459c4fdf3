"""BitSage's public face: `Client` and the names that an application needs, flat, and the command lines under `cli`.

    import bitsage

    log = bitsage.KafkaLog({"bootstrap.servers": "127.0.0.1:9092"})
    network = bitsage.read_network(Path("network.json"))
    client = bitsage.Client(log, network, bitsage.load_keystore("keystores/client.json", password))
    purse = bitsage.Purse(client)
    purse.cover(10 * bitsage.SAGE)
    job_id, answers = purse.submit_job(spec, price=10 * bitsage.SAGE)

Names are loaded when they are first used, so that importing one room does not load all the others.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from bitsage.nodes.audit import Verdict, audit
    from bitsage.nodes.claims import Claimable, claimable, paid
    from bitsage.nodes.client import Answer, Client
    from bitsage.nodes.errors import AnswerTimeout, CommandRefused, NodeError, NotConfigured
    from bitsage.nodes.network import Network, read_network, write_network
    from bitsage.nodes.purse import Holdings, Purse
    from bitsage.nodes.register import register_validator, register_worker
    from bitsage.projections import MODELS, Projection
    from bitsage.schemas.events import JobSpec
    from bitsage.schemas.parameters import SAGE, Parameters
    from bitsage.schemas.reasons import REASONS
    from bitsage.streams.kafka_log import KafkaLog
    from bitsage.streams.local_kafka import LocalKafka
    from bitsage.wallet import Key, key_from_mnemonic, load_keystore, new_mnemonic, save_keystore

    from .amounts import in_sage, to_base_units
    from .config import Config, load
    from .errors import BitsageError, ConfigError, InputError

_MODULES: dict[str, tuple[str, ...]] = {
    "bitsage.nodes.audit": ("Verdict", "audit"),
    "bitsage.nodes.claims": ("Claimable", "claimable", "paid"),
    "bitsage.nodes.client": ("Answer", "Client"),
    "bitsage.nodes.errors": ("AnswerTimeout", "CommandRefused", "NodeError", "NotConfigured"),
    "bitsage.nodes.network": ("Network", "read_network", "write_network"),
    "bitsage.nodes.purse": ("Holdings", "Purse"),
    "bitsage.nodes.register": ("register_validator", "register_worker"),
    "bitsage.projections": ("MODELS", "Projection"),
    "bitsage.schemas.events": ("JobSpec",),
    "bitsage.schemas.parameters": ("SAGE", "Parameters"),
    "bitsage.schemas.reasons": ("REASONS",),
    "bitsage.streams.kafka_log": ("KafkaLog",),
    "bitsage.streams.local_kafka": ("LocalKafka",),
    "bitsage.wallet": ("Key", "key_from_mnemonic", "load_keystore", "new_mnemonic", "save_keystore"),
    "bitsage.amounts": ("in_sage", "to_base_units"),
    "bitsage.config": ("Config", "load"),
    "bitsage.errors": ("BitsageError", "ConfigError", "InputError"),
}
_HOME_OF = {name: module for module, names in _MODULES.items() for name in names}

__all__ = [
    "MODELS",
    "REASONS",
    "SAGE",
    "Answer",
    "AnswerTimeout",
    "BitsageError",
    "Claimable",
    "Client",
    "CommandRefused",
    "Config",
    "ConfigError",
    "Holdings",
    "InputError",
    "JobSpec",
    "KafkaLog",
    "Key",
    "LocalKafka",
    "Network",
    "NodeError",
    "NotConfigured",
    "Parameters",
    "Projection",
    "Purse",
    "Verdict",
    "audit",
    "claimable",
    "in_sage",
    "key_from_mnemonic",
    "load",
    "load_keystore",
    "new_mnemonic",
    "paid",
    "read_network",
    "register_validator",
    "register_worker",
    "save_keystore",
    "to_base_units",
    "write_network",
]


def __getattr__(name: str) -> Any:
    if name not in _HOME_OF:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = getattr(import_module(_HOME_OF[name]), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
