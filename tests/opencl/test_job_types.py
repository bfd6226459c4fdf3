"""Every job type proves the same bytes on the device as with NumPy, and its own verifier accepts them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from bitsage.obelysk import MatmulJob
from bitsage.obelysk.inference import InferenceJob
from bitsage.obelysk.inference.model import default_model
from bitsage.obelysk.vm import VmJob
from bitsage.opencl.backend import OpenCLBackend
from bitsage.opencl.device import Device

PROGRAMS = Path(__file__).parents[2] / "examples" / "vm"
BINDING = bytes(range(32))


def words(*values: int) -> bytes:
    return b"".join(value.to_bytes(4, "little") for value in values)


REQUESTS = {
    "matmul": (MatmulJob, lambda: {"size": 64, "seed": 9}),
    "vm, arithmetic": (VmJob, lambda: {"assembly": (PROGRAMS / "collatz.asm").read_text(), "inputs": words(27)}),
    "vm, memory": (VmJob, lambda: {"assembly": (PROGRAMS / "sort.asm").read_text(), "inputs": words(4, 9, 2, 7, 5)}),
    "inference": (InferenceJob, lambda: {"model": default_model().hash.hex(), "digits": "0-7"}),
}


@pytest.mark.slow
@pytest.mark.parametrize("name", REQUESTS)
def test_the_same_bytes_as_numpy(device: Device, name: str) -> None:
    kind, make = REQUESTS[name]
    job: Any = kind()
    request = make()
    output = job.run(request)
    made = job.prove(request, output, BINDING, backend=OpenCLBackend(device))
    assert made == job.prove(request, output, BINDING)
    job.verify(request, output, made, BINDING)
