"""The numbers of the network (domain specification, section 2): one table, every row configurable.

Amounts are integers in base units (10^-18 SAGE); shares are in percent; times in milliseconds.
"""

from dataclasses import dataclass, field

SAGE = 10**18
#: One unit of an encrypted amount (privacy specification, section 2): 1 micro-SAGE.
PAYMENT_UNIT = 10**12
DAY_MS = 86_400_000

#: tier -> GPU models that belong to it; the order is the order of the tiers.
TIER_MODELS: dict[str, tuple[str, ...]] = {
    "consumer": ("T4", "RTX30", "RTX40", "RTX50"),
    "workstation": ("A6000", "L40S", "L4"),
    "data_center": ("A100",),
    "enterprise": ("H100", "H200", "B100", "B200"),
    "frontier": ("MI300X", "MULTI"),
}
TIERS = tuple(TIER_MODELS)
VALIDATOR = "validator"


def tier_of(name: str) -> str | None:
    """The tier that `name` means: a tier's own name or a GPU model, in any case, with or without separators."""
    plain = "".join(c for c in name.upper() if c.isalnum())
    for tier, models in TIER_MODELS.items():
        if plain == tier.replace("_", "").upper():
            return tier
        if any(plain == model or (model.startswith("RTX") and plain.startswith(model[:4])) for model in models):
            return tier
    return VALIDATOR if plain == "VALIDATOR" else None


@dataclass(frozen=True, slots=True, kw_only=True)
class Parameters:
    """Every number that a decider uses."""

    minimum_stake: dict[str, int] = field(
        default_factory=lambda: {
            "consumer": 1_000 * SAGE,
            "workstation": 2_500 * SAGE,
            "data_center": 5_000 * SAGE,
            "enterprise": 10_000 * SAGE,
            "frontier": 25_000 * SAGE,
            VALIDATOR: 10_000 * SAGE,
        }
    )
    unstake_lock_ms: int = 604_800_000
    slash_percent: dict[str, int] = field(
        default_factory=lambda: {
            "invalid_proof": 10,
            "timeout": 5,
            "repeated_failures": 25,
            "malicious": 50,
            "benchmark_fraud": 75,
            "contrary_vote": 10,
            "equivocation": 50,
            # Not started in the lock time: the collateral, and no share of the stake.
            "lock_timeout": 0,
        }
    )
    slash_reporter_percent: int = 50
    slash_burnt_percent: int = 30
    reputation_start: int = 500
    reputation_change: dict[str, int] = field(
        default_factory=lambda: {
            "job_done": 15,
            "failure": -25,
            "slash": -100,
            "dispute_lost": -50,
            "dispute_won": 30,
            "inactivity": -5,
            "lock_timeout": -25,
        }
    )
    failures_until_inactive: int = 3
    heartbeat_interval_ms: int = 30_000
    heartbeat_timeout_ms: int = 60_000
    slots_per_worker: int = 4
    attempts: int = 3
    attempt_timeout_ms: int = 3_600_000
    deadline_max_ms: int = 30 * DAY_MS
    consensus_timeout_ms: int = 30_000
    worker_percent: int = 80
    fee_burnt_percent: int = 70
    fee_treasury_percent: int = 20
    faucet_sage: int = 20_000 * SAGE
    faucet_gas: int = 10**18
    faucet_cooldown_ms: int = DAY_MS
    proof_max_bytes: int = 256 * 1024
    proof_max_uncompressed: int = 4 * 1024 * 1024
    clock_skew_ms: int = 300_000
    job_input_max_bytes: int = 512 * 1024
    #: A decision slashes up to a third of the validators, and one command may have 256 follow-ups.
    validators_max: int = 700
    #: What one step of priority is worth against waiting: the order of the queue is submission less priority times this.
    ageing_ms: int = 60_000
    #: A price ramp rises in so many equal steps.
    ramp_steps: int = 32
    lock_timeout_min_ms: int = 5_000
    #: So many declined assignments of a job use up none of its attempts.
    declines: int = 8
    #: Stake that entitles to a dispute: the lowest tier's, so that every worker and validator may file one.
    dispute_minimum_stake: int = 1_000 * SAGE
    dispute_bond: int = 100 * SAGE
    dispute_window_ms: int = DAY_MS
    #: So many proofs of one worker voted down within the window are malice, whatever it did in between.
    malicious_proofs: int = 5
    malicious_window_ms: int = 30 * DAY_MS
    #: A job is slow when it was this many times slower than the worker's benchmark; so many of them in a row void it (0: never).
    benchmark_factor: int = 10
    benchmark_jobs: int = 5


def threshold(validators: int) -> int:
    """How many of `validators` registered validators must agree: floor(2n/3)+1."""
    return 2 * validators // 3 + 1
