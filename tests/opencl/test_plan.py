"""The memory plan against the memory that proofs take."""

from __future__ import annotations

from dataclasses import replace

import pytest

from bitsage.obelysk import MatmulJob
from bitsage.opencl.backend import OpenCLBackend
from bitsage.opencl.device import Device, DeviceInfo
from bitsage.opencl.plan import MARGIN, plan_of
from bitsage.opencl.streaming import StreamingBackend
from bitsage.stark import PcsConfig, ProofRefused, prove
from bitsage.stark.examples import plonk, state_machine, wide_fibonacci

#: The plan's peak is within this factor of the measured one, either way, for columns of 2^10 rows and more.
FACTOR = 1.1
CONFIG = PcsConfig(5, 1, 16, 0, 1)
INSTANCES = {
    "40 columns": lambda: wide_fibonacci(CONFIG, [(12, 40)]),
    "two sizes": lambda: wide_fibonacci(PcsConfig(5, 2, 16, 1, 3), [(13, 5), (11, 60)]),
    "lookups": lambda: state_machine(CONFIG, 13),
    "preprocessed": lambda: plonk(PcsConfig(5, 2, 16, 1, 3), 12),
}


@pytest.mark.parametrize("name", INSTANCES)
def test_the_plan_is_near_the_measured_peak(info: DeviceInfo, name: str) -> None:
    air, params, trace = INSTANCES[name]()
    device = Device(info)
    prove(air, params, trace, backend=OpenCLBackend(device))
    planned = plan_of(air, params).resident_peak
    assert planned / FACTOR <= device.pool.peak <= planned * FACTOR


def test_the_plan_of_a_matmul_is_near_the_measured_peak(info: DeviceInfo) -> None:
    job, request, binding = MatmulJob(), {"size": 64, "seed": 5}, bytes(32)
    device = Device(info)
    job.prove(request, job.run(request), binding, backend=OpenCLBackend(device))
    planned = plan_of(*job.statement(request, binding)).resident_peak
    assert planned / FACTOR <= device.pool.peak <= planned * FACTOR


@pytest.mark.parametrize("name", INSTANCES)
def test_the_memory_that_the_plan_asks_for_is_enough(info: DeviceInfo, name: str) -> None:
    air, params, trace = INSTANCES[name]()
    plan = plan_of(air, params)
    resident, streaming = (int(peak * MARGIN) + 1 for peak in (plan.resident_peak, plan.streaming_peak))
    assert (plan.mode(resident), plan.mode(resident - 2)) == ("resident", "streaming")
    kept = Device(info, memory=resident)
    streamed = Device(info, memory=streaming)
    proofs = [prove(air, params, trace, backend=b) for b in (OpenCLBackend(kept), StreamingBackend(streamed))]
    assert proofs[0] == proofs[1]
    assert kept.pool.peak <= resident
    assert streamed.pool.peak <= streaming < resident


def test_the_stages_add_up() -> None:
    air, params, _ = INSTANCES["40 columns"]()
    plan = plan_of(air, params)
    assert plan.columns == (40 + 8) * 4 << 12
    assert plan.evaluations == 2 * plan.columns
    assert plan.trees == 2 * 64 << 13  # of the trace and of the composition
    assert plan.resident_peak == max(stage.kept + stage.work for stage in plan.resident)
    said = plan.as_dict(1 << 20)
    assert (said["memory"], said["mode"]) == (1 << 20, "streaming")
    assert said["streaming"]["peak"] == plan.streaming_peak
    assert plan.as_dict(None)["mode"] is None


def test_parameters_of_another_air_are_refused() -> None:
    air, params, _ = INSTANCES["lookups"]()
    with pytest.raises(ProofRefused, match="component sizes"):
        plan_of(air, replace(params, log_sizes=(5,)))
