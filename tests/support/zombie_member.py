"""A group member that holds a batch while a test stops it: BOOTSTRAP PROTOCOL SECONDS. It says what its commit came to."""

import sys
import time

from echo import ACCOUNTS, COMMANDS

from bitsage.streams.errors import ClientLost, TransactionAborted
from bitsage.streams.kafka_log import KafkaLog
from bitsage.streams.log import Outgoing


def main() -> None:
    bootstrap, protocol, seconds = sys.argv[1:]
    log = KafkaLog({"bootstrap.servers": bootstrap, "group.protocol": protocol})
    client = log.processor(protocol, [COMMANDS], f"zombie-{protocol}", lambda _: None, lambda _: None)
    while not (records := client.poll_batch(100, 1.0)):
        pass
    print("holds", len(records), flush=True)
    sys.stdin.readline()
    # Long enough for the library's own threads to join the group again, which the thread that works does not notice.
    time.sleep(float(seconds))
    offsets = {(r.topic, r.partition): r.offset + 1 for r in records}
    try:
        client.commit([Outgoing(ACCOUNTS, r.partition, r.key, b"zombie") for r in records], offsets)
        print("committed", flush=True)
    except (TransactionAborted, ClientLost) as error:
        print("refused", type(error).__name__, error, flush=True)
    client.close()


if __name__ == "__main__":
    main()
