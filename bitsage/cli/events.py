"""Events for people and programs: a JSON document, and a line with the few facts that matter."""

from functools import lru_cache
from typing import Any, get_args, get_type_hints

from bitsage.amounts import in_sage
from bitsage.nodes.client import Answer
from bitsage.schemas.types import Amount, EventBody, Fixed

from .moments import moment

#: Fields of 32 bytes that are account addresses; the others are hashes.
_ACCOUNTS = frozenset({"worker", "client", "validator", "validators", "address", "reporter", "payer", "slashed"})
_ACCOUNTS |= {"excluded", "contrary", "recipient", "sender"}
_ACCOUNTS |= {"disputer", "account", "wrong", "wronged", "beneficiary"}
_PRICES = frozenset({"cost", "price", "max_cost", "min_cost", "collateral"})
_MAX_HEX_BYTES = 256
#: What a line shows of each event besides the job; what is not listed shows its short fields.
_SHOWN: dict[str, tuple[str, ...]] = {
    "JobSubmitted": ("client", "spec"),
    "JobAssigned": ("attempt", "worker", "cost"),
    "ProofGenerated": ("attempt", "proof", "security_bits", "backend", "run_ms", "prove_ms"),
    "TallyOpened": ("threshold", "validators"),
    "VoteCast": ("validator", "valid", "reason"),
    "EscrowLocked": ("amount", "ciphertext", "sequence"),
    "EscrowReleased": ("worker_amount", "protocol_amount", "refund", "ciphertext"),
    "EscrowRefunded": ("amount", "reason", "ciphertext"),
    "PaymentDue": ("worker", "amount", "ciphertext"),
    "PaymentEncrypted": ("worker", "payment"),
    "PriceShared": ("attempt", "worker", "ciphertext"),
    "Deposited": ("amount", "available", "sequence"),
    "Withdrawn": ("amount", "available", "sequence"),
    "PaymentClaimed": ("available", "credit", "sequence"),
    "TransferSent": ("recipient", "ciphertext", "sequence"),
    "WorkerRegistered": ("tier", "gpu_model", "stake", "slots"),
    "CapacityChanged": ("worker", "tier", "reputation", "slots"),
    "ValidatorSetChanged": ("epoch", "validators"),
    "Slashed": ("amount", "reason", "remaining"),
}


@lru_cache(maxsize=256)
def _amounts(kind: Any) -> frozenset[str]:
    hints = get_type_hints(kind, include_extras=True)
    return frozenset(name for name, hint in hints.items() if hint == Amount)


@lru_cache(maxsize=256)
def _fixed(kind: Any) -> frozenset[str]:
    hints = get_type_hints(kind, include_extras=True)
    return frozenset(n for n, h in hints.items() if any(isinstance(a, Fixed) for a in _annotations(h)))


def _annotations(hint: Any) -> tuple[Any, ...]:
    own = getattr(hint, "__metadata__", ())
    inner = (meta for arg in get_args(hint) for meta in getattr(arg, "__metadata__", ()))
    return (*own, *inner)


def body_document(body: Any) -> dict[str, Any]:
    """A body as JSON values: amounts as decimal text of base units, bytes as hex, long bytes by their length."""
    kind: Any = type(body)
    amounts, fixed = _amounts(kind), _fixed(kind)
    return {
        name: str(value) if name in amounts and value is not None else _json(name, value, name in fixed)
        for name in body.__dataclass_fields__
        for value in (getattr(body, name),)
    }


def _json(name: str, value: Any, fixed: bool) -> Any:
    if isinstance(value, bytes):
        if not fixed and len(value) > _MAX_HEX_BYTES:
            return {"bytes": len(value)}
        return ("0x" if name in _ACCOUNTS else "") + value.hex()
    if isinstance(value, list | tuple):
        return [_json(name, item, fixed) for item in value]
    if hasattr(value, "__dataclass_fields__"):
        return body_document(value)
    return value


def document(answer: Answer) -> dict[str, Any]:
    """An event with its place in the log."""
    e = answer.envelope
    return {
        "event": e.type,
        "subject": e.subject,
        "sequence": e.sequence,
        "at": moment(e.at),
        "id": e.id.hex(),
        "cause": e.cause.hex(),
        "command": e.command,
        "actor": "0x" + e.actor.hex(),
        "topic": answer.topic,
        "partition": answer.partition,
        "offset": answer.offset,
        "body": body_document(answer.body),
    }


def place(answer: Answer) -> str:
    """topic[partition]@offset."""
    return f"{answer.topic}[{answer.partition}]@{answer.offset}"


def brief(body: EventBody) -> str:
    """The facts of an event that fit on a line."""
    kind: Any = type(body)
    amounts = _amounts(kind)
    names = _SHOWN.get(kind.__name__) or tuple(n for n in body.__dataclass_fields__ if n != "job_id")
    parts = []
    for name in names:
        value = getattr(body, name)
        if name in amounts and value == 0 and (name in _PRICES or getattr(body, "ciphertext", b"")):
            # Of a sealed price or amount the public one is none.
            continue
        unit = " gas" if name == "gas_amount" else " SAGE"
        text = f"{in_sage(value)}{unit}" if name in amounts and value is not None else _short(name, value)
        if text:
            parts.append(f"{name}={text}")
    return " ".join(parts)


def _short(name: str, value: Any) -> str:
    if value is None or value in ("", b""):
        return ""
    if isinstance(value, bytes):
        if name in _ACCOUNTS or len(value) in (16, 32):
            return ("0x" if name in _ACCOUNTS else "") + value.hex()[:10] + ".."
        return f"<{len(value)} bytes>"
    if isinstance(value, list | tuple):
        return f"<{len(value)}>" if value and isinstance(value[0], bytes) else ",".join(map(str, value))
    if hasattr(value, "__dataclass_fields__"):
        cost = f"{in_sage(value.max_cost)} SAGE" if getattr(value, "max_cost", 0) else "sealed"
        return f"{value.job_type},{cost}" if hasattr(value, "job_type") else "..."
    if name.endswith("_at") and isinstance(value, int):
        return moment(value)
    return str(value)[:120]


def line(answer: Answer) -> str:
    """time, event, place, facts."""
    return f"{moment(answer.envelope.at)[11:23]}  {answer.envelope.type:<18} {place(answer):<24} {brief(answer.body)}"
