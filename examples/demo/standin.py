"""Runs a node whose honest part is the product's and whose lie is the demo's: what both stand-ins share."""

import os
import signal
from collections.abc import Callable
from pathlib import Path
from typing import Any

import bitsage


def run_node(name: str, make: Callable[[bitsage.Client, Path], Any]) -> None:
    """Run the node that `make` makes of a client and a folder, until SIGTERM.

    SAGE_HOME, KAFKA_BOOTSTRAP and SAGE_PASSWORD say where and who, as for the real commands.
    """
    home = Path(os.environ["SAGE_HOME"])
    key = bitsage.load_keystore(home / "keystores" / f"{name}.json", os.environ["SAGE_PASSWORD"])
    log = bitsage.KafkaLog({"bootstrap.servers": os.environ["KAFKA_BOOTSTRAP"]})
    node = make(bitsage.Client(log, bitsage.read_network(home / "network.json"), key), home / "nodes" / name)
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: node.stop.set())
    node.run()
