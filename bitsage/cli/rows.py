"""Rows for people and programs, and the exit codes of commands that only look."""

import csv
import json
import sqlite3
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from enum import Enum
from typing import Any, Self

import typer
from rich.console import Console
from rich.table import Column, Table

from bitsage.nodes.errors import NodeError
from bitsage.projections import BadAsOf, ProjectionError, QueryRefused, UnknownColumn, UnknownModel, UnknownTable
from bitsage.projections.amounts import in_sage
from bitsage.projections.sandbox import Rows
from bitsage.projections.schema import Kind
from bitsage.streams.errors import StreamError

from . import flags

REFUSED, BAD_INPUT, UNREACHABLE = 1, 2, 3
_PIPE_WIDTH = 400
_BAD_INPUT = (UnknownModel, UnknownTable, UnknownColumn, BadAsOf, QueryRefused, typer.BadParameter)


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


@contextmanager
def exit_codes() -> Iterator[None]:
    """One sentence on standard error and the exit code: 1 refused, 2 bad input, 3 broker unreachable.

    Below `sage` the root does this for every command, in the one form that docs/errors.md describes; this is for the
    group run on its own.
    """
    if flags.active():
        yield
        return
    try:
        yield
    except _BAD_INPUT as error:
        _leave(error, BAD_INPUT)
    except StreamError as error:
        _leave(error, UNREACHABLE)
    except (ProjectionError, NodeError, OSError, sqlite3.Error) as error:
        _leave(error, REFUSED)


def _leave(error: Exception, code: int) -> None:
    name = getattr(error, "code", "bad_input" if code == BAD_INPUT else "refused")
    print(f"error: {error} ({name})", file=sys.stderr)
    raise typer.Exit(code) from None


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
    if value is None:
        return ""
    if kind is Kind.AMOUNT:
        return in_sage(int(value))
    if kind is Kind.FLAG:
        return "yes" if value else "no"
    if kind is Kind.TIME:
        try:
            return datetime.fromtimestamp(value / 1000, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
        except (OverflowError, ValueError, OSError):
            return str(value)
    # Texts of events are other people's: no control characters, no markup.
    return "".join(c if c.isprintable() else "?" for c in str(value)).replace("[", r"\[")
