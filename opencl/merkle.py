"""BLAKE2s Merkle trees on the device (spec stark.md sections 4, 5 and 11)."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from bitsage.stark.merkle import EMPTY_ROOT
from bitsage.stark.vectors import U32

from .buffers import ColumnRef, ColumnSet, Matrix, Tree, as_words, tree_start
from .device import Device
from .tuning import HashSizes, hash_sizes

_BLOCK = 16  # words of a BLAKE2s block


@dataclass(frozen=True, slots=True)
class Run:
    """Consecutive blocks whose columns are rows of one matrix."""

    matrix: Matrix
    rows: tuple[int, ...]


def runs(device: Device, columns: Sequence[ColumnRef]) -> list[Run]:
    """The columns in leaf order (shorter ones first, else as committed), cut at multiples of 16 words.

    A block whose columns come from several matrices becomes a matrix of its own, lifted to its longest column.
    """
    ordered = sorted(columns, key=len)
    result: list[Run] = []
    for start in range(0, len(ordered), _BLOCK):
        block = ordered[start : start + _BLOCK]
        matrix = block[-1].matrix
        rows = tuple(column.row for column in block)
        if any(column.matrix is not matrix for column in block):
            matrix, rows = _lifted(device, block), tuple(range(len(block)))
        if result and result[-1].matrix is matrix:
            result[-1] = Run(matrix, result[-1].rows + rows)
        else:
            result.append(Run(matrix, rows))
    return result


def _lifted(device: Device, columns: Sequence[ColumnRef]) -> Matrix:
    log_size = columns[-1].log_size
    result = Matrix.empty(device, len(columns), log_size)
    for row, column in enumerate(columns):
        start = column.row << column.log_size
        _lift(device, column.matrix.buffer, start, column.log_size, result.buffer, row << log_size, log_size)
    return result


def _lift(device: Device, source: Any, start: int, log: int, target: Any, target_start: int, target_log: int) -> None:
    kernel = device.kernel("gather", "lift", lanes=1)
    places = np.uint64(start), np.uint64(target_start)
    device.launch(kernel, (1 << target_log,), None, source, places[0], log, target, places[1], target_log)


def commit(device: Device, columns: ColumnSet, height: int) -> Tree:
    """Merkle tree over the columns, lifted to 2^height leaves; without columns the tree of EMPTY_ROOT."""
    return commit_parts(device, [lambda: columns] if len(columns) else [], len(columns), height)


def commit_parts(device: Device, parts: Sequence[Callable[[], ColumnSet]], total: int, height: int) -> Tree:
    """The same over `total` columns that are made part by part, each dropped when it is hashed.

    The parts follow the leaf order (shorter columns first); all but the last hold a multiple of 16 columns, so
    that what is kept between them is one BLAKE2s state a row.
    """
    if not total:
        return Tree(device, None, 0, EMPTY_ROOT)
    buffer = device.alloc(tree_start(height, 0) + 8)
    # The states of full-sized columns lie where the leaves will: every work-item replaces its own.
    state = _State(buffer, 0, 0, height)
    for make in parts:
        state = _absorb_part(device, make(), state, buffer, height, total)
    if state.log_size < height:
        for word in range(8):
            _lift(device, state.buffer, word << state.log_size, state.log_size, buffer, word << height, height)
    return _finished(device, buffer, height, state.reached)


@dataclass(frozen=True, slots=True)
class _State:
    """States (8, 2^log_size) after `before` words; `reached` is the lowest layer that is made already."""

    buffer: Any
    log_size: int
    before: int
    reached: int


def _absorb_part(device: Device, columns: ColumnSet, state: _State, tree: Any, height: int, total: int) -> _State:
    for run in runs(device, columns):
        state = _absorb(device, run, state, tree, height, total)
    return state


def _absorb(device: Device, run: Run, state: _State, tree: Any, height: int, total: int) -> _State:
    """Hash a run on; the last run of full-sized columns climbs on from its leaves."""
    log_size = run.matrix.log_size
    target = tree if log_size == height else device.alloc(8 << log_size)
    last = state.before + len(run.rows) == total
    sizes = hash_sizes(device, log_size)
    block_log = min(sizes.block_log, log_size)
    count = block_log - sizes.lanes_log if last and target is tree else 0
    rows = device.upload(as_words(run.rows))
    kernel = device.kernel("merkle", "absorb", sizes.options, sizes.lanes)
    grid = (sizes.group << (log_size - block_log),)
    before = state.buffer, state.log_size, state.before
    given = run.matrix.buffer, rows, len(run.rows), log_size, *before, target, 0, int(last), block_log, count
    device.launch(kernel, grid, (sizes.group,), *given)
    return _State(target, log_size, state.before + len(run.rows), height - count)


def _finished(device: Device, buffer: Any, height: int, reached: int) -> Tree:
    """Hash the layers above the one of 2^reached digests."""
    while reached:
        sizes = hash_sizes(device, reached)
        block_log = min(sizes.block_log, reached)
        count = block_log - sizes.lanes_log
        if not count:  # one vector of digests is left: the rest one by one
            sizes = sizes.single()
            block_log = count = reached
        kernel = device.kernel("merkle", "nodes", sizes.options, sizes.lanes)
        grid = (sizes.group << (reached - block_log),)
        device.launch(kernel, grid, (sizes.group,), buffer, height, reached, block_log, count)
        reached -= count
    root = device.download(buffer, (8,), offset=tree_start(height, 0))
    return Tree(device, buffer, height, root.astype("<u4").tobytes())


def commit_layer(device: Device, evaluation: Matrix, packed: bool) -> Tree:
    """Merkle tree of one FRI layer (four rows); packed leaves hold four consecutive values."""
    if not packed:
        return commit(device, ColumnSet.of_matrix(evaluation), evaluation.log_size)
    height = evaluation.log_size - 2
    buffer = device.alloc(tree_start(height, 0) + 8)
    sizes = hash_sizes(device, height)
    block_log = min(sizes.block_log, height)
    count = block_log - sizes.lanes_log
    kernel = device.kernel("merkle", "packed_leaves", sizes.options, sizes.lanes)
    grid = (sizes.group << (height - block_log),)
    device.launch(kernel, grid, (sizes.group,), evaluation.buffer, buffer, height, block_log, count)
    return _finished(device, buffer, height, height - count)


def root(tree: Tree) -> bytes:
    """Root of a tree, 32 bytes."""
    return tree.root


def decommit(device: Device, tree: Tree, positions: Sequence[int]) -> list[bytes]:
    """Hash witness of sorted distinct leaf positions, leaf layer first; only these digests leave the device."""
    if tree.buffer is None or not len(positions):
        return []
    layers, places = siblings(positions, tree.height)
    if not len(places):
        return []
    result = device.alloc(8 * len(places))
    kernel = device.kernel("gather", "digests", lanes=1)
    tables = device.upload(layers), device.upload(places)
    device.launch(kernel, (8, len(places)), None, tree.buffer, tree.height, *tables, result)
    return [row.tobytes() for row in device.download(result, (len(places), 8)).astype("<u4")]


def siblings(positions: Sequence[int], height: int) -> tuple[U32, U32]:
    """Layer and place of every digest of the witness, in its order."""
    layers, places = [], []
    current = np.array(positions, dtype=np.int64)
    for h in range(height, 0, -1):
        even = (current[:-1] & 1 == 0) & (current[1:] == current[:-1] + 1)
        alone = ~(np.append(even, False) | np.insert(even, 0, False))
        missing = current[alone] ^ 1  # ascending, as the partners are and no two share a pair
        layers.append(np.full(len(missing), h, dtype=np.uint32))
        places.append(missing.astype(np.uint32))
        current = current[np.append(True, np.diff(current >> 1) > 0)] >> 1
    return np.concatenate(layers or [as_words([])]), np.concatenate(places or [as_words([])])


__all__ = ["HashSizes", "commit", "commit_layer", "commit_parts", "decommit", "root", "runs", "siblings"]
