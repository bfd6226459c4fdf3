"""Commitments of columns that a verifier knows, on an OpenCL device; and the verdict that does not depend on it.

Hashing the matrices of a large product again is most of what a validator does, and a device does it many times faster.
What comes from a device is not believed: a proof is refused only after NumPy has refused it, and one that is accepted has
shown the columns' values at a random point, which are computed here (`obelysk.job.AssistedJob`). A device that is absent,
fails, hangs or computes nonsense costs time.
"""

import queue
import threading
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from typing import Any

import structlog

from bitsage.obelysk import AssistedJob, JobType
from bitsage.obelysk.statement import commitment
from bitsage.opencl import DeviceError, DeviceInfo, DeviceOutOfMemory, OpenCLBackend, choose
from bitsage.opencl.device import open_device
from bitsage.stark import ProofRefused
from bitsage.stark.vectors import U32

logger = structlog.get_logger(__name__)
#: Columns below this length are committed with NumPy: it takes no longer than to wake a device (0.1 s).
LEAST_ROWS = 1 << 18
#: How long a validator waits for a device (seconds). On a processor that is busy both ways are slow, NumPy's by far slower;
#: a device that hangs is waited for once, which may cost one vote (they expire after 30 s) and no more.
PATIENCE_S = 20.0


def device_root(info: DeviceInfo, columns: Sequence[U32]) -> bytes:
    """Root of the tree over stored columns of one length, made on a device.  Raises DeviceError."""
    return commitment(columns, OpenCLBackend(info))


class DeviceCommitter:
    """`obelysk.job.Commit` on one device. Safe for threads; columns are committed one call after the other.

    `wanted` is what `opencl.choose` takes. `with_prover`: the process proves on the device as well, so that it is waited for
    and keeps its memory.
    """

    def __init__(
        self,
        wanted: str | int | None = None,
        *,
        with_prover: bool = False,
        patience_s: float = PATIENCE_S,
        least_rows: int = LEAST_ROWS,
        root_on: Callable[[DeviceInfo, Sequence[U32]], bytes] = device_root,
    ) -> None:
        self._wanted, self._least_rows, self._root_on = wanted, least_rows, root_on
        self._with_prover, self._patience_s = with_prover, None if with_prover else patience_s
        self._turn = threading.Lock()
        self._call: threading.Thread | None = None
        self._off = False

    def __call__(self, columns: Sequence[U32]) -> bytes | None:
        """The root, or None: short columns, no device, one that failed or did not answer in time. Never raises."""
        if self._off or len(columns[0]) < self._least_rows:
            return None
        with self._turn:
            # What hangs keeps its thread and its buffers; the device is asked again once it has let go of them.
            if self._off or (self._call is not None and self._call.is_alive()):
                return None
            return self._ask(columns)

    def _ask(self, columns: Sequence[U32]) -> bytes | None:
        answers: queue.SimpleQueue[bytes | None] = queue.SimpleQueue()
        self._call = threading.Thread(target=lambda: answers.put(self._root(columns)), name="commit", daemon=True)
        self._call.start()
        try:
            found = answers.get(timeout=self._patience_s)
        except queue.Empty:
            logger.warning("device_slow", wanted=self._wanted, seconds=self._patience_s, instead="numpy")
            return None
        self._call = None
        return found

    def _root(self, columns: Sequence[U32]) -> bytes | None:
        info = None
        try:
            info = choose(self._wanted)
            return None if info is None else self._root_on(info, columns)
        except DeviceError as error:
            self._off = not isinstance(error, DeviceOutOfMemory)
            logger.warning("device_failed", wanted=self._wanted, reason=error.code, instead="numpy")
        # A driver may fail in any way, and must not take a verdict with it.
        except Exception as error:  # noqa: BLE001
            self._off = True
            logger.warning("device_failed", wanted=self._wanted, reason=type(error).__name__, instead="numpy")
        finally:
            if info is not None and not self._with_prover:
                # Not kept until the next large proof, which may be days away.
                with suppress(Exception):
                    open_device(info).pool.trim()
        return None

    def distrust(self) -> None:
        """It has named a wrong root: do not ask it again in this process."""
        self._off = True
        logger.error("device_wrong", wanted=self._wanted, instead="numpy")


def verify_assisted(
    job_type: JobType,
    request: Mapping[str, Any],
    claimed: Any,
    proof: bytes,
    binding: bytes,
    committer: DeviceCommitter | None,
) -> None:
    """`JobType.verify`, on the device where the job type can use one.

    Raises:
        ProofRefused, JobInputInvalid: as `JobType.verify`, and for the same proofs.
    """
    if committer is None or not isinstance(job_type, AssistedJob):
        job_type.verify(request, claimed, proof, binding)
        return
    given: list[bytes] = []

    def commit(columns: Sequence[U32]) -> bytes | None:
        root = committer(columns)
        if root is not None:
            given.append(root)
        return root

    try:
        job_type.verify_with(request, claimed, proof, binding, commit)
    except ProofRefused:
        if not given:
            raise
    else:
        return
    job_type.verify(request, claimed, proof, binding)
    committer.distrust()
