"""Check values of the specification for fields, circle, FFT, hash, channel and proof of work."""

from __future__ import annotations

import hashlib

import numpy as np
import pytest

from bitsage.stark import blake2s, circle, fft, fields, linear, merkle, vectors
from bitsage.stark.channel import Channel
from bitsage.stark.errors import ProofRefused
from bitsage.stark.fields import QM31, P
from bitsage.stark.grind import grind

RNG = np.random.default_rng(20240801)
EDGES = np.array([0, 1, 2, P - 2, P - 1, 1 << 16, (1 << 30) + 1], dtype=np.uint32)


def random_m31(*shape: int) -> vectors.U32:
    return RNG.integers(0, P, shape, dtype=np.uint32)


def lane(x: vectors.U32, k: int) -> QM31:
    a, b, c, d = x[:, k].tolist()
    return a, b, c, d


def test_qm31_check_values() -> None:
    assert fields.qmul((1, 2, 3, 4), (4, 5, 6, 7)) == (2147483576, 93, 2147483631, 50)
    assert fields.qinv((1, 2, 3, 4)) == (1855247052, 856841008, 1588674294, 1863525709)


def test_u_squared_is_2_plus_i_and_i_squared_is_minus_1() -> None:
    assert fields.qmul((0, 0, 1, 0), (0, 0, 1, 0)) == (2, 1, 0, 0)
    assert fields.qmul((0, 1, 0, 0), (0, 1, 0, 0)) == (P - 1, 0, 0, 0)


@pytest.mark.parametrize("inverse", [fields.m31_inverse, lambda x: fields.qinv((x, 0, 0, 0)), fields.cm31_inverse])
def test_zero_has_no_inverse(inverse) -> None:  # type: ignore[no-untyped-def]
    with pytest.raises(ZeroDivisionError):
        inverse((0, 0) if inverse is fields.cm31_inverse else 0)


def test_array_arithmetic_equals_python_integers_at_all_edges() -> None:
    x = np.repeat(EDGES, len(EDGES))
    y = np.tile(EDGES, len(EDGES))
    big = [(int(a), int(b)) for a, b in zip(x, y, strict=True)]
    assert vectors.add(x, y).tolist() == [(a + b) % P for a, b in big]
    assert vectors.sub(x, y).tolist() == [(a - b) % P for a, b in big]
    assert vectors.mul(x, y).tolist() == [a * b % P for a, b in big]
    assert vectors.neg(x).tolist() == [-a % P for a, _ in big]


def test_reduce_takes_every_uint64() -> None:
    values = [0, P, 2 * P, P * P, 2**62, 2**63, 2**64 - 1, (1 << 33) * P]
    assert vectors.reduce(np.array(values, dtype=np.uint64)).tolist() == [v % P for v in values]


@pytest.mark.parametrize("extreme", [False, True])
def test_qm31_arrays_equal_scalars(extreme: bool) -> None:
    x, y = random_m31(4, 300), random_m31(4, 300)
    if extreme:
        x, y = x % 2 * np.uint32(P - 1), y % 2 * np.uint32(P - 1)
        x[0] |= 1
        x[0] = np.minimum(x[0], P - 1)
    product, inverse = vectors.qmul(x, y), vectors.qinverse(x)
    by_cm31 = vectors.qmul_cm31(x, y[0], y[1])
    for k in range(300):
        assert lane(product, k) == fields.qmul(lane(x, k), lane(y, k))
        assert lane(inverse, k) == fields.qinv(lane(x, k))
        assert lane(by_cm31, k) == fields.qmul_cm31(lane(x, k), (int(y[0, k]), int(y[1, k])))


