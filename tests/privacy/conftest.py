from typing import Any

import pytest

from bitsage.privacy import UNIT, PaymentKey, make_payment

CONTEXT: dict[str, Any] = {
    "proof_commitment": bytes(range(32)),
    "job_id": bytes(range(100, 116)),
    "payment_nonce": 7,
    "worker": bytes(range(200, 232)),
}


@pytest.fixture(scope="session")
def key() -> PaymentKey:
    return PaymentKey.generate()


@pytest.fixture
def context() -> dict[str, Any]:
    return dict(CONTEXT)


@pytest.fixture(scope="session")
def amount() -> int:
    return 800_000_123 * UNIT


@pytest.fixture(scope="session")
def payment(key: PaymentKey, amount: int) -> bytes:
    return make_payment(amount=amount, payment_key=key.public, **CONTEXT)
