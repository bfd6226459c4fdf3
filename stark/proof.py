"""The proof object and its serde JSON form (spec section 13)."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from . import reader
from .errors import ProofUnreadable
from .fields import QM31
from .params import Params, PcsConfig

MAX_BYTES = 1 << 22
MAX_TREES = 4
MAX_COLUMNS = 1 << 12
MAX_HASHES = 1 << 16
MAX_LAYERS = 32
MAX_QUERIES = 512
U32_MAX = 2**32 - 1
U64_MAX = 2**64 - 1


@dataclass(frozen=True, slots=True)
class FriLayer:
    """One committed FRI layer: siblings that were not queried, their opening, the root."""

    fri_witness: tuple[QM31, ...]
    hash_witness: tuple[bytes, ...]
    commitment: bytes


@dataclass(frozen=True, slots=True)
class Proof:
    """A proof as the Rust crates serialize it.

    sampled_values[tree][column][sample], queried_values[tree][column][query]; `last_coeffs` are the
    coefficients of the last layer in bit-reversed order and `last_log_size` their log2 count.
    """

    config: PcsConfig
    commitments: tuple[bytes, ...]
    sampled_values: tuple[tuple[tuple[QM31, ...], ...], ...]
    decommitments: tuple[tuple[bytes, ...], ...]
    queried_values: tuple[tuple[tuple[int, ...], ...], ...]
    proof_of_work: int
    first_layer: FriLayer
    inner_layers: tuple[FriLayer, ...]
    last_coeffs: tuple[QM31, ...]
    last_log_size: int

    @classmethod
    def from_json(cls, data: object) -> Proof:
        """Read a bare proof (text, bytes or parsed).  Raises ProofUnreadable.

        Values up to 2^32 - 1 are readable, as for serde; the verifier refuses those not below p.
        """
        return _read(reader.parse(data, "proof", MAX_BYTES))

    def to_json(self) -> dict[str, Any]:
        """Plain data with the keys in serde's order."""
        return _write(self)

    def to_json_bytes(self) -> bytes:
        """Compact JSON, byte for byte what serde_json writes."""
        return json.dumps(self.to_json(), separators=(",", ":")).encode()

    @classmethod
    def from_bytes(cls, data: bytes) -> Proof:
        """Read the compact binary form.  Raises ProofUnreadable."""
        from .proof_binary import decode

        return decode(data)

    def to_bytes(self) -> bytes:
        """The compact binary form."""
        from .proof_binary import encode

        return encode(self)


@dataclass(frozen=True, slots=True)
class ProofBundle:
    """A proof with the parameters it was made for."""

    params: Params
    proof: Proof

    @classmethod
    def from_json(cls, data: object) -> ProofBundle:
        """Read {"params", "proof"}.  Raises ProofUnreadable."""
        value = reader.obj(reader.parse(data, "bundle", 2 * MAX_BYTES), "bundle", ("params", "proof"))
        return cls(Params.from_json(value["params"]), Proof.from_json(value["proof"]))

    def to_json(self) -> dict[str, Any]:
        """{"params", "proof"} as plain data."""
        return {"params": self.params.to_json(), "proof": self.proof.to_json()}


def _hash(value: Any, path: str) -> bytes:
    entries = reader.array(value, path, 32)
    if len(entries) != 32 or not all(type(b) is int and 0 <= b < 256 for b in entries):
        raise ProofUnreadable(f"{path}: 32 byte values are expected")
    return bytes(entries)


def _hashes(value: Any, path: str) -> tuple[bytes, ...]:
    witness = reader.obj(value, path, ("hash_witness",))["hash_witness"]
    return reader.items(witness, f"{path}.hash_witness", MAX_HASHES, _hash)


def _felts(value: Any, path: str, limit: int = MAX_HASHES) -> tuple[QM31, ...]:
    return reader.items(value, path, limit, lambda v, p: reader.qm31(v, p, U32_MAX))


def _words(value: Any, path: str) -> tuple[int, ...]:
    entries = reader.array(value, path, MAX_QUERIES)
    if not all(type(v) is int and 0 <= v <= U32_MAX for v in entries):
        raise ProofUnreadable(f"{path}: integers of 32 bits are expected")
    return tuple(entries)


def _layer(value: Any, path: str) -> FriLayer:
    value = reader.obj(value, path, ("fri_witness", "decommitment", "commitment"))
    return FriLayer(
        _felts(value["fri_witness"], f"{path}.fri_witness"),
        _hashes(value["decommitment"], f"{path}.decommitment"),
        _hash(value["commitment"], f"{path}.commitment"),
    )


def _sampled_tree(value: Any, path: str) -> tuple[tuple[QM31, ...], ...]:
    return reader.items(value, path, MAX_COLUMNS, lambda v, p: _felts(v, p, 8))


def _queried_tree(value: Any, path: str) -> tuple[tuple[int, ...], ...]:
    return reader.items(value, path, MAX_COLUMNS, _words)


def _read(value: Any) -> Proof:
    keys = ("config", "commitments", "sampled_values", "decommitments", "queried_values", "proof_of_work", "fri_proof")
    value = reader.obj(value, "proof", keys)
    fri = reader.obj(value["fri_proof"], "fri_proof", ("first_layer", "inner_layers", "last_layer_poly"))
    last = reader.obj(fri["last_layer_poly"], "last_layer_poly", ("coeffs", "log_size"))
    return Proof(
        config=PcsConfig.from_json(value["config"], "proof.config"),
        commitments=reader.items(value["commitments"], "commitments", MAX_TREES, _hash),
        sampled_values=reader.items(value["sampled_values"], "sampled_values", MAX_TREES, _sampled_tree),
        decommitments=reader.items(value["decommitments"], "decommitments", MAX_TREES, _hashes),
        queried_values=reader.items(value["queried_values"], "queried_values", MAX_TREES, _queried_tree),
        proof_of_work=reader.integer(value["proof_of_work"], "proof_of_work", 0, U64_MAX),
        first_layer=_layer(fri["first_layer"], "first_layer"),
        inner_layers=reader.items(fri["inner_layers"], "inner_layers", MAX_LAYERS, _layer),
        last_coeffs=_felts(last["coeffs"], "coeffs", 1 << 10),
        last_log_size=reader.integer(last["log_size"], "log_size", 0, U32_MAX),
    )


def _layer_json(layer: FriLayer) -> dict[str, Any]:
    return {
        "fri_witness": _felts_json(layer.fri_witness),
        "decommitment": {"hash_witness": [list(h) for h in layer.hash_witness]},
        "commitment": list(layer.commitment),
    }


def _felts_json(felts: Sequence[QM31]) -> list[list[list[int]]]:
    return [reader.qm31_json(f) for f in felts]


def _write(proof: Proof) -> dict[str, Any]:
    return {
        "config": proof.config.to_json(),
        "commitments": [list(c) for c in proof.commitments],
        "sampled_values": [[_felts_json(samples) for samples in tree] for tree in proof.sampled_values],
        "decommitments": [{"hash_witness": [list(h) for h in hashes]} for hashes in proof.decommitments],
        "queried_values": [[list(column) for column in tree] for tree in proof.queried_values],
        "proof_of_work": proof.proof_of_work,
        "fri_proof": {
            "first_layer": _layer_json(proof.first_layer),
            "inner_layers": [_layer_json(layer) for layer in proof.inner_layers],
            "last_layer_poly": {"coeffs": _felts_json(proof.last_coeffs), "log_size": proof.last_log_size},
        },
    }
