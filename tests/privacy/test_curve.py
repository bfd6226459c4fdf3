import subprocess
import sys

import fast_stark_crypto
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from poseidon_py.poseidon_hash import poseidon_hash_many

from bitsage.privacy import curve
from bitsage.privacy.curve import CURVE, FIELD_PRIME, ORDER, G, H, is_identity
from bitsage.privacy.errors import EncodingInvalid
from bitsage.privacy.fixed_base import FixedBase, times_g, times_h

scalars = st.integers(min_value=1, max_value=ORDER - 1)

# The shift point of the Pedersen hash, published by StarkWare (crypto-cpp, pedersen_hash constant points).
SHIFT_POINT = (
    0x49EE3EBA8C1600700EE1B87EB599F16716B0B1022947733551FDE4050CA6804,
    0x3CA0CFE4B3BC6DDF346D49D06EA0ED34E621062C0E056C1D0405D266E10268A,
)


def test_h_is_the_first_point_of_try_and_increment() -> None:
    counter = 0
    while True:
        x = poseidon_hash_many([int.from_bytes(b"BITSAGE_H_V1", "big"), counter])
        y = curve.square_root(curve.right_side(x))
        if y is not None:
            break
        counter += 1
    assert (H.x, H.y) == (x, y)
    assert y <= FIELD_PRIME - y


def test_the_generator_has_the_order_n() -> None:
    assert is_identity(G * (ORDER - 1) + G)
    assert is_identity(H * (ORDER - 1) + H)
    assert not is_identity(G * (ORDER - 1))


@settings(max_examples=25, deadline=None)
@given(scalars)
def test_multiples_agree_with_another_implementation(scalar: int) -> None:
    assert times_g(scalar).x == fast_stark_crypto.get_public_key(scalar)
    assert times_g(scalar) == G * scalar
    assert times_h(scalar) == H * scalar


@pytest.mark.parametrize("scalar", [1, 2, 255, 256, 257, 2**128, ORDER - 2, ORDER - 1])
def test_multiples_at_the_edges(scalar: int) -> None:
    assert times_g(scalar) == G * scalar
    assert times_g(scalar).x == fast_stark_crypto.get_public_key(scalar)


def test_zero_times_a_base_is_infinity_and_other_numbers_are_refused() -> None:
    assert is_identity(FixedBase(G).times(0))
    for scalar in (-1, ORDER, ORDER + 1):
        with pytest.raises(ValueError, match="scalar"):
            times_g(scalar)


@settings(max_examples=50, deadline=None)
@given(st.integers(min_value=0, max_value=FIELD_PRIME - 1))
def test_square_roots(value: int) -> None:
    root = curve.square_root(value * value)
    assert root == min(value, FIELD_PRIME - value) % FIELD_PRIME
    if value:
        assert curve.square_root(3 * value * value) is None  # 3 is no square


@settings(max_examples=25, deadline=None)
@given(scalars)
def test_points_travel(scalar: int) -> None:
    point = times_g(scalar)
    assert curve.decode_point(curve.encode_point(point)) == point
    assert curve.decompress_point(curve.compress_point(point)) == point


def test_a_published_point_travels() -> None:
    x, y = SHIFT_POINT
    data = x.to_bytes(32, "big") + y.to_bytes(32, "big")
    point = curve.decode_point(data)
    assert curve.compress_point(point) == b"\x02" + data[:32]
    assert curve.decompress_point(b"\x03" + data[:32]) == -point


def wide(x: int, y: int) -> bytes:
    return x.to_bytes(32, "big") + y.to_bytes(32, "big")


@pytest.mark.parametrize(
    "data",
    [
        b"",
        bytes(63),
        bytes(64),
        bytes(65),
        b"\xff" * 64,
        wide(G.x, G.y + 1),
        wide(G.x + FIELD_PRIME, G.y),
        wide(G.x, G.y + FIELD_PRIME),
        wide(G.y, G.x),
        wide(FIELD_PRIME, 0),
        wide(0, 1),
    ],
)
def test_what_is_no_point_is_refused(data: bytes) -> None:
    with pytest.raises(EncodingInvalid) as caught:
        curve.decode_point(data)
    assert caught.value.code == "encoding_invalid"


NOT_ON_CURVE = next(x for x in range(100) if curve.square_root(curve.right_side(x)) is None)


@pytest.mark.parametrize(
    "data",
    [
        b"",
        bytes(33),
        b"\x04" + G.x.to_bytes(32, "big"),
        b"\x02" + (G.x + FIELD_PRIME).to_bytes(32, "big"),
        b"\x02" + NOT_ON_CURVE.to_bytes(32, "big"),
        b"\x02" + G.x.to_bytes(32, "big") + b"\x00",
    ],
)
def test_what_is_no_compressed_point_is_refused(data: bytes) -> None:
    with pytest.raises(EncodingInvalid):
        curve.decompress_point(data)


def test_infinity_has_no_encoding() -> None:
    for encode in (curve.encode_point, curve.compress_point):
        with pytest.raises(EncodingInvalid):
            encode(G - G)


@pytest.mark.parametrize("scalar", [0, ORDER, ORDER + 1, -1, 2**256 - 1])
def test_scalars_out_of_range_are_refused(scalar: int) -> None:
    with pytest.raises(EncodingInvalid):
        curve.encode_scalar(scalar)
    if scalar >= 0:
        with pytest.raises(EncodingInvalid):
            curve.decode_scalar(scalar.to_bytes(32, "big"))


@pytest.mark.parametrize("length", [0, 31, 33])
def test_scalars_have_32_bytes(length: int) -> None:
    with pytest.raises(EncodingInvalid):
        curve.decode_scalar(bytes([0] * (length - 1) + [1]) if length else b"")


def test_random_scalars_are_drawn_again_when_out_of_range() -> None:
    draws = iter([0, ORDER, 2**252 - 1, ORDER - 1])
    assert curve.random_scalar(lambda bits: next(draws)) == ORDER - 1
    assert len({curve.random_scalar() for _ in range(50)}) == 50


def test_the_curve_is_the_published_one() -> None:
    assert (CURVE.p, CURVE.a, CURVE.q) == (2**251 + 17 * 2**192 + 1, 1, ORDER)
    assert G.y * G.y % FIELD_PRIME == curve.right_side(G.x)


def test_importing_the_room_makes_no_tables() -> None:
    code = "import bitsage.privacy.fixed_base as f; print(f._table.cache_info().currsize)"
    shown = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert shown.stdout.strip() == "0"
