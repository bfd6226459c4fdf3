"""Records that stand inside the bodies of events and commands."""

from dataclasses import dataclass

from .types import Amount, Millis


@dataclass(frozen=True, slots=True, kw_only=True)
class JobSpec:
    """What a client wants done. `input` is canonical JSON that the job type understands.

    A sealed offer has `max_cost` 0: its price is a ciphertext beside the spec. An open one's
    price is `max_cost`; with `min_cost` > 0 it rises from there to `max_cost`, from `ramp_start` (0: from admission) for
    `ramp_ms`. `lock_timeout_ms` (0: none): time in which a worker has to start. `collateral`: least slash for not delivering.
    """

    job_type: str
    input: str
    max_cost: Amount
    tier: str
    tee: bool
    priority: int
    deadline: Millis
    min_cost: Amount = 0
    ramp_start: Millis = 0
    ramp_ms: int = 0
    lock_timeout_ms: int = 0
    collateral: Amount = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Benchmark:
    """A worker's word on its device: a job of `job_type` with `rows` proven rows took `ms` from its start to its proof."""

    job_type: str
    rows: int
    ms: int
