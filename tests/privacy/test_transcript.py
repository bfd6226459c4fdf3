import pytest
from poseidon_py.poseidon_hash import poseidon_hash_many

from bitsage.privacy.curve import FIELD_PRIME, G, H
from bitsage.privacy.errors import EncodingInvalid
from bitsage.privacy.transcript import Transcript


def challenge(label: str, *items: bytes | int) -> int:
    transcript = Transcript(label)
    for item in items:
        if isinstance(item, bytes):
            transcript.absorb_bytes(item)
        else:
            transcript.absorb_number(item)
    return transcript.challenge()


def test_the_challenge_follows_the_documented_formula() -> None:
    transcript = Transcript("EXAMPLE")
    transcript.absorb_bytes(bytes(range(40)))
    transcript.absorb_number(5)
    transcript.absorb_points(G)
    chunks = [int.from_bytes(bytes(range(31)), "big"), int.from_bytes(bytes(range(31, 40)), "big")]
    label = int.from_bytes(b"EXAMPLE", "big")
    digest = poseidon_hash_many([label, 40, *chunks, 5, G.x, G.y])
    assert transcript.challenge() == digest % 2**128
    transcript.absorb_number(6)
    again = poseidon_hash_many([label, int.from_bytes(b"continued", "big"), digest, 6])
    assert transcript.challenge() == again % 2**128


# Published by Juno (core/crypto, Poseidon tests) and starknet-types (poseidon_hash_many tests).
@pytest.mark.parametrize(
    ("elements", "digest"),
    [
        ([], 0x2272BE0F580FD156823304800919530EAA97430E972D7213EE13F4FBF7A5DBC),
        ([0, 1, 2], 0x7A01142DA8AECAE3782BA66FC3285FD02FCD2C55AA868FE50FD95C089068D16),
    ],
)
def test_poseidon_is_the_published_one(elements: list[int], digest: int) -> None:
    assert poseidon_hash_many(elements) == digest


@pytest.mark.parametrize(
    ("left", "right"),
    [
        (("A", b"xy"), ("B", b"xy")),
        (("A", b"x", b"y"), ("A", b"xy")),
        (("A", b"x", b"y"), ("A", b"y", b"x")),
        (("A", b"", b"x"), ("A", b"x", b"")),
        (("A", b"\0x"), ("A", b"x")),
        (("A", b"x\0"), ("A", b"x")),
        (("A", b"x" * 31), ("A", b"x" * 32)),
        (("A", b""), ("A",)),
        (("A", 0), ("A",)),
        (("A", 1, 2), ("A", 2, 1)),
        (("A", 0, 0), ("A", 0)),
    ],
)
def test_different_inputs_have_different_challenges(left: tuple[str], right: tuple[str]) -> None:
    assert challenge(*left) != challenge(*right)


def test_a_point_and_its_negative_differ() -> None:
    values = set()
    for point in (G, -G, H):
        transcript = Transcript("A")
        transcript.absorb_points(point)
        values.add(transcript.challenge())
    assert len(values) == 3


def test_a_second_challenge_depends_on_the_first_part() -> None:
    seconds = set()
    for first in (b"one", b"two"):
        transcript = Transcript("A")
        transcript.absorb_bytes(first)
        one = transcript.challenge()
        two = transcript.challenge()
        assert one != two
        seconds.add(two)
    assert len(seconds) == 2


def test_what_cannot_be_absorbed_is_refused() -> None:
    transcript = Transcript("A")
    for number in (-1, FIELD_PRIME):
        with pytest.raises(EncodingInvalid):
            transcript.absorb_number(number)
    with pytest.raises(EncodingInvalid):
        transcript.absorb_points(G, G - G)


@pytest.mark.parametrize("label", ["", "x" * 32])
def test_labels_have_1_to_31_characters(label: str) -> None:
    with pytest.raises(ValueError, match="label"):
        Transcript(label)
