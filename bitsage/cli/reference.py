"""The reference pages, made from the program itself: `python -m bitsage.cli.reference` writes them.

docs/cli.md from the commands, docs/configuration.md from the configuration, and the tables of codes at the end of
docs/errors.md from the rooms. A test compares the checked-in pages with what this would write.
"""

import inspect
import sys
from collections.abc import Iterator
from importlib import import_module
from pathlib import Path
from typing import Any

import typer

from bitsage.amounts import in_sage
from bitsage.config import ENVIRONMENT, FILE_NAME, load
from bitsage.errors import CODES

#: Packages whose versions `sage version` shows.
PACKAGES = ("bitsage", "confluent-kafka", "fastavro", "numpy", "blake3", "fast-stark-crypto", "zstandard")
PROGRAMS = ("sage", "sage-worker", "sage-validator", "sage-coordinator")
MARK = "<!-- From here on made by `python -m bitsage.cli.reference`. -->"
_AMOUNT_KEYS = ("minimum_stake", "faucet_sage")


def apps() -> dict[str, Any]:
    """Every program's command tree, by name."""
    from . import coordinator, sage, validator, worker

    trees = (sage.app, worker.app, validator.app, coordinator.app)
    return {name: typer.main.get_command(app) for name, app in zip(PROGRAMS, trees, strict=True)}


def commands(command: Any, path: tuple[str, ...]) -> Iterator[tuple[tuple[str, ...], Any]]:
    """The commands below `command` that do something, with their full names."""
    children = getattr(command, "commands", None)
    if children is None:
        yield path, command
        return
    for name, child in children.items():
        yield from commands(child, (*path, name))


def cli_page() -> str:
    """docs/cli.md."""
    parts = [_CLI_HEAD]
    for program, tree in apps().items():
        parts.append(f"## {program}\n\n{_text(tree)}\n\nOptions before the command:\n\n{_options(tree)}")
        for path, command in commands(tree, (program,)):
            parts.append(_command(path, command))
    return "\n\n".join(part.rstrip() for part in parts) + "\n"


def _command(path: tuple[str, ...], command: Any) -> str:
    arguments = [p for p in command.params if p.param_type_name == "argument"]
    usage = " ".join((*path, *(_metavar(p) for p in arguments), "[OPTIONS]"))
    text, examples = _split_examples(_text(command), command.epilog)
    parts = [f"### {' '.join(path)}", text, f"    {usage}"]
    if arguments:
        parts.append("\n".join(f"* `{_metavar(p)}`: {_clean(getattr(p, 'help', None))}" for p in arguments))
    if options := _options(command):
        parts.append(options)
    if examples:
        parts.append("Example:\n\n" + "\n".join(f"    {line}" for line in examples))
    return "\n\n".join(parts)


def _metavar(parameter: Any) -> str:
    name = str(parameter.metavar or parameter.name.upper())
    return name if parameter.required or name.startswith("[") else f"[{name}]"


def _split_examples(text: str, epilog: str | None) -> tuple[str, list[str]]:
    lines = text.splitlines() + (epilog or "").splitlines()
    examples = [line.split("Example:", 1)[1].strip() for line in lines if line.strip().startswith("Example:")]
    return "\n".join(line for line in lines if not line.strip().startswith("Example:")).strip(), examples


def _options(command: Any) -> str:
    rows = []
    for parameter in command.params:
        if parameter.param_type_name != "option" or parameter.name == "help":
            continue
        names = ", ".join(f"`{opt}`" for opt in (*parameter.opts, *parameter.secondary_opts))
        rows.append(f"| {names} | {_default(parameter)} | {_clean(parameter.help)} |")
    return "\n".join(["| option | default | meaning |", "|---|---|---|", *rows]) if rows else ""


def _default(parameter: Any) -> str:
    if parameter.required:
        return "required"
    value = parameter.default
    if value is None or value is False or callable(value) or value == "":
        return ""
    return f"`{'on' if value is True else value}`"


def _clean(text: str | None) -> str:
    return " ".join((text or "").split()).replace("|", "\\|")


def _text(command: Any) -> str:
    return inspect.cleandoc(command.help or "").replace("\f", "")


def configuration_page() -> str:
    """docs/configuration.md."""
    names = {key: name for name, key in ENVIRONMENT.items()}
    lines = []
    # Of the defaults alone: neither this machine's file nor its environment belongs into the page.
    for setting in load(environment={"SAGE_CONFIG": ""}, file=Path("/dev/null")).settings():
        variable = names.get(setting.key, "")
        if setting.key.startswith("network."):
            variable = "SAGE_" + setting.key.upper().replace(".", "__")
        named = f"`{variable}`" if variable else ""
        lines.append(f"| `{setting.key}` | {_shown(setting.key, setting.value)} | {named} | {setting.meaning} |")
    return _CONFIGURATION_HEAD + "\n".join(lines) + "\n"


