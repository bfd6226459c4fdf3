"""The OpenCL backend for proofs that are larger than the device's memory.

Coefficients and trees wait in the host's memory as NumPy arrays.  Columns come to the device in groups that fit
into what is free there, are extended, used and dropped: for the leaves of a tree, whose BLAKE2s states stay on the
device between the groups (16 columns are one block, spec stark.md section 5), for the constraints, for the
samples and quotients, and for the openings.  The proof's bytes are those of every other backend; the price is that
columns are extended two or three times and travel as often.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial

from bitsage.stark import logup as host_logup
from bitsage.stark import quotient_rows
from bitsage.stark.circle import SecurePoint
from bitsage.stark.deep import SampleGroup
from bitsage.stark.fields import QM31, qmul
from bitsage.stark.layout import Layout
from bitsage.stark.merkle import EMPTY_ROOT
from bitsage.stark.transcript import Environment
from bitsage.stark.vectors import U32

from . import compose, fft, fold, gather, logup, merkle, quotients, sample
from .buffers import ColumnSet, Matrix, Tree, tree_start
from .device import Device, DeviceInfo, open_device
from .errors import DeviceOutOfMemory
from .grind import grind
from .groups import ROUNDING, by_size, constraint_groups, extension_bytes, leaf_groups
from .prefix import interpolate_prefix
from .quotients import Sums
from .templates import columns_of_constraint
from .twiddles import tower

_SHARE = 3 / 4


@dataclass(frozen=True, slots=True, eq=False)
class Extended:
    """Evaluations that are made when they are read: the columns' coefficients and the blowup."""

    polynomials: Sequence[U32]
    log_blowup: int

    def __len__(self) -> int:
        return len(self.polynomials)


@dataclass(frozen=True, slots=True, eq=False)
class HostTree:
    """The words of a `Tree` in the host's memory; None for the tree without columns."""

    words: U32 | None
    height: int
    root: bytes


