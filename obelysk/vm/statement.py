"""What a proof of a run says, and the parameters under which it is checked."""

from __future__ import annotations

from dataclasses import dataclass

from blake3 import blake3

from bitsage.obelysk.statement import CONFIG, binding_limbs, limbs
from bitsage.stark import QM31, Air, Params, PublicList

from .air import COMPONENTS, vm_air
from .isa import Program
from .micro import lower
from .trace import BYTES_LOG, MIN_LOG, TABLE_LOG, log_size

MAX_CYCLES_LOG = 20
_FIXED = {"memory": TABLE_LOG, "words": TABLE_LOG, "bytes": BYTES_LOG}

#: Roots of the preprocessed tree by the log size of the component cpu, under CONFIG's blowup.
PREPROCESSED_ROOTS: dict[int, str] = {
    4: "43b2393bea1f01514ff7397319d8ec08fec3886556d2997b16581481750535e5",
    5: "120142553971be14704eee1fcdc7df7764c64ae3172fdc3da999942e067ed07d",
    6: "bd185e52326c458e060ee1281b50bc581cde2df8c05b812f1a2783cedb0761c9",
    7: "b60a5f405c054202d8af39c6def0dde74eb181d100425303bf7927d577a60046",
    8: "ad4156dbad41987ba493ebecd878fa6d19f93b8603613d3d295b0f5e44169223",
    9: "d3a7c0218675cfc0f2825aa8372a37dc36aed1a654b01f045207ea6b11bd56cd",
    10: "801eae945914b3064fa480433cae4332c78655affa42242eca8d54e7f7660223",
    11: "dc0551a3d3637a337f948714f179810a9d2076f590b5b63d21edee5de42ae93b",
    12: "f03486ba81c097a970a2797da4eb0dc719085082973c524de95834bc6b78390e",
    13: "b538ca6bffd8d9b7e6854491a29a2ca40c1e8f611c63052a87c40350c06b9aba",
    14: "9882fe8192a1648f02ed813d9c3f0e644b943e6ba1f09c7bed76802e7ff2f468",
    15: "47035eec012ee1dcec835d6307046cd78064746d7aa2556b4dd0e4b5f790376e",
    16: "b0a5d12ab15d99cce3c5cb12d92db05ca57a1a3fc1ec904c80e81f62695b52b4",
    17: "2c8f4b9c7a7fbb022acafb52182a7b0750051832d828682d3f88c8c40c92691c",
    18: "72967b3760ece4fa49876e2333ef824757195c1b9490773a8d9d2c4cf5115e06",
    19: "299ff774cc484528ead1eb169bdfae82fbfb1db64e9ad41b90486c3cce791735",
    20: "d48dc14c3d0b15fcd49dc355b11480f436293aa23f58ff384cee054e3ec99178",
}


@dataclass(frozen=True, slots=True)
class Statement:
    """The program, started on `inputs`, halts after `cycles` cycles; it has read `inputs_read` words and written
    `outputs`.  `binding` is 32 bytes that the proof carries along.
    """

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

    def params(self, sizes: tuple[int, ...], claimed: tuple[QM31, ...] = ()) -> Params:
        """Parameters under CONFIG for components of these log sizes; the preprocessed root is pinned.

        Raises JobInputInvalid for a binding that is not 32 bytes.
        """
        cpu = sizes[0]
        digest = blake3(self.program.to_bytes()).digest()
        return Params(
            config=CONFIG,
            log_sizes=sizes,
            preprocessed_log_sizes=(cpu, cpu, TABLE_LOG, TABLE_LOG, TABLE_LOG, BYTES_LOG),
            public={
                "cycles": self.cycles,
                "inputs_read": self.inputs_read,
                "binding": binding_limbs(self.binding),
                "program": limbs(digest),
                "inputs": PublicList(self.inputs),
                "outputs": PublicList(self.outputs),
            },
            claimed_sums=claimed,
            preprocessed_root=bytes.fromhex(PREPROCESSED_ROOTS[cpu]),
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
