"""Measuring a device: really running and proving each job type's benchmark job, as an attempt of it would be."""

import time
from collections.abc import Iterator, Sequence

import structlog

from bitsage.obelysk import JOB_TYPES, MeasuredJob, ObelyskError, failures_named
from bitsage.opencl import DeviceError
from bitsage.schemas.events import Benchmark
from bitsage.stark import ProofRefused, ProverError

from .jobwork import Progress, prove_request

logger = structlog.get_logger(__name__)
_BOUND = bytes(32)


def measure(
    job_types: Sequence[str], *, device: str | None = None, progress: Progress | None = None
) -> Iterator[tuple[Benchmark, str]]:
    """The benchmark of every job type that has one, and the device that proved it.

    Its time is all of an attempt's work: running, proving, checking the own proof, packing. The first run is not counted,
    since kernels are compiled and tables made in it. A job type that fails is left out.

    Raises:
        DeviceUnknown: there is no such device.
    """
    for name in job_types:
        job_type = JOB_TYPES.get(name)
        if job_type is None or not isinstance(job_type, MeasuredJob):
            continue
        try:
            with failures_named(name, ProofRefused, ProverError, DeviceError):
                request = job_type.benchmark()
                rows = job_type.rows(request)
                prove_request(job_type, request, _BOUND, name, progress, device)
                started = time.monotonic()
                work = prove_request(job_type, request, _BOUND, name, progress, device)
                ms = max(1, round((time.monotonic() - started) * 1000))
        except (ObelyskError, ProofRefused, ProverError) as error:
            logger.warning("benchmark_failed", job_type=name, reason=str(error))
            continue
        yield Benchmark(job_type=name, rows=rows, ms=ms), work.backend
