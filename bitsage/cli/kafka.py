"""`sage kafka`: the local broker. Exit codes: 0 done, 1 refused, 2 bad input, 3 no broker answers."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Any, NoReturn

import typer
from rich.console import Console
from rich.table import Table

from bitsage.streams.admin import create_topics
from bitsage.streams.errors import BadSettings, BrokerUnreachable, StreamError
from bitsage.streams.local_kafka import LocalKafka, Status
from bitsage.streams.settings import client_settings

REFUSED, BAD_INPUT, UNREACHABLE = 1, 2, 3

Home = Annotated[Path, typer.Option("--home", envvar="SAGE_HOME", help="Folder of this network's data.")]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON instead of a table.")]
DEFAULT_HOME = Path(".sage")

kafka_app = typer.Typer(help="The local Kafka broker: start, stop, status.", no_args_is_help=True)


def refuse(reason: str, message: str, code: int, as_json: bool) -> NoReturn:
    """Print one sentence with its reason code and leave."""
    if as_json:
        typer.echo(json.dumps({"ok": False, "reason": reason, "message": message}))
    else:
        Console(stderr=True, soft_wrap=True).print(f"error ({reason}): {message}", markup=False, highlight=False)
    raise typer.Exit(code)


@contextmanager
def refusals(as_json: bool) -> Iterator[None]:
    """Turn the errors of the streams room into a sentence and an exit code."""
    try:
        yield
    except BadSettings as error:
        refuse(error.code, str(error), BAD_INPUT, as_json)
    except BrokerUnreachable as error:
        refuse(error.code, str(error), UNREACHABLE, as_json)
    except StreamError as error:
        refuse(error.code, str(error), REFUSED, as_json)


def show(as_json: bool, values: dict[str, Any]) -> None:
    """Print one thing: JSON, or a two-column table."""
    if as_json:
        typer.echo(json.dumps(values))
        return
    table = Table(show_header=False, box=None)
    for key, value in values.items():
        table.add_row(key.replace("_", " "), "-" if value is None else str(value))
    Console(soft_wrap=True).print(table)


def broker_of(home: Path, as_json: bool = False) -> LocalKafka:
    """The local broker of a home folder; what takes long is told on the standard error."""
    return LocalKafka(home / "kafka", progress=None if as_json else lambda text: typer.echo(text, err=True))


def _show_status(status: Status, as_json: bool, **more: Any) -> None:
    show(as_json, {"ok": True, **asdict(status), **more} if as_json else asdict(status) | more)


@kafka_app.command()
def start(home: Home = DEFAULT_HOME, as_json: AsJson = False) -> None:
    """Start the local broker in the background, fetch it the first time, and make the topics."""
    with refusals(as_json):
        broker = broker_of(home, as_json).start_detached()
        made = create_topics(client_settings(broker.bootstrap))
        _show_status(broker.status(), as_json, topics_created=len(made))


@kafka_app.command()
def stop(home: Home = DEFAULT_HOME, as_json: AsJson = False) -> None:
    """Stop the local broker; its data stay."""
    with refusals(as_json):
        stopped = broker_of(home, as_json).stop()
        show(as_json, {"ok": True, "stopped": stopped} if as_json else {"stopped": stopped})


@kafka_app.command()
def status(home: Home = DEFAULT_HOME, as_json: AsJson = False) -> None:
    """Say whether the local broker runs and answers; exit code 3 when it does not."""
    with refusals(as_json):
        found = broker_of(home, as_json).status()
        _show_status(found, as_json)
        if not found.ready:
            raise typer.Exit(UNREACHABLE)


__all__ = ["AsJson", "Home", "broker_of", "kafka_app", "refusals", "refuse", "show"]
