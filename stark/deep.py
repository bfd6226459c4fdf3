"""DEEP quotients: from sampled values to the function that FRI tests (spec section 10)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from .circle import Point, SecurePoint, secure_add
from .fields import (
    QM31,
    ZERO,
    cm31_inverse,
    qadd,
    qconj,
    qmul,
    qmul_cm31,
    qscale,
    qsub,
)
from .layout import Layout, periodicity_step, row_step


@dataclass(slots=True)
class SampleGroup:
    """All entries of one sample point.

    `columns` lists (flat column index, weight); the numerator at a domain point (x, y) is
    c * sum(weight * value) - a * y - b.
    """

    point: SecurePoint
    c: QM31
    columns: list[tuple[int, QM31]] = field(default_factory=list)
    a: QM31 = ZERO
    b: QM31 = ZERO

    def add(self, column: int, value: QM31, weight: QM31) -> None:
        """Count in one entry: the column takes `value` at the group's point."""
        a = qsub(qconj(value), value)
        b = qsub(qmul(value, self.c), qmul(a, self.point[1]))
        self.columns.append((column, weight))
        self.a = qadd(self.a, qmul(weight, a))
        self.b = qadd(self.b, qmul(weight, b))


def sample_points(layout: Layout, z: SecurePoint) -> list[list[SecurePoint]]:
    """Sample points of every column in flat order, one for each offset of its mask."""
    moved: dict[int, SecurePoint] = {}
    result = []
    for column in layout.columns:
        for offset in column.mask:
            if offset not in moved:
                moved[offset] = secure_add(z, row_step(layout.degree_log, offset)) if offset else z
        result.append([moved[offset] for offset in column.mask])
    return result


def group_samples(
    layout: Layout,
    points: Sequence[Sequence[SecurePoint]],
    samples: Sequence[Sequence[QM31]],
    coefficient: QM31,
    log_blowup: int,
) -> list[SampleGroup]:
    """Entries of all columns, weighted by powers of the coefficient and grouped by point.

    A column with two samples gets a third entry first: its current value one period of its lift further.
    """
    groups: dict[SecurePoint, SampleGroup] = {}
    weight: QM31 = (1, 0, 0, 0)
    for index, column in enumerate(layout.columns):
        entries = list(zip(points[index], samples[index], strict=True))
        if len(entries) == 2:
            current, value = entries[1]
            step = periodicity_step(layout.lifting_log, column.log_size + log_blowup)
            entries.insert(0, (secure_add(current, step), value))
        for point, value in entries:
            group = groups.get(point)
            if group is None:
                group = groups[point] = SampleGroup(point, qsub(qconj(point[1]), point[1]))
            group.add(index, value, weight)
            weight = qmul(weight, coefficient)
    return list(groups.values())


def quotient_at(groups: Sequence[SampleGroup], point: Point, values: Sequence[int]) -> QM31:
    """The quotient at a domain point, given the values of all columns there.

    Raises ZeroDivisionError when a sample point lies on the domain.
    """
    x, y = point
    total = ZERO
    for group in groups:
        n0 = n1 = n2 = n3 = 0
        for column, (w0, w1, w2, w3) in group.columns:
            value = values[column]
            n0 += w0 * value
            n1 += w1 * value
            n2 += w2 * value
            n3 += w3 * value
        numerator = qmul(group.c, (n0, n1, n2, n3))
        numerator = qsub(qsub(numerator, qscale(group.a, y)), group.b)
        (px0, px1, px2, px3), (py0, py1, py2, py3) = group.point
        re, im = _cm31_difference((px0 - x, px1), (py2, py3), (py0 - y, py1), (px2, px3))
        total = qadd(total, qmul_cm31(numerator, cm31_inverse((re, im))))
    return total


def _cm31_difference(a: tuple[int, int], b: tuple[int, int], c: tuple[int, int], d: tuple[int, int]) -> tuple[int, int]:
    """a*b - c*d over the integers' images in CM31."""
    return (
        a[0] * b[0] - a[1] * b[1] - c[0] * d[0] + c[1] * d[1],
        a[0] * b[1] + a[1] * b[0] - c[0] * d[1] - c[1] * d[0],
    )
