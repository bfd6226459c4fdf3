"""The inference job: completeness, the accuracy of the model, requests and outputs."""

from __future__ import annotations

import io
from typing import Any

import numpy as np
import pytest
import zstandard

from bitsage.obelysk import JobInputInvalid, get_job_type
from bitsage.obelysk.errors import INPUT_REASONS
from bitsage.obelysk.inference import InferenceJob, Prediction, default_model, digits, parse_range
from bitsage.obelysk.inference.air import inference_air
from bitsage.obelysk.inference.digits import COUNT, split
from bitsage.obelysk.inference.model import Layer, Model, ModelInvalid, classes_of
from bitsage.obelysk.inference.train import accuracy, quantise, train
from bitsage.obelysk.statement import commitment
from bitsage.stark import Air, ProofRefused, Trace, TraceInvalid, prove, verify

JOB = InferenceJob()
BINDING = bytes(range(32))
MODEL = default_model()
HASH = MODEL.hash.hex()
REQUEST = {"model": HASH, "digits": "0-15"}


def npy(array: np.ndarray) -> bytes:
    buffer = io.BytesIO()
    np.save(buffer, array, allow_pickle=False)
    return buffer.getvalue()


@pytest.fixture(scope="module")
def proven() -> tuple[Prediction, bytes]:
    output = JOB.run(REQUEST)
    return output, JOB.prove(REQUEST, output, BINDING)


def refused(request: Any, output: Any, proof: bytes, binding: bytes = BINDING) -> str:
    with pytest.raises(ProofRefused) as error:
        JOB.verify(request, output, proof, binding)
    return error.value.reason


def altered(output: Prediction, image: int, klass: int, change: int) -> Prediction:
    logits = output.logits.copy()
    logits[image, klass] += change
    return Prediction(logits, classes_of(logits))


def test_the_job_type_is_registered() -> None:
    assert isinstance(get_job_type("inference"), InferenceJob)


def test_the_quantised_model_is_within_a_point_of_the_float_model_on_images_it_has_not_seen() -> None:
    images, labels = digits()
    seen, unseen = split()
    assert len(set(seen) | set(unseen)) == COUNT
    trained = train()
    float_share = accuracy(trained.logits(images[unseen]), labels[unseen])
    assert float_share > 0.95
    for model in (MODEL, quantise(trained)):
        assert accuracy(model.predict(images[unseen]).logits, labels[unseen]) >= float_share - 0.01


