"""Configuration, parameters and traces, with their JSON forms (spec sections 13 and 20)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from . import reader
from .errors import ProofUnreadable
from .fields import QM31, P
from .vectors import U32

MAX_BYTES = 1 << 20
MAX_LOG_SIZE = 26  # rows of one component
MAX_QUERIES = 512
MAX_PUBLIC = 1 << 16
U32_MAX = 2**32 - 1


@dataclass(frozen=True, slots=True)
class PublicList:
    """A public value that is a list; kept apart from a QM31, which is a tuple as well."""

    entries: tuple[int | QM31, ...]


#: A public value: a base field element, a QM31, or a list of these.
PublicInput = int | QM31 | PublicList


@dataclass(frozen=True, slots=True)
class PcsConfig:
    """Parameters of the polynomial commitment scheme; the names follow the proof's JSON.

    `log_last_layer_degree_bound` is d of section 11; `lifting_log_size` None means natural heights.
    """

    pow_bits: int = 10
    log_blowup_factor: int = 1
    n_queries: int = 3
    log_last_layer_degree_bound: int = 0
    fold_step: int = 1
    lifting_log_size: int | None = None

    @property
    def security_bits(self) -> int:
        """Conjectured bits pow_bits + log_blowup * n_queries (section 17)."""
        return self.pow_bits + self.log_blowup_factor * self.n_queries

    @property
    def proven_bits(self) -> int:
        """Bits in the proven (Johnson radius) regime, where a query counts log_blowup / 2."""
        return self.pow_bits + self.log_blowup_factor * self.n_queries // 2

    def felts(self) -> list[QM31]:
        """What `mix_config` absorbs (section 7)."""
        first = (self.pow_bits, self.log_blowup_factor, self.n_queries, self.log_last_layer_degree_bound)
        return [first, (self.fold_step, self.lifting_log_size or 0, 0, 0)]

    @classmethod
    def from_json(cls, value: Any, path: str = "config") -> PcsConfig:
        """Read the object of section 13 within this implementation's bounds.  Raises ProofUnreadable."""
        value = reader.obj(value, path, ("pow_bits", "fri_config", "lifting_log_size"))
        keys = ("log_blowup_factor", "log_last_layer_degree_bound", "n_queries", "fold_step")
        fri = reader.obj(value["fri_config"], f"{path}.fri_config", keys)
        lifting = value["lifting_log_size"]
        return cls(
            pow_bits=reader.integer(value["pow_bits"], f"{path}.pow_bits", 0, 60),
            log_blowup_factor=reader.integer(fri["log_blowup_factor"], f"{path}.log_blowup_factor", 1, 16),
            n_queries=reader.integer(fri["n_queries"], f"{path}.n_queries", 1, MAX_QUERIES),
            log_last_layer_degree_bound=reader.integer(
                fri["log_last_layer_degree_bound"], f"{path}.log_last_layer_degree_bound", 0, 10
            ),
            fold_step=reader.integer(fri["fold_step"], f"{path}.fold_step", 1, 8),
            lifting_log_size=None
            if lifting is None
            else reader.integer(lifting, f"{path}.lifting_log_size", 1, MAX_LOG_SIZE + 4),
        )

    def to_json(self) -> dict[str, Any]:
        """The object of section 13, keys in serde's order."""
        return {
            "pow_bits": self.pow_bits,
            "fri_config": {
                "log_blowup_factor": self.log_blowup_factor,
                "log_last_layer_degree_bound": self.log_last_layer_degree_bound,
                "n_queries": self.n_queries,
                "fold_step": self.fold_step,
            },
            "lifting_log_size": self.lifting_log_size,
        }


def _public(value: Any, path: str) -> PublicInput:
    if type(value) is int:
        return reader.m31(value, path)
    if _looks_like_qm31(value):
        return reader.qm31(value, path)
    return PublicList(reader.items(value, path, MAX_PUBLIC, _public_entry))


def _looks_like_qm31(value: Any) -> bool:
    return (
        isinstance(value, list)
        and len(value) == 2
        and all(isinstance(half, list) and len(half) == 2 and all(type(x) is int for x in half) for half in value)
    )


def _public_entry(value: Any, path: str) -> int | QM31:
    return reader.m31(value, path) if type(value) is int else reader.qm31(value, path)


def _public_json(value: PublicInput) -> Any:
    if isinstance(value, PublicList):
        return [_public_json(entry) for entry in value.entries]
    return value if isinstance(value, int) else reader.qm31_json(value)


