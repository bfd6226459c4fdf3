"""Rows for people and programs."""

import csv
import json
import sys
from collections.abc import Mapping, Sequence
from enum import Enum
from typing import Any, Self

import typer
from rich.console import Console
from rich.table import Column, Table

from bitsage.projections.sandbox import Rows
from bitsage.projections.schema import Kind
from bitsage.schemas.amounts import in_sage

from .moments import moment

_PIPE_WIDTH = 400


class Output(Enum):
    """How rows are printed."""

    TABLE = "table"
    JSON = "json"
    CSV = "csv"

    @classmethod
    def of(cls, *, as_json: bool, as_csv: bool) -> Self:
        """The form that the flags ask for.

        Raises:
            BadParameter: both flags are given.
        """
        if as_json and as_csv:
            raise typer.BadParameter("--json and --csv exclude each other")
        return cls("json" if as_json else "csv" if as_csv else "table")


def print_rows(
    rows: Rows, output: Output, *, kinds: Mapping[str, Kind] | None = None, brief: Sequence[str] = ()
) -> None:
    """Print rows: JSON and CSV with every column as it is kept, the table with `brief` columns for people."""
    if output is Output.JSON:
        print(json.dumps(rows, indent=2, ensure_ascii=False))
        return
    names = list(rows[0]) if rows else list(brief)
    if output is Output.CSV:
        writer = csv.writer(sys.stdout, lineterminator="\n")
        writer.writerow(names)
        writer.writerows([row[name] for name in names] for row in rows)
        return
    shown = [name for name in brief if name in names] or names
    # Folded rather than cut: an address that ends in dots can be copied by nobody.
    table = Table(*(Column(_title(name, kinds or {}), overflow="fold") for name in shown))
    for row in rows:
        table.add_row(*(_cell(row[name], (kinds or {}).get(name)) for name in shown))
    console = Console() if sys.stdout.isatty() else Console(width=_PIPE_WIDTH)
    console.print(table)
    console.print(f"{len(rows)} row{'' if len(rows) == 1 else 's'}", markup=False, highlight=False)


def _title(name: str, kinds: Mapping[str, Kind]) -> str:
    return f"{name} (SAGE)" if kinds.get(name) is Kind.AMOUNT else name


def _cell(value: Any, kind: Kind | None) -> str:
    # Texts of events are other people's: no control characters, no markup.
    return "".join(c if c.isprintable() else "?" for c in readable(value, kind)).replace("[", r"\[")


def readable(value: Any, kind: Kind | None) -> str:
    """A value for people: amounts in SAGE, times in ISO 8601 (UTC), flags as yes and no."""
    if value is None:
        return ""
    if kind is Kind.AMOUNT:
        return in_sage(int(value))
    if kind is Kind.FLAG:
        return "yes" if value else "no"
    if kind is Kind.TIME:
        return moment(value)
    return str(value)
