"""docs/payments.md states what the code does: bases, labels, sizes and reason codes."""

from pathlib import Path

import pytest

from bitsage.privacy import PaymentBundle, errors, key_proof, opening_proof
from bitsage.privacy.curve import H
from bitsage.privacy.value_proof import Form, ValueProof

PAGE = (Path(__file__).parents[2] / "docs" / "payments.md").read_text()


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
