"""The STARK curve on an OpenCL device: many amounts decrypted, many privacy proofs checked as one.

A one-off command gains nothing by it (a device takes a second to open); an auditor with thousands of amounts does.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import structlog
from fastecdsa.rust import Point

from bitsage.opencl import DeviceError
from bitsage.opencl.baby_giant import GiantSteps
from bitsage.opencl.curve252 import Affine, PointBatch
from bitsage.opencl.device import Device, DeviceInfo, choose, open_device
from bitsage.privacy import PAYMENT_BITS, DiscreteLog
from bitsage.privacy.curve import G, is_identity
from bitsage.privacy.dlog import Table, shared_table
from bitsage.privacy.equations import Engine
from bitsage.privacy.errors import NotDecryptable
from bitsage.privacy.fixed_base import times_g
from bitsage.privacy.jacobian import to_point
from bitsage.privacy.multiexp import multiply_add

logger = structlog.get_logger(__name__)
#: So many proofs, or amounts, are worth a device that has to be opened first.
WORTH_IT = 64


@dataclass(frozen=True, slots=True)
class DeviceLog:
    """A table of discrete logarithms whose giant steps are made on a device (`privacy.dlog.Table`)."""

    giant: GiantSteps
    host: DiscreteLog

    @classmethod
    def of(cls, info: DeviceInfo, table: DiscreteLog) -> "DeviceLog":
        """Upload the table.

        Raises:
            DeviceError: the device cannot be used.
        """
        return cls(GiantSteps.of(open_device(info), (G.x, G.y), table.keys, table.steps), table)

    def find(self, target: Point, bits: int = PAYMENT_BITS) -> int:
        """m with m*G = target and 0 <= m < 2^bits; the host's search goes on where the device fails.

        Raises:
            NotDecryptable: there is none.
        """
        try:
            for candidate in self.giant.candidates(_affine(target), 1 << bits):
                # 64 bits of x are a hint and no more.
                if times_g(candidate) == target:
                    return candidate
        except DeviceError as error:
            logger.warning("device_failed", error=str(error))
            return self.host.find(target, bits)
        raise NotDecryptable


def device_sum(device: Device, terms: Sequence[tuple[int, Point]]) -> Affine:
    """The sum of scalar * point (`privacy.equations.Engine`).

    Raises:
        DeviceError: the device failed.
    """
    batch = PointBatch.of(device, [_affine(point) for _, point in terms])
    return batch.multi_scalar([scalar for scalar, _ in terms])


def _affine(point: Point) -> Affine:
    return None if is_identity(point) else (point.x, point.y)


def engine_for(proofs: int) -> Engine | None:
    """What adds up the points of so many proofs: the best device, and the host where it fails; None for the host alone."""
    info = choose() if proofs >= WORTH_IT else None
    if info is None:
        return None

    def total(terms: Sequence[tuple[int, Point]]) -> Affine:
        try:
            return device_sum(open_device(info), terms)
        except DeviceError as error:
            logger.warning("device_failed", device=info.label, error=str(error))
            return _affine(to_point(multiply_add(terms)))

    return total


def table_for(amounts: int) -> Table:
    """What finds so many amounts: a search on the best device, or the host's where there is none or it cannot be used."""
    info = choose() if amounts >= WORTH_IT else None
    if info is not None:
        try:
            return DeviceLog.of(info, shared_table())
        except DeviceError as error:
            logger.warning("device_failed", device=info.label, error=str(error))
    return shared_table()
