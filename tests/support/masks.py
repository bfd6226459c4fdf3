"""Components whose columns are read at all kinds of row offsets."""

from __future__ import annotations

import numpy as np

from bitsage.stark import Air, AirBuilder, ComponentBuilder, P, Params, PcsConfig, Trace
from bitsage.stark.circle import coset_positions

MASKS = [[(1,)], [(-1,)], [(0, 1)], [(1, 0)], [(-2, 3)], [(-1, 0, 1)], [(0,), (1,), (-1, 0)]]


def shifted_products(masks: list[tuple[int, ...]], sizes: list[int]) -> tuple[Air, Params, Trace]:
    """Every component has random columns and beside each the product of its values at the mask's offsets."""
    chance = np.random.default_rng(11)
    air, columns = AirBuilder("masks"), []
    for log_size in sizes:
        component, own = ComponentBuilder("products"), []
        for mask in masks:
            values = chance.integers(0, P, 1 << log_size, dtype=np.uint32)
            factors = [np.roll(values, -offset).astype(object) for offset in mask]
            product = np.array([int(v) % P for v in np.prod(factors, axis=0)], dtype=np.uint32)
            expression, *others = component.columns(mask)
            for factor in others:
                expression = expression * factor
            component.constrain(expression - component.column())
            for rows in (values, product):
                stored = np.empty_like(rows)
                stored[coset_positions(log_size)] = rows
                own.append(stored)
        air.add(component)
        columns.append(tuple(own))
    built = air.step("mix_config").commit(0).commit(1).build()
    config = PcsConfig(pow_bits=4, n_queries=10, fold_step=2)
    return built, Params(config, tuple(sizes)), Trace((), tuple(columns))
