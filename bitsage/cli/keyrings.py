"""The payment secrets of the keystores at hand, for commands that show what one's own keys can read."""

from pathlib import Path

from bitsage.wallet import load_keystore
from bitsage.wallet.errors import WalletError

from .context import config, load_key
from .passwords import given_password


def secrets_at_hand(name: str | None, password: str | None, password_file: Path | None) -> list[int]:
    """The secret of the wallet `name`, or those of every keystore of the home folder that the password opens.

    Without a password, and without a name, there are none: nothing is asked for.

    Raises:
        WalletError, InputError: the wallet that was named cannot be opened.
    """
    if name is not None:
        return [load_key(name, password, password_file).payment_secret]
    found = given_password(password, password_file)
    if not found:
        return []
    folder = config().keystore("any").parent
    secrets = []
    for path in sorted(folder.glob("*.json")):
        try:
            secrets.append(load_keystore(path, found).payment_secret)
        except WalletError:
            # Another password than this one's: not at hand.
            continue
    return secrets