@dataclass(frozen=True, slots=True)
class Params:
    """Everything besides the AIR that the verifier must know and the proof does not carry.

    `claimed_sums` and `interaction_nonces` are made by the prover; `preprocessed_root` pins tree 0.
    """

    config: PcsConfig
    log_sizes: tuple[int, ...]
    preprocessed_log_sizes: tuple[int, ...] = ()
    public: Mapping[str, PublicInput] = field(default_factory=dict)
    claimed_sums: tuple[QM31, ...] = ()
    interaction_nonces: tuple[int, ...] = ()
    preprocessed_root: bytes | None = None

    @classmethod
    def from_json(cls, data: object) -> Params:
        """Read PARAMS (text, bytes or parsed).  Raises ProofUnreadable."""
        value = reader.parse(data, "parameters", MAX_BYTES)
        optional = ("preprocessed_log_sizes", "public", "claimed_sums", "interaction_nonces", "preprocessed_root")
        value = reader.obj(value, "parameters", ("config", "components"), optional)
        public = value.get("public", {})
        if not isinstance(public, dict) or len(public) > 256:
            raise ProofUnreadable("public: an object with at most 256 keys is expected")
        return cls(
            config=PcsConfig.from_json(value["config"]),
            log_sizes=reader.items(value["components"], "components", 64, _component_log),
            preprocessed_log_sizes=reader.items(
                value.get("preprocessed_log_sizes", []), "preprocessed_log_sizes", 1 << 12, _log_size
            ),
            public={reader.text(k, "public"): _public(v, f"public.{k[:40]}") for k, v in public.items()},
            claimed_sums=reader.items(value.get("claimed_sums", []), "claimed_sums", 64, reader.qm31),
            interaction_nonces=reader.items(
                value.get("interaction_nonces", []),
                "interaction_nonces",
                64,
                lambda v, p: reader.integer(v, p, 0, 2**64 - 1),
            ),
            preprocessed_root=_root(value.get("preprocessed_root")),
        )

    def to_json(self) -> dict[str, Any]:
        """PARAMS as plain data."""
        result: dict[str, Any] = {
            "config": self.config.to_json(),
            "components": [{"log_size": n} for n in self.log_sizes],
            "preprocessed_log_sizes": list(self.preprocessed_log_sizes),
            "public": {name: _public_json(value) for name, value in self.public.items()},
            "claimed_sums": [reader.qm31_json(q) for q in self.claimed_sums],
            "interaction_nonces": list(self.interaction_nonces),
        }
        if self.preprocessed_root is not None:
            result["preprocessed_root"] = self.preprocessed_root.hex()
        return result


def _log_size(value: Any, path: str) -> int:
    return reader.integer(value, path, 1, MAX_LOG_SIZE)


def _component_log(value: Any, path: str) -> int:
    return _log_size(reader.obj(value, path, ("log_size",))["log_size"], path)


def _root(value: Any) -> bytes | None:
    if value is None:
        return None
    text = reader.text(value, "preprocessed_root", 64)
    try:
        root = bytes.fromhex(text)
    except ValueError:
        root = b""
    if len(root) != 32:
        raise ProofUnreadable("preprocessed_root: 64 hexadecimal digits are expected")
    return root


@dataclass(frozen=True, slots=True)
class Trace:
    """Columns in stored (bit-reversed) order, uint32 and canonical; trace[component][column]."""

    preprocessed: tuple[U32, ...]
    trace: tuple[tuple[U32, ...], ...]

    @classmethod
    def from_json(cls, data: object) -> Trace:
        """Read TRACE (text, bytes or parsed).  Raises ProofUnreadable."""
        value = reader.parse(data, "trace", reader.MAX_DOCUMENT)
        value = reader.obj(value, "trace", ("trace",), ("preprocessed",))
        return cls(
            preprocessed=reader.items(value.get("preprocessed", []), "preprocessed", 1 << 12, _column),
            trace=reader.items(value["trace"], "trace", 64, lambda v, p: reader.items(v, p, 1 << 12, _column)),
        )

    def to_json(self) -> dict[str, Any]:
        """TRACE as plain data."""
        return {
            "preprocessed": [column.tolist() for column in self.preprocessed],
            "trace": [[column.tolist() for column in columns] for columns in self.trace],
        }


def _column(value: Any, path: str) -> U32:
    values = reader.array(value, path, 1 << MAX_LOG_SIZE)
    if not all(type(v) is int and 0 <= v < P for v in values):
        raise ProofUnreadable(f"{path}: canonical field elements are expected")
    return np.array(values, dtype=np.uint32)


def columns_of(values: Sequence[Sequence[int]]) -> tuple[U32, ...]:
    """Columns from plain integers, reduced mod p."""
    return tuple(np.array([v % P for v in column], dtype=np.uint32) for column in values)
