"""A fully connected network in integers: int8 weights, int32 biases, ReLU, a rounding right shift, argmax.

A hidden unit turns its sum Y into max(0, (Y + 2^(s-1)) >> s), where s is its layer's shift and >> rounds down;
the outputs are the last layer's sums.  All bounds are taken over every image that the model accepts, so that no
input makes a sum leave the range in which its residue mod p = 2^31 - 1 determines it.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from functools import cached_property, lru_cache
from importlib.resources import files
from typing import Any

import numpy as np
from blake3 import blake3
from numpy.typing import NDArray

Ints = NDArray[np.int64]
FORMAT = "bitsage-mlp/1"
HASH_CONTEXT = b"bitsage model v1"
MAX_NODES = 128
MAX_SHIFT = 12
LOW_BITS = 12
MAX_HIGH_BITS = 12
#: Sums keep this distance from p / 2, so that residues tell them apart.
SUM_LIMIT = 1 << 30


class ModelInvalid(ValueError):
    """A model that cannot be proven; the message says why."""


@dataclass(frozen=True, eq=False)
class Layer:
    """Weights (inputs, units) and biases (units,) as int64; `shift` is 0 in the last layer, which has no ReLU."""

    weights: Ints
    bias: Ints
    shift: int


@dataclass(frozen=True, eq=False)
class Prediction:
    """Logits (images, classes) as int32 and, for every image, the first class with the largest logit."""

    logits: NDArray[np.int32]
    classes: NDArray[np.uint8]


@dataclass(frozen=True, eq=False)
class Model:
    """Layers from the pixels to the classes; pixels are 0 to `input_max`.  Raises ModelInvalid."""

    layers: tuple[Layer, ...]
    input_max: int

    def __post_init__(self) -> None:
        self._check_shapes()
        widest = max(int(np.abs(sums).max()) for sums in self.sum_bounds)
        if widest + (1 << MAX_SHIFT) >= SUM_LIMIT:
            raise ModelInvalid(f"a sum can reach {widest}")
        for layer, high in zip(self.layers, self.high_bits, strict=False):
            if high > MAX_HIGH_BITS or LOW_BITS + high + layer.shift + 1 > 30:
                raise ModelInvalid("a hidden unit's values can become too large; shift further")

    def _check_shapes(self) -> None:
        if len(self.layers) < 2 or not 0 < self.input_max < 256:
            raise ModelInvalid("two layers or more and pixels of 8 bits are expected")
        width = self.inputs
        for layer in self.layers:
            if (
                layer.weights.ndim != 2
                or layer.weights.shape[0] != width
                or layer.bias.shape != layer.weights.shape[1:]
            ):
                raise ModelInvalid("the layers do not fit each other")
            width = layer.weights.shape[1]
            if not width or int(np.abs(layer.weights).max()) > 127 or int(np.abs(layer.bias).max()) >= SUM_LIMIT:
                raise ModelInvalid("weights must have 8 bits and biases 31")
        if any(not 1 <= layer.shift <= MAX_SHIFT for layer in self.layers[:-1]) or self.layers[-1].shift != 0:
            raise ModelInvalid(f"shifts must be 1 to {MAX_SHIFT}, and 0 in the last layer")
        if self.nodes > MAX_NODES:
            raise ModelInvalid(f"at most {MAX_NODES} pixels and units are supported, the constant included")

    @property
    def inputs(self) -> int:
        """Number of pixels."""
        return int(self.layers[0].weights.shape[0])

    @property
    def classes(self) -> int:
        """Number of outputs."""
        return int(self.layers[-1].weights.shape[1])

    @property
    def nodes(self) -> int:
        """Pixels, the constant 1, and the units of all layers."""
        return self.inputs + 1 + sum(len(layer.bias) for layer in self.layers)

    @cached_property
    def sum_bounds(self) -> tuple[Ints, ...]:
        """For every layer the least and largest sums (2, units) over all images, by interval arithmetic."""
        low, high = np.zeros(self.inputs, dtype=np.int64), np.full(self.inputs, self.input_max, dtype=np.int64)
        bounds = []
        for layer in self.layers:
            up, down = np.maximum(layer.weights, 0), np.minimum(layer.weights, 0)
            sums = np.stack([low @ up + high @ down, high @ up + low @ down]) + layer.bias
            bounds.append(sums)
            if int(np.abs(sums).max()) >= SUM_LIMIT:
                break
            low, high = requantised(sums, layer.shift) if layer.shift else sums
        return tuple(bounds)

    @cached_property
    def high_bits(self) -> tuple[int, ...]:
        """For every hidden layer: bits above the lowest 12 that the magnitude of a shifted sum can have."""
        widths = []
        for layer, sums in zip(self.layers[:-1], self.sum_bounds, strict=False):
            shifted = (sums + (1 << layer.shift >> 1)) >> layer.shift
            widest = max(int(np.where(shifted < 0, -1 - shifted, shifted).max()), 0)
            widths.append(max(widest.bit_length() - LOW_BITS, 0))
        return tuple(widths)

    @cached_property
    def hash(self) -> bytes:
        """BLAKE3 of the model: the domain, the dimensions and every layer in little-endian (32 bytes)."""
        state = blake3(HASH_CONTEXT)
        state.update(np.array([self.inputs, self.input_max, len(self.layers)], dtype="<u4").tobytes())
        for layer in self.layers:
            state.update(np.array([layer.weights.shape[1], layer.shift], dtype="<u4").tobytes())
            state.update(layer.weights.astype("i1").tobytes() + layer.bias.astype("<i4").tobytes())
        return state.digest()

    def forward(self, images: NDArray[Any]) -> list[tuple[Ints, Ints]]:
        """For every layer the sums and the values that go on, each (images, units)."""
        values: Ints = images.astype(np.int64)
        result = []
        for layer in self.layers:
            sums = values @ layer.weights + layer.bias
            values = requantised(sums, layer.shift) if layer.shift else sums
            result.append((sums, values))
        return result

    def predict(self, images: NDArray[Any]) -> Prediction:
        """Logits and classes of images (images, pixels)."""
        logits = self.forward(images)[-1][0].astype(np.int32)
        return Prediction(logits, classes_of(logits))

    def to_json(self) -> dict[str, Any]:
        """The model as plain data."""
        layers = [
            {"weights": layer.weights.tolist(), "bias": layer.bias.tolist(), "shift": layer.shift}
            for layer in self.layers
        ]
        return {"format": FORMAT, "input_max": self.input_max, "layers": layers}

    @classmethod
    def from_json(cls, data: dict[str, Any]) -> Model:
        """The model of plain data of our own.  Raises ModelInvalid."""
        if data.get("format") != FORMAT:
            raise ModelInvalid(f"the format must be {FORMAT}")
        layers = [
            Layer(np.array(v["weights"], dtype=np.int64), np.array(v["bias"], dtype=np.int64), v["shift"])
            for v in data["layers"]
        ]
        return cls(tuple(layers), data["input_max"])


def requantised(sums: Ints, shift: int) -> Ints:
    """max(0, (sums + 2^(shift-1)) >> shift)."""
    result: Ints = np.maximum((sums + (1 << shift >> 1)) >> shift, 0)
    return result


def classes_of(logits: NDArray[Any]) -> NDArray[np.uint8]:
    """The first class with the largest logit, per image."""
    result: NDArray[np.uint8] = np.argmax(logits, axis=1).astype(np.uint8)
    return result


@lru_cache(maxsize=1)
def default_model() -> Model:
    """The digit classifier that comes with BitSage."""
    text = files("bitsage.obelysk.inference").joinpath("data/model.json").read_text(encoding="utf-8")
    return Model.from_json(json.loads(text))


@lru_cache(maxsize=1)
def models() -> dict[str, Model]:
    """Every model that jobs may name, by its hash in hex."""
    return {model.hash.hex(): model for model in (default_model(),)}
