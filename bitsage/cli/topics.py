"""`sage topics`: make, check and describe the topics. Exit codes: 0 as wanted, 1 drift, 2 bad input, 3 no broker."""

import json
from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer

from bitsage.streams.admin import check_topics, create_topics, describe_topics
from bitsage.streams.settings import ClientSettings
from bitsage.streams.topics import TOPICS

from . import flags, output
from .context import kafka_settings
from .failures import REFUSED
from .kafka import AsJson, Home

Bootstrap = Annotated[
    str | None, typer.Option("--bootstrap", help="Kafka cluster, host:port[,...]; as before the command.")
]
Config = Annotated[
    Path | None,
    typer.Option("--kafka-config", help="More Kafka client settings: properties or TOML; as before the command."),
]
Replication = Annotated[
    int | None, typer.Option("--replication", min=1, max=15, help="Replicas; default: 3, or one per broker if fewer.")
]

topics_app = typer.Typer(help="The topics of the network: create, check, describe.", no_args_is_help=True)


def settings_for(bootstrap: str | None, config: Path | None, home: Path | None) -> ClientSettings:
    """Client settings as every command has them, with the flags that stand behind this one's name.

    Raises:
        BadSettings: the address or the file is malformed.
        BrokerUnreachable: no cluster is configured and no local broker runs.
        ConfigError: the configuration cannot be used.
    """
    given = {"kafka.bootstrap": bootstrap, "kafka.config": config, "home": home}
    flags.keep(**{key: str(value) for key, value in given.items() if value is not None})
    return kafka_settings()


@topics_app.command(epilog="Example: sage topics create --replication 3")
def create(
    bootstrap: Bootstrap = None,
    config: Config = None,
    replication: Replication = None,
    home: Home = None,
    as_json: AsJson = False,
) -> None:
    """Make the topics that the cluster lacks; those that exist are left as they are."""
    made = create_topics(settings_for(bootstrap, config, home), replication)
    if as_json:
        typer.echo(json.dumps({"ok": True, "created": made, "existing": len(TOPICS) - len(made)}))
    else:
        typer.echo(f"{len(made)} made, {len(TOPICS) - len(made)} there already")


@topics_app.command(epilog="Example: sage topics check --json")
def check(
    bootstrap: Bootstrap = None,
    config: Config = None,
    replication: Replication = None,
    home: Home = None,
    as_json: AsJson = False,
) -> None:
    """Compare the cluster with the table; exit code 1 when they differ."""
    drifts = check_topics(settings_for(bootstrap, config, home), replication)
    if as_json:
        reason = {"reason": "topic_drift"} if drifts else {}
        typer.echo(json.dumps({"ok": not drifts, **reason, "drifts": [asdict(drift) for drift in drifts]}))
    elif drifts:
        lines = [(drift.topic, drift.what, drift.expected, drift.actual) for drift in drifts]
        output.rows(("topic", "what", "table", "cluster"), lines, title="drift")
    else:
        typer.echo(f"the {len(TOPICS)} topics are as the table says")
    if drifts:
        raise typer.Exit(REFUSED)


@topics_app.command(epilog="Example: sage topics describe")
def describe(bootstrap: Bootstrap = None, config: Config = None, home: Home = None, as_json: AsJson = False) -> None:
    """List the topics of the network on the cluster, with partitions, replicas and configuration."""
    states = describe_topics(settings_for(bootstrap, config, home))
    if as_json:
        typer.echo(json.dumps({"ok": True, "topics": [asdict(state) for state in states]}))
        return
    known = {topic.name: topic for topic in TOPICS.values()}
    lines = []
    for state in states:
        topic = known.get(state.name)
        kept = state.config.get("retention.ms")
        days = "for ever" if kept == "-1" else f"{int(kept or 0) / 86_400_000:g} d"
        words = (topic.key, topic.written_by) if topic else ("-", "-")
        lines.append((state.name, state.partitions, state.replication, *words, days))
    output.rows(("topic", "partitions", "replicas", "key", "written by", "retention"), lines)


__all__ = ["settings_for", "topics_app"]
