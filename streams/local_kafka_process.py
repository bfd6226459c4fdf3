"""Which process is ours, how it is stopped, and the guard that stops it when its parent dies.

Standard library only, and no relative import: the guard runs this file as a script of its own.
"""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

_POLL_SECONDS = 0.02
_PROC = Path("/proc")
GUARD_SECONDS = 20.0


def start_mark(pid: int) -> str | None:
    """What tells this process from a later one with the same pid: when it started. None: it is gone, or a zombie."""
    if _PROC.joinpath("self/stat").exists():
        try:
            # The name in parentheses may hold anything, so the fields count from the last ")".
            fields = (_PROC / str(pid) / "stat").read_text().rpartition(")")[2].split()
        except OSError:
            return None
        return None if fields[0] in "ZX" else fields[19]
    done = subprocess.run(["ps", "-o", "stat=,lstart=", "-p", str(pid)], capture_output=True, text=True, check=False)
    state, _, started = done.stdout.strip().partition(" ")
    return None if not state or state.startswith("Z") else started.strip()


def command_line(pid: int) -> str:
    """The process's words joined by spaces; empty when it is gone."""
    if _PROC.joinpath("self/stat").exists():
        try:
            return (_PROC / str(pid) / "cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")
        except OSError:
            return ""
    done = subprocess.run(["ps", "-ww", "-o", "command=", "-p", str(pid)], capture_output=True, text=True, check=False)
    return done.stdout.strip()


def alive(pid: int, started: str | None) -> bool:
    """Whether the process that started then still runs."""
    return started is not None and start_mark(pid) == started


def wait_gone(pid: int, started: str, seconds: float) -> bool:
    """Wait until the process has ended; False when it still runs after `seconds`."""
    deadline = time.monotonic() + seconds
    while alive(pid, started):
        if time.monotonic() > deadline:
            return False
        time.sleep(_POLL_SECONDS)
    return True


def terminate(pid: int, started: str, seconds: float) -> bool:
    """SIGTERM, wait, and SIGKILL after `seconds`; True when it ended by itself in time."""
    for number, patience in ((signal.SIGTERM, seconds), (signal.SIGKILL, 10.0)):
        if not alive(pid, started):
            return number == signal.SIGTERM
        try:
            os.kill(pid, number)
        except ProcessLookupError:
            return number == signal.SIGTERM
        if wait_gone(pid, started, patience):
            return number == signal.SIGTERM
    return False


def start_guard(pid: int, started: str) -> subprocess.Popen[bytes]:
    """A small process that stops `pid` as soon as this one is gone.

    It waits on a pipe that only this process holds open. (Linux's parent-death signal would fire when the *thread*
    that started the broker ends, and other systems have none.)
    """
    return subprocess.Popen(
        [sys.executable, "-I", "-S", __file__, str(pid), started],
        stdin=subprocess.PIPE,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )


def dismiss_guard(guard: subprocess.Popen[bytes]) -> None:
    """End the guard without it touching what it guards."""
    guard.kill()
    guard.wait()
    if guard.stdin is not None:
        guard.stdin.close()


def main(words: list[str]) -> int:
    """Wait until the standard input closes, then stop the process `PID STARTED`."""
    while os.read(0, 1024):
        pass
    terminate(int(words[0]), words[1], GUARD_SECONDS)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
