"""What commands print: one JSON document on standard output with --json, else text and tables for people.

Progress, remarks and logs go to standard error, so that standard output is always the answer alone.
"""

import json
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TaskID, TextColumn, TimeElapsedColumn
from rich.table import Column, Table

_PIPE_WIDTH = 400


def emit_json(document: Any) -> None:
    """One JSON document on standard output."""
    print(json.dumps(document, indent=2, ensure_ascii=False, default=str), flush=True)


def say(text: str) -> None:
    """A line of the answer, as it is."""
    print(plain(text), flush=True)


def remark(text: str) -> None:
    """A line that is not part of the answer."""
    print(plain(text), file=sys.stderr, flush=True)


def plain(text: str) -> str:
    """Other people's texts may hold control characters; a terminal must not obey them."""
    return "".join(c if c.isprintable() else "?" for c in text)


def facts(values: Mapping[str, Any]) -> None:
    """Name and value, one pair a line."""
    table = Table(show_header=False, box=None, pad_edge=False)
    table.add_column(style="bold")
    table.add_column(overflow="fold")
    for name, value in values.items():
        table.add_row(name.replace("_", " "), _cell(value))
    console().print(table)


def rows(names: Sequence[str], lines: Sequence[Sequence[Any]], *, title: str | None = None) -> None:
    """A table."""
    # Folded rather than cut: an address that ends in dots can be copied by nobody.
    table = Table(*(Column(name, overflow="fold") for name in names), title=title)
    for line in lines:
        table.add_row(*(_cell(value) for value in line))
    console().print(table)


def console() -> Console:
    """Standard output; wide where it is no terminal, so that lines are not broken for a program."""
    return Console() if sys.stdout.isatty() else Console(width=_PIPE_WIDTH)


def _cell(value: Any) -> str:
    if value is None:
        return "-"
    if isinstance(value, bool):
        return "yes" if value else "no"
    return plain(str(value)).replace("[", r"\[")


class Bars:
    """Progress bars on standard error, one for each piece of work; silent where that is no terminal."""

    def __init__(self, progress: Progress) -> None:
        self._progress = progress
        self._tasks: dict[str, TaskID] = {}

    def update(self, name: str, stage: str, done: int, total: int) -> None:
        """`done` of `total` stages of the work `name`; the bar goes away at the end."""
        task = self._tasks.get(name)
        if task is None:
            task = self._tasks[name] = self._progress.add_task(name, total=total)
        text = f"{name} {stage}".strip()
        self._progress.update(task, description=text, completed=done, total=max(total, 1))
        if done >= total:
            self._progress.remove_task(self._tasks.pop(name))


@contextmanager
def bars() -> Iterator[Bars]:
    """Bars for the time of a `with`."""
    err = Console(stderr=True)
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    with Progress(*columns, console=err, transient=True, disable=not err.is_terminal) as progress:
        yield Bars(progress)


@contextmanager
def bar(title: str) -> Iterator[Callable[[int, int], None]]:
    """One bar, told (done, total)."""
    with bars() as many:
        yield lambda done, total: many.update(title, "", done, total)
