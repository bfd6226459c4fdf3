"""Seeded inputs, .npy inputs, canonical bytes and the exact product."""

from __future__ import annotations

import io

import numpy as np
import pytest
from blake3 import blake3

from bitsage.obelysk import JobInputInvalid, generate_inputs
from bitsage.obelysk import matrices as module
from bitsage.obelysk.matrices import SIZES, decode_matrix, encode_matrix, product, read_npy
from bitsage.stark import P

GENERATED_16_1 = "81215050afaefb098e529ea2d667efd45245971f50edd6e62087315d1dc6673c"


def npy(array: np.ndarray) -> bytes:  # type: ignore[type-arg]
    buffer = io.BytesIO()
    np.save(buffer, array)
    return buffer.getvalue()


def small(size: int = 16) -> np.ndarray:  # type: ignore[type-arg]
    return np.arange(size * size, dtype=np.uint32).reshape(size, size)


@pytest.mark.parametrize(("size", "seed"), [(16, 0), (16, 2**64 - 1), (64, 7)])
def test_generated_inputs_follow_their_description(size: int, seed: int) -> None:
    need = 2 * size * size
    data = blake3(b"bitsage matmul inputs v1" + size.to_bytes(4, "little") + seed.to_bytes(8, "little")).digest(
        length=4 * need + 64
    )
    words = [int.from_bytes(data[k : k + 4], "little") & P for k in range(0, len(data), 4)]
    values = [w for w in words if w != P][:need]
    a, b = generate_inputs(size, seed)
    assert [*a.ravel().tolist(), *b.ravel().tolist()] == values


def test_generated_inputs_are_pinned() -> None:
    a, b = generate_inputs(16, 1)
    assert blake3(a.tobytes() + b.tobytes()).hexdigest() == GENERATED_16_1


def test_p_itself_is_rejected_from_the_stream(monkeypatch: pytest.MonkeyPatch) -> None:
    class Stream:
        """Every third word of the stream is 2^31 - 1 under the mask."""

        def __init__(self, _: bytes) -> None:
            self.words = np.arange(4096, dtype="<u4")
            self.words[::3] = 0xFFFFFFFF

        def digest(self, length: int, seek: int) -> bytes:
            return self.words.tobytes()[seek : seek + length]

    monkeypatch.setattr(module, "blake3", Stream)
    a, b = generate_inputs(16, 0)
    expected = [k for k in range(4096) if k % 3][:512]
    assert [*a.ravel().tolist(), *b.ravel().tolist()] == expected


@pytest.mark.parametrize(
    ("size", "seed", "reason"),
    [
        *((size, 0, "size") for size in (17, 8, 4096, True, "16")),
        *((16, seed, "seed") for seed in (-1, 2**64, 1.0, True)),
    ],
)
def test_bad_generator_arguments(size: int, seed: int, reason: str) -> None:
    with pytest.raises(JobInputInvalid) as error:
        generate_inputs(size, seed)
    assert error.value.reason == reason


@pytest.mark.parametrize("dtype", ["<u4", "<i4", "<i8", "<u8", ">i8", "<u2"])
@pytest.mark.parametrize("order", ["C", "F"])
def test_npy_files_of_integers_are_read(dtype: str, order: str) -> None:
    array = np.array(small(), dtype=dtype, order=order)  # type: ignore[call-overload]
    assert np.array_equal(read_npy(npy(array)), small())


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (b"", "matrix_format"),
        (b"\x93NUMPY", "matrix_format"),
        (npy(small())[:-1], "matrix_format"),
        (npy(small()) + b"\0", "matrix_format"),
        (npy(small().astype(float)), "matrix_format"),
        (npy(small().ravel()), "matrix_format"),
        (npy(np.zeros((16, 2049), dtype=np.uint32)), "matrix_shape"),
        (npy(np.zeros((0, 4), dtype=np.uint32)), "matrix_shape"),
        (npy(small().astype(np.int64) - 1), "matrix_range"),
        (npy(np.full((16, 16), P, dtype=np.uint32)), "matrix_range"),
        (npy(small()).replace(b"False", b"[[[[["), "matrix_format"),
        (npy(small()).replace(b"(16, 16)", b"(999999, 999999)"), "matrix_format"),
        (npy(small()).replace(b"(16, 16)", b"(16, 1000)"), "matrix_format"),
        (b"\x93NUMPY\x09\x00" + npy(small())[8:], "matrix_format"),
    ],
)
def test_bad_npy_files(data: bytes, reason: str) -> None:
    with pytest.raises(JobInputInvalid) as error:
        read_npy(data)
    assert error.value.reason == reason


def test_an_object_array_is_never_unpickled() -> None:
    buffer = io.BytesIO()
    np.save(buffer, np.array([[print]], dtype=object), allow_pickle=True)
    with pytest.raises(JobInputInvalid):
        read_npy(buffer.getvalue())


def test_canonical_bytes_round_trip() -> None:
    matrix = small(32)
    data = encode_matrix(matrix)
    assert data[:4] == (32).to_bytes(4, "little")
    assert len(data) == 4 + 4 * 32 * 32
    assert np.array_equal(decode_matrix(data), matrix)
    for shape in ((1, 1), (17, 17), (16, 32), (3, 2048)):
        rectangle = np.arange(shape[0] * shape[1], dtype=np.uint32).reshape(shape)
        data = encode_matrix(rectangle)
        assert len(data) == 12 + 4 * rectangle.size
        assert np.array_equal(decode_matrix(data), rectangle)


@pytest.mark.parametrize(
    "matrix",
    [None, [[1]], small().astype(np.int64), small()[:, :0], np.full((16, 16), P, dtype=np.uint32), small().ravel(),
     np.zeros((17, 2049), dtype=np.uint32)],
)  # fmt: skip
def test_what_is_no_output_has_no_bytes(matrix: object) -> None:
    with pytest.raises(JobInputInvalid) as error:
        encode_matrix(matrix)
    assert error.value.reason == "output_format"


@pytest.mark.parametrize("data", [b"", b"\x10\0\0\0", encode_matrix(small())[:-1], encode_matrix(small()) + b"\0",
    (16).to_bytes(4, "little") + b"\xff" * 1024, bytes(12), bytes(4) + encode_matrix(small())[:4] * 2 + bytes(1024),
    (17).to_bytes(4, "little") + bytes(4 * 17 * 17)])  # fmt: skip
def test_what_is_no_canonical_form_is_no_output(data: bytes) -> None:
    with pytest.raises(JobInputInvalid):
        decode_matrix(data)


def test_the_product_is_exact_for_the_largest_entries() -> None:
    a = np.full((64, 64), P - 1, dtype=np.uint32)
    a[3, 5] = 7
    b = generate_inputs(64, 3)[1]
    expected = [[sum(int(a[i, k]) * int(b[k, j]) for k in range(64)) % P for j in range(64)] for i in range(64)]
    assert product(a, b).tolist() == expected


def test_supported_sizes() -> None:
    assert SIZES == (16, 32, 64, 128, 256, 512, 1024, 2048)
