"""`sage-worker join`: the steps of joining, told one by one."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bitsage.amounts import in_sage
from bitsage.nodes.bidding import BiddingPolicy
from bitsage.nodes.client import Client
from bitsage.nodes.joining import Joining, Standing, Wanted, standing
from bitsage.wallet import Key, format_address

from . import output
from .context import client_of, config, network, open_log
from .wallets import load_or_make


@dataclass(frozen=True, slots=True, kw_only=True)
class Ask:
    """What was typed: `amount` (base units) is None for the tier's minimum."""

    tier: str
    gpu_model: str
    amount: int | None


def join_network(
    name: str,
    password: str | None,
    password_file: Path | None,
    *,
    ask: Ask,
    policy: BiddingPolicy,
    show_words: bool | None,
) -> Key:
    """Take every step that is missing and tell each; the key.

    Raises:
        WalletError, InputError: keystore or password are not right.
        CommandRefused: the network refused a step.
        AnswerTimeout: no coordinator answered; typed again, it goes on from there.
    """
    # Before anything is made: a wallet that nobody can hear of is of no use.
    anchor = network()
    open_log()
    key, fresh = load_or_make(name, password, password_file, show_words=show_words)
    output.say(f"wallet: {format_address(key.address)} ({'made now' if fresh else 'was there'})")
    least = anchor.parameters.minimum_stake[ask.tier]
    wanted = Wanted(tier=ask.tier, gpu_model=ask.gpu_model, stake=max(least, ask.amount or 0), policy=policy)
    with client_of(key) as client:
        before = standing(client, key.address)
        _tell_before(before, wanted)
        after = Joining(client, config().node_folder(name), wanted, _tell).run()
        _tell_after(client, before, after)
    return key


def _tell_before(found: Standing, wanted: Wanted) -> None:
    account = found.account
    output.say(f"balance: {in_sage(account.balance)} SAGE")
    if account.stake >= wanted.stake:
        output.say("faucet: not needed")
        output.say(f"stake: {in_sage(account.stake)} SAGE were there")


def _tell(step: str, answers: list[Any]) -> None:
    from .events import line

    if step == "register":
        output.say("attestation: none; no quote is attached, and this version verifies none")
    for answer in answers:
        output.say(f"{step}: {line(answer)}")


def _tell_after(client: Client, before: Standing, after: Standing) -> None:
    if before.joined is not None and before.joined == after.joined and before.worker.registered:
        output.say("attestation: none; no quote is attached, and this version verifies none")
        output.say("register: it was registered as wanted")
    start = client.network.parameters.reputation_start
    reputation = start if after.worker.reputation is None else after.worker.reputation
    output.say(f"reputation: {reputation} of 1000")
