"""The table [network.parameters] of the configuration: every number of `schemas.parameters.Parameters`, checked.

Amounts are base units (a whole number) or SAGE with the unit written out ("1000 SAGE"). Of a table with several rows
(minimum stakes, slashing shares, reputation changes) only the rows that change need to be given.
"""

from dataclasses import fields
from typing import Any

from pydantic import BaseModel, ConfigDict, Field, create_model, model_validator

from bitsage.schemas.parameters import Parameters

from .amounts import to_base_units
from .errors import InputError

DEFAULTS = Parameters()
#: What each number means; a test compares the names with the dataclass.
MEANINGS: dict[str, str] = {
    "minimum_stake": "least stake of a tier, base units",
    "unstake_lock_ms": "how long stake stays locked after a request to unstake, ms",
    "slash_percent": "percent of the stake that is taken for a reason",
    "slash_reporter_percent": "percent of a slash that the reporter gets",
    "slash_burnt_percent": "percent of a slash that is burnt; the rest goes to the treasury",
    "reputation_start": "reputation of a new worker, 0 to 1000",
    "reputation_change": "change of reputation for a reason",
    "failures_until_inactive": "failures in a row after which a worker is suspended",
    "heartbeat_interval_ms": "how often a worker says that it is alive, ms",
    "heartbeat_timeout_ms": "silence after which a worker counts as offline, ms",
    "slots_per_worker": "most jobs at once of one worker",
    "attempts": "attempts of a job before it fails",
    "attempt_timeout_ms": "time of one attempt, ms",
    "deadline_max_ms": "furthest deadline of a job, ms from its submission",
    "consensus_timeout_ms": "time for voting on a proof, ms",
    "worker_percent": "percent of a job's price that the worker gets; the rest is the protocol's",
    "fee_burnt_percent": "percent of the protocol's part that is burnt",
    "fee_treasury_percent": "percent of the protocol's part for the treasury; the rest is for the stakers",
    "faucet_sage": "SAGE per faucet grant, base units",
    "faucet_gas": "gas token per faucet grant, base units",
    "faucet_cooldown_ms": "time between two grants to one account, ms",
    "proof_max_bytes": "largest compressed proof, bytes",
    "proof_max_uncompressed": "largest unpacked proof, bytes",
    "clock_skew_ms": "furthest a command's time may be from the broker's, ms",
    "job_input_max_bytes": "largest input of a job, bytes",
    "validators_max": "most validators at once",
    "ageing_ms": "how much waiting one step of a job's priority stands for, ms",
    "ramp_steps": "steps in which the price of an offer with a ramp rises",
    "lock_timeout_min_ms": "shortest lock timeout that an offer may have, ms",
    "declines": "how often a job may be declined without using up an attempt",
    "dispute_minimum_stake": "stake that entitles to a dispute, base units",
    "dispute_bond": "bond of a dispute, base units",
    "dispute_window_ms": "time after a decision in which it may be disputed, ms",
    "malicious_proofs": "proofs voted down within the window that are malice",
    "malicious_window_ms": "the window in which proofs voted down are counted, ms",
    "benchmark_factor": "how many times slower than its benchmark a worker's job is before it counts as slow",
    "benchmark_jobs": "slow jobs in a row that void a benchmark; 0: none does",
}
_AMOUNTS = frozenset({"minimum_stake", "faucet_sage", "faucet_gas", "dispute_minimum_stake", "dispute_bond"})
_SIGNED = frozenset({"reputation_change"})


def _number(name: str, value: Any) -> int:
    if isinstance(value, str):
        text = value.strip()
        if name in _AMOUNTS and text.upper().endswith("SAGE"):
            try:
                return to_base_units(text[:-4])
            except InputError as error:
                raise ValueError(str(error)) from None
        digits = text.removeprefix("-") if name in _SIGNED else text
        if not (digits.isascii() and digits.isdigit()):
            raise ValueError("a whole number is expected" + (", or SAGE as in '1000 SAGE'" if name in _AMOUNTS else ""))
        value = int(text)
    if isinstance(value, bool) or not isinstance(value, int):
        raise ValueError("a whole number is expected")
    if value < 0 and name not in _SIGNED:
        raise ValueError("it may not be negative")
    if name.endswith("percent") and value > 100:
        raise ValueError("a share is at most 100 percent")
    return value


class _Base(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)

    @model_validator(mode="before")
    @classmethod
    def _read(cls, values: Any) -> Any:
        if not isinstance(values, dict):
            raise ValueError("a table is expected")
        result: dict[str, Any] = {}
        for name, value in values.items():
            default = getattr(DEFAULTS, name, None)
            result[name] = _rows(name, default, value) if isinstance(default, dict) else value
            if default is not None and not isinstance(default, dict):
                result[name] = _labelled(name, name, value)
        return result

    @model_validator(mode="after")
    def _together(self) -> "_Base":
        # The defaults fit, and most commands need nothing of the deciders' room.
        if self.model_fields_set:
            from bitsage.processors.bounds import unfit

            if (reason := unfit(self.parameters())) is not None:
                raise ValueError(reason)
        return self

    def parameters(self) -> Parameters:
        """The numbers as deciders use them."""
        return Parameters(**self.model_dump())


def _labelled(label: str, name: str, value: Any) -> int:
    try:
        return _number(name, value)
    except ValueError as error:
        raise ValueError(f"{label}: {error}") from None


def _rows(name: str, default: dict[str, int], value: Any) -> dict[str, int]:
    if not isinstance(value, dict):
        raise ValueError(f"{name}: a table with the rows {', '.join(default)} is expected")
    if unknown := set(value) - set(default):
        raise ValueError(f"{name} has no row {min(unknown)}; its rows are {', '.join(default)}")
    return default | {row: _labelled(f"{name}.{row}", name, entry) for row, entry in value.items()}


def _definition(name: str) -> Any:
    default = getattr(DEFAULTS, name)
    meaning = MEANINGS.get(name, "")
    if isinstance(default, dict):
        return dict[str, int], Field(default_factory=lambda: dict(default), description=meaning)
    return int, Field(default, description=meaning)


ParametersTable: Any = create_model(
    "ParametersTable", __base__=_Base, **{field.name: _definition(field.name) for field in fields(Parameters)}
)
