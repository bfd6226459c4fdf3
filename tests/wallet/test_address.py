"""Addresses against another library, and their text form."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from starknet_py.hash.address import compute_address

from bitsage.wallet import OPENZEPPELIN_ACCOUNT_1_0_0, Key, address_matches, address_of, format_address, parse_address
from bitsage.wallet.curve import FIELD, ORDER
from bitsage.wallet.errors import AddressInvalid

NOT_ON_CURVE = (5).to_bytes(32, "big")


@given(st.integers(1, ORDER - 1))
def test_the_address_is_the_one_another_library_deploys_to(secret: int) -> None:
    public = Key(secret).public_key
    x = int.from_bytes(public, "big")
    expected = compute_address(class_hash=OPENZEPPELIN_ACCOUNT_1_0_0, constructor_calldata=[x], salt=x)
    assert int.from_bytes(address_of(public), "big") == expected
    assert address_matches(address_of(public), public)


def test_another_class_gives_another_address() -> None:
    public = Key(7).public_key
    x = int.from_bytes(public, "big")
    expected = compute_address(class_hash=0x1234, constructor_calldata=[x], salt=x)
    assert int.from_bytes(address_of(public, 0x1234), "big") == expected


@pytest.mark.parametrize(
    "public", [b"", bytes(31), bytes(32), bytes(33), NOT_ON_CURVE, b"\xff" * 32, FIELD.to_bytes(32, "big")]
)
def test_bytes_that_are_no_public_key_have_no_address(public: bytes) -> None:
    with pytest.raises(AddressInvalid) as caught:
        address_of(public)
    assert caught.value.code == "address_invalid"
    assert not address_matches(bytes(32), public)


def test_an_address_matches_its_own_key_only() -> None:
    one, other = Key(1), Key(2)
    assert not address_matches(one.address, other.public_key)
    assert not address_matches(one.address[:-1], one.public_key)
    assert not address_matches(one.address[:-1] + bytes([one.address[-1] ^ 1]), one.public_key)


@given(st.integers(1, 2**251 - 257))
def test_text_and_bytes_are_turned_into_each_other(number: int) -> None:
    address = number.to_bytes(32, "big")
    assert parse_address(format_address(address)) == address
    assert parse_address(hex(number)) == address
    assert parse_address(" 0X" + f"{number:X} ") == address


@pytest.mark.parametrize(
    "text",
    [
        "",
        "0x",
        "0",
        "1234",
        "0x0",
        "0xg1",
        "0x1_0",
        "0x+1",
        "0x 1",
        "0x" + "1" * 65,
        "0x" + "f" * 64,
        hex(2**251 - 256),
    ],
)
def test_text_that_is_no_address_is_refused(text: str) -> None:
    with pytest.raises(AddressInvalid):
        parse_address(text)


@pytest.mark.parametrize("address", [b"", bytes(32), bytes(31) + b"\1\1", b"\xff" * 32])
def test_bytes_that_are_no_address_are_not_formatted(address: bytes) -> None:
    with pytest.raises(AddressInvalid):
        format_address(address)
