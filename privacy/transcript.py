"""Fiat-Shamir challenges from Poseidon, domain separated and length safe (privacy specification, section 3).

A transcript is a list of field elements: the label, then what is absorbed. Bytes are absorbed as their length followed by
31-byte big-endian chunks, a point as x and y, a number as itself; which of these follow each other is fixed by the label.
challenge = Poseidon(elements) mod 2^128; afterwards the list is the label, the mark of a continuation and that digest.

A challenge of 128 bits gives the security of the curve itself (about 125 bits) and halves the verifier's work.
"""

from fastecdsa.rust import Point
from poseidon_py.poseidon_hash import poseidon_hash_many

from .curve import FIELD_PRIME, is_identity
from .errors import EncodingInvalid

CHALLENGE_BITS = 128
WIDE_CHALLENGE_BITS = 251
_CHUNK = 31
_CONTINUED = int.from_bytes(b"continued", "big")


class Transcript:
    """What a challenge depends on, in order. `label` has at most 31 ASCII characters and is one proof's alone."""

    def __init__(self, label: str) -> None:
        encoded = label.encode("ascii")
        if not 0 < len(encoded) <= _CHUNK:
            raise ValueError("a label has 1 to 31 ASCII characters")
        self._label = int.from_bytes(encoded, "big")
        self._elements = [self._label]

    def absorb_number(self, value: int) -> None:
        """A field element as itself.

        Raises:
            EncodingInvalid: negative or >= p.
        """
        if not 0 <= value < FIELD_PRIME:
            raise EncodingInvalid("the number is not a field element")
        self._elements.append(value)

    def absorb_bytes(self, data: bytes) -> None:
        """Any bytes: their length, then their chunks."""
        self._elements.append(len(data))
        self._elements += [int.from_bytes(data[i : i + _CHUNK], "big") for i in range(0, len(data), _CHUNK)]

    def absorb_points(self, *points: Point) -> None:
        """Points, each as x and y.

        Raises:
            EncodingInvalid: one of them is infinity.
        """
        for point in points:
            if is_identity(point):
                raise EncodingInvalid("the point at infinity takes no part in a proof")
            self._elements += [point.x, point.y]

    def absorb_computed(self, *points: Point) -> None:
        """Points that the verifier computed itself, which may be infinity: that is (0, 0), which is not on the curve."""
        for point in points:
            self._elements += [0, 0] if is_identity(point) else [point.x, point.y]

    def challenge(self) -> int:
        """A number below 2^128 that depends on everything absorbed so far."""
        return self._digest() & ((1 << CHALLENGE_BITS) - 1)

    def wide_challenge(self) -> int:
        """A number below 2^251 < n: for arguments whose error is the challenge's size times a degree."""
        return self._digest() & ((1 << WIDE_CHALLENGE_BITS) - 1)

    def digest(self) -> bytes:
        """32 bytes that stand for everything absorbed so far."""
        return self._digest().to_bytes(32, "big")

    def _digest(self) -> int:
        digest = int(poseidon_hash_many(self._elements))
        self._elements = [self._label, _CONTINUED, digest]
        return digest
