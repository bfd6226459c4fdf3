"""Who somebody is: keys of the STARK curve, their words and keystores, account addresses, and signed commands.

Nothing here prints a secret: keys show their address, and no error holds a password, a word or a number of a key.
"""

from . import errors
from .address import OPENZEPPELIN_ACCOUNT_1_0_0, address_matches, address_of, format_address, parse_address
from .keys import Key
from .keystore import keystore_address, load_keystore, save_keystore
from .mnemonic import key_from_mnemonic, new_mnemonic
from .signatures import command_hash, sign_command, verify_command

__all__ = [
    "OPENZEPPELIN_ACCOUNT_1_0_0",
    "Key",
    "address_matches",
    "address_of",
    "command_hash",
    "errors",
    "format_address",
    "key_from_mnemonic",
    "keystore_address",
    "load_keystore",
    "new_mnemonic",
    "parse_address",
    "save_keystore",
    "sign_command",
    "verify_command",
]
