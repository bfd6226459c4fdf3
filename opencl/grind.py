"""The proof of work on the device, in the search order of spec stark.md section 6."""

from __future__ import annotations

import numpy as np

from bitsage.stark.channel import pow_prefix
from bitsage.stark.grind import MAX_BITS

from .device import Device

_LOW_BITS = 20
_NONE = 0xFFFFFFFF
_ROUNDS = 16


def grind(device: Device, digest: bytes, bits: int) -> int:
    """The first nonce (hi << 32) | lo with lo < 2^20, in that order, that has `bits` trailing zeros.

    Expected work: 2^bits compressions.  Raises ValueError above MAX_BITS.
    """
    if not 0 <= bits <= MAX_BITS:
        raise ValueError(f"a proof of work of {bits} bits is out of range 0..{MAX_BITS}")
    prefix = device.upload(np.frombuffer(pow_prefix(digest, bits), dtype="<u4").astype(np.uint32))
    found = device.upload(np.array([_NONE], dtype=np.uint32))
    masks = ((1 << min(bits, 32)) - 1, (1 << max(bits - 32, 0)) - 1)
    kernel = device.kernel("grind", "grind")
    rounds = 1 if device.lanes == 1 else _ROUNDS
    # A launch tries what is likely to hold a hit, within what keeps the device busy and answers soon.
    least, most = (16, 20) if device.lanes > 1 else (18, 24)
    count = 1 << min(max(bits - 1, least), most)
    start = 0
    while True:
        high, low = start >> _LOW_BITS, start & ((1 << _LOW_BITS) - 1)
        device.launch(kernel, (count // (rounds * device.lanes),), None, prefix, high, low, rounds, *masks, found)
        hit = int(device.download(found, (1,))[0])
        if hit != _NONE:
            index = start + hit
            return index >> _LOW_BITS << 32 | index & ((1 << _LOW_BITS) - 1)
        start += count
