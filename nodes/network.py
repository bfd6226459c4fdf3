"""The trust anchor: what everybody must know about a network before reading its log.

A log proves nothing about itself without it: the chain id that signatures are bound to, the coordinator's account
(which signs follow-up commands) and seal key (which signs events), and the numbers that deciders use.
"""

import secrets
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from pydantic import TypeAdapter, ValidationError

from bitsage.privacy.curve import decode_point
from bitsage.processors.bounds import unfit
from bitsage.processors.model import Checks, Rules
from bitsage.schemas.parameters import Parameters
from bitsage.streams.seal import SealCheck

from .errors import NotConfigured


@dataclass(frozen=True, slots=True, kw_only=True)
class Network:
    """Chain id, the coordinator's public keys as hex, and the parameters.

    `escrow_key` is the coordinator's payment key, under which sealed prices lie; `auditor_key`, where there is one, can read
    every sealed price and every transfer.
    """

    chain_id: str
    authority: str
    authority_key: str
    seal_key: str
    escrow_key: str
    parameters: Parameters
    auditor_key: str = ""

    def rules(self, checks: Checks) -> Rules:
        """What deciders need of the network."""
        authorities = frozenset({bytes.fromhex(self.authority.removeprefix("0x"))})
        escrow, auditor = bytes.fromhex(self.escrow_key), bytes.fromhex(self.auditor_key)
        return Rules(self.parameters, checks, authorities, self.chain_id, escrow, auditor)

    def seal_check(self) -> SealCheck:
        """The check that a record is this network's event."""
        return SealCheck([bytes.fromhex(self.seal_key)], self.chain_id)

    def as_dict(self) -> dict[str, Any]:
        """Everything, for people and files."""
        return asdict(self)


_ADAPTER = TypeAdapter(Network)


def read_network(path: Path) -> Network:
    """The network file that the coordinator wrote.

    Raises:
        NotConfigured: the file is missing or malformed, or its numbers are none that a network can live with.
    """
    try:
        network = _ADAPTER.validate_json(path.read_bytes())
    except FileNotFoundError:
        raise NotConfigured(f"no network file at {path}: start a coordinator, or copy its network.json there") from None
    except ValidationError as error:
        raise NotConfigured(f"{path.name} is not a network file ({error.error_count()} errors)") from None
    for name, key in {"escrow_key": network.escrow_key, "auditor_key": network.auditor_key}.items():
        if not is_payment_key(key) and (key or name == "escrow_key"):
            raise NotConfigured(f"{path.name}: its {name} is no payment key")
    if (reason := unfit(network.parameters)) is not None:
        raise NotConfigured(f"{path.name}: {reason}")
    return network


def is_payment_key(text: str) -> bool:
    """Whether the text is a public payment key in hex."""
    try:
        decode_point(bytes.fromhex(text))
    except ValueError:
        return False
    return True


def new_chain_id() -> str:
    """A chain id that no other network has: signatures and seals of one chain say nothing on another."""
    return f"bitsage-{secrets.token_hex(8)}"


def write_network(path: Path, network: Network) -> None:
    """Write the file so that a reader never sees half of it."""
    temporary = path.with_suffix(".tmp")
    temporary.write_bytes(_ADAPTER.dump_json(network, indent=1))
    temporary.replace(path)
