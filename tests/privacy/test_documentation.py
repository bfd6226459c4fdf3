"""docs/payments.md and docs/privacy.md state what the code does: bases, labels, sizes and reason codes."""

from pathlib import Path

import pytest

from bitsage.privacy import (
    PaymentBundle,
    equality_proof,
    errors,
    key_proof,
    opening_proof,
    range_proof,
    reencryption,
    transfers,
    withdrawals,
)
from bitsage.privacy.curve import H
from bitsage.privacy.value_proof import Form, ValueProof

DOCS = Path(__file__).parents[2] / "docs"
PAGE = (DOCS / "payments.md").read_text()
HIDDEN = (DOCS / "privacy.md").read_text()


@pytest.mark.parametrize(
    "fact",
    [
        f"x = {H.x:#x}",
        f"y = {H.y:#x}",
        f"`{key_proof.LABEL}`",
        f"`{opening_proof.LABEL}`",
        *(f"`{form.value}`" for form in Form),
        f"{PaymentBundle.SIZE} bytes",
        f"{ValueProof.SIZE} bytes",
        f"{key_proof.KeyProof.SIZE} bytes",
        *(f"| `{e.code}` |" for e in errors.PrivacyError.__subclasses__()),
    ],
)
def test_the_page_states(fact: str) -> None:
    assert fact in PAGE


@pytest.mark.parametrize(
    "fact",
    [
        *(
            f"`{module.LABEL}`"
            for module in (
                key_proof,
                opening_proof,
                equality_proof,
                range_proof,
                transfers,
                withdrawals,
                reencryption,
            )
        ),
        f"| {transfers.transfer_size(1):,} for one recipient, {transfers.transfer_size(2) - transfers.transfer_size(1)} for",
        f"| {withdrawals.WITHDRAWAL_BYTES:,} |",
        f"| {reencryption.reencryption_size(1)} for one recipient, 128 for",
        f"no padding | {range_proof.RangeProof.size((40, 48)):,} |",
        f"filled up to 128 bits | {range_proof.RangeProof.size((40, 48, 40)):,} |",
        f"Bulletproofs, 48 bits | {range_proof.RangeProof.size((48,)):,} |",
    ],
)
def test_the_page_of_hidden_amounts_states(fact: str) -> None:
    assert fact in HIDDEN
