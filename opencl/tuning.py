"""Sizes of blocks and groups: by device class, or as `sage devices --tune` measured them (cached on disk)."""

from __future__ import annotations

import hashlib
import json
import os
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from .runtime import cache_folder

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


@dataclass(frozen=True, slots=True)
class Sizes:
    """All sizes of a device."""

    fft: FftSizes
    hash: HashSizes

    def fit(self, device: Device) -> bool:
        """Whether a device of this vector width can run with them."""
        info, fft, hashing = device.info, self.fft, self.hash
        return (
            fft.lanes == hashing.lanes == device.lanes
            and 1 <= fft.group <= info.max_group
            and 1 <= hashing.group <= info.max_group
            and max(9, fft.lanes_log) <= fft.low_log <= fft.tile_log
            and 4 << fft.tile_log <= info.max_local
            and fft.lanes_log + 2 <= fft.slice_words_log <= fft.tile_log - 5
            and fft.batch_words >= 1
            and hashing.lanes_log <= hashing.block_log <= 20
        )


def defaults(device: Device) -> Sizes:
    """Sizes by the class of the device: cache blocks of vectors on CPUs, coalesced groups on GPUs."""
    local_log = (device.info.max_local // 4).bit_length() - 1
    if device.lanes > 1:
        tile_log = min(16, local_log)
        return Sizes(FftSizes(device.lanes, 1, min(12, tile_log), tile_log, 7, 1 << 20), HashSizes(device.lanes, 1, 10))
    group, tile_log = min(256, device.info.max_group), min(12, local_log)
    return Sizes(FftSizes(1, group, tile_log, tile_log, 5, 1 << 24), HashSizes(1, min(128, device.info.max_group), 8))


def sizes_of(device: Device) -> Sizes:
    """The sizes in force on a device."""
    known = device.kept.get("sizes")
    if not isinstance(known, Sizes):
        known = device.kept["sizes"] = tuned(device) or defaults(device)
    return known


def fft_sizes(device: Device) -> FftSizes:
    """How the FFT is cut."""
    return sizes_of(device).fft


def hash_sizes(device: Device, log_size: int) -> HashSizes:
    """How layers of 2^log_size digests are cut."""
    sizes = sizes_of(device).hash
    return sizes if 1 << log_size >= sizes.lanes else sizes.single()


def _path(device: Device) -> Path:
    info = device.info
    identity = "\0".join((info.platform, info.name, info.driver, str(info.compute_units), str(device.lanes)))
    return cache_folder() / f"tuned-{hashlib.sha256(identity.encode()).hexdigest()[:32]}.json"


def tuned(device: Device) -> Sizes | None:
    """The measured sizes; None where none were saved or they do not fit."""
    with suppress(OSError, ValueError, TypeError, KeyError):
        document: Any = json.loads(_path(device).read_text(encoding="utf-8"))
        found = Sizes(FftSizes(**document["fft"]), HashSizes(**document["hash"]))
        numbers = [*document["fft"].values(), *document["hash"].values()]
        if all(type(number) is int for number in numbers) and found.fit(device):
            return found
    return None


def keep(device: Device, sizes: Sizes) -> Path:
    """Use the sizes from now on and save them for later processes; returns the file."""
    device.kept["sizes"] = sizes
    path = _path(device)
    path.parent.mkdir(parents=True, exist_ok=True)
    aside = path.with_name(f"{path.name}.{os.getpid()}")
    aside.write_text(json.dumps(asdict(sizes), indent=2), encoding="utf-8")
    aside.replace(path)
    return path
