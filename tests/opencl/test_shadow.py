"""Whole proofs by NumPy while the device repeats every operation on columns: all words agree."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from bitsage.opencl.buffers import ColumnSet, Matrix
from bitsage.opencl.compose import composition_values
from bitsage.opencl.device import Device
from bitsage.opencl.fold import fold
from bitsage.opencl.logup import logup_columns
from bitsage.opencl.quotients import quotients
from bitsage.opencl.sample import sample
from bitsage.stark import NumpyBackend, P, PcsConfig, prove
from bitsage.stark import fft as host_fft
from bitsage.stark.examples import cube, plonk, simple, state_machine, wide_fibonacci, xor


def on_device(device: Device, columns: Sequence[Any]) -> ColumnSet:
    groups = []
    for n in sorted({len(c) for c in columns}):
        indices = [k for k, c in enumerate(columns) if len(c) == n]
        groups.append((Matrix.of(device, np.stack([columns[k] for k in indices])), indices))
    return ColumnSet.gathered(groups)


class Shadowed(NumpyBackend):
    """NumPy, with the device's answer compared at every step."""

    def __init__(self, device: Device, log_blowup: int) -> None:
        self.device, self.log_blowup = device, log_blowup
        self.compared: set[str] = set()
        self.polynomials: list[Any] = []

    def extend(self, polynomials: Sequence[Any], log_blowup: int) -> Any:
        self.polynomials += polynomials
        return super().extend(polynomials, log_blowup)

    def logup_columns(self, env: Any, component: int, columns: Mapping[int, Sequence[Any]]) -> Any:
        made, claimed = super().logup_columns(env, component, columns)
        found, sum_found = logup_columns(self.device, env, component, columns)
        assert sum_found == claimed
        assert all(np.array_equal(a.host(), b) for a, b in zip(found, made, strict=True))
        self.compared.add("logup")
        return made, claimed

    def compose(self, env: Any, polynomials: Any, layout: Any, powers: Any) -> Any:
        made = super().compose(env, polynomials, layout, powers)
        trees = [on_device(self.device, super(Shadowed, self).extend(tree, self.log_blowup)) for tree in polynomials]
        found = composition_values(self.device, env, trees, layout, powers, self.log_blowup).host()
        coefficients = np.concatenate([np.stack(made[:4]), np.stack(made[4:])], axis=1)
        values = host_fft.evaluate(coefficients, layout.composition_log + self.log_blowup - 1)
        assert np.array_equal(found, values[:, : 1 << layout.composition_log])
        self.compared.add("compose")
        return made

    def sample(self, polynomials: Any, points: Any, degree_log: int) -> Any:
        made = super().sample(polynomials, points, degree_log)
        assert sample(on_device(self.device, polynomials), points, degree_log) == made
        return made

    def quotients(self, groups: Any, evaluations: Any, lifting_log: int) -> Any:
        made = super().quotients(groups, evaluations, lifting_log)

        def extend(sums: Matrix) -> Matrix:
            return Matrix.of(self.device, host_fft.evaluate(sums.host(), sums.log_size + self.log_blowup))

        columns = on_device(self.device, self.polynomials)
        found = quotients(self.device, groups, columns, lifting_log, extend)
        assert np.array_equal(found.host(), made)
        values = on_device(self.device, [column for tree in evaluations for column in tree])
        found = quotients(self.device, groups, values, lifting_log, lambda sums: sums)
        assert np.array_equal(found.host(), made)
        self.compared.add("quotients")
        return made

    def fold(self, evaluation: Any, step: int, circle: bool, alpha: Any) -> Any:
        made = super().fold(evaluation, step, circle, alpha)
        assert np.array_equal(fold(Matrix.of(self.device, evaluation), step, circle, alpha).host(), made)
        return made


@pytest.mark.parametrize("config", [PcsConfig(2, 1, 3, 0, 1), PcsConfig(2, 2, 12, 0, 3), PcsConfig(2, 3, 8, 1, 4)])
@pytest.mark.parametrize(
    ("make", "lookups"),
    [
        (lambda c: wide_fibonacci(c, [(7, 20), (6, 3), (7, 2)]), False),
        (lambda c: wide_fibonacci(c, [(5, 3)]), False),
        (lambda c: plonk(c, 8, mul_every=5), True),
        (lambda c: state_machine(c, 7, (3, P - 2)), True),
        (lambda c: xor(c, 4, 7), True),
        (lambda c: simple(replace(c, lifting_log_size=7 + c.log_blowup_factor + 1), 7, 5), True),
        (lambda c: cube(replace(c, lifting_log_size=9 + c.log_blowup_factor), 7), False),
    ],
)
def test_every_operation_equals_numpys(device: Device, config: PcsConfig, make: Any, lookups: bool) -> None:
    air, params, trace = make(config)
    backend = Shadowed(device, config.log_blowup_factor)
    prove(air, params, trace, backend=backend)
    assert backend.compared == {"compose", "quotients"} | ({"logup"} if lookups else set())
