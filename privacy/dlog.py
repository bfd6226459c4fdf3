"""Small discrete logarithms: from m*G back to m (baby steps and giant steps; Shanks, 1971).

The table holds x(j*G) for 0 < j <= B = 2^baby_bits, as the low 64 bits of x in sorted order with their j. As x(-Q) = x(Q), a
giant step spans 2B + 1 values: m = i*(2B + 1) + j with |j| <= B. Giant steps are made 1,024 at a time.

File: "BSDLOG1\\0" || baby_bits (8 bytes, little-endian) || blake3 of the rest || B keys (u64) || B values of j (u32).
"""

import contextlib
import os
import tempfile
from dataclasses import dataclass
from functools import cached_property, lru_cache
from pathlib import Path
from typing import Protocol, Self

import blake3
import numpy as np
import numpy.typing as npt
from fastecdsa.rust import Point

from bitsage.cache import cache_folder

from .batch import Affine, add_to_all, sum_abscissas
from .curve import G, is_identity
from .elgamal import PAYMENT_BITS, Ciphertext, PaymentKey, unblind
from .errors import NotDecryptable, TableInvalid
from .fixed_base import times_g

BABY_BITS = 21
_MAGIC = b"BSDLOG1\0"
_HEADER_BYTES = 48
_BLOCK = 1024
_LOW = (1 << 64) - 1


class Table(Protocol):
    """What finds small discrete logarithms: a `DiscreteLog`, or a search on a device."""

    def find(self, target: Point, bits: int = PAYMENT_BITS) -> int:
        """m with m*G = target and 0 <= m < 2^bits.

        Raises:
            NotDecryptable: there is none.
        """


@dataclass(frozen=True)
class DiscreteLog:
    """A baby-step table: `keys` are sorted, `steps[i]` is the j of `keys[i]`."""

    baby_bits: int
    keys: npt.NDArray[np.uint64]
    steps: npt.NDArray[np.uint32]

    @classmethod
    def build(cls, baby_bits: int = BABY_BITS) -> Self:
        """A table of 2^baby_bits points in memory; about 3 us a point."""
        points: list[Affine] = [_affine(G)]
        while len(points) < 1 << baby_bits:
            # 1..k gives k+1..2k; k + k is a doubling, which the addition formula does not cover.
            count = len(points)
            points += add_to_all(points[:-1], points[-1])
            points.append(_affine(times_g(2 * count)))
        keys = np.fromiter((x & _LOW for x, _ in points), dtype="<u8", count=len(points))
        order = np.argsort(keys, kind="stable")
        return cls(baby_bits, keys[order], (order + 1).astype("<u4"))

    @classmethod
    def open(cls, path: Path, baby_bits: int = BABY_BITS) -> Self:
        """The table in the file at `path`; a missing or damaged file is made anew."""
        with contextlib.suppress(FileNotFoundError, TableInvalid):
            return cls.load(path, baby_bits)
        table = cls.build(baby_bits)
        table.save(path)
        return table

    @classmethod
    def load(cls, path: Path, baby_bits: int = BABY_BITS) -> Self:
        """Read the file at `path`.

        Raises:
            FileNotFoundError: there is none.
            TableInvalid: it is damaged or has another size.
        """
        data = path.read_bytes()
        count = 1 << baby_bits
        if len(data) != _HEADER_BYTES + 12 * count or data[:16] != _MAGIC + baby_bits.to_bytes(8, "little"):
            raise TableInvalid("its header or its size is not what is asked for")
        if blake3.blake3(data[_HEADER_BYTES:]).digest() != data[16:_HEADER_BYTES]:
            raise TableInvalid("its checksum does not agree")
        keys = np.frombuffer(data, dtype="<u8", count=count, offset=_HEADER_BYTES)
        return cls(baby_bits, keys, np.frombuffer(data, dtype="<u4", offset=_HEADER_BYTES + 8 * count))

    def save(self, path: Path) -> None:
        """Write the file through a temporary one, so that no reader sees half of it."""
        body = self.keys.tobytes() + self.steps.tobytes()
        header = _MAGIC + self.baby_bits.to_bytes(8, "little") + blake3.blake3(body).digest()
        path.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.NamedTemporaryFile(dir=path.parent, prefix=path.name, delete=False) as file:
            try:
                file.write(header + body)
                file.flush()
                os.replace(file.name, path)
            except BaseException:
                # A full disk must not get fuller by every try.
                os.unlink(file.name)
                raise

    @cached_property
    def _span(self) -> int:
        return 2 * (1 << self.baby_bits) + 1

    @cached_property
    def _offsets(self) -> list[Affine]:
        """-i*(2B + 1)*G for 0 < i < 1024."""
        step = -times_g(self._span)
        points, current = [], step
        for _ in range(1, _BLOCK):
            points.append(_affine(current))
            current = current + step
        return points

    def find(self, target: Point, bits: int = PAYMENT_BITS) -> int:
        """m with m*G = target and 0 <= m < 2^bits.

        Raises:
            NotDecryptable: there is none.
        """
        limit = 1 << bits
        stride = -times_g(self._span * _BLOCK)
        shifted = target
        for first in range(0, limit // self._span + 2, _BLOCK):
            for candidate in self._candidates(shifted, first):
                # The table keeps 64 bits of x, so a match is a hint and no more.
                if 0 <= candidate < limit and times_g(candidate) == target:
                    return candidate
            shifted = shifted + stride
        raise NotDecryptable

    def _candidates(self, shifted: Point, first: int) -> list[int]:
        """What m may be when shifted = (m - first*(2B + 1))*G and m lies within the next 1,024 giant steps."""
        middles = [i * self._span for i in range(first, first + _BLOCK)]
        if is_identity(shifted):
            return [middles[0]]
        x, _ = here = _affine(shifted)
        abscissas = [x, *sum_abscissas(self._offsets, here)]
        if None in abscissas:
            # shifted shares its x with the offset -i*(2B + 1)*G: it is that giant step's middle itself.
            return [middles[abscissas.index(None)]]
        wanted = np.array([a & _LOW for a in abscissas if a is not None], dtype="<u8")
        places = np.minimum(np.searchsorted(self.keys, wanted), len(self.keys) - 1)
        found: list[int] = []
        for i in np.flatnonzero(self.keys[places] == wanted):
            step = int(self.steps[places[i]])
            found += [middles[i] + step, middles[i] - step]
        return found


def cache_file() -> Path:
    """Where the full table is kept: in the cache folder (SAGE_CACHE) like everything that can be made again."""
    return cache_folder() / f"dlog{BABY_BITS}.bin"


@lru_cache(maxsize=1)
def shared_table() -> DiscreteLog:
    """The full table of this process: read once from `cache_file`, made first where there is none (6 s, 24 MiB)."""
    try:
        return DiscreteLog.open(cache_file())
    except OSError:
        # A folder that cannot be written costs time and not the payment.
        return DiscreteLog.build()


def _affine(point: Point) -> Affine:
    return point.x, point.y


def decrypt(
    key: PaymentKey,
    ciphertext: Ciphertext,
    *,
    hint: int | None = None,
    table: Table | None = None,
    recipient: int = 0,
    bits: int = PAYMENT_BITS,
) -> int:
    """The units that the ciphertext holds: `hint` is tried first, then the table.

    Raises:
        NotDecryptable: no amount below 2^bits, or not the hint and no table is given.
    """
    target = unblind(key, ciphertext, recipient)
    if is_identity(target):
        return 0
    if hint is not None and 0 <= hint < 1 << bits and times_g(hint) == target:
        return hint
    if table is None:
        raise NotDecryptable
    return table.find(target, bits)
