"""Errors of the wallet room.

WalletError
|-- WrongPassword     the keystore's MAC does not agree with the password
|-- KeystoreCorrupt   the file is not a keystore, or its parts disagree
|-- KeystoreExists    a new keystore would replace a file that is already there
|-- KeystoreMissing   there is no file at the path
|-- MnemonicInvalid   the words are not a BIP-39 mnemonic
|-- AddressInvalid    the text or the bytes are not an account address
|-- KeyInvalid        the number is not a private key of the STARK curve
`-- MessageInvalid    a command's parts do not have the form that is signed

Messages never hold a password, a word of a mnemonic or a number of a key.
"""


class WalletError(Exception):
    """Anything wrong with a wallet. `code` is the stable reason code."""

    code = "wallet_error"


class WrongPassword(WalletError):
    """The keystore's MAC does not agree with the password."""

    code = "wrong_password"

    def __init__(self) -> None:
        super().__init__("the password does not open this keystore")


class KeystoreCorrupt(WalletError):
    """The file is not a keystore, or its parts disagree."""

    code = "keystore_corrupt"

    def __init__(self, why: str) -> None:
        super().__init__(f"the keystore cannot be read: {why}")


class KeystoreExists(WalletError):
    """A new keystore would replace a file that is already there."""

    code = "keystore_exists"

    def __init__(self, path: str) -> None:
        super().__init__(f"{path} already exists and is not replaced, because a replaced key is a lost account")


class KeystoreMissing(WalletError):
    """There is no file at the path."""

    code = "keystore_missing"

    def __init__(self, path: str) -> None:
        super().__init__(f"there is no keystore at {path}")


class MnemonicInvalid(WalletError):
    """The words are not a BIP-39 mnemonic."""

    code = "mnemonic_invalid"

    def __init__(self, why: str) -> None:
        super().__init__(f"the words are not a valid mnemonic: {why}")


class AddressInvalid(WalletError):
    """The text or the bytes are not an account address."""

    code = "address_invalid"

    def __init__(self, why: str) -> None:
        super().__init__(f"this is not an account address: {why}")


class KeyInvalid(WalletError):
    """The number is not a private key of the STARK curve."""

    code = "key_invalid"

    def __init__(self, why: str) -> None:
        super().__init__(f"the private key cannot be used: {why}")


class MessageInvalid(WalletError):
    """A command's parts do not have the form that is signed."""

    code = "message_invalid"

    def __init__(self, why: str) -> None:
        super().__init__(f"the command cannot be signed: {why}")
