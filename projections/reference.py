"""The reference of all models as Markdown, made from their definitions (`python -m bitsage.projections.reference FILE`)."""

import sys
from collections.abc import Iterator
from pathlib import Path

from .models import MODELS
from .schema import COMMON_TABLES, Column, Merge, Model, Table

BEGIN, END = "<!-- models: begin -->", "<!-- models: end -->"


def reference() -> str:
    """One section per model, one table per table, then the tables that every model has."""
    lines: list[str] = []
    for model in MODELS:
        lines += _model(model)
    lines += ["### In every model", ""]
    for table in COMMON_TABLES:
        lines += _table(table)
    return "\n".join(lines)


def _model(model: Model) -> Iterator[str]:
    yield from (
        f"### {model.name}",
        "",
        f"{model.doc} File: `{model.file_name}`. Topics: {', '.join(model.topics)}.",
        "",
    )
    yield from ("Events: " + ", ".join(model.fold.events) + ".", "")
    yield from (f"`show` prints `{model.main}`; `--table` names another one.", "")
    for table in model.tables:
        yield from _table(table)


def _table(table: Table) -> Iterator[str]:
    yield from (
        f"#### {table.name}",
        "",
        table.doc,
        "",
        "| column | kind | topic | merged | from |",
        "|---|---|---|---|---|",
    )
    for column in table.key:
        yield _row(column, "key")
    for column in table.columns:
        yield _row(column, {Merge.LAST: "last", Merge.SUM: "sum", Merge.LEAST: "least"}[column.merge])
    yield ""


def _row(column: Column, merge: str) -> str:
    return f"| {column.name} | {column.kind} | {column.source} | {merge} | {column.doc} |"


def filled(text: str) -> str:
    """`text` with the reference between its two marks.

    Raises:
        ValueError: a mark is missing.
    """
    before, after = text.index(BEGIN) + len(BEGIN), text.index(END)
    return f"{text[:before]}\n\n{reference()}\n{text[after:]}"


if __name__ == "__main__":
    path = Path(sys.argv[1])
    path.write_text(filled(path.read_text(encoding="utf-8")), encoding="utf-8")
