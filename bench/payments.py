"""Hidden amounts: proofs made and checked, alone and in batches; sums of multiples against the library; what a range costs.

All figures of a table are medians of interleaved rounds. The estimate for a contract counts what its check must do and
multiplies it with Sierra gas figures: 7,000 for a scalar multiplication (5,885 to 7,685 seen), 1,691 for a Poseidon call,
604 for a multiplication mod n (the mul_mod builtin of Starknet's constants 0.13.4, without the code around it), 5,120 for a
felt of calldata. It is no measurement.
"""

import secrets
import statistics
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from fastecdsa.rust import Point
from rich.console import Console
from rich.table import Table

from bitsage.privacy import (
    EMPTY,
    Batch,
    deposited,
    make_reencryption,
    make_transfer,
    make_withdrawal,
    payment_public_key,
    transcript,
    verify_reencryption,
    verify_transfer,
    verify_withdrawal,
)
from bitsage.privacy.curve import ORDER, G, H, random_scalar
from bitsage.privacy.equations import Equation, holds
from bitsage.privacy.fixed_base import times_g, times_h
from bitsage.privacy.generators import BASE_G, BASE_H, fixed_points
from bitsage.privacy.multiexp import multiply_add
from bitsage.privacy.range_proof import prove_range, range_equations, verify_range

ROUNDS = 7
BATCH = 50
GAS = {"multiplication": 7_000, "poseidon": 1_691, "mod_n": 604, "felt": 5_120}


def medians(actions: dict[str, Callable[[], Any]], rounds: int = ROUNDS) -> dict[str, float]:
    """Milliseconds of CPU of every action."""
    times: dict[str, list[float]] = {name: [] for name in actions}
    for _ in range(rounds):
        for name, action in actions.items():
            start = time.process_time()
            action()
            times[name].append((time.process_time() - start) * 1000)
    return {name: statistics.median(values) for name, values in times.items()}


def permutations(action: Callable[[], Any]) -> int:
    """Poseidon permutations of one call."""
    real, calls = transcript.poseidon_hash_many, [0]

    def counted(elements: list[int]) -> int:
        calls[0] += len(elements) // 2 + 1
        return int(real(elements))

    transcript.poseidon_hash_many = counted
    try:
        action()
    finally:
        transcript.poseidon_hash_many = real
    return calls[0]


class Work:
    """One proof of every kind and what its verifier needs."""

    def __init__(self) -> None:
        self.client, self.escrow, self.worker = (random_scalar() for _ in range(3))
        self.client_key, self.escrow_key, self.worker_key = map(
            payment_public_key, (self.client, self.escrow, self.worker)
        )
        balance = deposited(EMPTY, 10**9)
        self.transfer_parts: dict[str, Any] = {"balance": balance, "recipients": [self.escrow_key], "factor": 5}
        self.transfer_parts["context"] = b"bench"
        self.transfer = self.make_transfer()
        sent = self.verify_transfer()
        assert sent is not None
        self.paid_parts: dict[str, Any] = {"ciphertext": sent.handle(1), "context": b"bench"}
        self.paid_parts["recipients"] = [self.worker_key, self.client_key]
        self.paid = self.make_reencryption()
        self.out_parts: dict[str, Any] = {"balance": balance, "units": 10**8, "context": b"bench"}
        self.out = self.make_withdrawal()

    def make_transfer(self) -> bytes:
        return make_transfer(secret=self.client, units=10**8, available_units=10**9, **self.transfer_parts)

    def verify_transfer(self, batch: Batch | None = None) -> Any:
        return verify_transfer(self.transfer, sender_key=self.client_key, batch=batch, **self.transfer_parts)

    def make_reencryption(self) -> bytes:
        return make_reencryption(secret=self.escrow, units=10**8, **self.paid_parts)

    def verify_reencryption(self, batch: Batch | None = None) -> Any:
        return verify_reencryption(self.paid, key=self.escrow_key, batch=batch, **self.paid_parts)

    def make_withdrawal(self) -> bytes:
        return make_withdrawal(secret=self.client, available_units=10**9, **self.out_parts)

    def verify_withdrawal(self, batch: Batch | None = None) -> Any:
        return verify_withdrawal(self.out, key=self.client_key, batch=batch, **self.out_parts)

    def batched(self, verify: Callable[[Batch], Any]) -> Callable[[], None]:
        def action() -> None:
            batch = Batch()
            for _ in range(BATCH):
                assert verify(batch)
            assert batch.holds()

        return action


