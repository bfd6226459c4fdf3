"""The options that several commands share, and the root options of every command line."""

from pathlib import Path
from typing import Annotated

import typer

from . import flags, logs
from .context import config

AsJson = Annotated[bool, typer.Option("--json", help="One JSON document on standard output; amounts in base units.")]
Name = Annotated[str | None, typer.Option("--name", help="Wallet to use; default: the command's role.")]
Password = Annotated[
    str | None,
    typer.Option("--password", help="Its password; for scripts, others can see it. Better: SAGE_PASSWORD."),
]
PasswordFile = Annotated[
    Path | None, typer.Option("--password-file", help="File whose first line is the password; - is standard input.")
]
JobId = Annotated[str, typer.Argument(metavar="JOB", help="Job id, 32 hex digits.")]


def root(
    config_file: Annotated[
        Path | None, typer.Option("--config", help="Configuration file; default: SAGE_CONFIG, else bitsage.toml here.")
    ] = None,
    home: Annotated[Path | None, typer.Option("--home", help="Folder of keys, network file and read models.")] = None,
    bootstrap: Annotated[
        str | None, typer.Option("--bootstrap", help="Kafka cluster, host:port[,...]; default: the local broker.")
    ] = None,
    kafka_config: Annotated[
        Path | None, typer.Option("--kafka-config", help="More Kafka client settings: properties or TOML.")
    ] = None,
    log_level: Annotated[str | None, typer.Option("--log-level", help="debug, info, warning or error.")] = None,
    log_format: Annotated[str | None, typer.Option("--log-format", help="auto, console or json.")] = None,
) -> None:
    """Take the flags that every command has, and set up the log."""
    values = {
        "home": home,
        "kafka.bootstrap": bootstrap,
        "kafka.config": kafka_config,
        "log.level": log_level,
        "log.format": log_format,
    }
    flags.keep(file=config_file, **{key: str(value) for key, value in values.items() if value is not None})
    settings = config()
    logs.set_up(settings.log.level, settings.log.format)


def job_bytes(text: str) -> bytes:
    """A job id from its hex form.

    Raises:
        BadParameter: not 32 hex digits.
    """
    plain = text.strip().lower()
    if len(plain) != 32 or not set(plain) <= set("0123456789abcdef"):
        raise typer.BadParameter("a job id is 32 hex digits, as submit-job prints it", param_hint="JOB")
    return bytes.fromhex(plain)
