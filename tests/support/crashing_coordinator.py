"""The coordinator's exactly-once loop alone, as a process that a test kills: BOOTSTRAP FOLDER [INSTANCE PROTOCOL]."""

import signal
import sys
import threading
from pathlib import Path

from crash_network import AUTHORITY, NETWORK

from bitsage.nodes.coordinator import run_processors
from bitsage.streams.kafka_log import KafkaLog


def main() -> None:
    bootstrap, folder = sys.argv[1], Path(sys.argv[2])
    folder.mkdir(parents=True, exist_ok=True)
    stop = threading.Event()
    signal.signal(signal.SIGTERM, lambda *_: stop.set())
    instance, protocol = sys.argv[3:] or ("crash-0", "classic")
    log = KafkaLog({"bootstrap.servers": bootstrap, "group.protocol": protocol})
    run_processors(log, NETWORK, AUTHORITY, AUTHORITY.seal_secret, folder, instance, 500, stop)


if __name__ == "__main__":
    main()