def _shown(key: str, value: Any) -> str:
    if value is None:
        return ""
    if any(name in key for name in _AMOUNT_KEYS):
        return f"`{in_sage(value)} SAGE`"
    return f"`{value}`"


_CLI_HEAD = """# Commands

This page is made from the programs by `python -m bitsage.cli.reference`; a test keeps it true.

Exit codes are the same everywhere: 0 done, 1 refused by the network's rules (or a check that does not hold), 2 bad input,
3 the broker or the coordinator does not answer, 70 a defect, 130 interrupted. Every error is one sentence on standard error
with a stable code in brackets; with `--json` it is also `{"error": {"code": ..., "message": ...}}` on standard output.
docs/errors.md lists the codes. Every command has `--json`, but those that run until they are stopped (`start`, `join`).
(`sage proof` answers a refused proof in JSON in its own form: `{"accepted": false, "reason": ..., "error": ...}`.)

Standard output is the answer alone: progress, remarks and logs go to standard error. The processes log a line for each
thing that happened, as JSON where there is no terminal (`--log-format`); every line about a job has its id as `job`, and the
coordinator's `decided` lines tell the turning points of a job once they are durable.

Amounts are typed in SAGE (`1000`, `0.5`) and printed in SAGE; in JSON they are base units (10^-18 SAGE) as text.
"""
_CONFIGURATION_HEAD = f"""# Configuration

This page is made from the program by `python -m bitsage.cli.reference`; a test keeps it true.

A value comes from a flag, else from the environment, else from `{FILE_NAME}` in the working folder (or the file that
`--config` or `SAGE_CONFIG` names), else it is the default. `sage config show` prints every key as it is in force, and which
of the four it came from. A key that does not exist is an error. In the file, dots are tables:

    home = "~/sage"

    [kafka]
    bootstrap = "kafka-1:9092,kafka-2:9092"
    config = "kafka.properties"       # TLS and SASL settings, passed to the Kafka client as they are

    [network.parameters]
    faucet_sage = "50000 SAGE"
    heartbeat_timeout_ms = 90000

    [network.parameters.minimum_stake]
    consumer = "500 SAGE"

`[network.parameters]` counts when the coordinator makes `network.json` in its home folder; afterwards that file is the
network, and everybody who takes part needs a copy of it. Amounts are base units, or SAGE with the unit written out.

Not in the file, because they are secret or concern one call: `SAGE_PASSWORD` (the keystore's password), `SAGE_CONFIG`
(another configuration file), `SAGE_DEBUG=1` (tracebacks), `SAGE_CACHE` (where downloaded jars, compiled kernels, tuned
block sizes and the table that opens payments are kept), `SAGE_DEVICE` (the device to prove on: a number or a part of a
name as in `sage devices`, `cpu`, `gpu` or `numpy`).

| key | default | environment | meaning |
|---|---|---|---|
"""


def code_tables() -> str:
    """The end of docs/errors.md: every code with its meaning."""
    from bitsage.obelysk import INPUT_REASONS
    from bitsage.schemas.reasons import REASONS
    from bitsage.stark.errors import REFUSAL_REASONS

    tables = (
        ("Codes of refusals and outcomes in events", REASONS),
        ("Codes of bad input to a command", CODES | {f"input_{code}": text for code, text in INPUT_REASONS.items()}),
        ("Codes of failures", dict(error_codes())),
        ("Codes of proofs that are refused", REFUSAL_REASONS),
    )
    return "\n".join(
        f"## {title}\n\n| code | meaning |\n|---|---|\n"
        + "".join(f"| `{code}` | {_clean(text)} |\n" for code, text in sorted(table.items()))
        for title, table in tables
    )


def error_codes() -> Iterator[tuple[str, str]]:
    """Code and meaning of every error class of the rooms that has a code of its own."""
    for room in ("wallet", "schemas", "streams", "projections", "privacy", "opencl", "nodes", "obelysk"):
        module = import_module(f"bitsage.{room}.errors")
        for _, found in inspect.getmembers(module, inspect.isclass):
            code = vars(found).get("code")
            if found.__module__ == module.__name__ and isinstance(code, str):
                yield code, inspect.getdoc(found) or ""


def pages(folder: Path) -> dict[str, str]:
    """File name in `folder` (docs) -> content; of errors.md the part before the mark is taken as it stands there."""
    errors = (folder / "errors.md").read_text(encoding="utf-8").split(MARK)[0]
    return {
        "cli.md": cli_page(),
        "configuration.md": configuration_page(),
        "errors.md": f"{errors}{MARK}\n\n{code_tables()}",
    }


def main(folder: Path) -> None:
    """Write the pages into `folder`."""
    for name, content in pages(folder).items():
        (folder / name).write_text(content, encoding="utf-8")


if __name__ == "__main__":
    main(Path(sys.argv[1] if len(sys.argv) > 1 else "docs"))
