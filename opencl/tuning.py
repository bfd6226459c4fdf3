"""Sizes of blocks and groups by device class, and what `sage devices --tune` measured (cached on disk)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from .device import Device


class Layers(Protocol):
    """A range of layers."""

    @property
    def lo(self) -> int:
        """First layer."""

    @property
    def hi(self) -> int:
        """Layer after the last."""


@dataclass(frozen=True, slots=True)
class FftSizes:
    """How the circle FFT is cut for a device; all sizes are in 32-bit words.

    `low_log` is the log2 of the contiguous blocks of the low pass, `tile_log` of the largest tile in local
    memory, `slice_words_log` of a row of a tile of a high pass; `batch_words` is what a launch should touch.
    """

    lanes: int
    group: int
    low_log: int
    tile_log: int
    slice_words_log: int
    batch_words: int

    @property
    def lanes_log(self) -> int:
        """Log2 of the vector width."""
        return self.lanes.bit_length() - 1

    @property
    def options(self) -> str:
        """Compiler options of fft.cl."""
        return f"-DLANES_LOG={self.lanes_log} -DGROUP={self.group} -DTILE_LOG={self.tile_log}"

    def slice_log(self, step: Layers) -> int:
        """Log2 of the vectors of a slice of a high pass."""
        return min(self.slice_words_log, self.tile_log - (step.hi - step.lo), step.lo) - self.lanes_log


def fft_sizes(device: Device) -> FftSizes:
    """The sizes in force."""
    known = device.kept.get("fft sizes")
    if isinstance(known, FftSizes):
        return known
    if device.lanes > 1:
        sizes = FftSizes(device.lanes, 1, 13, 15, 6, 1 << 20)
    else:
        local_log = (device.info.max_local // 4).bit_length() - 1
        group = min(256, device.info.max_group)
        sizes = FftSizes(1, group, min(12, local_log), min(12, local_log), 5, 1 << 24)
    device.kept["fft sizes"] = sizes
    return sizes


@dataclass(frozen=True, slots=True)
class HashSizes:
    """How Merkle trees are cut: a group of `group` work-items takes 2^block_log leaves or nodes."""

    lanes: int
    group: int
    block_log: int

    @property
    def lanes_log(self) -> int:
        """Log2 of the vector width."""
        return self.lanes.bit_length() - 1

    @property
    def options(self) -> str:
        """Compiler options of merkle.cl."""
        return f"-DGROUP={self.group}"

    def single(self) -> HashSizes:
        """Sizes for layers narrower than a vector."""
        return HashSizes(1, 1, self.lanes_log)


def hash_sizes(device: Device, log_size: int) -> HashSizes:
    """The sizes in force for layers of 2^log_size digests."""
    sizes = device.kept.get("hash sizes")
    if not isinstance(sizes, HashSizes):
        sizes = HashSizes(device.lanes, 1, 10) if device.lanes > 1 else HashSizes(1, min(128, device.info.max_group), 8)
        device.kept["hash sizes"] = sizes
    return sizes if 1 << log_size >= sizes.lanes else sizes.single()
