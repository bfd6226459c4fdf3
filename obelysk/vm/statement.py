"""What a proof of a run says, and the parameters under which it is checked."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import lru_cache

from blake3 import blake3

from bitsage.stark import QM31, Air, Params, PcsConfig, PublicList

from .air import COMPONENTS, LIMBS, PREPROCESSED, vm_air
from .isa import Program
from .micro import lower
from .trace import BYTES_LOG, MIN_LOG, TABLE_LOG, log_size

#: 96 conjectured bits: 20 + 2 * 38.
CONFIG = PcsConfig(
    pow_bits=20, log_blowup_factor=2, n_queries=38, log_last_layer_degree_bound=0, fold_step=3, lifting_log_size=None
)
MAX_CYCLES_LOG = 20
_FIXED = {"memory": TABLE_LOG, "words": TABLE_LOG, "bytes": BYTES_LOG}


@dataclass(frozen=True, slots=True)
class Statement:
    """The program, started on `inputs`, halts after `cycles` cycles, having read `inputs_read` words and
    written `outputs`; bound to 32 bytes of the job."""

    program: Program
    inputs: tuple[int, ...]
    outputs: tuple[int, ...]
    inputs_read: int
    cycles: int
    binding: bytes

    def air(self) -> Air:
        """The AIR of this statement."""
        rows = 1 << log_size(len(self.program.instructions))
        return vm_air(lower(self.program), rows, len(self.inputs), self.inputs_read, len(self.outputs))

    def params(self, sizes: tuple[int, ...], claimed: tuple[QM31, ...], root: bytes | None) -> Params:
        """Parameters under CONFIG for components of these log sizes."""
        cpu = sizes[0]
        digest = blake3(self.program.to_bytes()).digest()
        return Params(
            config=CONFIG,
            log_sizes=sizes,
            preprocessed_log_sizes=(cpu, cpu, TABLE_LOG, TABLE_LOG, TABLE_LOG, BYTES_LOG),
            public={
                "cycles": self.cycles,
                "inputs_read": self.inputs_read,
                "binding": limbs(self.binding),
                "program": limbs(digest),
                "inputs": PublicList(self.inputs),
                "outputs": PublicList(self.outputs),
            },
            claimed_sums=claimed,
            preprocessed_root=root,
        )

    def fits(self, sizes: tuple[int, ...]) -> bool:
        """Whether components may have these log sizes."""
        expected = _FIXED | {"program": log_size(len(self.program.instructions))}
        return (
            len(sizes) == len(COMPONENTS)
            and all(MIN_LOG <= n <= MAX_CYCLES_LOG for n in sizes)
            and all(n == expected.get(name, n) for name, n in zip(COMPONENTS, sizes, strict=True))
            and all(n <= sizes[0] or name in expected for name, n in zip(COMPONENTS, sizes, strict=True))
        )


def limbs(data: bytes) -> PublicList:
    """32 bytes as 16-bit limbs, which are canonical field elements."""
    return PublicList(tuple(int.from_bytes(data[k : k + 2], "little") for k in range(0, 2 * LIMBS, 2)))
