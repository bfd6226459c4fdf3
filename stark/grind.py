"""Search for the proof-of-work nonce in the order of the Rust SIMD prover (spec section 6)."""

from __future__ import annotations

import numpy as np

from . import blake2s
from .channel import pow_prefix

_LANES = 8192
_LOW_BITS = 20  # the low word of the nonce counts to 2^20 before the high word steps
MAX_BITS = 40


def grind(digest: bytes, bits: int) -> int:
    """The first nonce (hi << 32) | lo with lo < 2^20, in that order, that has `bits` trailing zeros.

    Expected work: 2^bits compressions.  Raises ValueError above MAX_BITS.
    """
    if not 0 <= bits <= MAX_BITS:
        raise ValueError(f"a proof of work of {bits} bits is out of range 0..{MAX_BITS}")
    block = np.zeros((16, _LANES), dtype=np.uint32)
    block[:8] = np.frombuffer(pow_prefix(digest, bits), dtype="<u4")[:, None]
    state = blake2s.initial_state(_LANES)
    low_mask = np.uint32((1 << min(bits, 32)) - 1)
    high_mask = np.uint32((1 << max(bits - 32, 0)) - 1)
    lanes = np.arange(_LANES, dtype=np.uint32)
    high = 0
    while True:
        block[9] = np.uint32(high)
        for start in range(0, 1 << _LOW_BITS, _LANES):
            np.add(lanes, np.uint32(start), out=block[8])
            words = blake2s.compress(state, block, 40, True)
            hits = np.flatnonzero(((words[0] & low_mask) | (words[1] & high_mask)) == 0)
            if len(hits):
                return high << 32 | (start + int(hits[0]))
        high += 1
