"""Commands to the votes stream: votes and disputes (subject: job id)."""

from dataclasses import dataclass

from .types import Bytes32, CommandBody, Millis


@dataclass(frozen=True, slots=True, kw_only=True)
class OpenTally(CommandBody):
    """The validator set that judges `proof_hash`."""

    attempt: int
    worker: Bytes32
    proof_hash: Bytes32
    output_hash: Bytes32
    validators: list[Bytes32]
    epoch: int


@dataclass(frozen=True, slots=True, kw_only=True)
class CastVote(CommandBody):
    """A validator's judgement of an attempt's proof after running the verifier itself."""

    attempt: int
    proof_hash: Bytes32
    valid: bool
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class CloseTally(CommandBody):
    """The coordinator's timer: the voting time for `proof_hash` is over."""

    proof_hash: Bytes32


@dataclass(frozen=True, slots=True, kw_only=True)
class OpenDispute(CommandBody):
    """The validator set (of `epoch`) that judges a disputed attempt anew; the disputer and the worker have no vote."""

    attempt: int
    disputer: Bytes32
    filing: int
    filed_at: Millis
    validators: list[Bytes32]
    epoch: int


@dataclass(frozen=True, slots=True, kw_only=True)
class CastDisputeVote(CommandBody):
    """A validator's judgement of a disputed proof, in this round and no other."""

    attempt: int
    round: int
    proof_hash: Bytes32
    valid: bool
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class CloseDispute(CommandBody):
    """The coordinator's timer: the voting time of the attempt's dispute is over."""

    attempt: int
    round: int


@dataclass(frozen=True, slots=True, kw_only=True)
class EnforceVerdict(CommandBody):
    """Name the next validators (part `part`, from 0) that a resolved dispute has consequences for."""

    attempt: int
    round: int
    part: int