def proofs_table(work: Work) -> Table:
    kinds = ("transfer", "reencryption", "withdrawal")
    sizes = {"transfer": work.transfer, "reencryption": work.paid, "withdrawal": work.out}
    actions: dict[str, Callable[[], Any]] = {}
    for kind in kinds:
        actions[f"make {kind}"] = getattr(work, f"make_{kind}")
        actions[f"verify {kind}"] = getattr(work, f"verify_{kind}")
    times = medians(actions)
    batched = medians({kind: work.batched(getattr(work, f"verify_{kind}")) for kind in kinds}, 3)
    table = Table("proof", "bytes", "make, ms", "verify, ms", f"in a batch of {BATCH}, ms", "a second: alone / batched")
    for kind in kinds:
        alone, together = times[f"verify {kind}"], batched[kind] / BATCH
        rate = f"{1000 / alone:.0f} / {1000 / together:.0f}"
        table.add_row(
            kind, str(len(sizes[kind])), f"{times[f'make {kind}']:.0f}", f"{alone:.1f}", f"{together:.1f}", rate
        )
    # A job that is approved: the client's transfer and the escrow's re-encryption for worker and treasury.
    alone = times["verify transfer"] + times["verify reencryption"]
    together = (batched["transfer"] + batched["reencryption"]) / BATCH
    table.add_row(
        "payment (both)", "", "", f"{alone:.1f}", f"{together:.1f}", f"{1000 / alone:.0f} / {1000 / together:.0f}"
    )
    return table


@dataclass(frozen=True, slots=True)
class DigitProof:
    """For comparison only: a commitment for each base-4 digit, and for each of its four values an announcement, challenge
    and response (Cramer, Damgaard, Schoenmakers, CRYPTO 1994)."""

    commitments: tuple[Point, ...]
    announcements: tuple[tuple[Point, ...], ...]
    challenges: tuple[tuple[int, ...], ...]
    responses: tuple[tuple[int, ...], ...]


def digit_challenge(commitment: Point, digits: tuple[Point, ...], announcements: list[Point], place: int) -> int:
    absorbed = transcript.Transcript("BENCH_DIGIT")
    absorbed.absorb_number(place)
    absorbed.absorb_points(commitment, digits[place], *announcements)
    return absorbed.challenge()


def prove_digits(value: int, blinding: int, bits: int) -> DigitProof:
    count = bits // 2
    digits = [value >> 2 * i & 3 for i in range(count)]
    parts = [random_scalar() for _ in range(count - 1)]
    rest = blinding - sum(part << 2 * i for i, part in enumerate(parts))
    parts.append(rest * pow(pow(4, count - 1, ORDER), -1, ORDER) % ORDER)
    commitment = times_g(value) + times_h(blinding)
    committed = tuple(times_g(d) + times_h(r) for d, r in zip(digits, parts, strict=True))
    announced, challenges, responses = [], [], []
    for place, (digit, part, point) in enumerate(zip(digits, parts, committed, strict=True)):
        c, z = [secrets.randbits(128) for _ in range(4)], [random_scalar() for _ in range(4)]
        points = [times_h(z[j]) - (point - times_g(j)) * c[j] for j in range(4)]
        points[digit] = times_h(nonce := random_scalar())
        total = digit_challenge(commitment, committed, points, place)
        c[digit] = (total - sum(c[j] for j in range(4) if j != digit)) % (1 << 128)
        z[digit] = (nonce + c[digit] * part) % ORDER
        announced.append(tuple(points))
        challenges.append(tuple(c))
        responses.append(tuple(z))
    return DigitProof(committed, tuple(announced), tuple(challenges), tuple(responses))


def digit_equations(proof: DigitProof, commitment: Point) -> list[Equation]:
    equations = [Equation({}, [(4**i, point) for i, point in enumerate(proof.commitments)] + [(-1, commitment)])]
    parts = zip(proof.commitments, proof.announcements, proof.challenges, proof.responses, strict=True)
    for place, (point, announced, challenges, responses) in enumerate(parts):
        total = digit_challenge(commitment, proof.commitments, list(announced), place)
        assert sum(challenges) % (1 << 128) == total
        for j in range(4):
            c, z = challenges[j], responses[j]
            equations.append(Equation({BASE_H: z, BASE_G: c * j}, [(-1, announced[j]), (-c, point)]))
    return equations


