"""`./run demo`: the ten scenarios on a real Kafka, with separate processes, a liar and a cheat; then replay and audit.

Plays in a folder of its own (default `.sage-demo`), which it empties first and leaves for `sage` commands to look at.
"""

import argparse
import os
import shutil
import subprocess
import sys
import time
from pathlib import Path

from cast import Cast
from rich.console import Console
from scenes import Scenes
from verdict import verdict

from bitsage.streams.admin import create_topics
from bitsage.streams.errors import StreamError
from bitsage.streams.local_kafka import LocalKafka

PASSWORD = "demo"  # of throw-away keystores that hold test tokens
console = Console(highlight=False)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--home", type=Path, default=Path(".sage-demo"), help="where the data goes (is emptied first)")
    parser.add_argument("--size", type=int, default=64, help="size of the matrix product (16 to 1024)")
    parser.add_argument("--type", choices=("matmul", "vm", "inference"), default="matmul", help="type of the jobs")
    options = parser.parse_args()
    home: Path = options.home.resolve()
    if home.exists() and any(home.iterdir()) and not (home / "demo.txt").exists():
        print(f"error: {home.name} is not empty and not a demo's folder; choose another with --home", file=sys.stderr)
        return 2
    started = time.monotonic()
    try:
        empty(home)
        with LocalKafka(home / "kafka", progress=lambda text: console.print(f"[dim]{text}[/dim]")) as kafka:
            console.rule("[bold]a broker, a coordinator, four validators (one lies), two workers (one cheats)")
            create_topics({"bootstrap.servers": kafka.bootstrap})
            os.environ |= {"SAGE_HOME": str(home), "KAFKA_BOOTSTRAP": kafka.bootstrap, "SAGE_PASSWORD": PASSWORD}
            cast = Cast(home, kafka.bootstrap, PASSWORD, console)
            try:
                cast.enter()
                Scenes(cast, console, options.type, options.size).play()
            finally:
                cast.leave()
            holds = verdict(cast, console)
    except StreamError as error:
        print(f"error: {error} [{error.code}]", file=sys.stderr)
        return 3
    console.print(f"\n[dim]{time.monotonic() - started:.0f} s in all[/dim]")
    epilogue(home)
    return 0 if holds else 1


def empty(home: Path) -> None:
    """Stop the broker that an earlier demo (or `sage kafka start`, as the epilogue says) left in `home`; empty `home`.

    Raises:
        KafkaSetupError: the broker does not end; nothing is deleted then.
    """
    # A broker whose files vanish under it goes on, broken, and keeps its port.
    LocalKafka(home / "kafka").stop()
    shutil.rmtree(home, ignore_errors=True)
    home.mkdir(parents=True)
    (home / "demo.txt").write_text("Made by ./run demo; emptied by the next one.\n")


def epilogue(home: Path) -> None:
    """What a person can do with what was left."""
    shown = os.path.relpath(home)
    console.print(f"\nEverything is left in [bold]{shown}[/bold] (keystore password: {PASSWORD}). To look at it:")
    for command in (
        f"export SAGE_HOME={shown} SAGE_PASSWORD={PASSWORD}",
        "./run sage kafka start",
        "./run sage projection show jobs",
        "./run sage-worker balance --name worker",
        "./run sage audit verify",
        "./run sage kafka stop",
        "unset SAGE_HOME SAGE_PASSWORD",
    ):
        console.print(f"    {command}")


if __name__ == "__main__":
    try:
        sys.exit(main())
    except KeyboardInterrupt:
        sys.exit(130)
    except subprocess.SubprocessError as error:
        print(f"error: a process of the demo failed: {error}", file=sys.stderr)
        sys.exit(1)
