from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bitsage.privacy import dlog
from bitsage.privacy.batch import add_to_all, invert_all, sum_abscissas
from bitsage.privacy.curve import FIELD_PRIME, G, random_scalar
from bitsage.privacy.dlog import DiscreteLog, decrypt
from bitsage.privacy.elgamal import PaymentKey, encrypt
from bitsage.privacy.errors import NotDecryptable, TableInvalid
from bitsage.privacy.fixed_base import times_g

BITS = 24
SMALL = DiscreteLog.build(10)
SPAN = 2 * 2**10 + 1


@pytest.fixture(scope="module")
def table() -> DiscreteLog:
    return DiscreteLog.build(10)


@settings(max_examples=60, deadline=None)
@given(st.integers(min_value=0, max_value=2**BITS - 1))
def test_every_amount_is_found(units: int) -> None:
    assert SMALL.find(times_g(units), BITS) == units


@pytest.mark.parametrize(
    "units",
    [0, 1, 2**10, 2**10 + 1, SPAN - 1, SPAN, SPAN + 1, 512 * SPAN, 1023 * SPAN, 1024 * SPAN]
    + [m * SPAN + d for m, d in ((1024, -(2**10)), (1025, 2**10), (2048, 0), (2**BITS // SPAN, 0))],
)
def test_amounts_at_the_seams_are_found(units: int) -> None:
    assert SMALL.find(times_g(units), BITS) == units


@pytest.mark.parametrize("bits", [4, 10, 11, 12, 16])
def test_the_ends_of_every_range(table: DiscreteLog, bits: int) -> None:
    assert table.find(times_g(2**bits - 1), bits) == 2**bits - 1
    assert table.find(times_g(0), bits) == 0
    with pytest.raises(NotDecryptable):
        table.find(times_g(2**bits), bits)


def test_what_is_out_of_range_is_not_found(table: DiscreteLog) -> None:
    for target in (times_g(2**40 + 5), -times_g(5), times_g(random_scalar())):
        with pytest.raises(NotDecryptable) as caught:
            table.find(target, 16)
        assert caught.value.code == "not_decryptable"


def test_a_match_of_the_kept_bits_alone_does_not_count(table: DiscreteLog) -> None:
    # Every key claims to be the step 1: hits happen, and none of them is believed.
    lying = DiscreteLog(10, table.keys, np.full_like(table.steps, 1))
    with pytest.raises(NotDecryptable):
        lying.find(times_g(77), 16)


def test_decryption_takes_the_hint_first(key: PaymentKey, table: DiscreteLog) -> None:
    ciphertext = encrypt(2**39, [key.point], random_scalar())
    assert decrypt(key, ciphertext, hint=2**39) == 2**39
    small = encrypt(99, [key.point], random_scalar())
    assert decrypt(key, small, hint=100, table=table, bits=16) == 99
    assert decrypt(key, encrypt(0, [key.point], random_scalar())) == 0


def test_a_wrong_hint_without_a_table_is_an_error(key: PaymentKey) -> None:
    ciphertext = encrypt(99, [key.point], random_scalar())
    for hint in (None, 98, -1, 2**41):
        with pytest.raises(NotDecryptable):
            decrypt(key, ciphertext, hint=hint)


def test_another_key_reads_nothing(key: PaymentKey, table: DiscreteLog) -> None:
    ciphertext = encrypt(99, [key.point], random_scalar())
    with pytest.raises(NotDecryptable) as caught:
        decrypt(PaymentKey.generate(), ciphertext, hint=99, table=table, bits=16)
    assert "99" not in str(caught.value)


def test_the_table_is_kept_and_checked(tmp_path: Path, table: DiscreteLog) -> None:
    path = tmp_path / "cache" / "dlog.bin"
    with pytest.raises(FileNotFoundError):
        DiscreteLog.load(path, 10)
    made = DiscreteLog.open(path, 10)
    assert path.stat().st_size == 48 + 12 * 2**10
    read = DiscreteLog.load(path, 10)
    for one in (made, read):
        assert np.array_equal(one.keys, table.keys)
        assert np.array_equal(one.steps, table.steps)
    assert read.find(times_g(12345), 16) == 12345
    assert [p.name for p in path.parent.iterdir()] == ["dlog.bin"]


@pytest.mark.parametrize("position", [0, 9, 20, 48, 48 + 8 * 2**10, -1])
def test_a_damaged_table_is_refused_and_made_anew(tmp_path: Path, table: DiscreteLog, position: int) -> None:
    path = tmp_path / "dlog.bin"
    table.save(path)
    good = path.read_bytes()
    bad = bytearray(good)
    bad[position] ^= 1
    path.write_bytes(bad)
    with pytest.raises(TableInvalid) as caught:
        DiscreteLog.load(path, 10)
    assert caught.value.code == "table_invalid"
    assert DiscreteLog.open(path, 10).find(times_g(777), 16) == 777
    assert path.read_bytes() == good


def test_a_table_that_cannot_be_put_in_place_leaves_nothing_behind(tmp_path: Path, table: DiscreteLog) -> None:
    path = tmp_path / "dlog.bin"
    # A folder stands where the file should be.
    path.mkdir()
    with pytest.raises(OSError):
        table.save(path)
    assert list(tmp_path.iterdir()) == [path]


def test_a_table_cut_short_or_of_another_size_is_refused(tmp_path: Path, table: DiscreteLog) -> None:
    path = tmp_path / "dlog.bin"
    table.save(path)
    with pytest.raises(TableInvalid):
        DiscreteLog.load(path, 11)
    path.write_bytes(path.read_bytes()[:-1])
    with pytest.raises(TableInvalid):
        DiscreteLog.load(path, 10)


def test_batch_additions_agree_with_the_library() -> None:
    points = [times_g(random_scalar()) for _ in range(20)]
    addend = times_g(random_scalar())
    affine = [(p.x, p.y) for p in points]
    expected = [(s.x, s.y) for s in (p + addend for p in points)]
    assert add_to_all(affine, (addend.x, addend.y)) == expected
    assert sum_abscissas(affine, (addend.x, addend.y)) == [x for x, _ in expected]
    assert sum_abscissas([affine[0], affine[1]], affine[0]) == [None, (points[0] + points[1]).x]
    assert sum_abscissas([((-points[0]).x, (-points[0]).y)], affine[0]) == [None]
    assert all(a * b % FIELD_PRIME == 1 for a, b in zip([3, 5, G.x], invert_all([3, 5, G.x]), strict=True))


def test_the_shared_table_is_kept_in_the_cache_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("SAGE_CACHE", raising=False)
    monkeypatch.setattr(DiscreteLog.open.__func__, "__defaults__", (10,))
    monkeypatch.setattr(DiscreteLog.build.__func__, "__defaults__", (10,))
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    assert dlog.cache_file() == tmp_path / "bitsage" / "dlog21.bin"
    dlog.shared_table.cache_clear()
    try:
        assert dlog.shared_table().find(times_g(4321), 16) == 4321
        assert dlog.cache_file().exists()
        assert dlog.shared_table() is dlog.shared_table()
        dlog.shared_table.cache_clear()
        # A file where the folder should be: the table is made in memory.
        monkeypatch.setenv("XDG_CACHE_HOME", str(dlog.cache_file()))
        assert dlog.shared_table().find(times_g(4321), 16) == 4321
    finally:
        dlog.shared_table.cache_clear()
    monkeypatch.delenv("XDG_CACHE_HOME")
    assert dlog.cache_file() == Path.home() / ".cache" / "bitsage" / "dlog21.bin"
    monkeypatch.setenv("SAGE_CACHE", str(tmp_path / "chosen"))
    assert dlog.cache_file() == tmp_path / "chosen" / "dlog21.bin"


@pytest.mark.slow
def test_any_payment_is_found_with_the_full_table(tmp_path: Path) -> None:
    table = DiscreteLog.open(tmp_path / "dlog.bin")
    for units in (0, 1, 2**20, 2**39 + 12345, 2**40 - 1):
        assert table.find(times_g(units)) == units
    with pytest.raises(NotDecryptable):
        table.find(times_g(2**40))