def range_row(bits: tuple[int, ...]) -> dict[str, Any]:
    values, blindings = [(1 << min(b, 40)) - 7 for b in bits], [random_scalar() for _ in bits]
    proof = prove_range(values, blindings, bits, b"bench")
    commitments = [G * v + H * b for v, b in zip(values, blindings, strict=True)]
    equations = range_equations(proof, commitments, bits, b"bench")
    assert equations is not None
    length = sum(bits)
    return {
        "bytes": len(proof.to_bytes()),
        "felts": 2 * (4 + 2 * len(proof.product.lefts)) + 3 + 2 * len(proof.product.a),
        "multiplications": len(set().union(*(e.fixed for e in equations))) + sum(len(e.free) for e in equations),
        "poseidon": permutations(lambda: range_equations(proof, commitments, bits, b"bench")),
        # powers of y and its inverse, 2 factors by the folds, weights, and 3 products for the bases
        "mod_n": length * (2 + 2 * len(proof.product.lefts) + 1 + 3),
        "make": lambda: prove_range(values, blindings, bits, b"bench"),
        "verify": lambda: verify_range(proof, commitments, bits, b"bench"),
    }


def digit_row(bits: tuple[int, ...]) -> dict[str, Any]:
    values, blindings = [(1 << min(b, 40)) - 7 for b in bits], [random_scalar() for _ in bits]

    def make() -> list[DigitProof]:
        return [prove_digits(v, r, b) for v, r, b in zip(values, blindings, bits, strict=True)]

    def verify() -> bool:
        equations = [e for p, c in zip(proofs, commitments, strict=True) for e in digit_equations(p, c)]
        return holds(equations)

    proofs, commitments = make(), [G * v + H * b for v, b in zip(values, blindings, strict=True)]
    assert verify()
    digits = sum(bits) // 2
    return {
        # A contract gets challenges and responses and makes the announcements itself: 2 multiplications for a branch.
        "bytes": digits * (64 + 7 * 32),
        "felts": digits * 9,
        "multiplications": digits * 8,
        "poseidon": permutations(verify),
        "mod_n": 0,
        "make": make,
        "verify": verify,
    }


def range_table() -> Table:
    rows = {
        "Bulletproofs, 40 + 48 bits": range_row((40, 48)),
        "the same, filled up to 128 bits": range_row((40, 48, 40)),
        "OR-proofs of base-4 digits, 40 + 48 bits": digit_row((40, 48)),
        "Bulletproofs, 48 bits": range_row((48,)),
    }
    times = medians({f"{verb} {name}": row[verb] for name, row in rows.items() for verb in ("make", "verify")}, 5)
    table = Table(
        "range proof", "bytes", "felts", "make, ms", "verify, ms", "contract: mult. / Poseidon / mod n", "M gas"
    )
    for name, row in rows.items():
        work = row["multiplications"], row["poseidon"], row["mod_n"]
        gas = sum(n * GAS[k] for n, k in zip(work, ("multiplication", "poseidon", "mod_n"), strict=True))
        gas += row["felts"] * GAS["felt"]
        cost = " / ".join(map(str, work))
        make, verify = times[f"make {name}"], times[f"verify {name}"]
        table.add_row(
            name, str(row["bytes"]), str(row["felts"]), f"{make:.0f}", f"{verify:.1f}", cost, f"{gas / 1e6:.2f}"
        )
    return table


def points_table() -> Table:
    points = [G * random_scalar() for _ in range(1000)]
    scalars = [random_scalar() for _ in points]
    fixed = fixed_points()

    def library() -> None:
        for scalar, point in zip(scalars[:40], points[:40], strict=True):
            point * scalar

    actions: dict[str, tuple[int, Callable[[], Any]]] = {
        "the library, one at a time": (40, library),
        "sum of 40 (Straus)": (40, lambda: multiply_add(zip(scalars[:40], points[:40], strict=True))),
        "sum of 1,000 (Pippenger)": (1000, lambda: multiply_add(zip(scalars, points, strict=True))),
        "sum of 179 fixed points (table)": (179, lambda: fixed.multiply_add(scalars[:179])),
    }
    times = medians({name: action for name, (_, action) in actions.items()})
    table = Table("multiplications of points by 252-bit scalars", "a second", "times the library")
    base = times["the library, one at a time"] / 40
    for name, (count, _) in actions.items():
        each = times[name] / count
        table.add_row(name, f"{1000 / each:,.0f}", f"{base / each:.1f}")
    return table


def run() -> None:
    console = Console()
    start = time.process_time()
    fixed_points()
    console.print(f"bases and their table, once in a process: {time.process_time() - start:.2f} s")
    work = Work()
    for table in (proofs_table(work), range_table(), points_table()):
        console.print(table)


if __name__ == "__main__":
    run()
