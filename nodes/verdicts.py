"""What a validator is asked over HTTP and what it answers: a statement with a proof, and a signed verdict.

A request's body is the statement as JSON, as many bytes as the header STATEMENT_BYTES says, and then the packed proof. A
verdict is signed as commands are, under a type that no command has, so that neither can stand for the other.
"""

import json
from dataclasses import asdict, dataclass
from typing import Any

import blake3
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from bitsage.schemas.events import ProofGenerated
from bitsage.schemas.parameters import Parameters
from bitsage.wallet import Key, address_matches, sign_command, verify_command

from .jobwork import judge

STATEMENT_BYTES = "Bitsage-Statement-Bytes"
IDEMPOTENCY_KEY = "Idempotency-Key"
#: Command types are single words.
_TYPE = "bitsage verdict v1"
#: Of a statement, beside the job's input.
_FRAME = 4096
_HASH = r"^[0-9a-f]{64}$"


class Statement(BaseModel):
    """What a proof is claimed to prove: this output of this job's input, by this worker in this attempt."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)
    job_id: str = Field(pattern=r"^[0-9a-f]{32}$")
    attempt: int = Field(ge=1, lt=2**31)
    worker: str = Field(pattern=r"^0x[0-9a-f]{64}$")
    job_type: str = Field(min_length=1, max_length=64)
    input: str
    output_hash: str = Field(pattern=_HASH)
    proof_hash: str = Field(pattern=_HASH)

    def encode(self) -> bytes:
        """The statement as JSON in UTF-8."""
        return self.model_dump_json().encode()


def statement_of(job_type: str, job_input: str, proof: ProofGenerated) -> Statement:
    """The statement of a proof that stands in the log.

    Raises:
        ValidationError: the event's values are not a statement's.
    """
    return Statement(
        job_id=proof.job_id.hex(),
        attempt=proof.attempt,
        worker="0x" + proof.worker.hex(),
        job_type=job_type,
        input=job_input,
        output_hash=proof.output_hash.hex(),
        proof_hash=proof.proof_hash.hex(),
    )


def read_statement(data: bytes) -> Statement | None:
    """The statement of a request; None when it is none."""
    try:
        return Statement.model_validate_json(data)
    except ValidationError:
        return None


def statement_limit(parameters: Parameters) -> int:
    """Most bytes of a statement: the quotes of the input are escaped in it, so it may be twice as long."""
    return 2 * parameters.job_input_max_bytes + _FRAME


def digest(statement: bytes, proof: bytes) -> bytes:
    """What tells one request from another (32 bytes)."""
    head = b"bitsage validate v1" + len(statement).to_bytes(8, "big")
    return blake3.blake3(head + statement + proof).digest()


def examine(statement: Statement, proof: bytes, parameters: Parameters) -> tuple[bool, str]:
    """The judgement of `jobwork.judge`; nothing of the request is believed."""
    event = ProofGenerated(
        job_id=bytes.fromhex(statement.job_id),
        attempt=statement.attempt,
        worker=bytes.fromhex(statement.worker[2:]),
        output_hash=bytes.fromhex(statement.output_hash),
        public_inputs="",
        proof=proof,
        proof_hash=bytes.fromhex(statement.proof_hash),
        proof_system="",
        security_bits=0,
        backend="",
        run_ms=0,
        prove_ms=0,
    )
    return judge(statement.job_type, statement.input, event, parameters)


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """A validator's word on a statement and its proof. `input_hash`: BLAKE3 of the input; `at`: its clock, ms."""

    valid: bool
    reason: str
    proof_hash: str
    job_id: str
    attempt: int
    worker: str
    job_type: str
    input_hash: str
    output_hash: str
    chain_id: str
    at: int
    validator: str
    public_key: str
    signature: str

    def as_dict(self) -> dict[str, Any]:
        """For JSON."""
        return asdict(self)

    def answers(self, statement: Statement) -> bool:
        """Whether it speaks of this statement."""
        return all(getattr(self, name) == value for name, value in _facts(statement).items())


def _facts(statement: Statement) -> dict[str, Any]:
    facts = statement.model_dump(exclude={"input"})
    return facts | {"input_hash": blake3.blake3(statement.input.encode()).hexdigest()}


def sign_verdict(key: Key, chain_id: str, statement: Statement, valid: bool, reason: str, at: int) -> Verdict:
    """The verdict, signed."""
    said = {
        **_facts(statement),
        "valid": valid,
        "reason": reason,
        "chain_id": chain_id,
        "at": at,
        "validator": "0x" + key.address.hex(),
        "public_key": "0x" + key.public_key.hex(),
    }
    signature = sign_command(key, chain_id, _TYPE, statement.job_id, _payload(said), at)
    return Verdict(**said, signature=signature.hex())


def _payload(said: dict[str, Any]) -> bytes:
    return blake3.blake3(json.dumps(said, sort_keys=True, separators=(",", ":")).encode()).digest()


class _Answer(BaseModel):
    """The form of a verdict that came over the network."""

    model_config = ConfigDict(extra="forbid", strict=True)
    valid: bool
    reason: str = Field(max_length=200)
    proof_hash: str = Field(pattern=_HASH)
    job_id: str = Field(pattern=r"^[0-9a-f]{32}$")
    attempt: int = Field(ge=1, lt=2**31)
    worker: str = Field(pattern=r"^0x[0-9a-f]{64}$")
    job_type: str = Field(max_length=64)
    input_hash: str = Field(pattern=_HASH)
    output_hash: str = Field(pattern=_HASH)
    chain_id: str = Field(max_length=64)
    at: int = Field(ge=0, lt=2**63)
    validator: str = Field(pattern=r"^0x[0-9a-f]{64}$")
    public_key: str = Field(pattern=r"^0x[0-9a-f]{64}$")
    signature: str = Field(pattern=r"^[0-9a-f]{128}$")


def read_verdict(data: bytes, chain_id: str) -> Verdict | None:
    """A verdict of this network whose signature holds; None for anything else, whatever the bytes."""
    try:
        found = Verdict(**_Answer.model_validate_json(data).model_dump())
    except ValidationError:
        return None
    address, public_key = bytes.fromhex(found.validator[2:]), bytes.fromhex(found.public_key[2:])
    if found.chain_id != chain_id or not address_matches(address, public_key):
        return None
    said = {name: value for name, value in found.as_dict().items() if name != "signature"}
    signature = bytes.fromhex(found.signature)
    holds = verify_command(public_key, chain_id, _TYPE, found.job_id, _payload(said), found.at, signature)
    return found if holds else None
