"""The rules of the network: pure deciders, one per kind of subject and topic, and the policies between them.

`decide(local, command, rules)` answers a command with events, `evolve(state, event, at)` folds them; `bindings` says
which decider writes which topic, `policies` which commands an event entails elsewhere, `kernel` what every command goes
through. Nothing here reads a clock, draws a random number or does I/O.
"""

from .bindings import BINDINGS, Binding, binding_for
from .model import NETWORK, TREASURY, Checks, Command, Local, PaymentContext, Rules, account_subject, job_subject
from .policies import follow_ups
from .serialise import dump, load
from .stake import Insufficient, Unlocked, Valid, verify_stake

__all__ = [
    "BINDINGS",
    "NETWORK",
    "TREASURY",
    "Binding",
    "Checks",
    "Command",
    "Insufficient",
    "Local",
    "PaymentContext",
    "Rules",
    "Unlocked",
    "Valid",
    "account_subject",
    "binding_for",
    "dump",
    "follow_ups",
    "job_subject",
    "load",
    "verify_stake",
]
