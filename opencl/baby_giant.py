"""Small discrete logarithms on a device: baby-step table and giant-step search (Shanks, 1971; privacy specification, section 2).

The table holds the low 64 bits of x(j*G) for 0 < j <= B, sorted, each with its j. As x(-Q) = x(Q), a giant step spans
2B + 1 values: m = i * (2B + 1) + j with |j| <= B. A match of 64 bits is a hint: callers check the candidate. What is
searched for is no secret to whoever runs the search.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from .buffers import Buffer
from .curve252 import Affine, Indices, PointBatch, add
from .device import Device
from .felt252 import FIELD_PRIME, lanes_of, rows_for

Keys = npt.NDArray[np.uint64]

_FILE = "curve252"
#: Giant steps of one batch: all that a 40-bit amount needs with 2^21 baby steps.
BLOCK = 1 << 18
#: Matches of one batch that are looked at; two of them are already unlikely (2^-25).
_ROOM = 64


def multiples(device: Device, base: Affine, count: int) -> PointBatch:
    """1*base, 2*base, ..., count*base."""
    size, _ = rows_for(device, count + 1)
    whole = device.alloc(16 * size)
    done, step = 1, base
    _copy(PointBatch.of(device, [base]), whole, 0, 1)
    while done < count:
        part = PointBatch(device, whole, done).plus(PointBatch.of(device, [step]))
        fresh = min(done, count - done)
        _copy(part, whole, done, fresh)
        done, step = done + fresh, add(step, step)
    device.copy(PointBatch.of(device, []).buffer, whole, 64, 0, 64 * count)
    return PointBatch(device, whole, count)


def _copy(source: PointBatch, target: Buffer, at: int, count: int) -> None:
    source.device.copy(source.buffer, target, 64 * count, 0, 64 * at)


def _keys(batch: PointBatch) -> Buffer:
    device, lanes = batch.device, lanes_of(batch.device)
    items = -(-batch.count // lanes)
    keys = device.alloc(2 * items * lanes)
    device.launch(device.kernel(_FILE, "curve_keys", lanes=lanes), (items,), None, batch.buffer, keys, items * lanes)
    return keys


def baby_table(device: Device, base: Affine, bits: int) -> tuple[Keys, Indices]:
    """(sorted keys, their j) of the 2^bits multiples of `base`."""
    batch = multiples(device, base, 1 << bits)
    keys = device.download(_keys(batch), (2 << bits,)).view("<u8")
    order = np.argsort(keys, kind="stable")
    return keys[order], (order + 1).astype(np.uint32)


@dataclass(frozen=True, slots=True, eq=False)
class GiantSteps:
    """A table on a device, with the first giant steps of every search."""

    steps: Indices
    table: Buffer
    starts: Buffer
    bits: int
    offsets: PointBatch
    stride: Affine
    span: int

    @classmethod
    def of(cls, device: Device, base: Affine, keys: Keys, steps: Indices, block: int = BLOCK) -> GiantSteps:
        """Upload the table of `baby_table`, and make `block` giant steps."""
        span = 2 * len(keys) + 1
        # Infinity has key 0 and stands for j = 0.
        keys, steps = np.concatenate(([np.uint64(0)], keys)), np.concatenate(([np.uint32(0)], steps))
        bits = min(24, len(keys).bit_length())
        starts = np.searchsorted(keys >> np.uint64(64 - bits), np.arange((1 << bits) + 1)).astype(np.uint32)
        step = _times(_negative(base), span)
        return cls(
            steps=steps,
            table=device.upload(keys.view(np.uint32)),
            starts=device.upload(starts),
            bits=bits,
            offsets=multiples(device, step, block - 1),
            stride=_times(step, block),
            span=span,
        )

    def candidates(self, target: Affine, limit: int) -> Iterator[int]:
        """Numbers m < limit for which m * base may be `target`; when there is such a number, it is among them."""
        block = self.offsets.count + 1
        for first in range(0, (limit - 1 + self.span // 2) // self.span + 1, block):
            for place, step in self._matches(target):
                # The offsets begin with the first giant step; the target itself comes last.
                giant = first + (0 if place == block - 1 else place + 1)
                yield from (m for m in {giant * self.span + step, giant * self.span - step} if 0 <= m < limit)
            target = add(target, self.stride)

    def _matches(self, target: Affine) -> list[tuple[int, int]]:
        device = self.offsets.device
        # The infinity behind the offsets plus the target: giant step 0.
        every = np.arange(self.offsets.count + 1, dtype=np.uint32)
        shifted = self.offsets.sums(every, np.zeros_like(every), PointBatch.of(device, [target]))
        hits = device.upload(np.zeros(1 + 2 * _ROOM, dtype=np.uint32))
        kernel = device.kernel(_FILE, "find_keys", lanes=lanes_of(device))
        count = shifted.count
        device.launch(kernel, (count,), None, _keys(shifted), self.table, self.starts, hits, self.bits, _ROOM, count)
        found = device.download(hits, (1 + 2 * _ROOM,))
        pairs = found[1 : 1 + 2 * min(int(found[0]), _ROOM)].reshape(-1, 2)
        return [(int(place), int(self.steps[at])) for place, at in pairs]


def _negative(point: Affine) -> Affine:
    return None if point is None else (point[0], FIELD_PRIME - point[1])


def _times(point: Affine, factor: int) -> Affine:
    total: Affine = None
    for bit in bin(factor)[2:]:
        total = add(total, total)
        if bit == "1":
            total = add(total, point)
    return total