@pytest.mark.parametrize("size", [1, 63, 64, 65, 127, 1000, 4096])
def test_batch_inverse(size: int) -> None:
    x = random_m31(size) | np.uint32(1)
    assert vectors.mul(x, vectors.inverse(x)).tolist() == [1] * size
    x[size // 2] = 0
    with pytest.raises(ZeroDivisionError):
        vectors.inverse(x)


def test_prefix_sums_wrap_modulo_p() -> None:
    x = np.full((2, 5000), P - 1, dtype=np.uint32)
    assert vectors.prefix_sum(x)[1].tolist() == [-k % P for k in range(1, 5001)]


def test_float_matmul_is_exact_for_the_largest_values() -> None:
    a = np.full((2, 3000), P - 1, dtype=np.uint32)
    b = np.full((3000, 3), P - 2, dtype=np.uint32)
    assert linear.matmul(a, b).tolist() == [[3000 * (P - 1) * (P - 2) % P] * 3] * 2


def test_stored_points_of_log_size_3() -> None:
    x, y = circle.domain_points(3)
    assert list(zip(x.tolist(), y.tolist(), strict=True)) == [
        (590768354, 978592373),
        (590768354, 1168891274),
        (1556715293, 1168891274),
        (1556715293, 978592373),
        (978592373, 1556715293),
        (978592373, 590768354),
        (1168891274, 590768354),
        (1168891274, 1556715293),
    ]


def test_generator_has_order_2_to_31() -> None:
    assert circle.point(circle.ORDER) == (1, 0)
    assert circle.point(circle.ORDER // 2) == (P - 1, 0)
    assert circle.point(1) == circle.GENERATOR


@pytest.mark.parametrize("log_size", [1, 2, 5])
def test_rows_walk_the_coset(log_size: int) -> None:
    x, y = circle.domain_points(log_size)
    step = circle.point(circle.generator_index(log_size))
    rows = circle.coset_positions(log_size)
    points = [(int(x[p]), int(y[p])) for p in rows]
    assert points[0] == circle.point(circle.generator_index(log_size + 1))
    for current, following in zip(points, points[1:] + points[:1], strict=True):
        assert circle.point_add(current, step) == following


@pytest.mark.parametrize(("domain", "trace"), [(4, 4), (5, 4), (7, 4), (6, 5)])
@pytest.mark.parametrize("offset", [-3, -1, 1, 2])
def test_shifted_positions_add_trace_steps(domain: int, trace: int, offset: int) -> None:
    x, y = circle.domain_points(domain)
    step = circle.point(offset * circle.generator_index(trace))
    where = circle.shifted_positions(domain, trace, offset)
    for position, target in enumerate(where):
        moved = circle.point_add((int(x[position]), int(y[position])), step)
        assert moved == (int(x[target]), int(y[target]))


def test_fft_check_values() -> None:
    coefficients = fft.interpolate(np.arange(8, dtype=np.uint32)[None])
    assert coefficients[0].tolist() == [1073741827, 0, 190298901, 0, 2147352575, 0, 775648038, 2]
    assert fft.evaluate(coefficients, 4)[0].tolist() == [
        1541312034, 1541344802, 9951281, 9984049, 1774639369, 1774672137, 968999088, 969031856,
        1097248027, 1097215259, 885260362, 885227594, 988796683, 988763915, 1323727772, 1323695004,
    ]  # fmt: skip


@pytest.mark.parametrize("log_size", range(1, 13))
def test_fft_equals_the_definition(log_size: int) -> None:
    columns = random_m31(3, 1 << log_size)
    coefficients = fft.interpolate(columns)
    assert np.array_equal(fft.evaluate(coefficients, log_size), columns)
    x, y = circle.domain_points(log_size)
    position = int(RNG.integers(0, 1 << log_size))
    point = fields.qm31(int(x[position])), fields.qm31(int(y[position]))
    assert [v[0] for v in linear.evaluate_at(list(coefficients), point)] == columns[:, position].tolist()


@pytest.mark.parametrize("blowup", [0, 1, 2, 3])
@pytest.mark.parametrize("log_size", [2, 7, 8, 9])
def test_tiled_transforms_equal_the_batched_ones(monkeypatch: pytest.MonkeyPatch, log_size: int, blowup: int) -> None:
    columns = random_m31(3, 1 << log_size)
    coefficients = fft.interpolate(columns)
    values = fft.evaluate(coefficients, log_size + blowup)
    monkeypatch.setattr(fft, "_TILED_FROM", 2)
    monkeypatch.setattr(fft, "_TILE", 1 << 7)
    assert np.array_equal(fft.interpolate(columns), coefficients)
    assert np.array_equal(fft.evaluate(coefficients, log_size + blowup), values)


@pytest.mark.parametrize("words", [0, 1, 8, 15, 16, 17, 32, 40])
def test_blake2s_lanes_equal_hashlib(words: int) -> None:
    data = RNG.integers(0, 2**32, (words, 20), dtype=np.uint32)
    state = blake2s.hash_words(data)
    for k in range(20):
        expected = hashlib.blake2s(data[:, k].astype("<u4").tobytes()).digest()
        assert blake2s.digest_bytes(state, k) == expected


def test_blake2s_passes_join(monkeypatch: pytest.MonkeyPatch) -> None:
    data = RNG.integers(0, 2**32, (20, 100), dtype=np.uint32)
    whole = blake2s.hash_words(data)
    monkeypatch.setattr(blake2s, "_LANES", 16)
    assert np.array_equal(blake2s.hash_words(data), whole)


def test_merkle_check_value() -> None:
    columns = [np.arange(n, dtype=np.uint32) for n in (4, 8, 16)]
    tree = merkle.commit(columns)
    assert tree is not None
    assert tree.root.hex() == "8c77a12f054d8ae52326c32d9862b42c7976bf33a44711a79866d89caf310bb0"
    assert merkle.EMPTY_ROOT.hex() == "69217a3079908094e11121d042354a7c1f55b6482ca1a51e1b250dfd1ed0eef9"


@pytest.mark.parametrize("count", [1, 3, 20, 37])
def test_leaves_of_mixed_columns_equal_the_definition(count: int) -> None:
    columns = [random_m31(1 << int(k)) for k in RNG.integers(1, 6, count)]
    height = 6
    leaves = merkle.hash_leaves(columns, height)
    ordered = sorted(columns, key=len)
    for position in range(1 << height):
        data = b"".join(
            int(c[merkle.lifted_index(position, height, len(c).bit_length() - 1)]).to_bytes(4, "little")
            for c in ordered
        )
        assert blake2s.digest_bytes(leaves, position) == hashlib.blake2s(data).digest()


@pytest.mark.parametrize("positions", [[0], [0, 1], [3, 4, 9], list(range(16)), [15]])
def test_openings_verify_and_refuse_every_change(positions: list[int]) -> None:
    columns = [random_m31(16)]
    tree = merkle.commit(columns)
    assert tree is not None
    leaves = {p: hashlib.blake2s(int(columns[0][p]).to_bytes(4, "little")).digest() for p in positions}
    witness = tree.decommit(positions)
    merkle.verify_decommitment(tree.root, 4, leaves, witness)
    for k in range(len(witness)):
        with pytest.raises(ProofRefused, match="merkle_root"):
            merkle.verify_decommitment(tree.root, 4, leaves, [*witness[:k], bytes(32), *witness[k + 1 :]])
        with pytest.raises(ProofRefused, match="merkle_witness"):
            merkle.verify_decommitment(tree.root, 4, leaves, witness[:k] + witness[k + 1 :])
    with pytest.raises(ProofRefused, match="merkle_witness"):
        merkle.verify_decommitment(tree.root, 4, leaves, [*witness, bytes(32)])
    with pytest.raises(ProofRefused, match="merkle_root"):
        merkle.verify_decommitment(tree.root, 4, {**leaves, positions[0]: bytes(32)}, witness)


def test_channel_check_values() -> None:
    channel = Channel()
    channel.mix_u64(0x1111222233334444)
    assert channel.digest.hex() == "bc9e3fc1d24e8897956d3359327397249d6bcacd224d927404e7ba4a77dc6ece"
    channel = Channel()
    channel.mix_u32s(list(range(1, 10)))
    assert channel.digest.hex() == "7091768357bb1bb3346fdab6b357d7fa46b8fbe32c2e4324a0ffc294cbf9a1c7"
    channel = Channel()
    channel.mix_felts([(1, 2, 3, 4), (5, 6, 7, 8)])
    assert channel.digest.hex() == "fe876a6d01f100b12b5ad268e0856f09191ab4e33644ae0ac6c231f225d39ec6"
    assert Channel().draw_secure_felts(3) == [
        (1508103417, 49928118, 1851109195, 649450964),
        (1514800545, 2089281384, 523819246, 1919080973),
        (1769619091, 1335149496, 2007506569, 1426464368),
    ]


def test_a_single_draw_drops_half_a_hash() -> None:
    one_by_one, together = Channel(), Channel()
    singles = [one_by_one.draw_secure_felt() for _ in range(2)]
    pair = together.draw_secure_felts(4)
    assert singles == [pair[0], pair[2]]


def test_grind_finds_the_first_nonce_in_its_order() -> None:
    channel = Channel()
    channel.mix_u64(7)
    nonce = grind(channel.digest, 9)
    assert channel.check_pow(9, nonce)
    assert not any(channel.check_pow(9, k) for k in range(nonce))


def test_grind_steps_the_high_word_after_2_to_20_low_words(monkeypatch: pytest.MonkeyPatch) -> None:
    import bitsage.stark.grind as module

    monkeypatch.setattr(module, "_LOW_BITS", 4)
    monkeypatch.setattr(module, "_LANES", 8)
    nonce = module.grind(bytes(32), 9)
    order = [hi << 32 | lo for hi in range((nonce >> 32) + 1) for lo in range(16)]
    channel = Channel()
    valid = [n for n in order if channel.check_pow(9, n)]
    assert valid[0] == nonce
    assert nonce >> 32 > 0


@pytest.mark.parametrize("bits", [-1, 41])
def test_grind_refuses_hopeless_work(bits: int) -> None:
    with pytest.raises(ValueError, match="out of range"):
        grind(bytes(32), bits)
