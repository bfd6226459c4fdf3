"""The topics as data: name, key, partitions, retention, writer (domain specification, section 4).

Partition counts of the kept topics are frozen: a key's history lives in one partition for ever.
"""

from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Final, Literal

PREFIX: Final = "bitsage."
PARTITIONS: Final = 6
DAY_MS: Final = 86_400_000
LARGE_RECORD_BYTES: Final = 1_310_720
"""1 MiB of payload plus a quarter for the envelope, headers and batch overhead."""

DEAD_LETTER_BYTES: Final = 1_048_576
"""What of a record goes into its dead letter whole; a larger one is cut, so that its letter can always be written."""

Policy = Literal["keep", "delete"]
_FOR_EVER = {"cleanup.policy": "delete", "retention.ms": "-1", "retention.bytes": "-1"}
#: The broker then unpacks what it takes and holds its size against max.message.bytes. Otherwise ten kilobytes of zstd
#: could carry a record so large that no consumer gets past it.
_PLAIN = {"compression.type": "uncompressed"}
_BROKER_TIME = {"message.timestamp.type": "LogAppendTime"}
_LARGE = {"max.message.bytes": str(LARGE_RECORD_BYTES)}


@dataclass(frozen=True)
class Topic:
    """One topic of the table.

    `name` is the full name on the cluster, `key` says what a record's key is, `policy` is `keep` (for ever) or
    `delete` (after `retention.ms`), `config` holds the topic's configuration as Kafka spells it.
    """

    name: str
    key: str
    partitions: int
    policy: Policy
    written_by: str
    config: dict[str, str] = field(hash=False)

    @property
    def short(self) -> str:
        """The name without the prefix."""
        return self.name.removeprefix(PREFIX)

    @property
    def kept(self) -> bool:
        """Whether the records stay for ever."""
        return self.policy == "keep"


def _days(count: int) -> dict[str, str]:
    return {"cleanup.policy": "delete", "retention.ms": str(count * DAY_MS), "retention.bytes": "-1"}


def _keep(short: str, key: str, written_by: str, *, partitions: int = PARTITIONS, large: bool = False) -> Topic:
    return Topic(PREFIX + short, key, partitions, "keep", written_by, _PLAIN | _FOR_EVER | (_LARGE if large else {}))


def _drop(short: str, key: str, written_by: str, days: int, **extra: str) -> Topic:
    return Topic(PREFIX + short, key, PARTITIONS, "delete", written_by, _PLAIN | _days(days) | extra)


_TABLE = (
    _drop("commands", "id of the aggregate that decides", "anyone, signed", 30, **_BROKER_TIME, **_LARGE),
    _keep("accounts", "account address", "account processor"),
    _keep("workers", "worker address", "worker processor: registration, attestation, reputation"),
    _drop("heartbeats", "worker address", "workers, signed", 1, **_BROKER_TIME),
    _keep("jobs", "job id", "job processor"),
    _keep("proofs", "job id", "job processor: the proofs of workers it admitted", large=True),
    _keep("votes", "job id", "vote processor: the votes of validators and the tally"),
    _keep("enclaves", "measurement", "allow-list governance", partitions=1),
    _keep("checkpoints", "chain id", "sealer and validators", partitions=1),
    _keep("settlement", "transaction or job id", "settlement node"),
    _drop("deadletters", "key of the original record", "every processor", 90, **_LARGE),
)

TOPICS: Final = MappingProxyType({topic.short: topic for topic in _TABLE})
"""Every topic by its short name, in the order of the table."""


def topic_name(short: str) -> str:
    """The full name of a topic of the table.

    Raises:
        KeyError: the table has no such topic.
    """
    return TOPICS[short].name


def murmur2(data: bytes) -> int:
    """MurmurHash2, 32 bits, seed 0x9747b28c, as Kafka's Java clients compute it; unsigned."""
    multiplier, mask = 0x5BD1E995, 0xFFFFFFFF
    value = 0x9747B28C ^ len(data)
    whole = len(data) & ~3
    for start in range(0, whole, 4):
        word = int.from_bytes(data[start : start + 4], "little") * multiplier & mask
        word = (word ^ word >> 24) * multiplier & mask
        value = (value * multiplier & mask) ^ word
    if tail := data[whole:]:
        value = (value ^ int.from_bytes(tail, "little")) * multiplier & mask
    value = (value ^ value >> 13) * multiplier & mask
    return value ^ value >> 15


def partition_for(key: bytes, partitions: int = PARTITIONS) -> int:
    """The partition of a key under Java's default partitioner (librdkafka: `murmur2_random`).

    Raises:
        ValueError: `partitions` is not positive.
    """
    if partitions <= 0:
        raise ValueError("a topic has at least one partition")
    return (murmur2(key) & 0x7FFFFFFF) % partitions


__all__ = [
    "DAY_MS",
    "DEAD_LETTER_BYTES",
    "LARGE_RECORD_BYTES",
    "PARTITIONS",
    "PREFIX",
    "TOPICS",
    "Policy",
    "Topic",
    "murmur2",
    "partition_for",
    "topic_name",
]
