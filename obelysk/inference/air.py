"""What an inference proof shows: the logits are those of the model for the images, all in one table.

The network is a set of at most 128 nodes: the pixels, the constant 1, the hidden units and the outputs.  Node i has
a value v[i][b] for image b and, unless it is a pixel or the constant, a sum y[i][b].  With W[i][j] the weight from
node i to node j (the biases are the weights from the constant), all layers are the one equation

    y[j][b] = sum_i W[i][j] * v[i][b]      for all j and b,

where y = 0 for nodes without incoming weights.  With s and t drawn from QM31 after everything is committed,

    sum_jb t^j s^b y[j][b]  =  sum_i (sum_b s^b v[i][b]) * (sum_j t^j W[i][j])

holds for all s, t exactly if the equation does, else for a share of at most (n + 128) / |QM31| of them.

Rows: r = (segment, position) = (r div n, r mod n), 128 segments of n positions, n = 128 or 256.  A segment is a node;
positions are images b, for W target nodes j.  Preprocessed columns, which the verifier computes itself:

    first, last, first_row    selectors of segment ends and of row 0
    weight, image, logit      W[i][j], the pixels and the constant, the outputs' sums
    hidden, scale             1 and 2^shift in the segments of hidden units
    shift_bits, high_bits     widths of the two range checks that depend on the layer
    table_bits, table_value   all pairs (k, x) with 0 <= x < 2^k, k = 0..12

Trace columns: sign, low, high, rest, y, v and the table's multiplicity.  A hidden unit's sum is

    y + scale / 2 = scale * q + rest,   q = h - sign * (2h + 1),   h = low + 2^12 * high

with rest < scale, so q = h >= 0 or q = -1 - h < 0 is the rounded shift and v = (1 - sign) * h its ReLU.  Every right
side is below 2^30 in magnitude, so a sum has exactly one such form.  Outside hidden segments widths are 0 and the
range checks force sign, low, high and rest to 0.

Interaction columns in QM31: p = s^position, q = t^position, u = t^segment, the segments' sums of p*v and q*weight, and
the sum over all rows of last * a * b - u * p * y, which ends at 0; then two LogUp columns.  The table and its uses are
in one component, so their claimed sum is 0.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from bitsage.obelysk.statement import BINDING_VALUES, stored
from bitsage.stark import QM31, Air, AirBuilder, CheckBuilder, ComponentBuilder, P, PublicValue, Relation, vectors
from bitsage.stark.fields import qpowers
from bitsage.stark.vectors import U32

from .model import LOW_BITS, MAX_NODES, MAX_SHIFT, Ints, Model, Prediction

PREPROCESSED = (
    "first",
    "last",
    "first_row",
    "weight",
    "image",
    "logit",
    "hidden",
    "scale",
    "shift_bits",
    "high_bits",
    "table_bits",
    "table_value",
)
HALF = (P + 1) // 2
SECURE = ("p", "q", "a", "b", "u", "d")
TABLE_BITS = max(MAX_SHIFT, LOW_BITS)


@lru_cache(maxsize=1)
def inference_air() -> Air:
    """The AIR, one for all models and batches."""
    c = ComponentBuilder("inference")
    first, last, first_row, weight, image, logit, hidden, scale, shift_bits, high_bits, table_bits, table_value = (
        c.preprocessed(name) for name in PREPROCESSED
    )
    sign, low, high, rest, y, v, multiplicity = (c.column() for _ in range(7))
    (p_prev, p), (q_prev, q), (a_prev, a), (b_prev, b), (u_prev, u), (d_prev, d) = (
        c.secure_column((-1, 0)) for _ in SECURE
    )
    s, t = c.challenge("s"), c.challenge("t")
    magnitude = low + high * (1 << LOW_BITS)
    c.constrain(sign * (1 - sign))
    c.constrain(sign * (1 - hidden))
    c.constrain(y - logit - scale * (magnitude - sign * (magnitude * 2 + 1)) - rest + scale * HALF)
    c.constrain(v - image - (1 - sign) * magnitude)
    inside, later = 1 - first, 1 - first_row
    c.constrain(p - first - inside * s * p_prev)
    c.constrain(q - first - inside * t * q_prev)
    c.constrain(a - inside * a_prev - p * v)
    c.constrain(b - inside * b_prev - q * weight)
    c.constrain(u - first_row - later * u_prev * (first * (t - 1) + 1))
    c.constrain(d - later * d_prev - last * a * b + u * p * y)
    c.constrain(first_row * d_prev)
    c.lookup("range", 1, [shift_bits, rest])
    c.lookup("range", 1, [hidden * LOW_BITS, low])
    c.lookup("range", 1, [high_bits, high])
    c.lookup("range", -multiplicity, [table_bits, table_value])
    air = AirBuilder("inference", preprocessed=PREPROCESSED, relations=(Relation("range", 2),)).add(c)
    statement = [PublicValue("images"), *(PublicValue("model", k) for k in range(16)), *BINDING_VALUES]
    air.step("mix_config").step("mix_u32s", *statement).commit(0).commit(1)
    air.step("draw_relation", names=("range",)).step("draw_felt", names=("s",)).step("draw_felt", names=("t",))
    check = CheckBuilder()
    return air.step("mix_claimed_sums").commit(2).check(check.zero("lookups", check.claimed(0))).build()


def field(values: NDArray[np.int64] | NDArray[np.int32]) -> U32:
    """Signed integers as residues."""
    return (values.astype(np.int64) % P).astype(np.uint32)


def _layers(model: Model) -> list[slice]:
    """The nodes of every layer."""
    spans, start = [], model.inputs + 1
    for layer in model.layers:
        spans.append(slice(start, start + layer.weights.shape[1]))
        start = spans[-1].stop
    return spans


def _weights(model: Model) -> Ints:
    """W[i][j], (128, 128)."""
    result = np.zeros((MAX_NODES, MAX_NODES), dtype=np.int64)
    source = slice(0, model.inputs)
    for layer, nodes in zip(model.layers, _layers(model), strict=True):
        result[source, nodes] = layer.weights
        result[model.inputs, nodes] = layer.bias
        source = nodes
    return result


@lru_cache(maxsize=4)
def fixed_columns(model: Model, length: int) -> dict[str, U32]:
    """The preprocessed columns that do not depend on images, by name, in row order."""
    size = MAX_NODES * length
    segment, position = np.divmod(np.arange(size), length)
    table = [(bits, value) for bits in range(TABLE_BITS + 1) for value in range(1 << bits)]
    bits, values = np.pad(np.array(table, dtype=np.uint32), ((0, size - len(table)), (0, 0))).T
    weights = np.zeros((MAX_NODES, length), dtype=np.int64)
    weights[:, :MAX_NODES] = _weights(model)
    per_node = {name: np.zeros(MAX_NODES, dtype=np.uint32) for name in ("hidden", "scale", "shift_bits", "high_bits")}
    for layer, nodes, high in zip(model.layers[:-1], _layers(model), model.high_bits, strict=False):
        per_node["hidden"][nodes] = 1
        per_node["scale"][nodes] = 1 << layer.shift
        per_node["shift_bits"][nodes] = layer.shift
        per_node["high_bits"][nodes] = high
    columns = {
        "first": position == 0,
        "last": position == length - 1,
        "first_row": np.arange(size) == 0,
        "weight": field(weights).ravel(),
        "table_bits": bits,
        "table_value": values,
        **{name: column[segment] for name, column in per_node.items()},
    }
    return {name: stored(np.ascontiguousarray(column, dtype=np.uint32)) for name, column in columns.items()}


def known_columns(model: Model, length: int, images: NDArray[np.uint8], prediction: Prediction) -> dict[str, U32]:
    """The preprocessed columns of the images and logits, in storage order."""
    count = len(images)
    image = np.zeros((MAX_NODES, length), dtype=np.uint32)
    image[: model.inputs, :count] = images.T
    image[model.inputs, :count] = 1
    logit = np.zeros((MAX_NODES, length), dtype=np.uint32)
    logit[_layers(model)[-1], :count] = field(prediction.logits).T
    return {"image": stored(image.ravel()), "logit": stored(logit.ravel())}


def trace_columns(model: Model, length: int, images: NDArray[np.uint8], prediction: Prediction) -> tuple[U32, ...]:
    """sign, low, high, rest, y, v and multiplicity in storage order, for the claimed logits."""
    count = len(images)
    sign, magnitude, rest, y, v = (np.zeros((MAX_NODES, length), dtype=np.int64) for _ in range(5))
    v[: model.inputs, :count] = images.T
    v[model.inputs, :count] = 1
    spans = _layers(model)
    for layer, nodes, (sums, values) in zip(model.layers[:-1], spans, model.forward(images), strict=False):
        y[nodes, :count], v[nodes, :count] = sums.T, values.T
        shifted, rest[nodes] = np.divmod(y[nodes] + (1 << layer.shift >> 1), 1 << layer.shift)
        sign[nodes] = shifted < 0
        magnitude[nodes] = np.where(shifted < 0, -1 - shifted, shifted)
    y[spans[-1], :count] = prediction.logits.T
    high, low = np.divmod(magnitude, 1 << LOW_BITS)
    columns = [stored(field(x).ravel()) for x in (sign, low, high, rest, y, v)]
    return (*columns, _multiplicity(fixed_columns(model, length), columns))


def _multiplicity(fixed: Mapping[str, U32], trace: list[U32]) -> U32:
    """How often every row of the table is looked up; (bits, value) has the number 2^bits - 1 + value."""
    uses = ((fixed["shift_bits"], trace[3]), (fixed["hidden"] * LOW_BITS, trace[1]), (fixed["high_bits"], trace[2]))
    size = len(trace[0])
    counts = sum(np.bincount((1 << bits.astype(np.int64)) - 1 + values, minlength=size) for bits, values in uses)
    return stored(np.asarray(counts, dtype=np.uint32))


def interaction_columns(length: int, weight: U32, y: U32, v: U32, challenges: Mapping[str, QM31]) -> list[U32]:
    """The six QM31 columns p, q, a, b, u, d as 24 base columns in storage order; arguments in row order."""
    n, size = length, MAX_NODES * length
    s_powers, t_powers = (np.array(qpowers(challenges[name], n), dtype=np.uint32).T for name in "st")
    p, q = np.tile(s_powers, MAX_NODES), np.tile(t_powers, MAX_NODES)
    u = np.repeat(np.array(qpowers(challenges["t"], MAX_NODES), dtype=np.uint32).T, n, axis=1)
    sums = []
    for powers, values in ((p, v), (q, weight)):
        terms = vectors.mul(powers, values)
        sums.append(vectors.prefix_sum(terms.reshape(4, MAX_NODES, n)).reshape(4, size))
    steps = vectors.neg(vectors.mul(vectors.qmul(u, p), y))
    ends = slice(n - 1, None, n)
    steps[:, ends] = vectors.add(steps[:, ends], vectors.qmul(sums[0][:, ends], sums[1][:, ends]))
    columns = (p, q, *sums, u, vectors.prefix_sum(steps))
    return [row for column in columns for row in stored(column)]
