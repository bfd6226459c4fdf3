"""The job type `inference`: a quantised network on a batch of images, whose logits and classes are proven.

Request: {"model": BLAKE3 of the model in hex, "digits": "0-15"} for images of the handwritten digits that come with
BitSage, or {"model": ..., "images": npy bytes}.  Output: logits and classes of every image.

What the verifier trusts: nothing in the proof.  It knows the model by its hash and the images by the request, writes
both and the claimed logits into the preprocessed columns and compares their commitment with the proof's.  Given the
output it computes no inference; given only its hash it runs the network, which a hash alone cannot replace.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import lru_cache
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from bitsage.obelysk.errors import JobInputInvalid
from bitsage.obelysk.job import Limits, Request
from bitsage.obelysk.proven import ProvenJob
from bitsage.obelysk.schema import InputField
from bitsage.obelysk.statement import CONFIG, MAX_COMPRESSED_PROOF_BYTES, MAX_PROOF_BYTES, extended, limbs, root_of
from bitsage.stark import QM31, Air
from bitsage.stark.circle import coset_positions
from bitsage.stark.params import PublicInput
from bitsage.stark.vectors import U32

from .air import PREPROCESSED, fixed_columns, inference_air, interaction_columns, known_columns, trace_columns
from .digits import digits, parse_range
from .images import read_images
from .model import MAX_NODES, SUM_LIMIT, Model, Prediction, classes_of, models

LENGTHS = (128, 256)


class InferenceJob(ProvenJob):
    """See the module's text."""

    name = "inference"
    input_schema: ClassVar = {
        "model": InputField("text", "BLAKE3 of the model, hex"),
        "digits": InputField("text", "images of the handwritten digits, such as 0-15", False),
        "images": InputField("bytes", f"1 to {LENGTHS[-1]} images as .npy, instead of digits", False),
    }
    limits = Limits(
        sizes=LENGTHS,
        max_request_bytes=(8 * 64 * LENGTHS[-1] + 4096) * 4 // 3,
        max_proof_bytes=MAX_PROOF_BYTES,
        max_compressed_proof_bytes=MAX_COMPRESSED_PROOF_BYTES,
        required_bits=CONFIG.security_bits,
    )

    def models(self) -> Mapping[str, Model]:
        """The models that requests may name, by their hash in hex."""
        return models()

    def validate(self, request: Request) -> None:
        """Raise JobInputInvalid unless the request can be run."""
        self.inputs(request)

    def rows(self, request: Request) -> int:
        """One for every node of the largest model and every image, images rounded up to a supported number."""
        return MAX_NODES * _length(self.inputs(request)[1])

    def inputs(self, request: Request) -> tuple[Model, NDArray[np.uint8]]:
        """The model and the images (images, pixels) of a request.  Raises JobInputInvalid."""
        super().validate(request)
        model = self.models().get(request["model"])
        if model is None:
            raise JobInputInvalid("model", f"the model is unknown; known are {', '.join(sorted(self.models()))}")
        if ("digits" in request) == ("images" in request):
            raise JobInputInvalid("fields", "either digits or images are expected")
        if "images" in request:
            return model, read_images(request["images"], model.inputs, model.input_max, LENGTHS[-1])
        first, last = parse_range(request["digits"])
        if last - first >= LENGTHS[-1]:
            raise JobInputInvalid("images", f"at most {LENGTHS[-1]} images fit into one job")
        return model, digits()[0][first : last + 1]

    def benchmark(self) -> Request:
        """The first model's answer to the smallest batch that fills a proof."""
        return {"model": min(self.models()), "digits": f"0-{LENGTHS[0] - 1}"}

    def run(self, request: Request) -> Prediction:
        """Logits and classes of the images."""
        model, images = self.inputs(request)
        return model.predict(images)

    def encode_output(self, output: Any) -> bytes:
        """Images and classes as u32, the logits row by row as i32, a byte per image's class; little-endian."""
        if not isinstance(output, Prediction) or not isinstance(output.logits, np.ndarray):
            raise JobInputInvalid("output_format", "the output is no prediction")
        logits, classes = output.logits, output.classes
        if logits.dtype != np.int32 or logits.ndim != 2 or not 0 < len(logits) <= LENGTHS[-1] or not logits.shape[1]:
            raise JobInputInvalid("output_format", "the logits are no table of 32-bit integers")
        # Beyond this a logit would have the residue of another one.
        if int(logits.max()) >= SUM_LIMIT or int(logits.min()) <= -SUM_LIMIT:
            raise JobInputInvalid("output_format", "a logit is out of range")
        if not isinstance(classes, np.ndarray) or classes.dtype != np.uint8:
            raise JobInputInvalid("output_format", "the classes are no bytes")
        if not np.array_equal(classes, classes_of(logits)):
            raise JobInputInvalid("output_format", "a class is not that of the largest logit")
        head = b"".join(n.to_bytes(4, "little") for n in logits.shape)
        return head + np.ascontiguousarray(logits).astype("<i4").tobytes() + classes.tobytes()

    def decode_output(self, data: bytes) -> Prediction:
        """The prediction of its canonical form."""
        count, width = (int.from_bytes(data[k : k + 4], "little") for k in (0, 4))
        end = 8 + 4 * count * width
        if not 0 < count <= LENGTHS[-1] or not 0 < width < 256 or len(data) != end + count:
            raise JobInputInvalid("output_format", "the data does not fill the shape")
        logits = np.frombuffer(data[8:end], dtype="<i4").reshape(count, width).astype(np.int32)
        output = Prediction(logits, np.frombuffer(data[end:], dtype=np.uint8))
        self.encode_output(output)
        return output

    def check_output(self, request: Request, output: Any) -> None:
        """Raise JobInputInvalid unless the output has the form that this request's has."""
        self.encode_output(output)
        model, images = self.inputs(request)
        if output.logits.shape != (len(images), model.classes):
            raise JobInputInvalid("output_format", "the logits are those of other images")

    def air(self) -> Air:
        """The AIR of all requests."""
        return inference_air()

    def public_inputs(self, request: Request, output: Any) -> Mapping[str, PublicInput]:
        """The number of images and the model's hash; images and logits are in the preprocessed tree."""
        model, images = self.inputs(request)
        return {"images": len(images), "model": limbs(model.hash)}

    def selectors(self, request: Request, output: Any) -> tuple[U32, ...]:
        """The preprocessed columns: selectors, tables, weights, images and the claimed logits."""
        model, images = self.inputs(request)
        length = _length(images)
        columns = {**fixed_columns(model, length), **known_columns(model, length, images, output)}
        return tuple(columns[name] for name in PREPROCESSED)

    def root(self, request: Request, output: Any) -> bytes:
        """Root of the preprocessed tree; what does not depend on images is extended once per model."""
        model, images = self.inputs(request)
        length = _length(images)
        known = known_columns(model, length, images, output)
        columns = {**_fixed_extended(model, length), **dict(zip(known, extended(list(known.values())), strict=True))}
        return root_of([columns[name] for name in PREPROCESSED])

    def trace(self, request: Request, output: Any) -> tuple[U32, ...]:
        """The trace of the claim, right or wrong."""
        model, images = self.inputs(request)
        return trace_columns(model, _length(images), images, output)

    def interaction(self, request: Request, output: Any, challenges: Mapping[str, QM31]) -> Sequence[U32]:
        """The sums of the equation between all layers."""
        model, images = self.inputs(request)
        length = _length(images)
        trace = trace_columns(model, length, images, output)
        order = coset_positions(len(trace[0]).bit_length() - 1)
        weight = fixed_columns(model, length)["weight"]
        return interaction_columns(length, weight[order], trace[4][order], trace[5][order], challenges)


@lru_cache(maxsize=4)
def _fixed_extended(model: Model, length: int) -> dict[str, U32]:
    columns = fixed_columns(model, length)
    return dict(zip(columns, extended(list(columns.values())), strict=True))


def _length(images: NDArray[np.uint8]) -> int:
    return next(length for length in LENGTHS if len(images) <= length)
