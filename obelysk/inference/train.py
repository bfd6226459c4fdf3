"""Train the digit classifier and quantise it:  python -m bitsage.obelysk.inference.train

Two hidden layers of 32 and 16 units, ReLU, cross entropy, Adam (Kingma and Ba, 2015) with weight decay, in float64
NumPy with a fixed seed; then weights are rounded to int8 with one power-of-two scale per layer.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from .digits import PIXEL_MAX, digits, split
from .model import Layer, Model

Floats = NDArray[np.float64]
HIDDEN = (32, 16)
SEED = 7
EPOCHS, BATCH = 120, 64
RATE, DECAY = 3e-3, 2e-3
#: Values between layers are multiples of 1 / 2^ACTIVATION_BITS.
ACTIVATION_BITS = 6
TARGET = Path(__file__).parent / "data" / "model.json"


@dataclass(frozen=True)
class FloatModel:
    """Weights and biases of every layer in floating point; pixels are scaled to 0..1."""

    layers: tuple[tuple[Floats, Floats], ...]

    def logits(self, images: NDArray[np.uint8]) -> Floats:
        """Logits (images, classes)."""
        return _forward(self.layers, images / PIXEL_MAX)[-1]


def accuracy(logits: NDArray[np.float64] | NDArray[np.int32], labels: NDArray[np.uint8]) -> float:
    """Share of images whose largest logit is that of their label."""
    return float(np.mean(np.argmax(logits, axis=1) == labels))


def _forward(layers: tuple[tuple[Floats, Floats], ...], images: Floats) -> list[Floats]:
    values = [images]
    for k, (weights, bias) in enumerate(layers):
        sums = values[-1] @ weights + bias
        values.append(np.maximum(sums, 0) if k < len(layers) - 1 else sums)
    return values


def _gradients(
    layers: tuple[tuple[Floats, Floats], ...], images: Floats, labels: NDArray[np.uint8]
) -> list[tuple[Floats, Floats]]:
    values = _forward(layers, images)
    exponentials = np.exp(values[-1] - values[-1].max(axis=1, keepdims=True))
    error = exponentials / exponentials.sum(axis=1, keepdims=True)
    error[np.arange(len(labels)), labels] -= 1
    error /= len(labels)
    result = []
    for k in reversed(range(len(layers))):
        weights, _ = layers[k]
        result.append((values[k].T @ error + DECAY * weights, error.sum(axis=0)))
        error = (error @ weights.T) * (values[k] > 0)
    return result[::-1]


def train() -> FloatModel:
    """The floating-point model, from the training images alone."""
    chance = np.random.default_rng(SEED)
    images, labels = digits()
    indices, _ = split()
    widths = (images.shape[1], *HIDDEN, int(labels.max()) + 1)
    flat: list[Floats] = []
    for inputs, units in pairwise(widths):
        flat += [chance.normal(0, np.sqrt(2 / inputs), (inputs, units)), np.zeros(units)]
    means, squares = [np.zeros_like(x) for x in flat], [np.zeros_like(x) for x in flat]
    step, steps = 0, EPOCHS * -(-len(indices) // BATCH)
    for _ in range(EPOCHS):
        order = chance.permutation(indices)
        for start in range(0, len(order), BATCH):
            part = order[start : start + BATCH]
            step += 1
            layers = tuple(zip(flat[::2], flat[1::2], strict=True))
            gradients = _gradients(layers, images[part] / PIXEL_MAX, labels[part])
            rate = RATE * (1 - (step - 1) / steps)
            for k, gradient in enumerate(g for pair in gradients for g in pair):
                means[k] = 0.9 * means[k] + 0.1 * gradient
                squares[k] = 0.999 * squares[k] + 0.001 * gradient**2
                change = (means[k] / (1 - 0.9**step)) / (np.sqrt(squares[k] / (1 - 0.999**step)) + 1e-8)
                flat[k] = flat[k] - rate * change
    return FloatModel(tuple(zip(flat[::2], flat[1::2], strict=True)))


def quantise(model: FloatModel) -> Model:
    """The model in integers."""
    layers = []
    scale_bits = PIXEL_MAX.bit_length() - 1
    for k, (weights, bias) in enumerate(model.layers):
        weight_bits = int(np.floor(np.log2(127.49 / np.abs(weights).max())))
        sum_bits = scale_bits + weight_bits
        shift = max(sum_bits - ACTIVATION_BITS, 1) if k < len(model.layers) - 1 else 0
        layers.append(
            Layer(
                np.rint(weights * 2.0**weight_bits).astype(np.int64),
                np.rint(bias * 2.0**sum_bits).astype(np.int64),
                shift,
            )
        )
        scale_bits = sum_bits - shift
    return Model(tuple(layers), PIXEL_MAX)


def main() -> None:
    """Write the model and say how good it is on the images that it has not seen."""
    images, labels = digits()
    _, test = split()
    trained = train()
    model = quantise(trained)
    TARGET.write_text(json.dumps(model.to_json(), separators=(",", ":")) + "\n", encoding="utf-8")
    float_share = accuracy(trained.logits(images[test]), labels[test])
    share = accuracy(model.predict(images[test]).logits, labels[test])
    print(f"accuracy on {len(test)} images: float {float_share:.4f}, quantised {share:.4f}")
    print(f"model {model.hash.hex()}, largest sums {[int(abs(b).max()) for b in model.sum_bounds]}")


if __name__ == "__main__":
    main()
