"""Published vectors: `python tests/privacy/test_vectors.py` writes vectors.json anew (docs/payments.md, section 7)."""

import json
import sys
from pathlib import Path
from typing import Any

if __name__ == "__main__":
    sys.path.insert(0, str(Path(__file__).parents[1] / "support"))

import blake3
import pytest
from seeded_bits import SeededBits

from bitsage.privacy import (
    UNIT,
    decrypt_payment,
    make_claim,
    make_key_proof,
    make_payment,
    payment_public_key,
    verify_claim,
    verify_key_proof,
    verify_payment,
)
from bitsage.privacy.curve import ORDER

FILE = Path(__file__).with_name("vectors.json")
ABOUT = (
    "Made by tests/privacy/test_vectors.py. Randomness: draw i (from 0) of `bits` bits is blake3 of the seed's UTF-8, "
    "extended output, bytes 32i to 32i + 32 as a big-endian number, its upper `bits` bits; scalars are drawn of 252 bits "
    "until one lies in [1, n). A payment draws r, a, b (opening), k (value); key proof and claim begin again with the "
    "seed extended by /key and /claim. Numbers are decimal strings, bytes are hexadecimal."
)


def make_case(seed: str, secret: int, amount: int, nonce: int) -> dict[str, Any]:
    parts = blake3.blake3(f"{seed}/context".encode()).digest(length=80)
    commitment, job_id, worker = parts[:32], parts[32:48], parts[48:]
    context: dict[str, Any] = {"proof_commitment": commitment, "job_id": job_id, "payment_nonce": nonce}
    context["worker"] = worker
    public = payment_public_key(secret)
    payment = make_payment(amount=amount, payment_key=public, **context, rng=SeededBits(seed))
    claim = make_claim(payment, secret, amount=amount, **context, rng=SeededBits(f"{seed}/claim"))
    return {
        "seed": seed,
        "secret": str(secret),
        "amount": str(amount),
        "proof_commitment": commitment.hex(),
        "job_id": job_id.hex(),
        "payment_nonce": str(nonce),
        "worker": worker.hex(),
        "payment_key": public.hex(),
        "key_proof": make_key_proof(secret, worker, SeededBits(f"{seed}/key")).hex(),
        "payment": payment.hex(),
        "claim": claim.hex(),
    }


def make_all() -> dict[str, Any]:
    cases = [
        make_case("zero", 1, 0, 0),
        make_case("one unit", 2, UNIT, 1),
        make_case("800 SAGE", 0x123456789ABCDEF, 800 * 10**18, 2**63),
        make_case("largest", ORDER - 1, (2**40 - 1) * UNIT, 2**64 - 1),
    ]
    return {"about": ABOUT, "cases": cases}


VECTORS: dict[str, Any] = json.loads(FILE.read_text()) if FILE.exists() else {"about": "", "cases": []}
every_case = pytest.mark.parametrize("case", VECTORS["cases"], ids=[case["seed"] for case in VECTORS["cases"]])


def test_the_vectors_are_reproduced() -> None:
    assert make_all() == VECTORS


@every_case
def test_the_vectors_verify(case: dict[str, str]) -> None:
    public, payment, claim = (bytes.fromhex(case[name]) for name in ("payment_key", "payment", "claim"))
    worker, amount = bytes.fromhex(case["worker"]), int(case["amount"])
    context: dict[str, Any] = {name: bytes.fromhex(case[name]) for name in ("proof_commitment", "job_id", "worker")}
    context["payment_nonce"] = int(case["payment_nonce"])
    assert verify_key_proof(public, bytes.fromhex(case["key_proof"]), worker)
    assert verify_payment(payment, payment_key=public, amount=amount, **context)
    assert verify_claim(payment, claim, payment_key=public, amount=amount, **context)
    assert decrypt_payment(payment, int(case["secret"]), hint=amount) == amount


if __name__ == "__main__":
    FILE.write_text(json.dumps(make_all(), indent=1) + "\n")
