"""Errors of the privacy room.

PrivacyError
|-- EncodingInvalid      bytes are not the strict encoding of a point, a scalar, a ciphertext or a proof
|-- AmountInvalid        the amount cannot be encrypted
|   |-- AmountNotInUnits    it is no multiple of the unit, so it cannot be encrypted exactly
|   `-- AmountOutOfRange    it is negative or too large
|-- NotDecryptable       the ciphertext holds no amount in the range under this secret
|-- ProofInvalid         a proof does not hold for its statement
`-- TableInvalid         the discrete-logarithm table on disk is damaged or belongs to another size

Messages never hold a secret, a randomness or the plaintext of an encrypted amount.
"""


class PrivacyError(Exception):
    """Anything wrong with an encrypted payment. `code` is the stable reason code."""

    code = "privacy_error"


class EncodingInvalid(PrivacyError, ValueError):
    """Bytes are not the strict encoding of a point, a scalar, a ciphertext or a proof."""

    code = "encoding_invalid"


class AmountInvalid(PrivacyError, ValueError):
    """The amount cannot be encrypted."""

    code = "amount_invalid"


class AmountNotInUnits(AmountInvalid):
    """The amount is no multiple of the unit, so it cannot be encrypted exactly."""

    def __init__(self) -> None:
        super().__init__("an encrypted amount must be a multiple of 10^12 base units (one micro-SAGE)")


class AmountOutOfRange(AmountInvalid):
    """The amount is negative or too large."""

    def __init__(self, bits: int) -> None:
        super().__init__(f"an encrypted amount must be at least 0 and below 2^{bits} units of 10^12 base units")


class NotDecryptable(PrivacyError):
    """The ciphertext holds no amount in the range under this secret."""

    code = "not_decryptable"

    def __init__(self) -> None:
        super().__init__("the ciphertext holds no amount in the range under this secret")


class ProofInvalid(PrivacyError):
    """A proof does not hold for its statement."""

    code = "proof_invalid"

    def __init__(self, name: str) -> None:
        super().__init__(f"the {name} proof does not hold for its statement")


class TableInvalid(PrivacyError):
    """The discrete-logarithm table on disk is damaged or belongs to another size."""

    code = "table_invalid"

    def __init__(self, why: str) -> None:
        super().__init__(f"the discrete-logarithm table cannot be used: {why}")
