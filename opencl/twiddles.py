"""Twiddle towers on the device (spec stark.md section 3).

The layers of all domains up to a largest one lie in one buffer: layer i >= 1 of the canonic domain of log
size n has 2^(n-1-i) values and starts at word 2^(n-1-i), so that smaller domains share the tower.  Layer 0
follows from layer 1: consecutive values (x, y) yield y, -y, -x, x.  Every word holds 2t for a twiddle t
(what `m_mul2` of m31.cl takes); an inverted tower holds 2/t.  Layer i >= 1 is also the list of x-coordinates
of the line domain of log size n-i in storage order, at every second place.
"""

from __future__ import annotations

from typing import Any

from bitsage.stark.circle import bit_reversal, coset_points, generator_index

from .device import Device

#: Smallest domain whose tower is built.
LEAST_LOG = 10


def tower(device: Device, log_size: int, inverted: bool) -> Any:
    """The buffer of a tower that serves all domains up to a log size."""
    known = device.kept.get(("tower", inverted))
    if known is None or known[0] < log_size:
        known = (max(log_size, LEAST_LOG), _build(device, max(log_size, LEAST_LOG), inverted))
        device.kept["tower", inverted] = known
    return known[1]


def _build(device: Device, log_size: int, inverted: bool) -> Any:
    top = log_size - 2
    left = top // 2
    right = top - left
    step = generator_index(log_size - 1)
    tables = []
    for initial, stride, bits in ((generator_index(log_size + 1), step, left), (0, step << left, right)):
        order = bit_reversal(bits)
        tables += [device.upload(coordinate[order]) for coordinate in coset_points(initial, stride, bits)]
    raw = device.alloc(2 << top)
    device.launch(_kernel(device, "top_layer"), (1 << top,), None, raw, 1 << top, right, *tables)
    for k in reversed(range(top)):
        device.launch(_kernel(device, "next_layer"), (1 << k,), None, raw, 1 << k)
    result = device.alloc(2 << top)
    device.launch(_kernel(device, "finish_tower"), (2 << top,), None, raw, result, int(inverted))
    return result


def _kernel(device: Device, name: str) -> Any:
    return device.kernel("twiddles", name, lanes=1)
