"""Rows of read models for commands, caught up with the log."""

from pathlib import Path
from typing import Any

from bitsage.projections import Projection
from bitsage.projections.sandbox import Rows
from bitsage.wallet import format_address, keystore_address, parse_address
from bitsage.wallet.errors import KeystoreMissing

from .context import config, network, open_log
from .output import bar

AMOUNTS_OF_ACCOUNT = ("balance", "gas", "stake", "unstaking", "escrow", "payments_due", "bonds")


def rows_of(model: str, where: dict[str, str] | None = None, *, table: str | None = None, limit: int = 100) -> Rows:
    """Rows of a model's main table (or of `table`), after everything that the log holds now was folded.

    Raises:
        BrokerUnreachable: the log cannot be read.
        NotConfigured: the home folder has no network file.
    """
    anchor, log = network(), open_log()
    with Projection(model, config().projections, anchor.seal_check()) as projection:
        with bar(f"reading the log into {model}") as progress:
            projection.catch_up(log, progress)
        return projection.rows(where, limit=limit, table=table)


def one_row(model: str, column: str, value: str, *, table: str | None = None) -> dict[str, Any] | None:
    """The row whose `column` is `value`, if there is one."""
    rows = rows_of(model, {column: value}, table=table, limit=1)
    return dict(rows[0]) if rows else None


def account_of(name: str) -> str:
    """The account of a wallet name, from its keystore and without its password, or an address as it is.

    Raises:
        KeystoreMissing, KeystoreCorrupt: no such wallet.
        AddressInvalid: it looks like an address and is none.
    """
    if name[:2] in ("0x", "0X"):
        return format_address(parse_address(name))
    path: Path = config().keystore(name)
    if not path.exists():
        raise KeystoreMissing(f"{path}; create it with create-wallet --name {name}")
    return format_address(keystore_address(path))
