"""How a long-running process leaves."""

import os
import signal
import subprocess
import sys
import time

#: A node whose parts do not end, as a coordinator's may while a proof or a broker takes its time.
STUCK = """
import threading, time
from bitsage.cli.process import _signals, _Stopper

class Node:
    stop = threading.Event()
    def run(self):
        part = threading.Thread(target=time.sleep, args=(600,))
        part.start()
        print("up", flush=True)
        self.stop.wait()
        print("asked", flush=True)
        part.join()

stopper = _Stopper()
stopper.node = Node()
with _signals(stopper):
    stopper.node.run()
"""


def test_a_second_interrupt_does_not_wait_for_the_parts() -> None:
    process = subprocess.Popen([sys.executable, "-c", STUCK], stdout=subprocess.PIPE, text=True)
    try:
        assert process.stdout is not None
        assert process.stdout.readline() == "up\n"
        os.kill(process.pid, signal.SIGINT)
        assert process.stdout.readline() == "asked\n"
        time.sleep(0.2)
        assert process.poll() is None
        os.kill(process.pid, signal.SIGINT)
        assert process.wait(10) == 130
    finally:
        process.kill()
        process.wait()
        process.stdout.close()
