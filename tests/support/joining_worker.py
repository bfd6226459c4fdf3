"""A worker that joins, as a process that kills itself: BOOTSTRAP FOLDER COMMAND WHEN.

It ends by SIGKILL at its COMMAND-th command (0: never), `before` it is sent or `after`.
"""

import os
import signal
import sys
from pathlib import Path
from typing import Any

from crash_network import NETWORK

from bitsage.nodes.bidding import BiddingPolicy
from bitsage.nodes.client import Client
from bitsage.nodes.joining import Joining, Wanted
from bitsage.schemas.parameters import SAGE
from bitsage.streams.kafka_log import KafkaLog
from bitsage.wallet import Key

KEY = Key(31_337)
WANTED = Wanted(tier="consumer", gpu_model="T4", stake=1_000 * SAGE, policy=BiddingPolicy(ask=3, slots=2))


class MortalClient(Client):
    """The real client until its time has come."""

    left, when = 0, "before"

    def ask_prepared(self, prepared: Any, timeout: float = 30.0) -> Any:
        self.left -= 1
        if self.left == 0:
            if self.when == "after":
                self.send_prepared(prepared)
            os.kill(os.getpid(), signal.SIGKILL)
        return super().ask_prepared(prepared, timeout)


def main() -> None:
    bootstrap, folder, command, when = sys.argv[1:]
    client = MortalClient(KafkaLog({"bootstrap.servers": bootstrap}), NETWORK, KEY)
    client.left, client.when = int(command), when
    Joining(client, Path(folder), WANTED, lambda step, answers: print(step, flush=True)).run()


if __name__ == "__main__":
    main()
