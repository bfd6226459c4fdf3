"""`sage projection`: look at the read models, ask them, rebuild them, hash them."""

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from bitsage.nodes.network import read_network
from bitsage.projections import MODELS, Projection, as_of, model_named, parse_as_of, rebuild
from bitsage.projections.sandbox import Rows
from bitsage.projections.schema import Model
from bitsage.streams.seal import SealCheck

from .context import data_folder, open_log
from .rows import Output, print_rows

projection_app = typer.Typer(
    name="projection",
    help="Read models: views of the log that can be deleted, rebuilt and compared at any time.",
    no_args_is_help=True,
)
AsJson = Annotated[bool, typer.Option("--json", help="JSON on standard output; amounts in base units.")]
AsCsv = Annotated[bool, typer.Option("--csv", help="CSV on standard output; amounts in base units.")]
Offline = Annotated[bool, typer.Option("--offline", help="Take the files as they are; do not read the log first.")]
ModelName = Annotated[str, typer.Argument(metavar="MODEL", help=", ".join(model.name for model in MODELS))]


def projections_folder() -> Path:
    """Where the live models are."""
    return data_folder() / "projections"


def authenticate() -> SealCheck | None:
    """The check of the network that the home folder belongs to; None where there is none."""
    path = data_folder() / "network.json"
    return read_network(path).seal_check() if path.is_file() else None


@contextmanager
def bar(title: str) -> Iterator[Callable[[int, int], None]]:
    """A progress bar on standard error; silent where that is no terminal."""
    console = Console(stderr=True)
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    with Progress(*columns, console=console, transient=True, disable=not console.is_terminal) as progress:
        task = progress.add_task(title, total=None)
        yield lambda done, total: progress.update(task, completed=done, total=total)


@contextmanager
def opened(model: Model, *, offline: bool) -> Iterator[Projection]:
    """The model, caught up with the log unless `offline`."""
    log = None if offline else open_log()
    with Projection(model, projections_folder(), authenticate()) as projection:
        if projection.set_aside is not None:
            print(f"{projection.path.name} was not usable and is now {projection.set_aside.name}", file=sys.stderr)
        if log is not None:
            with bar(f"reading the log into {model.name}") as progress:
                projection.catch_up(log, progress)
        yield projection


@projection_app.command("list")
def list_models(as_json: AsJson = False, as_csv: AsCsv = False) -> None:
    """List the models with their files and how much they hold.

    Example: sage projection list
    """
    output = Output.of(as_json=as_json, as_csv=as_csv)
    rows: Rows = []
    for model in MODELS:
        path = projections_folder() / model.file_name
        records = rows_held = None
        if path.is_file():
            with Projection(model, projections_folder(), authenticate()) as projection:
                records = sum(position.records for position in projection.store.positions().values())
                rows_held = projection.query(f"select count(*) as n from {model.main}")[0]["n"]
        about = {
            "model": model.name,
            "version": model.version,
            "shows": model.doc,
            "topics": ", ".join(model.topics),
        }
        rows.append(about | {"file": path.name, "rows": rows_held, "records": records})
    print_rows(rows, output, brief=("model", "shows", "topics", "rows", "records"))


@projection_app.command("show")
def show(
    model: ModelName,
    where: Annotated[list[str] | None, typer.Option(help="COLUMN=VALUE; may be given several times.")] = None,
    limit: Annotated[int, typer.Option(min=1, max=100_000, help="How many rows at most.")] = 100,
    at: Annotated[
        str | None,
        typer.Option("--as-of", help="A time (2026-01-31T12:00:00Z), an offset (17), or a list (jobs:3:17,votes:0:4)."),
    ] = None,
    table: Annotated[str | None, typer.Option(help="Another table of the model, such as slashes or anomalies.")] = None,
    offline: Offline = False,
    as_json: AsJson = False,
    as_csv: AsCsv = False,
) -> None:
    """Show the rows of a model, now or as they were.

    Example: sage projection show jobs --where state=paid --limit 5

    Example: sage projection show balances --as-of 2026-01-31T12:00:00Z --json
    """
    output = Output.of(as_json=as_json, as_csv=as_csv)
    chosen, conditions = model_named(model), dict(map(_condition, where or []))
    if at is None:
        with opened(chosen, offline=offline) as projection:
            rows = projection.rows(conditions, limit=limit, table=table)
    else:
        bound, log = parse_as_of(at), open_log()
        with bar(f"folding {chosen.name}") as told, as_of(log, chosen, bound, authenticate(), told) as past:
            rows = past.rows(conditions, limit=limit, table=table)
    print_rows(rows, output, kinds=chosen.kinds, brief=chosen.brief if table is None else ())


def _condition(text: str) -> tuple[str, str]:
    column, separator, value = text.partition("=")
    if not separator:
        raise typer.BadParameter(f"--where takes COLUMN=VALUE, not {text!r}")
    return column.strip(), value


@projection_app.command("query")
def query(
    model: ModelName,
    sql: Annotated[str, typer.Argument(metavar="SQL", help="One SELECT; it cannot write.")],
    seconds: Annotated[float, typer.Option(min=0.01, max=3600, help="How long it may take.")] = 10.0,
    limit: Annotated[int, typer.Option(min=1, max=10_000_000, help="How many rows at most.")] = 10_000,
    offline: Offline = False,
    as_json: AsJson = False,
    as_csv: AsCsv = False,
) -> None:
    """Ask a model in SQL. Extra functions: amount_sum(x), amount_key(x) to sort and compare, sage(x) to print.

    Example: sage projection query jobs "select state, count(*) as n from jobs group by state"
    """
    output = Output.of(as_json=as_json, as_csv=as_csv)
    with opened(model_named(model), offline=offline) as projection:
        print_rows(projection.query(sql, seconds=seconds, limit=limit), output)


@projection_app.command("hash")
def show_hash(model: ModelName, offline: Offline = False, as_json: AsJson = False, as_csv: AsCsv = False) -> None:
    """Print a model's state hash and the offsets that it stands for; equal logs give equal hashes.

    Example: sage projection hash balances
    """
    output = Output.of(as_json=as_json, as_csv=as_csv)
    with opened(model_named(model), offline=offline) as projection:
        state = projection.state()
    ends = ",".join(f"{topic}:{p}:{position.next_offset}" for (topic, p), position in state.positions.items())
    print_rows([{"model": state.model, "version": state.version, "hash": state.hash, "as_of": ends}], output)


@projection_app.command("rebuild")
def rebuild_models(
    model: Annotated[str | None, typer.Argument(metavar="[MODEL]", help="The model; or --all.")] = None,
    everything: Annotated[bool, typer.Option("--all", help="Every model, from one reading of the log.")] = False,
    as_json: AsJson = False,
    as_csv: AsCsv = False,
) -> None:
    """Fold models anew from offset zero, then put them in place; an interrupted rebuild goes on where it stopped.

    Example: sage projection rebuild --all
    """
    output = Output.of(as_json=as_json, as_csv=as_csv)
    if (model is None) == (not everything):
        raise typer.BadParameter("name one model, or give --all")
    chosen = [model_named(model)] if model is not None else list(MODELS)
    log = open_log()
    with bar("rebuilding") as progress:
        states = rebuild(log, projections_folder(), chosen, authenticate(), progress)
    rows: Rows = [{"model": s.model, "version": s.version, "hash": s.hash} for s in states.values()]
    print_rows(rows, output)
