"""The environment of generated kernels: what a proof draws and is given, as words (see `codegen`)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from bitsage.stark.fields import QM31, m31_inverse, qneg, qscale
from bitsage.stark.transcript import Environment
from bitsage.stark.vectors import U32

from .codegen import Slots


def environment_words(
    slots: Slots,
    values: Mapping[int, int | QM31],
    env: Environment,
    index: int,
    powers: Sequence[QM31] = (),
    vanishing: Sequence[int] = (),
) -> U32:
    """The environment of a component's kernels; `vanishing` are the inverse vanishing values of both halves."""
    words = np.zeros(max(slots.words, 1), dtype=np.uint32)
    for key, start in slots.starts.items():
        value = _lookup(key, values, env, index, powers, vanishing)
        if isinstance(value, int):
            words[start] = value
        else:
            words[start : start + 4] = value
    return words


def _lookup(
    key: tuple[object, ...],
    values: Mapping[int, int | QM31],
    env: Environment,
    index: int,
    powers: Sequence[QM31],
    vanishing: Sequence[int],
) -> int | QM31:
    match key:
        case ("node", int(node)):
            return values[node]
        case ("power", int(j)):
            return powers[j]
        case ("vanishing", int(side)):
            return vanishing[side]
        case ("relation", str(name), "minus z"):
            return qneg(env.relation(name).z)
        case ("relation", str(name), int(k)):
            return env.relation(name).powers[k]
    return qscale(env.claimed_sum(index), m31_inverse(1 << env.params.log_sizes[index]))
