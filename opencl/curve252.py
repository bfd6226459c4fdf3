"""Points of the STARK curve on a device: sums in batches and multi-scalar multiplication.

Points lie one after the other, sixteen words each: x and y in Montgomery form, (0, 0) for infinity. Sums are affine and
complete, with one inversion for many of them (Montgomery's trick). The multi-scalar multiplication is Pippenger's: points
are sorted into buckets by window and digit, buckets and then the bits of the digits are summed in rounds of pairs, and the
host joins what is left, one point a bit (Bernstein and others, "Faster batch forgery identification", section 4).

Nothing here is constant in time, and scalars reach the device in plain: only for public values.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from bitsage.stark.vectors import U32

from .buffers import Buffer
from .device import Device
from .felt252 import FIELD_PRIME, R, lanes_of, rows_for, to_words

#: An affine point; None is infinity.
Affine = tuple[int, int] | None
Indices = npt.NDArray[np.uint32]

_FILE = "curve252"
_R_INVERSE = pow(R, -1, FIELD_PRIME)
#: Points from which windows of eight bits beat windows of four.
_WIDE_FROM = 1024
_SCALAR_BYTES = 32


@dataclass(frozen=True, slots=True, eq=False)
class PointBatch:
    """`count` points on a device; the place behind them, index `count`, holds infinity."""

    device: Device
    buffer: Buffer
    count: int

    @classmethod
    def of(cls, device: Device, points: Sequence[Affine]) -> PointBatch:
        """Upload points. They are not checked to lie on the curve.

        Raises:
            ValueError: a coordinate is not in [0, p).
        """
        flat = [c for point in points for c in (point or (0, 0))]
        if not all(0 <= c < FIELD_PRIME for c in flat):
            raise ValueError("a coordinate lies in [0, p)")
        words = to_words([c * R % FIELD_PRIME for c in [*flat, 0, 0]])
        return cls(device, device.upload(words), len(points))

    def points(self) -> list[Affine]:
        """All points on the host."""
        data = self.device.download(self.buffer, (self.count, 16)).astype("<u4").tobytes()
        plain = [int.from_bytes(data[i : i + 32], "little") * _R_INVERSE % FIELD_PRIME for i in range(0, len(data), 32)]
        return [(x, y) if x or y else None for x, y in zip(plain[::2], plain[1::2], strict=True)]

    def sums(self, left: Indices, right: Indices, other: PointBatch | None = None) -> PointBatch:
        """self[left[i]] + other[right[i]] for every i (`other` is self by default); the index `count` is infinity.

        Raises:
            ValueError: the index lists differ in length, or an index is out of range.
        """
        other = other or self
        count = len(left)
        if len(right) != count or (count and (left.max() > self.count or right.max() > other.count)):
            raise ValueError("a sum names two places of its batches")
        size, rows = rows_for(self.device, count + 1)  # at least one more: the infinity behind the sums
        at_left = self.device.upload(_padded(left, size, self.count))
        at_right = self.device.upload(_padded(right, size, other.count))
        result, products = self.device.alloc(16 * size), self.device.alloc(8 * size)
        lanes = lanes_of(self.device)
        kernel = self.device.kernel(_FILE, "curve_add", lanes=lanes)
        items = (size // lanes // rows,)
        self.device.launch(
            kernel, items, None, self.buffer, at_left, other.buffer, at_right, result, products, size, rows
        )
        return PointBatch(self.device, result, count)

    def plus(self, other: PointBatch) -> PointBatch:
        """The sums point by point; a single point of `other` is added to all.

        Raises:
            ValueError: the lengths do not fit.
        """
        every = np.arange(self.count, dtype=np.uint32)
        return self.sums(every, np.zeros_like(every) if other.count == 1 else every, other)

    def segment_sums(
        self, places: Indices, segments: npt.NDArray[np.int64]
    ) -> tuple[PointBatch, npt.NDArray[np.int64]]:
        """Sums of self[places[i]] over equal `segments[i]`, which are sorted; and the segments' numbers."""
        batch = self
        while True:
            starts = np.flatnonzero(np.concatenate(([True], segments[1:] != segments[:-1])))
            lengths = np.diff(np.append(starts, len(segments)))
            if batch is not self and lengths.max(initial=1) == 1:
                return batch, segments
            inside = np.arange(len(segments)) - np.repeat(starts, lengths)
            first = np.flatnonzero(inside % 2 == 0)
            paired = np.repeat(lengths, lengths)[first] > inside[first] + 1
            right = np.where(paired, np.append(places, 0)[first + 1], batch.count).astype(np.uint32)
            batch = batch.sums(places[first], right)
            segments = segments[first]
            places = np.arange(len(segments), dtype=np.uint32)

    def multi_scalar(self, scalars: Sequence[int]) -> Affine:
        """The sum of scalars[i] * self[i].

        Raises:
            ValueError: another number of scalars than of points, or a scalar not in [0, 2^256).
        """
        if len(scalars) != self.count or not all(0 <= s < 1 << 256 for s in scalars):
            raise ValueError("one scalar of 256 bits for each point")
        window = 8 if self.count >= _WIDE_FROM else 4
        digits = _digits(scalars, window)
        place, position = np.nonzero(digits)
        if not len(place):
            return None
        bucket = (position.astype(np.int64) << window) | digits[place, position]
        order = np.argsort(bucket, kind="stable")
        buckets, numbers = self.segment_sums(place[order].astype(np.uint32), bucket[order])
        # A bucket counts for every bit of its digit: bit b of window w weighs 2^(w * window + b).
        bits = [np.flatnonzero(numbers >> b & 1) for b in range(window)]
        where = np.concatenate(bits)
        weight = np.concatenate([(numbers[at] >> window) * window + b for b, at in enumerate(bits)])
        order = np.argsort(weight, kind="stable")
        sums, weights = buckets.segment_sums(where[order].astype(np.uint32), weight[order])
        return _joined(dict(zip(weights.tolist(), sums.points(), strict=True)))


def _padded(indices: Indices, size: int, filler: int) -> U32:
    result = np.full(size, filler, dtype=np.uint32)
    result[: len(indices)] = indices
    return result


def _digits(scalars: Sequence[int], window: int) -> npt.NDArray[np.int64]:
    data = b"".join(scalar.to_bytes(_SCALAR_BYTES, "little") for scalar in scalars)
    octets = np.frombuffer(data, dtype=np.uint8).reshape(-1, _SCALAR_BYTES).astype(np.int64)
    if window == 8:
        return octets
    return np.stack((octets & 15, octets >> 4), axis=2).reshape(len(scalars), -1)


def _joined(by_bit: dict[int, Affine]) -> Affine:
    """The sum of 2^bit * point."""
    total: Affine = None
    for bit in range(max(by_bit), -1, -1):
        total = add(add(total, total), by_bit.get(bit))
    return total


def add(p: Affine, q: Affine) -> Affine:
    """p + q on the host."""
    if p is None or q is None:
        return q if p is None else p
    (x1, y1), (x2, y2) = p, q
    if x1 == x2:
        if y1 != y2:
            return None
        slope = (3 * x1 * x1 + 1) * pow(2 * y1, -1, FIELD_PRIME)
    else:
        slope = (y2 - y1) * pow(x2 - x1, -1, FIELD_PRIME)
    x3 = (slope * slope - x1 - x2) % FIELD_PRIME
    return x3, (slope * (x1 - x3) - y1) % FIELD_PRIME
