"""Vectors of every primitive behind hidden amounts (docs/privacy.md): `test_account_vectors.py` as a script writes them anew."""

import json
import sys
from pathlib import Path
from typing import Any

if __name__ == "__main__":
    sys.path.insert(0, str(Path(__file__).parents[1] / "support"))

import pytest
from seeded_bits import SeededBits

from bitsage.privacy import (
    EMPTY,
    credited,
    decrypt_balance,
    deposited,
    make_reencryption,
    make_transfer,
    make_withdrawal,
    payment_public_key,
    transfer_shift,
    verify_reencryption,
    verify_transfer,
    verify_withdrawal,
    withdrawal_shift,
)
from bitsage.privacy.curve import ORDER, decode_point, encode_point
from bitsage.privacy.elgamal import Ciphertext, PaymentKey, encrypt
from bitsage.privacy.equality_proof import EqualityProof, prove_equality, verify_equality
from bitsage.privacy.fixed_base import times_g, times_h
from bitsage.privacy.generators import derive
from bitsage.privacy.opening_proof import OpeningProof, prove_opening, verify_opening
from bitsage.privacy.range_proof import RangeProof, prove_range, verify_range
from bitsage.privacy.supply import CommitmentSum, commitment
from bitsage.privacy.transcript import Transcript

FILE = Path(__file__).with_name("account_vectors.json")
ABOUT = (
    "Made by tests/privacy/test_account_vectors.py; docs/privacy.md has the formulas. Bytes are hexadecimal, numbers decimal "
    "strings. Randomness: draw i (from 0) of `bits` bits is blake3 of the seed's UTF-8, extended output, bytes 32i to "
    "32i + 32 as a big-endian number, its upper `bits` bits; scalars are drawn of 252 bits until one lies in [1, n). Order of "
    "draws: opening a, b; equality k, l; range alpha, rho, tau_1, tau_2, s_L, s_R; transfer r of the amount, r of what "
    "remains, opening of the amount, opening and equality of what remains, range; withdrawal r, opening, equality, range; "
    "re-encryption r, opening, equality. The context of a proof by itself is the text `context`."
)
CONTEXT = b"context"
SECRETS = {"client": 0x123456789ABCDEF, "escrow": 2, "worker": ORDER - 1}
KEYS = {name: payment_public_key(secret) for name, secret in SECRETS.items()}
PUBLIC = {name: decode_point(key) for name, key in KEYS.items()}


def bases() -> dict[str, Any]:
    places = {"U": (0, 0), "G_0": (1, 0), "H_0": (2, 0), "G_1": (1, 1), "H_1": (2, 1), "G_87": (1, 87), "H_87": (2, 87)}
    return {name: encode_point(derive(*place)).hex() for name, place in places.items()}


def challenges() -> dict[str, Any]:
    transcript = Transcript("EXAMPLE")
    transcript.absorb_bytes(bytes(range(40)))
    transcript.absorb_number(5)
    transcript.absorb_points(times_g(7))
    transcript.absorb_computed(times_g(0))
    first, wide = transcript.challenge(), transcript.wide_challenge()
    return {
        "absorbed": "label EXAMPLE, bytes 00..27, number 5, point 7*G, computed point at infinity",
        "challenge": str(first),
        "wide_challenge_after_it": str(wide),
        "digest_after_both": transcript.digest().hex(),
    }


def opening() -> dict[str, Any]:
    recipients = [PUBLIC["client"], PUBLIC["escrow"]]
    ciphertext = encrypt(800, recipients, 99)
    proof = prove_opening(800, 99, ciphertext, recipients, CONTEXT, SeededBits("opening"))
    return {
        "seed": "opening",
        "units": "800",
        "randomness": "99",
        "keys": [KEYS["client"].hex(), KEYS["escrow"].hex()],
        "ciphertext": ciphertext.to_bytes().hex(),
        "proof": proof.to_bytes().hex(),
    }


def equality() -> dict[str, Any]:
    key, other = PaymentKey(SECRETS["escrow"]), PUBLIC["worker"]
    source, target = encrypt(800, [key.point], 98), encrypt(800, [other], 97)
    proof = prove_equality(key, source, 97, target, other, CONTEXT, SeededBits("equality"))
    return {
        "seed": "equality",
        "secret": str(SECRETS["escrow"]),
        "target_randomness": "97",
        "keys": [KEYS["escrow"].hex(), KEYS["worker"].hex()],
        "source": source.to_bytes().hex(),
        "target": target.to_bytes().hex(),
        "proof": proof.to_bytes().hex(),
    }


def ranges(bits: list[int], values: list[int]) -> dict[str, Any]:
    seed, blindings = f"range {bits}", [1000 + i for i in range(len(bits))]
    commitments = [times_g(v) + times_h(b) for v, b in zip(values, blindings, strict=True)]
    return {
        "seed": seed,
        "bits": bits,
        "values": list(map(str, values)),
        "blindings": list(map(str, blindings)),
        "commitments": [encode_point(c).hex() for c in commitments],
        "proof": prove_range(values, blindings, bits, CONTEXT, SeededBits(seed)).to_bytes().hex(),
    }


