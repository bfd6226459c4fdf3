"""The coordinator's own commands: each is what some decision entails, byte for byte, or an observation of its clock.

A command of the coordinator's key moves money and settles jobs, so its signature alone is no reason to believe it.
"""

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from bitsage.processors.model import account_subject
from bitsage.schemas.commands import COMMANDS
from bitsage.schemas.types import CommandEnvelope
from bitsage.streams.codec import SignedCommand, payload_hash
from bitsage.streams.envelope import LANE_SHIFT, NONCE_LOW, follow_up_id

from .audit_events import Entry
from .audit_trails import Where
from .execution import FollowUp
from .network import Network
from .signing import refusal

if TYPE_CHECKING:
    from .audit import Verdict

#: What the timer sees and the payer encrypts: commands that no decision entails.
OWN_WORD = frozenset(
    {
        *("TimeoutElapsed", "CloseTally", "CloseDispute", "ReportPresence", "RaisePrice"),
        *("PayWorker", "SharePrice"),
    }
)


@dataclass(slots=True)
class FollowUpAudit:
    """Told about every execution and every command of the log; `finish` compares the two.

    A payload hash covers the whole command but its signature, which is checked by itself.
    """

    network: Network
    verdict: "Verdict"
    #: payload hash -> (place of the command that entails it, what it is)
    _expected: dict[bytes, tuple[Where, str]] = field(default_factory=dict)
    _standing: set[bytes] = field(default_factory=set)
    _acted: list[tuple[Where, CommandEnvelope, bytes]] = field(default_factory=list)

    def expect(self, follow: FollowUp, source: Where) -> None:
        """The command at `source` entails this one."""
        envelope = CommandEnvelope(
            id=follow.id,
            type=type(follow.body).__name__,
            subject=follow.subject,
            at=follow.at,
            correlation=follow.correlation,
            actor=bytes.fromhex(self.network.authority.removeprefix("0x")),
            public_key=bytes.fromhex(self.network.authority_key.removeprefix("0x")),
            nonce=follow.nonce,
            signature=bytes(64),
        )
        self._expected[payload_hash(envelope, follow.body)] = (source, f"{envelope.type} for {follow.subject}")

    def note(self, signed: SignedCommand) -> None:
        """A command that stands where it belongs."""
        if self._is_mine(signed.envelope) and self._is_signed(signed):
            self._standing.add(signed.payload_hash)

    def acted(self, where: Where, signed: SignedCommand) -> None:
        """A command was decided, and not turned away for lack of standing."""
        if self._is_mine(signed.envelope):
            self._acted.append((where, signed.envelope, signed.payload_hash))

    def finish(self, first: dict[int, int], expired: Iterable[Entry]) -> None:
        """Compare what had to be sent with what was sent.

        Args:
            first: partition -> offset of its first retained command.
            expired: events whose commands have expired.
        """
        older = [entry for entry in expired if not entry.inert]
        answered = {entry.answers.payload for entry in older}
        for digest, (source, name) in self._expected.items():
            if digest in self._standing or digest in answered:
                self.verdict.count("follow-ups")
            else:
                self.verdict.fail("follow-up", source, f"{name} is missing, or another one was sent in its place")
        origins = _Origins(first, older)
        for where, envelope, digest in self._acted:
            self._origin(where, envelope, digest, origins)
        for entry in older:
            if account_subject(entry.envelope.actor) == self.network.authority:
                self._expired(entry, origins)

    def _origin(self, where: Where, envelope: CommandEnvelope, digest: bytes, origins: "_Origins") -> None:
        if digest in self._expected:
            self.verdict.count("commands of the coordinator traced")
        elif envelope.type in OWN_WORD:
            self.verdict.count("observations of the coordinator")
        elif origins.has(envelope.id, envelope.nonce, envelope.type):
            self.verdict.count("commands of the coordinator traced to an expired one")
        else:
            detail = f"{envelope.type} for {envelope.subject} is signed by the coordinator, but nothing entails it"
            self.verdict.fail("origin", where, detail)

    def _expired(self, entry: Entry, origins: "_Origins") -> None:
        """An event below the first retained command, on the word of the coordinator."""
        envelope = entry.envelope
        rule = COMMANDS.get(envelope.command)
        if rule is None or rule.signer != "authority" or envelope.command in OWN_WORD:
            return
        if entry.answers.payload in self._expected or origins.has(envelope.cause, envelope.nonce, envelope.command):
            self.verdict.count("events on the word of the coordinator traced")
        else:
            self.verdict.fail("origin", entry.where, f"nothing entails the {envelope.command} that it answers")

    def _is_mine(self, envelope: CommandEnvelope) -> bool:
        rule = COMMANDS.get(envelope.type)
        mine = account_subject(envelope.actor) == self.network.authority
        return mine and rule is not None and rule.signer == "authority"

    def _is_signed(self, signed: SignedCommand) -> bool:
        return refusal(signed.envelope, signed.payload_hash, self.network.chain_id) is None


def _source(nonce: int) -> tuple[int, int] | None:
    """(partition, offset) of the command that a follow-up's nonce names; None when it names none."""
    lane = nonce >> LANE_SHIFT
    return None if lane < 1 else (lane - 1, (nonce & NONCE_LOW) >> 8)


class _Origins:
    """The ids of the follow-ups that expired commands may have entailed."""

    def __init__(self, first: dict[int, int], expired: Iterable[Entry]) -> None:
        self._first = first
        self._causes: dict[int, set[bytes]] = {}
        for entry in expired:
            self._causes.setdefault(entry.where[1], set()).add(entry.envelope.cause)
        self._ids: dict[tuple[int, int, str], set[bytes]] = {}

    def has(self, command_id: bytes, nonce: int, kind: str) -> bool:
        """Whether this is a follow-up of a command that was decided and has expired."""
        source = _source(nonce)
        if source is None or source[1] >= self._first.get(source[0], 0):
            return False
        name = (source[0], nonce & 0xFF, kind)
        if name not in self._ids:
            self._ids[name] = {follow_up_id(c, name[1], kind) for c in self._causes.get(name[0], ())}
        return command_id in self._ids[name]
