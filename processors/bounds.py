"""Which parameters a network can live with: what deciders divide by, wait for and pay out has to be there, and no command
may entail more than a record of its follow-ups can number.
"""

from collections.abc import Iterator
from dataclasses import fields

from bitsage.schemas.parameters import DAY_MS, Parameters, threshold

from .refusal import SUPPLY

#: Follow-ups of one command: their number has 8 bits of the nonce (`streams.envelope.follow_up_nonce`).
FOLLOW_UPS_MAX = 256
#: A proof or an input is one record of its topic, whose limit is 1 MiB; the rest of the record needs room, too.
_RECORD_MAX = 1024 * 1024 - 64 * 1024
#: A time of now and a few of these stay far below the 63 bits that events have for a time.
_TIME_MAX_MS = 100 * 365 * DAY_MS
#: A claim looks at so many numbers of attempts, and a job's place in the market names those who had it.
_ATTEMPTS_MAX = 1_000
_AMOUNTS = ("faucet_sage", "faucet_gas", "dispute_minimum_stake", "dispute_bond")
_TABLES = ("minimum_stake", "slash_percent", "reputation_change")
_POSITIVE = (
    "heartbeat_interval_ms", "heartbeat_timeout_ms", "attempt_timeout_ms", "deadline_max_ms", "consensus_timeout_ms",
    "clock_skew_ms", "unstake_lock_ms", "lock_timeout_min_ms", "malicious_window_ms", "attempts",
    "failures_until_inactive", "slots_per_worker", "validators_max", "malicious_proofs", "proof_max_bytes",
    "proof_max_uncompressed", "job_input_max_bytes", "worker_percent", "dispute_bond",
)  # fmt: skip
#: Faults that are nobody's accident: when they cost nothing, lying is free.
_COSTLY = ("invalid_proof", "malicious", "benchmark_fraud", "contrary_vote", "equivocation")
#: (what may not be greater, than what)
_ORDERED = (
    ("lock_timeout_min_ms", "attempt_timeout_ms"),
    ("attempt_timeout_ms", "deadline_max_ms"),
    ("consensus_timeout_ms", "deadline_max_ms"),
    ("proof_max_bytes", "proof_max_uncompressed"),
)


def unfit(parameters: Parameters) -> str | None:
    """The first thing that no network can live with, in one sentence; None when there is none."""
    return next(_problems(parameters), None)


def decision_follow_ups(validators: int) -> int:
    """The most that one decision of so many validators entails: the attempt's end, and a slash for each minority vote."""
    return 1 + validators - threshold(validators)


def _problems(parameters: Parameters) -> Iterator[str]:
    values: dict[str, int] = {name: getattr(parameters, name) for name in (*_POSITIVE, "reputation_start")}
    yield from (f"{name} must be at least 1" for name in _POSITIVE if values[name] < 1)
    yield from _rows(parameters)
    for reason in _COSTLY:
        if parameters.slash_percent.get(reason, 0) < 1:
            yield f"slash_percent.{reason} must be at least 1: a fault that costs nothing would be free"
    yield from _shares(parameters)
    for least, most in _ORDERED:
        if values[least] > values[most]:
            yield f"{least} ({values[least]}) must not be greater than {most} ({values[most]})"
    if parameters.heartbeat_interval_ms >= parameters.heartbeat_timeout_ms:
        yield "heartbeat_interval_ms must be less than heartbeat_timeout_ms, or every worker counts as offline"
    if not 0 <= parameters.reputation_start <= 1000:
        yield "reputation_start must be from 0 to 1000"
    for name, what in (("proof_max_bytes", "a proof"), ("job_input_max_bytes", "a job with its input")):
        if values[name] > _RECORD_MAX:
            yield f"{name} must not be greater than {_RECORD_MAX}: {what} is one record of at most 1 MiB"
    if parameters.attempts + parameters.declines > _ATTEMPTS_MAX:
        yield f"attempts and declines must not be more than {_ATTEMPTS_MAX} together"
    if decision_follow_ups(parameters.validators_max) > FOLLOW_UPS_MAX:
        yield (
            f"validators_max must not be greater than {3 * FOLLOW_UPS_MAX}: one decision may slash a third of the "
            f"validators, and one command has at most {FOLLOW_UPS_MAX} follow-ups"
        )
    # A worker that becomes free takes as many jobs at once as it has slots, and the command has an event of its own.
    if parameters.slots_per_worker >= FOLLOW_UPS_MAX:
        yield (
            f"slots_per_worker must be less than {FOLLOW_UPS_MAX}: one command may give a worker so many jobs, and has "
            f"at most {FOLLOW_UPS_MAX} follow-ups"
        )
    yield from _sizes(parameters)


def _rows(parameters: Parameters) -> Iterator[str]:
    """Deciders look rows up by name: a table that lacks one would stop them at the first command that needs it."""
    known = Parameters()
    for table in _TABLES:
        rows: dict[str, int] = getattr(parameters, table)
        yield from (f"{table} has no row {row}" for row in getattr(known, table) if row not in rows)
    for tier, stake in parameters.minimum_stake.items():
        if stake < 1:
            yield f"minimum_stake.{tier} must be at least 1: who stakes nothing loses nothing"
        if stake > SUPPLY:
            yield f"minimum_stake.{tier} must not be greater than the supply"


def _sizes(parameters: Parameters) -> Iterator[str]:
    """What does not fit into an event makes the decider fail that writes it."""
    for field in fields(Parameters):
        value = getattr(parameters, field.name)
        if field.name in _TABLES:
            continue
        if value < 0:
            yield f"{field.name} must not be negative"
        if field.name.endswith("_ms") and value > _TIME_MAX_MS:
            yield f"{field.name} must not be greater than {_TIME_MAX_MS}, a hundred years"
        if field.name in _AMOUNTS and value > SUPPLY:
            yield f"{field.name} must not be greater than the supply"


def _shares(parameters: Parameters) -> Iterator[str]:
    shares = {
        name: getattr(parameters, name)
        for name in ("worker_percent", "slash_reporter_percent", "slash_burnt_percent", "fee_burnt_percent",
                     "fee_treasury_percent")
    } | {f"slash_percent.{reason}": share for reason, share in parameters.slash_percent.items()}  # fmt: skip
    yield from (f"{name} must be from 0 to 100" for name, share in shares.items() if not 0 <= share <= 100)
    for first, second in (
        ("slash_reporter_percent", "slash_burnt_percent"),
        ("fee_burnt_percent", "fee_treasury_percent"),
    ):
        if shares[first] + shares[second] > 100:
            yield f"{first} and {second} are more than 100 percent together"
