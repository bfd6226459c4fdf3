"""The STARK curve on an OpenCL device: many amounts decrypted, many privacy proofs checked as one.

A one-off command gains nothing by it (a device takes a second to open); an auditor with thousands of amounts does.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from fastecdsa.rust import Point

from bitsage.opencl.baby_giant import GiantSteps
from bitsage.opencl.curve252 import Affine, PointBatch
from bitsage.opencl.device import Device, DeviceInfo, open_device
from bitsage.privacy import PAYMENT_BITS, DiscreteLog
from bitsage.privacy.curve import G, is_identity
from bitsage.privacy.errors import NotDecryptable
from bitsage.privacy.fixed_base import times_g


@dataclass(frozen=True, slots=True)
class DeviceLog:
    """A table of discrete logarithms whose giant steps are made on a device (`privacy.dlog.Table`)."""

    giant: GiantSteps

    @classmethod
    def of(cls, info: DeviceInfo, table: DiscreteLog) -> "DeviceLog":
        """Upload the table.

        Raises:
            DeviceError: the device cannot be used.
        """
        return cls(GiantSteps.of(open_device(info), (G.x, G.y), table.keys, table.steps))

    def find(self, target: Point, bits: int = PAYMENT_BITS) -> int:
        """m with m*G = target and 0 <= m < 2^bits.

        Raises:
            NotDecryptable: there is none.
            DeviceError: the device failed.
        """
        for candidate in self.giant.candidates(_affine(target), 1 << bits):
            # 64 bits of x are a hint and no more.
            if times_g(candidate) == target:
                return candidate
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
