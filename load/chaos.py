"""What goes wrong on purpose: processes killed and started again, and processes stopped for a while, as a network that stalls."""

import contextlib
import os
import re
import signal
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field

from rich.console import Console
from stage import Stage

KINDS = ("coordinator", "validator", "worker", "broker")
_WHEN = re.compile(r"(\d+)(%|s)")
_PAUSE = re.compile(r"([a-z]+)@(\d+(?:%|s)):(\d+)")


@dataclass(frozen=True, slots=True)
class Blow:
    """Something done to a process of a kind at a share of the jobs (`%`) or at a time of the load (`s`)."""

    kind: str
    at: int
    unit: str
    #: 0: kill and start again; else stop for so many seconds
    pause: int = 0

    def due(self, share: float, seconds: float) -> bool:
        """Whether it is time."""
        return (100 * share if self.unit == "%" else seconds) >= self.at


def kills(kind: str, text: str) -> list[Blow]:
    """`20%,50%,30s` as blows; an empty text is none.

    Raises:
        ValueError: something else.
    """
    found = []
    for part in filter(None, text.split(",")):
        match = _WHEN.fullmatch(part.strip())
        if match is None:
            raise ValueError(f"'{part}' is neither a share of the jobs (20%) nor a time (30s)")
        found.append(Blow(kind, int(match[1]), match[2]))
    return found


def pauses(text: str) -> list[Blow]:
    """`worker@30%:8,coordinator@60s:10` as blows.

    Raises:
        ValueError: something else.
    """
    found = []
    for part in filter(None, text.split(",")):
        match = _PAUSE.fullmatch(part.strip())
        if match is None or match[1] not in KINDS:
            raise ValueError(f"'{part}' is not of the form KIND@WHEN:SECONDS with a kind of {', '.join(KINDS)}")
        found.append(Blow(match[1], int(match[2][:-1]), match[2][-1], int(match[3])))
    return found


@dataclass
class Chaos:
    """Carries the blows out, one after the other, in a thread of its own; `done` is what happened, for the report."""

    stage: Stage
    blows: list[Blow]
    share: Callable[[], float]
    console: Console
    restart_after: float = 2.0
    done: list[dict[str, object]] = field(default_factory=list)
    failure: list[BaseException] = field(default_factory=list)

    def __post_init__(self) -> None:
        self._stop = threading.Event()
        self._began = time.monotonic()
        self._turn: dict[str, int] = {}
        self.quiet = threading.Event()
        self._thread = threading.Thread(target=self._run, name="chaos")
        self._thread.start()

    def close(self) -> None:
        """Wait for the blow that is going on; those that are not due are dropped."""
        self._stop.set()
        self._thread.join()

    def _run(self) -> None:
        waiting = list(self.blows)
        try:
            while not self._stop.is_set():
                self._revive()
                due = [b for b in waiting if b.due(self.share(), time.monotonic() - self._began)]
                if due:
                    self.quiet.clear()
                    waiting.remove(due[0])
                    self._strike(due[0])
                self.quiet.set()
                self._stop.wait(0.1)
        except BaseException as error:  # noqa: BLE001
            self.failure.append(error)

    def _revive(self) -> None:
        """Start again what ended by itself (a process that comes up while no broker answers does), and say so."""
        for name in self.stage.dead():
            self.done.append(
                {"at": time.time(), "who": name, "what": "ended by itself", "share": round(self.share(), 3)}
            )
            self.console.print(f"  [red]{name}[/red] ended by itself and is started again")
            self._stop.wait(self.restart_after)
            self.stage.start(name)

    def _strike(self, blow: Blow) -> None:
        name, pid = self._target(blow.kind)
        word = f"paused for {blow.pause} s" if blow.pause else "killed"
        self.done.append({"at": time.time(), "who": name, "what": word, "share": round(self.share(), 3)})
        self.console.print(f"  [red]{name}[/red] {word} at {100 * self.share():.0f} % of the jobs")
        if blow.pause:
            self._pause(pid, blow.pause)
        elif blow.kind == "broker":
            os.kill(pid, signal.SIGKILL)
            self._stop.wait(self.restart_after)
            self.stage.kafka.start()
        else:
            self.stage.kill(name)
            # As a service manager would.
            self._stop.wait(self.restart_after)
            self.stage.start(name)

    def _pause(self, pid: int, seconds: int) -> None:
        os.kill(pid, signal.SIGSTOP)
        try:
            self._stop.wait(seconds)
        finally:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGCONT)

    def _target(self, kind: str) -> tuple[str, int]:
        """In turn, so that each of a kind is met."""
        pids = self.stage.pids()
        found = [(a.name, pids[a.name]) for a in self.stage.actors.values() if a.kind == kind and a.name in pids]
        if kind == "broker":
            leader = self.stage.leader()
            return leader, self.stage.broker_pids()[leader]
        turn = self._turn.get(kind, 0)
        self._turn[kind] = turn + 1
        return found[turn % len(found)]
