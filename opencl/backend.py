"""The OpenCL backend of the prover: `stark.backend.Backend` on one device."""

from __future__ import annotations

from collections.abc import Sequence

from bitsage.stark.vectors import U32

from . import fft, gather, merkle
from .buffers import ColumnRef, ColumnSet, Matrix, Tree
from .device import Device, DeviceInfo, open_device
from .grind import grind
from .operations import PolynomialOperations


class OpenCLBackend(PolynomialOperations):
    """Columns, trees and evaluations stay in device memory; roots, samples, openings and nonces come back.

    Every method may raise DeviceOutOfMemory, DeviceLost or KernelRefused; `fallback.prove_with_fallback`
    makes the proof on another device then.
    """

    name = "opencl"

    def __init__(self, device: Device | DeviceInfo) -> None:
        super().__init__(open_device(device) if isinstance(device, DeviceInfo) else device)

    @property
    def label(self) -> str:
        """Kind and name of the device."""
        return self.device.info.label

    def interpolate(self, columns: Sequence[U32 | ColumnRef]) -> ColumnSet:
        """Coefficients of every column, on the device."""
        return fft.interpolate(self.device, columns)

    def host(self, column: ColumnRef) -> U32:
        """A column as a host array."""
        return column.host()

    def commit(self, evaluations: ColumnSet, height: int) -> Tree:
        """Merkle tree; without columns the tree of the empty root."""
        return merkle.commit(self.device, evaluations, height)

    def root(self, tree: Tree) -> bytes:
        """Root of a tree."""
        return tree.root

    def decommit(self, tree: Tree, positions: Sequence[int]) -> list[bytes]:
        """Hash witness of sorted distinct positions."""
        return merkle.decommit(self.device, tree, positions)

    def gather(self, evaluations: ColumnSet, height: int, positions: Sequence[int]) -> list[list[int]]:
        """Lifted values at the positions."""
        return gather.gather(self.device, evaluations, height, positions)

    def commit_layer(self, evaluation: Matrix, packed: bool) -> Tree:
        """Merkle tree of a FRI layer."""
        return merkle.commit_layer(self.device, evaluation, packed)

    def grind(self, digest: bytes, bits: int) -> int:
        """Nonce of the proof of work."""
        return grind(self.device, digest, bits)
