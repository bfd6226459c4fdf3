"""Announcing an account, and the faucet."""

from bitsage.schemas.commands import CreateWallet, RequestTokens
from bitsage.schemas.events import TokensGranted, WalletCreated
from bitsage.schemas.types import EventBody

from .model import Command, Local, Rules
from .refusal import rejected
from .views import account


def decide(local: Local, command: Command, rules: Rules) -> list[EventBody]:
    """WalletCreated once; TokensGranted once per cooldown."""
    state, parameters = account(local), rules.parameters
    match command.body:
        case CreateWallet() if state.public_key:
            return rejected(command, "wallet_exists")
        case CreateWallet():
            return [WalletCreated(address=command.actor, public_key=command.public_key)]
        case RequestTokens() if not state.public_key:
            return rejected(command, "no_wallet")
        case RequestTokens():
            ready_at = 0 if state.granted_at is None else state.granted_at + parameters.faucet_cooldown_ms
            if command.at < ready_at:
                wait = _hours(ready_at - command.at)
                return rejected(command, "faucet_cooldown", f"the next grant is possible in {wait}")
            return [TokensGranted(amount=parameters.faucet_sage, gas_amount=parameters.faucet_gas)]
    return rejected(command, "wrong_subject")


def _hours(ms: int) -> str:
    minutes = -(-ms // 60_000)
    return f"{minutes // 60} h {minutes % 60} min"
