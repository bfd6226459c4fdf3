"""The compact binary form of a proof: the traversal of the JSON form with u32 little-endian numbers.

Layout: magic "BSP1"; config as six u32 (lifting_log_size 0 stands for null); then every array as its u32
count and its entries, hashes as 32 bytes, QM31 as 16 bytes, the nonce as u64.  One proof has one encoding:
the reader rejects trailing bytes and counts above its bounds.
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Sequence
from typing import TypeVar

from .channel import felts_bytes
from .errors import ProofUnreadable
from .fields import QM31
from .params import PcsConfig
from .proof import MAX_BYTES, MAX_COLUMNS, MAX_HASHES, MAX_LAYERS, MAX_QUERIES, MAX_TREES, FriLayer, Proof

MAGIC = b"BSP1"
T = TypeVar("T")


def encode(proof: Proof) -> bytes:
    """The compact binary form."""
    out = bytearray(MAGIC)
    config = proof.config
    out += struct.pack(
        "<6I",
        config.pow_bits,
        config.log_blowup_factor,
        config.log_last_layer_degree_bound,
        config.n_queries,
        config.fold_step,
        config.lifting_log_size or 0,
    )
    _put_hashes(out, proof.commitments)
    _put_count(out, proof.sampled_values)
    for samples in proof.sampled_values:
        _put_count(out, samples)
        for column in samples:
            _put_felts(out, column)
    _put_count(out, proof.decommitments)
    for hashes in proof.decommitments:
        _put_hashes(out, hashes)
    _put_count(out, proof.queried_values)
    for tree in proof.queried_values:
        _put_count(out, tree)
        for values in tree:
            _put_count(out, values)
            out += struct.pack(f"<{len(values)}I", *values)
    out += struct.pack("<Q", proof.proof_of_work)
    _put_layer(out, proof.first_layer)
    _put_count(out, proof.inner_layers)
    for layer in proof.inner_layers:
        _put_layer(out, layer)
    _put_felts(out, proof.last_coeffs)
    out += struct.pack("<I", proof.last_log_size)
    return bytes(out)


def _put_count(out: bytearray, entries: Sequence[object]) -> None:
    out += struct.pack("<I", len(entries))


def _put_hashes(out: bytearray, hashes: Sequence[bytes]) -> None:
    _put_count(out, hashes)
    out += b"".join(hashes)


def _put_felts(out: bytearray, felts: Sequence[QM31]) -> None:
    _put_count(out, felts)
    out += felts_bytes(felts)


def _put_layer(out: bytearray, layer: FriLayer) -> None:
    _put_felts(out, layer.fri_witness)
    _put_hashes(out, layer.hash_witness)
    out += layer.commitment


class _Reader:
    def __init__(self, data: bytes) -> None:
        self.data = data
        self.offset = 0

    def take(self, count: int) -> bytes:
        part = self.data[self.offset : self.offset + count]
        if len(part) != count:
            raise ProofUnreadable("proof: the binary form ends early")
        self.offset += count
        return part

    def u32(self) -> int:
        return int.from_bytes(self.take(4), "little")

    def count(self, limit: int) -> int:
        value = self.u32()
        if value > limit:
            raise ProofUnreadable(f"proof: a count of the binary form is above {limit}")
        return value

    def many(self, limit: int, read: Callable[[], T]) -> tuple[T, ...]:
        return tuple(read() for _ in range(self.count(limit)))

    def hashes(self, limit: int = MAX_HASHES) -> tuple[bytes, ...]:
        data = self.take(32 * self.count(limit))
        return tuple(data[k : k + 32] for k in range(0, len(data), 32))

    def felts(self, limit: int = MAX_HASHES) -> tuple[QM31, ...]:
        data = self.take(16 * self.count(limit))
        return tuple(struct.iter_unpack("<4I", data))

    def words(self) -> tuple[int, ...]:
        count = self.count(MAX_QUERIES)
        return struct.unpack(f"<{count}I", self.take(4 * count))

    def config(self) -> PcsConfig:
        pow_bits, blowup, last, queries, step, lifting = struct.unpack("<6I", self.take(24))
        return PcsConfig.from_json(
            {
                "pow_bits": pow_bits,
                "fri_config": {
                    "log_blowup_factor": blowup,
                    "log_last_layer_degree_bound": last,
                    "n_queries": queries,
                    "fold_step": step,
                },
                "lifting_log_size": lifting or None,
            },
            "proof.config",
        )

    def layer(self) -> FriLayer:
        return FriLayer(self.felts(), self.hashes(), self.take(32))


def decode(data: bytes) -> Proof:
    """Read the compact binary form.  Raises ProofUnreadable."""
    if len(data) > MAX_BYTES:
        raise ProofUnreadable(f"proof: more than {MAX_BYTES} bytes")
    reader = _Reader(data)
    if reader.take(4) != MAGIC:
        raise ProofUnreadable("proof: neither JSON nor the compact binary form")
    proof = Proof(
        config=reader.config(),
        commitments=reader.hashes(MAX_TREES),
        sampled_values=reader.many(MAX_TREES, lambda: reader.many(MAX_COLUMNS, lambda: reader.felts(8))),
        decommitments=reader.many(MAX_TREES, reader.hashes),
        queried_values=reader.many(MAX_TREES, lambda: reader.many(MAX_COLUMNS, reader.words)),
        proof_of_work=int.from_bytes(reader.take(8), "little"),
        first_layer=reader.layer(),
        inner_layers=reader.many(MAX_LAYERS, reader.layer),
        last_coeffs=reader.felts(1 << 10),
        last_log_size=reader.u32(),
    )
    if reader.offset != len(data):
        raise ProofUnreadable("proof: bytes follow after the end of the binary form")
    return proof


def read_proof(data: bytes) -> Proof:
    """A bare proof from bytes in either form.  Raises ProofUnreadable."""
    return decode(data) if data[:4] == MAGIC else Proof.from_json(data)
