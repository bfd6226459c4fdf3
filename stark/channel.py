"""The Fiat-Shamir channel over BLAKE2s and its proof of work (spec section 6)."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from hashlib import blake2s
from typing import Any

from .fields import QM31, P

_POW_PREFIX = (0x12345678).to_bytes(4, "little") + bytes(12)


def felts_bytes(felts: Iterable[QM31]) -> bytes:
    """16 bytes per element: its coordinates as u32 little-endian."""
    return b"".join(c.to_bytes(4, "little") for felt in felts for c in felt)


class Channel:
    """Transcript state: a digest and a draw counter.

    With `record=True` every operation and the digest after it is kept in `stages`, in the form of the
    published vectors, to localise where two transcripts part.
    """

    def __init__(self, *, record: bool = False) -> None:
        self.digest = bytes(32)
        self._draws = 0
        self.stages: list[dict[str, Any]] | None = [] if record else None

    def _mix(self, data: bytes, **stage: Any) -> None:
        self.digest = blake2s(self.digest + data).digest()
        self._draws = 0
        if self.stages is not None:
            self.stages.append({**stage, "digest": self.digest.hex()})

    def _log_draw(self, op: str, out: Any) -> None:
        if self.stages is not None:
            self.stages.append({"op": op, "out": out})

    def mix_root(self, root: bytes) -> None:
        """Absorb a Merkle root (32 bytes)."""
        self._mix(root, op="mix_root", root=root.hex())

    def mix_u32s(self, words: Sequence[int]) -> None:
        """Absorb words of 32 bits."""
        self._mix(b"".join(w.to_bytes(4, "little") for w in words), op="mix_u32s", n=len(words))

    def mix_u64(self, value: int) -> None:
        """Absorb an integer of 64 bits."""
        self._mix(value.to_bytes(8, "little"), op="mix_u64", v=value)

    def mix_felts(self, felts: Sequence[QM31]) -> None:
        """Absorb field elements, 16 bytes each."""
        self._mix(felts_bytes(felts), op="mix_felts", n=len(felts))

    def _draw_words(self) -> list[int]:
        data = blake2s(self.digest + self._draws.to_bytes(4, "little") + b"\0").digest()
        self._draws += 1
        return [int.from_bytes(data[k : k + 4], "little") for k in range(0, 32, 4)]

    def _draw_base_felts(self) -> list[int]:
        while True:
            words = self._draw_words()
            if all(w < 2 * P for w in words):
                return [w % P for w in words]

    def draw_u32s(self) -> list[int]:
        """Eight words of 32 bits."""
        words = self._draw_words()
        self._log_draw("draw_u32s", words)
        return words

    def draw_secure_felt(self) -> QM31:
        """One QM31; half of the drawn hash is dropped."""
        a, b, c, d = self._draw_base_felts()[:4]
        self._log_draw("draw_felt", [[a, b], [c, d]])
        return a, b, c, d

    def draw_secure_felts(self, count: int) -> list[QM31]:
        """`count` QM31, two from every drawn hash."""
        felts: list[QM31] = []
        while len(felts) < count:
            w = self._draw_base_felts()
            felts += [(w[0], w[1], w[2], w[3]), (w[4], w[5], w[6], w[7])]
        felts = felts[:count]
        self._log_draw("draw_felts", [[[a, b], [c, d]] for a, b, c, d in felts])
        return felts

    def draw_queries(self, log_size: int, count: int) -> list[int]:
        """Sorted distinct positions below 2^log_size out of `count` raw draws (spec section 7)."""
        raw: list[int] = []
        while len(raw) < count:
            raw += self.draw_u32s()
        mask = (1 << log_size) - 1
        return sorted({w & mask for w in raw[:count]})

    def pow_prefix(self, bits: int) -> bytes:
        """The 32 bytes that every nonce is hashed with."""
        return pow_prefix(self.digest, bits)

    def check_pow(self, bits: int, nonce: int) -> bool:
        """True when the nonce has `bits` trailing zero bits; nothing is absorbed."""
        h = blake2s(self.pow_prefix(bits) + nonce.to_bytes(8, "little")).digest()
        return int.from_bytes(h[:16], "little") & ((1 << bits) - 1) == 0


def pow_prefix(digest: bytes, bits: int) -> bytes:
    """BLAKE2s(0x12345678 || 12 zero bytes || digest || bits), the fixed half of the work (section 6)."""
    return blake2s(_POW_PREFIX + digest + bits.to_bytes(4, "little")).digest()
