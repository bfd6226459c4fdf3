"""A proof with what its verifier must be told: the outputs and facts of the run, the sizes, the claimed sums.

Bytes: b"OBVP", version u8 = 1, three zero bytes; cycles, inputs read and number of outputs as u32; the outputs
as u32; nine log sizes as u8; nine claimed sums of four u32; then the proof in the compact binary form.
All integers are little-endian.  Nothing of it is trusted: the values enter the statement that is verified.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass

from bitsage.stark import QM31, P, ProofRefused

from .air import COMPONENTS
from .isa import MAX_TAPE

MAGIC = b"OBVP\x01\0\0\0"
_HEAD = struct.Struct("<8sIII")
_TAIL = struct.Struct(f"<{len(COMPONENTS)}B{4 * len(COMPONENTS)}I")


@dataclass(frozen=True, slots=True)
class VmProof:
    """See the module's text; `proof` is the STARK's compact binary form."""

    cycles: int
    inputs_read: int
    outputs: tuple[int, ...]
    sizes: tuple[int, ...]
    claimed_sums: tuple[QM31, ...]
    proof: bytes

    def to_bytes(self) -> bytes:
        """The bytes of the module's text."""
        head = _HEAD.pack(MAGIC, self.cycles, self.inputs_read, len(self.outputs))
        sums = [limb for value in self.claimed_sums for limb in value]
        words = struct.pack(f"<{len(self.outputs)}I", *self.outputs)
        return head + words + _TAIL.pack(*self.sizes, *sums) + self.proof

    @classmethod
    def from_bytes(cls, data: bytes) -> VmProof:
        """Read the bytes; all words are canonical.  Raises ProofRefused."""
        if len(data) < _HEAD.size:
            raise ProofRefused("unreadable", "the bytes are no proof of a run")
        magic, cycles, inputs_read, count = _HEAD.unpack_from(data)
        end = _HEAD.size + 4 * count
        if magic != MAGIC or count > MAX_TAPE or len(data) < end + _TAIL.size:
            raise ProofRefused("unreadable", "the bytes are no proof of a run")
        outputs = struct.unpack_from(f"<{count}I", data, _HEAD.size)
        values = _TAIL.unpack_from(data, end)
        sizes, limbs = values[: len(COMPONENTS)], values[len(COMPONENTS) :]
        if max((cycles, inputs_read, *outputs, *limbs)) >= P:
            raise ProofRefused("non_canonical")
        sums = tuple((limbs[k], limbs[k + 1], limbs[k + 2], limbs[k + 3]) for k in range(0, len(limbs), 4))
        return cls(cycles, inputs_read, outputs, sizes, sums, data[end + _TAIL.size :])
