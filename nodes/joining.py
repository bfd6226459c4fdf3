"""Joining as a worker in one go: what is still missing is read off the log, so a crash costs nothing and doubles nothing.

Before a command is sent, its signed record is kept in a file. After a crash in between, the same record is sent once more:
its nonce can be spent once, so whichever of the two is decided first counts and the other is refused.
"""

import contextlib
import os
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal, NamedTuple

from bitsage.processors import account_state, worker_state
from bitsage.processors.account_state import Account
from bitsage.processors.model import account_subject
from bitsage.processors.stake import Insufficient, Unlocked, Valid, verify_stake
from bitsage.processors.worker_state import Worker
from bitsage.schemas.commands import CreateWallet, RequestTokens, StakeTokens
from bitsage.schemas.events import WorkerRegistered
from bitsage.schemas.types import CommandBody
from bitsage.streams.codec import decode_command, fingerprint_of
from bitsage.streams.envelope import cloud_event_headers
from bitsage.streams.errors import Undecodable
from bitsage.streams.log import Outgoing
from bitsage.streams.topics import partition_for, topic_name

from .bidding import BiddingPolicy
from .client import Answer, Client
from .errors import CommandRefused
from .register import worker_registration
from .signing import Prepared, now_ms

Step = Literal["announce", "faucet", "stake", "register"]
#: Refusals after which the log has to be asked again: the command, or its twin from before the crash, was decided.
_LOOK_AGAIN = frozenset({"nonce_reused", "wallet_exists"})
_TRIES = 12


class Standing(NamedTuple):
    """An account as the log has it: funds, its worker's side, and how it registered last."""

    account: Account
    worker: Worker
    joined: WorkerRegistered | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """What the worker should be: `stake` (base units) is at least the tier's minimum."""

    tier: str
    gpu_model: str
    stake: int
    policy: BiddingPolicy


def standing(client: Client, address: bytes) -> Standing:
    """What the deciders know of an account, folded from its own events."""
    account, worker, joined = Account(), Worker(), None
    for answer in client.history(("accounts", "workers"), account_subject(address)):
        at = answer.envelope.at
        if answer.topic == topic_name("accounts"):
            account = account_state.evolve(account, answer.body, at)
        else:
            worker = worker_state.evolve(worker, answer.body, at)
            joined = answer.body if isinstance(answer.body, WorkerRegistered) else joined
    return Standing(account, worker, joined)


def stake_verdict(client: Client, found: Standing, tier: str) -> Insufficient | Unlocked | Valid:
    """What the account's stake is good for now (domain specification, section 6: `verify_stake`)."""
    numbers = client.network.parameters
    return verify_stake(found.account, numbers.minimum_stake[tier], now_ms(), numbers.unstake_lock_ms)


def next_step(found: Standing, wanted: Wanted) -> Step | None:
    """The first thing that is missing; None when the worker is registered as wanted."""
    missing = wanted.stake - found.account.stake
    if not found.account.public_key:
        return "announce"
    if missing > 0:
        return "faucet" if found.account.balance < missing else "stake"
    joined, worker = found.joined, found.worker
    if joined is None or not worker.registered or worker.suspended:
        return "register"
    same = (joined.tier, joined.gpu_model) == (wanted.tier, wanted.gpu_model) and wanted.policy.is_registered(joined)
    return None if same else "register"


@dataclass(slots=True)
class Joining:
    """`folder` keeps the command that is under way; `told` hears of each step that was taken, with its events."""

    client: Client
    folder: Path
    wanted: Wanted
    told: Callable[[Step, list[Answer]], None]
    timeout: float = 30.0
    _taken: list[Step] = field(default_factory=list)

    def run(self) -> Standing:
        """Take the steps that are missing.

        Raises:
            CommandRefused: the network refused a step, or the faucet's grant does not cover the stake
                (`insufficient_balance`).
            AnswerTimeout: no coordinator answered; calling again goes on from there.
        """
        self.client.signer.keep_nonces(self.folder / "worker.nonce")
        self._finish_old()
        for _ in range(_TRIES):
            found = standing(self.client, self.client.key.address)
            step = next_step(found, self.wanted)
            if step is None:
                return found
            if step == "faucet" and "faucet" in self._taken:
                raise CommandRefused("insufficient_balance", _too_little(found, self.wanted))
            self._take(step, self._body(step, found))
        raise CommandRefused("nonce_reused", "the account is used from elsewhere at the same time; try again")

    def _body(self, step: Step, found: Standing) -> CommandBody:
        match step:
            case "announce":
                return CreateWallet()
            case "faucet":
                return RequestTokens()
            case "stake":
                return StakeTokens(amount=self.wanted.stake - found.account.stake, tier=self.wanted.tier)
            case "register":
                wanted = self.wanted
                return worker_registration(self.client, wanted.tier, wanted.gpu_model, wanted.policy)

    def _take(self, step: Step, body: CommandBody) -> None:
        prepared = self.client.signer.sign(self.client.subject, body)
        self._keep(prepared)
        self._taken.append(step)
        try:
            answers = self.client.ask_prepared(prepared, self.timeout)
        except CommandRefused as refusal:
            self._forget()
            if refusal.code in _LOOK_AGAIN:
                return
            if refusal.code == "faucet_cooldown":
                found = standing(self.client, self.client.key.address)
                raise CommandRefused("insufficient_balance", _too_little(found, self.wanted)) from None
            raise
        self._forget()
        self.told(step, answers)

    def _finish_old(self) -> None:
        """See a command to its end that an earlier call had begun."""
        prepared = self._kept()
        if prepared is None:
            return
        history = self.client.history(("accounts", "workers"), self.client.subject)
        if not any(answer.envelope.cause == prepared.envelope.id for answer in history):
            # The same record, not a new command: should the first one still be decided, this one is refused.
            with contextlib.suppress(CommandRefused):
                self.client.ask_prepared(prepared, self.timeout)
        self._forget()

    @property
    def _file(self) -> Path:
        return self.folder / "joining.command"

    def _keep(self, prepared: Prepared) -> None:
        self.folder.mkdir(parents=True, exist_ok=True)
        fresh = self._file.with_suffix(".new")
        with fresh.open("wb") as stream:
            stream.write(prepared.record.value or b"")
            stream.flush()
            os.fsync(stream.fileno())
        fresh.replace(self._file)

    def _forget(self) -> None:
        self._file.unlink(missing_ok=True)

    def _kept(self) -> Prepared | None:
        try:
            value = self._file.read_bytes()
            signed = decode_command(value)
        except (FileNotFoundError, Undecodable):
            return None
        envelope, key = signed.envelope, signed.envelope.subject.encode()
        if envelope.subject != self.client.subject:
            return None
        headers = cloud_event_headers(envelope, fingerprint_of("commands", envelope.type))
        return Prepared(
            envelope, signed.body, Outgoing(topic_name("commands"), partition_for(key), key, value, headers)
        )


def _too_little(found: Standing, wanted: Wanted) -> str:
    missing = wanted.stake - found.account.stake - found.account.balance
    return (
        f"the balance does not cover the stake: {missing} base units are missing, and the faucet grants once a day;"
        " get tokens, or choose a lower tier or amount"
    )
