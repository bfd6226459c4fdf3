"""The long-running processes, and the only place where the rooms are wired together.

The coordinator decides (processors over the exactly-once loop), watches the time and encrypts payments; the worker runs
and proves jobs; the validator verifies and votes; the audit replays everything. `Client` is how anyone asks the network.
"""

__version__ = "0.1.0"
__all__ = ["__version__"]