def test_the_logits_are_those_of_plain_integer_arithmetic() -> None:
    image = digits()[0][7].tolist()
    values = image
    for layer in MODEL.layers:
        columns = layer.weights.T.tolist()
        sums = [
            sum(w * v for w, v in zip(c, values, strict=True)) + b for c, b in zip(columns, layer.bias, strict=True)
        ]
        values = [max(0, (y + 2 ** (layer.shift - 1)) // 2**layer.shift) for y in sums] if layer.shift else sums
    assert MODEL.predict(digits()[0][7:8]).logits.tolist() == [values]


def test_an_honest_proof_is_accepted_by_output_and_by_hash(proven: tuple[Prediction, bytes]) -> None:
    output, proof = proven
    assert output.classes.tolist() == np.argmax(output.logits, axis=1).tolist()
    JOB.verify(REQUEST, output, proof, BINDING)
    JOB.verify(REQUEST, JOB.output_hash(output), proof, BINDING)
    images = digits()[0][:16]
    for array in (images, images.reshape(16, 8, 8), images.astype(np.int64), np.asfortranarray(images)):
        JOB.verify({"model": HASH, "images": npy(array)}, output, proof, BINDING)


def test_wrong_logits_classes_images_bindings_and_models_are_refused(
    proven: tuple[Prediction, bytes], monkeypatch: pytest.MonkeyPatch
) -> None:
    output, proof = proven
    for image, klass, change in ((0, 0, 1), (15, 9, -1), (7, 3, 2**20)):
        wrong = altered(output, image, klass, change)
        assert refused(REQUEST, wrong, proof) == "preprocessed_root_mismatch"
        assert refused(REQUEST, JOB.output_hash(wrong), proof) == "output_mismatch"
    classes = output.classes.copy()
    classes[3] = (classes[3] + 1) % 10
    assert refused(REQUEST, Prediction(output.logits, classes), proof) == "output_mismatch"
    assert refused({**REQUEST, "digits": "0-14"}, output, proof) == "output_mismatch"
    assert refused({**REQUEST, "digits": "1-16"}, output, proof) == "preprocessed_root_mismatch"
    assert refused({**REQUEST, "digits": "1-16"}, JOB.run({**REQUEST, "digits": "1-16"}), proof) is not None
    assert refused(REQUEST, output, proof, bytes(32)) == "oods_mismatch"
    for nothing in (None, output.logits, b"", bytes(32), Prediction(output.logits[:0], output.classes[:0])):
        assert refused(REQUEST, nothing, proof) == "output_mismatch"
    other = other_model()
    monkeypatch.setattr(InferenceJob, "models", lambda self: {HASH: MODEL, other.hash.hex(): other})
    request = {**REQUEST, "model": other.hash.hex()}
    assert refused(request, output, proof) == "preprocessed_root_mismatch"
    assert refused(request, JOB.run(request), proof) == "preprocessed_root_mismatch"


def other_model() -> Model:
    data = MODEL.to_json()
    data["layers"][1]["weights"][3][4] ^= 1
    model = Model.from_json(data)
    assert model.hash != MODEL.hash
    return model


def test_the_prover_itself_refuses_wrong_logits(proven: tuple[Prediction, bytes]) -> None:
    with pytest.raises(TraceInvalid, match="inference"):
        JOB.prove(REQUEST, altered(proven[0], 2, 5, 1), BINDING)


@pytest.mark.parametrize("data", [b"", b"BSP1", b"\0" * 100, b"{}", b"[" * 100_000, b"x" * (2 << 20)])
def test_what_is_no_proof_is_refused(data: bytes) -> None:
    assert refused(REQUEST, JOB.run(REQUEST), data) == "unreadable"


def test_changed_and_truncated_proofs_are_refused(proven: tuple[Prediction, bytes]) -> None:
    output, proof = proven
    chance = np.random.default_rng()
    for position in chance.integers(0, len(proof), 25):
        changed = bytearray(proof)
        changed[position] ^= 1 << int(chance.integers(8))
        refused(REQUEST, output, bytes(changed))
    for cut in chance.integers(0, len(proof), 5):
        refused(REQUEST, output, proof[:cut])


def test_the_statement_is_what_a_third_party_verifies(proven: tuple[Prediction, bytes]) -> None:
    _, proof = proven
    air, params = JOB.statement(REQUEST, BINDING)
    assert params.config.security_bits == JOB.limits.required_bits == 96
    assert verify(Air.from_json(air.to_json()), type(params).from_json(params.to_json()), proof).claimed_sums
    assert air is inference_air()


@pytest.mark.parametrize(
    "last", [0, 127, pytest.param(128, marks=pytest.mark.slow), pytest.param(255, marks=pytest.mark.slow)]
)
def test_batches_of_all_sizes_fit_in_256_kib(last: int) -> None:
    request = {**REQUEST, "digits": f"0-{last}"}
    output = JOB.run(request)
    proof = JOB.prove(request, output, BINDING)
    assert len(zstandard.compress(proof)) <= JOB.limits.max_compressed_proof_bytes == 256 << 10
    JOB.verify(request, JOB.output_hash(output), proof, BINDING)
    refused(request, altered(output, last, 9, 1), proof)


def test_extreme_images_are_proven() -> None:
    """All pixels 0, all 16, and the images that drive single hidden units to the ends of their range."""
    weights = MODEL.layers[0].weights
    extremes = [np.zeros(64), np.full(64, 16), *(16 * (weights.T > 0)), *(16 * (weights.T < 0))]
    request = {"model": HASH, "images": npy(np.array(extremes, dtype=np.uint8))}
    output = JOB.run(request)
    JOB.verify(request, output, JOB.prove(request, output, BINDING), BINDING)


@pytest.mark.parametrize(
    ("request_", "reason"),
    [
        ([], "fields"),
        ({}, "fields"),
        ({"model": HASH}, "fields"),
        ({**REQUEST, "images": b""}, "fields"),
        ({**REQUEST, "other": 1}, "fields"),
        ({"model": 5, "digits": "1"}, "fields"),
        ({"model": HASH, "digits": 5}, "fields"),
        ({"model": "00" * 32, "digits": "1"}, "model"),
        ({"model": HASH, "digits": "1797"}, "images"),
        ({"model": HASH, "digits": "5-4"}, "images"),
        ({"model": HASH, "digits": "-1"}, "images"),
        ({"model": HASH, "digits": "0-256"}, "images"),
        ({"model": HASH, "images": b"none"}, "matrix_format"),
        ({"model": HASH, "images": npy(np.zeros((257, 64), dtype=np.uint8))}, "images"),
        ({"model": HASH, "images": npy(np.zeros((0, 64), dtype=np.uint8))}, "images"),
        ({"model": HASH, "images": npy(np.zeros((2, 63), dtype=np.uint8))}, "images"),
        ({"model": HASH, "images": npy(np.zeros((2, 64)))}, "images"),
        ({"model": HASH, "images": npy(np.zeros((2, 64), dtype=np.uint8))[:-1]}, "images"),
        ({"model": HASH, "images": npy(np.full((2, 64), 17, dtype=np.uint8))}, "images"),
        ({"model": HASH, "images": npy(np.full((2, 64), -1, dtype=np.int8))}, "images"),
    ],
)
def test_bad_requests(request_: Any, reason: str) -> None:
    with pytest.raises(JobInputInvalid) as error:
        JOB.validate(request_)
    assert error.value.reason == reason
    assert reason in INPUT_REASONS


@pytest.mark.parametrize("last", [0, 200])
def test_the_short_way_to_the_root_is_the_root(last: int) -> None:
    request = {**REQUEST, "digits": f"0-{last}"}
    output = JOB.run(request)
    assert JOB.root(request, output) == commitment(JOB.selectors(request, output))


def test_ranges() -> None:
    assert parse_range("7") == (7, 7)
    assert parse_range("0-1796") == (0, 1796)


def test_canonical_bytes_round_trip(proven: tuple[Prediction, bytes]) -> None:
    output = proven[0]
    data = JOB.encode_output(output)
    again = JOB.decode_output(data)
    assert np.array_equal(again.logits, output.logits)
    assert np.array_equal(again.classes, output.classes)
    wrong_class = data[:-1] + bytes([(data[-1] + 1) % 10])
    out_of_range = data[:8] + (1 << 30).to_bytes(4, "little") + data[12:]
    for bad in (b"", data[:-1], data + b"\0", wrong_class, out_of_range, bytes(8), b"\xff" * 8):
        with pytest.raises(JobInputInvalid):
            JOB.decode_output(bad)


class WideJob(InferenceJob):
    """A model of random weights whose values need more than twelve bits, with layers of other widths."""

    name = "wide"

    def models(self) -> dict[str, Model]:
        chance = np.random.default_rng(5)
        widths, shifts = (20, 40, 9, 6, 3), (1, 8, 12, 0)
        layers = tuple(
            Layer(chance.integers(-127, 128, (inputs, units)), chance.integers(-5000, 5000, units), shift)
            for inputs, units, shift in zip(widths[:-1], widths[1:], shifts, strict=True)
        )
        model = Model(layers, 200)
        return {model.hash.hex(): model}


def test_a_model_whose_values_need_the_high_limb() -> None:
    job = WideJob()
    (model,) = job.models().values()
    assert min(model.high_bits[:2]) > 0
    images = np.random.default_rng(6).integers(0, 201, (30, 20)).astype(np.uint8)
    request = {"model": model.hash.hex(), "images": npy(images)}
    output = job.run(request)
    job.verify(request, output, job.prove(request, output, BINDING), BINDING)
    high, low = job.trace(request, output)[2], job.trace(request, output)[1]
    assert int(high.max()) > 0
    assert int(low.max()) < 1 << 12

    # A value moved between the limbs, and one beyond the layer's width, by a prover that skips its checks.
    row = int(np.argmax(high))
    for changes in ({1: int(low[row]) + (1 << 12), 2: int(high[row]) - 1}, {2: 1 << 12}):
        columns = list(job.trace(request, output))
        for column, value in changes.items():
            columns[column] = columns[column].copy()
            columns[column][row] = value
        job.trace = lambda *_, made=tuple(columns): made  # type: ignore[method-assign,misc]
        air, params = job.statement(request, BINDING)
        trace = Trace(job.selectors(request, output), (tuple(columns),))
        forged = prove(
            air, params, trace, interaction=lambda ch: [job.interaction(request, output, ch)], check=False
        ).proof.to_bytes()
        with pytest.raises(ProofRefused) as error:
            job.verify(request, output, forged, BINDING)
        assert error.value.reason == "oods_mismatch"
        del job.trace


def test_models_that_cannot_be_proven_are_refused() -> None:
    def layer(inputs: int, units: int, weight: int, shift: int, bias: int = 0) -> Layer:
        return Layer(np.full((inputs, units), weight), np.full(units, bias), shift)

    Model((layer(64, 32, 100, 8), layer(32, 10, 100, 0)), 16)
    for layers in (
        (layer(64, 10, 1, 0),),
        (layer(64, 32, 128, 8), layer(32, 10, 1, 0)),
        (layer(64, 32, 1, 0), layer(32, 10, 1, 0)),
        (layer(64, 32, 1, 13), layer(32, 10, 1, 0)),
        (layer(64, 32, 1, 8), layer(31, 10, 1, 0)),
        (layer(64, 54, 1, 8), layer(54, 10, 1, 0)),
        (layer(64, 32, 100, 8), layer(32, 10, 1, 2)),
        (layer(64, 32, 100, 1), layer(32, 10, 1, 0, 1 << 30)),
        (layer(64, 8, 127, 1), layer(8, 8, 127, 1), layer(8, 8, 127, 1), layer(8, 8, 127, 0)),
    ):
        with pytest.raises(ModelInvalid):
            Model(layers, 16)
