"""`sage kafka`: the local broker."""

import json
from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Any

import typer

from bitsage.streams.admin import create_topics
from bitsage.streams.local_cluster import MOST_BROKERS, LocalCluster, local_broker
from bitsage.streams.local_kafka import LocalKafka, Status
from bitsage.streams.settings import client_settings

from . import flags, output
from .context import data_folder
from .failures import UNREACHABLE

Home = Annotated[Path | None, typer.Option("--home", help="Folder of this network's data; as before the command.")]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON instead of a table.")]

kafka_app = typer.Typer(help="The local Kafka broker: start, stop, status.", no_args_is_help=True)


def show(as_json: bool, values: dict[str, Any]) -> None:
    """Print one thing: JSON, or a two-column table."""
    if as_json:
        typer.echo(json.dumps(values))
    else:
        output.facts(values)


def broker_of(home: Path | None, as_json: bool, brokers: int | None = None) -> LocalKafka | LocalCluster:
    """The local broker or brokers of a home folder (None: the configured one); what takes long goes to standard error.

    Raises:
        ConfigError: the folder's name or the configuration cannot be used.
        KafkaSetupError: the folder holds another number of brokers.
    """
    flags.keep(home=None if home is None else str(home))
    return local_broker(
        data_folder() / "kafka",
        brokers=brokers,
        progress=None if as_json else lambda text: typer.echo(text, err=True),
    )


def _show_status(status: Status, as_json: bool, **more: Any) -> None:
    show(as_json, {"ok": True, **asdict(status), **more} if as_json else asdict(status) | more)


@kafka_app.command(epilog="Example: sage kafka start")
def start(
    home: Home = None,
    brokers: Annotated[
        int | None,
        typer.Option(
            "--brokers", min=1, max=MOST_BROKERS, help="How many; of three, one may die. Default: as before, or 1."
        ),
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Start the local broker, or several, in the background, fetch it the first time, and make the topics."""
    broker = broker_of(home, as_json, brokers).start_detached()
    made = create_topics(client_settings(broker.bootstrap))
    _show_status(broker.status(), as_json, topics_created=len(made))


@kafka_app.command(epilog="Example: sage kafka stop")
def stop(home: Home = None, as_json: AsJson = False) -> None:
    """Stop the local broker; its data stay."""
    stopped = broker_of(home, as_json).stop()
    show(as_json, {"ok": True, "stopped": stopped} if as_json else {"stopped": stopped})


@kafka_app.command(epilog="Example: sage kafka status")
def status(home: Home = None, as_json: AsJson = False) -> None:
    """Say whether the local broker runs and answers; exit code 3 when it does not."""
    found = broker_of(home, as_json).status()
    _show_status(found, as_json)
    if not found.ready:
        raise typer.Exit(UNREACHABLE)


__all__ = ["AsJson", "Home", "kafka_app"]
