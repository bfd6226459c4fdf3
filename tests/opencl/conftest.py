"""The OpenCL device of the tests, once as a CPU and once with the kernels that GPUs get."""

import os

import pytest

from bitsage.opencl.device import Device, choose, discover


@pytest.fixture(scope="session")
def info():
    if not discover():
        pytest.skip("no OpenCL device is present")
    found = choose(os.environ.get("SAGE_DEVICE") or None)
    return found or discover()[0]


@pytest.fixture(scope="session", params=["own lanes", "one lane"])
def device(request, info):
    """A device with the vector width of its class, and one with single values as on a GPU."""
    return Device(info, None if request.param == "own lanes" else 1)