class StreamingBackend:
    """`Backend` whose polynomials are lists of host arrays, and whose evaluations are made on demand.

    Raises DeviceOutOfMemory when even the smallest groups do not fit: about 160 bytes a leaf of the largest tree.
    """

    name = "opencl"

    def __init__(self, device: Device | DeviceInfo) -> None:
        self.device = open_device(device) if isinstance(device, DeviceInfo) else device

    @property
    def label(self) -> str:
        """Kind and name of the device."""
        return self.device.info.label

    def interpolate(self, columns: Sequence[U32]) -> list[U32]:
        """Coefficients of every column, in the host's memory."""
        result = list(columns)
        for log_size, indices in by_size(columns).items():
            tower(self.device, log_size, True)
            for part in self._groups(indices, 4 << log_size):
                self._interpolate(part, columns, result)
        return result

    def _interpolate(self, part: Sequence[int], columns: Sequence[U32], result: list[U32]) -> None:
        made = fft.interpolate(self.device, [columns[k] for k in part])
        for index, column in zip(part, made, strict=True):
            result[index] = column.host()

    def host(self, column: U32) -> U32:
        """The column itself."""
        return column

    def extend(self, polynomials: Sequence[U32], log_blowup: int) -> Extended:
        """Values on the domains larger by the blowup, made when they are read."""
        return Extended(polynomials, log_blowup)

    def commit(self, evaluations: Extended, height: int) -> HostTree:
        """Merkle tree, made from groups of extended columns."""
        logs = [len(column).bit_length() - 1 for column in evaluations.polynomials]
        order = sorted(range(len(logs)), key=logs.__getitem__)
        if not order:
            return HostTree(None, 0, EMPTY_ROOT)
        tower(self.device, logs[order[-1]] + evaluations.log_blowup, False)
        # The tree's buffer is not there yet when the groups are cut.
        free = self._free() - int(ROUNDING * (tree_start(height, 0) + 8) * 4)
        parts = [
            partial(self._extended, evaluations, part)
            for part in leaf_groups(logs, order, evaluations.log_blowup, free)
        ]
        return _to_host(merkle.commit_parts(self.device, parts, len(order), height))

    def root(self, tree: HostTree) -> bytes:
        """Root of a tree."""
        return tree.root

    def decommit(self, tree: HostTree, positions: Sequence[int]) -> list[bytes]:
        """Hash witness of sorted distinct positions."""
        if tree.words is None or not len(positions):
            return []
        result = []
        for h, place in zip(*(table.tolist() for table in merkle.siblings(positions, tree.height)), strict=True):
            start = tree_start(tree.height, h) + place
            result.append(tree.words[start : start + (8 << h) : 1 << h][:8].astype("<u4").tobytes())
        return result

    def gather(self, evaluations: Extended, height: int, positions: Sequence[int]) -> list[list[int]]:
        """Lifted values at the positions, of groups that are extended once more."""
        result: list[list[int]] = [[] for _ in evaluations.polynomials]
        for log_size, indices in by_size(evaluations.polynomials).items():
            tower(self.device, log_size + evaluations.log_blowup, False)
            for part in self._groups(indices, extension_bytes(log_size, evaluations.log_blowup)):
                values = gather.gather(self.device, self._extended(evaluations, part), height, positions)
                for index, row in zip(part, values, strict=True):
                    result[index] = row
        return result

    def logup_columns(
        self, env: Environment, component: int, columns: Mapping[int, Sequence[U32]]
    ) -> tuple[list[U32], QM31]:
        """LogUp columns and claimed sum; where all columns of the component do not fit at once, the host makes them."""
        try:
            made, claimed = logup.logup_columns(self.device, env, component, columns)
            return [column.host() for column in made], claimed
        except DeviceOutOfMemory:
            pass
        return host_logup.logup_columns(env, component, columns)

    def compose(
        self, env: Environment, polynomials: Sequence[Sequence[U32]], layout: Layout, powers: Sequence[QM31]
    ) -> list[U32]:
        """The eight composition polynomials; where the columns of one constraint do not fit, the host makes them."""
        try:
            return self._compose(env, polynomials, layout, powers)
        except DeviceOutOfMemory:
            pass
        return quotient_rows.compose(env, polynomials, layout, powers)

    def _compose(
        self, env: Environment, polynomials: Sequence[Sequence[U32]], layout: Layout, powers: Sequence[QM31]
    ) -> list[U32]:
        tower(self.device, layout.composition_log, False)
        tower(self.device, layout.composition_log, True)
        sums: dict[int, Matrix] = {}
        starts, done = [0, 0], 0
        for index, component in enumerate(env.air.components):
            own = powers[done : done + component.constraint_count]
            if own:
                domain = env.params.log_sizes[index] + 1
                known = sums.get(domain)
                out = sums[domain] = known or Matrix.empty(self.device, 4, domain)
                self._add_component(env, index, polynomials, starts, own, out, known is not None)
            done += len(own)
            starts = [starts[0] + len(component.trace), starts[1] + len(component.interaction_masks)]
        values = compose.lifted_sum(self.device, sums, layout.composition_log)
        return [c.host() for c in compose.split(interpolate_prefix(values, values.log_size))]

    def _add_component(
        self,
        env: Environment,
        index: int,
        polynomials: Sequence[Sequence[U32]],
        starts: Sequence[int],
        powers: Sequence[QM31],
        out: Matrix,
        add: bool,
    ) -> None:
        """The constraints in groups whose columns fit, on the canonic domain of twice the rows."""
        component = env.air.components[index]
        most = int(self._free() / (ROUNDING * extension_bytes(out.log_size - 1, 1)))
        needed = [columns_of_constraint(component, j) for j in range(component.constraint_count)]
        for chosen in constraint_groups(needed, most):
            wanted = sorted(set().union(*(needed[j] for j in chosen)))
            places = compose.column_places(env, index, wanted, starts)
            extended = self._extended(Extended([polynomials[key[0]][k] for key, k in places], 1))
            columns = {key: column for (key, _), column in zip(places, extended, strict=True)}
            compose.add_component(env, index, columns, powers, out, 1, add or chosen[0] > 0, chosen)
            del extended, columns

    def sample(
        self, polynomials: Sequence[U32], points: Sequence[Sequence[SecurePoint]], degree_log: int
    ) -> list[list[QM31]]:
        """Values of the lifted polynomials at the points of each column."""
        result: list[list[QM31]] = [[] for _ in polynomials]
        for log_size, indices in by_size(polynomials).items():
            for part in self._groups(indices, (4 << log_size) + (1 << 15)):
                loaded = fft.uploaded(self.device, [polynomials[k] for k in part])
                found = sample.sample(loaded, [points[k] for k in part], degree_log)
                for index, values in zip(part, found, strict=True):
                    result[index] = values
                del loaded
        return result

    def quotients(self, groups: Sequence[SampleGroup], evaluations: Sequence[Extended], lifting_log: int) -> Matrix:
        """The DEEP quotients as a matrix of four rows, one sample point after the other."""
        columns = [column for tree in evaluations for column in tree.polynomials]
        blowup = max(tree.log_blowup for tree in evaluations)
        tower(self.device, lifting_log, False)
        sums = self._weighted_sums(groups, columns)
        total: Matrix | None = None
        for number, group in enumerate(groups):
            own = [Sums(rows, [0]) for (_, k), rows in sorted(sums.items(), reverse=True, key=_size) if k == number]
            for key in [key for key in sums if key[1] == number]:
                del sums[key]
            quotient = quotients.divide(quotients.lifted(own, 1, lifting_log, partial(_evaluated, blowup)), [group])
            if total is None:
                total = quotient
            else:
                compose.lift_rows(quotient, 0, total, 0, True)
            del own, quotient
        if total is None:
            raise ValueError("quotients of no columns")
        return total

    def _weighted_sums(self, groups: Sequence[SampleGroup], columns: Sequence[U32]) -> dict[tuple[int, int], Matrix]:
        """Coefficients of the numerators: four rows for every (log size, sample point) that has columns."""
        weights: list[dict[int, list[QM31]]] = [{} for _ in groups]
        for group, own in zip(groups, weights, strict=True):
            for index, weight in group.columns:
                own.setdefault(index, []).append(qmul(group.c, weight))
        sums: dict[tuple[int, int], Matrix] = {}
        for log_size, indices in by_size(columns).items():
            reserved = int(len(groups) * ROUNDING * (16 << log_size))
            for part in self._groups(indices, 4 << log_size, reserved):
                loaded = fft.uploaded(self.device, [columns[k] for k in part])
                _add_weighted(loaded, part, weights, sums)
                del loaded
        return sums

    def commit_layer(self, evaluation: Matrix, packed: bool) -> HostTree:
        """Merkle tree of a FRI layer."""
        return _to_host(merkle.commit_layer(self.device, evaluation, packed))

    def fold(self, evaluation: Matrix, step: int, circle: bool, alpha: QM31) -> Matrix:
        """`step` folds with alpha, alpha^2, alpha^4, ..."""
        return fold.fold(evaluation, step, circle, alpha)

    def gather_secure(self, evaluation: Matrix, positions: Sequence[int]) -> list[QM31]:
        """Values at stored positions."""
        return fold.gather_secure(evaluation, positions)

    def grind(self, digest: bytes, bits: int) -> int:
        """Nonce of the proof of work."""
        return grind(self.device, digest, bits)

    def _extended(self, evaluations: Extended, part: Sequence[int] | None = None) -> ColumnSet:
        """Some columns, or all, extended on the device."""
        chosen = evaluations.polynomials if part is None else [evaluations.polynomials[k] for k in part]
        return fft.extend(self.device, fft.uploaded(self.device, chosen), evaluations.log_blowup)

    def _free(self) -> int:
        """What groups may take: drivers and other programs have a part of what is said to be free."""
        return int(_SHARE * (self.device.pool.limit - self.device.pool.used))

    def _groups(self, indices: Sequence[int], column_bytes: int, reserved: int = 0) -> Iterable[Sequence[int]]:
        """Columns in groups that fit into what is free, at least one at a time."""
        most = max(1, int((self._free() - reserved) / (ROUNDING * column_bytes)))
        return [indices[start : start + most] for start in range(0, len(indices), most)]


def _add_weighted(
    loaded: ColumnSet,
    part: Sequence[int],
    weights: Sequence[Mapping[int, Sequence[QM31]]],
    sums: dict[tuple[int, int], Matrix],
) -> None:
    """Add the loaded columns, which are the columns `part` of all, to the sums of every sample point."""
    for matrix, members in loaded.by_matrix():
        for number, own in enumerate(weights):
            terms = [(loaded[k].row, weight) for k in members for weight in own.get(part[k], ())]
            if terms:
                known = sums.get((matrix.log_size, number))
                out = known or Matrix.empty(matrix.device, 4, matrix.log_size)
                sums[matrix.log_size, number] = out
                quotients.weighted_sum(matrix, terms, out, 0, known is not None)


def _evaluated(log_blowup: int, sums: Matrix) -> Matrix:
    return fft.evaluate(sums.device, sums, sums.log_size + log_blowup)


def _size(item: tuple[tuple[int, int], Matrix]) -> int:
    return item[0][0]


def _to_host(tree: Tree) -> HostTree:
    if tree.buffer is None:
        return HostTree(None, 0, tree.root)
    words = tree.device.download(tree.buffer, (tree_start(tree.height, 0) + 8,))
    return HostTree(words, tree.height, tree.root)