def flow() -> dict[str, Any]:
    """Deposit 1,000 units, submit a job of 5 * 100, pay the worker 4/5 of it, and withdraw all of that."""
    start = deposited(EMPTY, 1000)
    transfer = make_transfer(
        secret=SECRETS["client"],
        balance=start,
        units=100,
        available_units=1000,
        recipients=[KEYS["escrow"]],
        factor=5,
        context=CONTEXT,
        rng=SeededBits("transfer"),
    )
    sent = verify_transfer(
        transfer, balance=start, sender_key=KEYS["client"], recipients=[KEYS["escrow"]], factor=5, context=CONTEXT
    )
    assert sent is not None
    paid = make_reencryption(
        secret=SECRETS["escrow"],
        ciphertext=sent.handle(1),
        units=100,
        recipients=[KEYS["worker"]],
        context=CONTEXT,
        rng=SeededBits("reencryption"),
    )
    received = verify_reencryption(
        paid, ciphertext=sent.handle(1), key=KEYS["escrow"], recipients=[KEYS["worker"]], context=CONTEXT
    )
    assert received is not None
    balance = credited(EMPTY, received, 4)
    withdrawal = make_withdrawal(
        secret=SECRETS["worker"],
        balance=balance,
        units=400,
        available_units=400,
        context=CONTEXT,
        rng=SeededBits("withdrawal"),
    )
    left = verify_withdrawal(withdrawal, balance=balance, key=KEYS["worker"], units=400, context=CONTEXT)
    assert left is not None
    return {
        "secrets": {name: str(secret) for name, secret in SECRETS.items()},
        "keys": {name: key.hex() for name, key in KEYS.items()},
        "deposited_1000": start.hex(),
        "transfer_5_times_100": transfer.hex(),
        "amount": sent.amount.hex(),
        "client_remaining_500": sent.remaining.hex(),
        "transfer_shift": transfer_shift(start, sent.amount, 5, sent.remaining).hex(),
        "reencryption_100": paid.hex(),
        "worker_ciphertext": received.hex(),
        "worker_balance_4_times_100": balance.hex(),
        "withdrawal_400": withdrawal.hex(),
        "worker_remaining_0": left.hex(),
        "withdrawal_shift": withdrawal_shift(balance, 400, left).hex(),
    }


def make_all() -> dict[str, Any]:
    return {
        "about": ABOUT,
        "bases": bases(),
        "transcript": challenges(),
        "opening": opening(),
        "equality": equality(),
        "ranges": [ranges([40], [0]), ranges([48], [2**48 - 1]), ranges([40, 48], [2**40 - 1, 123456789])],
        "flow": flow(),
    }


VECTORS: dict[str, Any] = json.loads(FILE.read_text()) if FILE.exists() else {"ranges": []}


def test_the_vectors_are_reproduced() -> None:
    assert make_all() == VECTORS


def raw(*path: Any) -> bytes:
    value: Any = VECTORS
    for part in path:
        value = value[part]
    return bytes.fromhex(value)


def test_the_opening_and_the_equality_verify() -> None:
    keys = [decode_point(bytes.fromhex(key)) for key in VECTORS["opening"]["keys"]]
    ciphertext = Ciphertext.from_bytes(raw("opening", "ciphertext"), 2)
    assert verify_opening(OpeningProof.from_bytes(raw("opening", "proof"), 2), ciphertext, keys, CONTEXT)
    keys = [decode_point(bytes.fromhex(key)) for key in VECTORS["equality"]["keys"]]
    source, target = (Ciphertext.from_bytes(raw("equality", name)) for name in ("source", "target"))
    proof = EqualityProof.from_bytes(raw("equality", "proof"))
    assert verify_equality(proof, source, keys[0], target, keys[1], CONTEXT)


@pytest.mark.parametrize("case", VECTORS["ranges"], ids=[case["seed"] for case in VECTORS["ranges"]])
def test_the_ranges_verify(case: dict[str, Any]) -> None:
    commitments = [decode_point(bytes.fromhex(c)) for c in case["commitments"]]
    proof = RangeProof.from_bytes(bytes.fromhex(case["proof"]), case["bits"])
    assert verify_range(proof, commitments, case["bits"], CONTEXT)


def test_the_flow_verifies_and_adds_up() -> None:
    flow = {name: bytes.fromhex(value) for name, value in VECTORS["flow"].items() if isinstance(value, str)}
    sent = verify_transfer(
        flow["transfer_5_times_100"],
        balance=flow["deposited_1000"],
        sender_key=KEYS["client"],
        recipients=[KEYS["escrow"]],
        factor=5,
        context=CONTEXT,
    )
    assert sent is not None
    assert decrypt_balance(sent.remaining, SECRETS["client"], hint=500) == 500
    assert decrypt_balance(flow["worker_balance_4_times_100"], SECRETS["worker"], hint=400) == 400
    assert decrypt_balance(flow["worker_remaining_0"], SECRETS["worker"]) == 0
    total = CommitmentSum()
    total.add(commitment(flow["client_remaining_500"]))
    total.add(commitment(flow["amount"]), 5)
    total.subtract(flow["transfer_shift"])
    assert total.opens_to(1000)


if __name__ == "__main__":
    FILE.write_text(json.dumps(make_all(), indent=1) + "\n")
