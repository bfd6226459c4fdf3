"""The sample programs with inputs, and what they must write, computed by other means."""

from __future__ import annotations

import binascii
from collections.abc import Callable
from pathlib import Path

from bitsage.obelysk.vm import Program, assemble
from bitsage.stark import P

FOLDER = Path(__file__).parents[3] / "examples" / "vm"

DATA = b"123456789"
MATRIX = [[3, 1, 4], [1, 5, 9], [2, 6, 5]]
VECTOR = [P - 1, 2, 7]
WORDS = [5, 3, P - 1, 0, 3, 1 << 30, 65536, 65535]
ASCENDING = [2, 3, 5, 7, 11, 13, P - 2]
LOOKED_FOR = [1, 2, 6, 13, P - 1]
WEIGHTS, VALUES, BIAS = [2, P - 3, 40], [10, 4, 7], P - 5


def _fibonacci(n: int) -> int:
    a, b = 0, 1
    for _ in range(n):
        a, b = b, (a + b) % P
    return a


def _collatz(n: int) -> list[int]:
    steps, largest = 0, n
    while n != 1:
        n = n // 2 if n % 2 == 0 else 3 * n + 1
        steps, largest = steps + 1, max(largest, n)
    return [steps, largest]


def _neuron() -> list[int]:
    total = sum(w * v for w, v in zip([2, -3, 40], VALUES, strict=True)) - 5
    return [max(total, 0), min(max(total, 0), 255)]


Sample = tuple[list[int], Callable[[], list[int]]]

SAMPLES: dict[str, Sample] = {
    "fibonacci": ([20], lambda: [_fibonacci(20)]),
    "sum_of_squares": ([30], lambda: [sum(k * k for k in range(31))]),
    "sort": ([len(WORDS), *WORDS], lambda: sorted(WORDS)),
    "matvec": (
        [3, *(x for row in MATRIX for x in row), *VECTOR],
        lambda: [sum(x * y for x, y in zip(row, VECTOR, strict=True)) % P for row in MATRIX],
    ),
    "crc16": ([len(DATA), *DATA], lambda: [binascii.crc_hqx(DATA, 0xFFFF)]),
    "collatz": ([27], lambda: _collatz(27)),
    "binary_search": (
        [len(ASCENDING), *ASCENDING, len(LOOKED_FOR), *LOOKED_FOR],
        lambda: [sum(x < wanted for x in ASCENDING) for wanted in LOOKED_FOR],
    ),
    "state_machine": ([*map(int, f"{3 * 12345:b}"), 2], lambda: [1]),
    "neuron": ([3, *WEIGHTS, *VALUES, BIAS], _neuron),
}


def text(name: str) -> str:
    return (FOLDER / f"{name}.asm").read_text(encoding="utf-8")


def program(name: str) -> Program:
    return assemble(text(name))
