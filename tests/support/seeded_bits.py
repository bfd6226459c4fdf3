"""Reproducible randomness for published vectors; never for anything else."""

import blake3


class SeededBits:
    """Draw i (from 0): blake3 of the seed's UTF-8, extended output, bytes 32i to 32i + 32, its upper `bits` bits."""

    def __init__(self, seed: str) -> None:
        self._stream = blake3.blake3(seed.encode())
        self._draws = 0

    def __call__(self, bits: int) -> int:
        data = self._stream.digest(length=32, seek=32 * self._draws)
        self._draws += 1
        return int.from_bytes(data, "big") >> (256 - bits)
