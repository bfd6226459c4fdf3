"""The long-running processes, and the only place where the rooms are wired together.

The coordinator decides (processors over the exactly-once loop), watches the time and encrypts payments; the worker runs
and proves jobs; the validator verifies and votes; the audit replays everything. `Client` is how anyone asks the network.
Names are loaded when they are first used.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .audit import Verdict
    from .claims import Claimable, claimable
    from .client import Answer, Client
    from .coordinator import Coordinator
    from .errors import AnswerTimeout, CommandRefused, NodeError, NotConfigured, StateDivergence
    from .network import Network, read_network, write_network
    from .register import register_validator, register_worker
    from .validator import ValidatorNode
    from .worker import WorkerNode

__version__ = "0.1.0"
_HOME_OF = {
    "Verdict": "audit",
    "Claimable": "claims",
    "claimable": "claims",
    "Answer": "client",
    "Client": "client",
    "Coordinator": "coordinator",
    "AnswerTimeout": "errors",
    "CommandRefused": "errors",
    "NodeError": "errors",
    "NotConfigured": "errors",
    "StateDivergence": "errors",
    "Network": "network",
    "read_network": "network",
    "write_network": "network",
    "register_validator": "register",
    "register_worker": "register",
    "ValidatorNode": "validator",
    "WorkerNode": "worker",
}
__all__ = [
    "Answer",
    "AnswerTimeout",
    "Claimable",
    "Client",
    "CommandRefused",
    "Coordinator",
    "Network",
    "NodeError",
    "NotConfigured",
    "StateDivergence",
    "ValidatorNode",
    "Verdict",
    "WorkerNode",
    "__version__",
    "claimable",
    "read_network",
    "register_validator",
    "register_worker",
    "write_network",
]


def __getattr__(name: str) -> Any:
    if name not in _HOME_OF:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_HOME_OF[name]}"), name)
