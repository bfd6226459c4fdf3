"""CPU, memory and consumer lag over time."""

import contextlib
import threading
import time
from dataclasses import dataclass, field

import psutil
from stage import Stage

from bitsage.nodes.coordinator import GROUP
from bitsage.streams.errors import StreamError
from bitsage.streams.topics import TOPICS, topic_name

#: Asking takes two connections; every second it would be a client that the network has to serve beside the others.
LAG_EVERY = 3
PLACES = [(topic_name("commands"), p) for p in range(TOPICS["commands"].partitions)]


@dataclass(slots=True)
class Usage:
    """One process, over all its lives: CPU seconds and the largest resident memory, in MiB."""

    cpu_s: float = 0.0
    rss_mib: float = 0.0
    #: (seconds since the epoch, percent of one core)
    series: list[tuple[float, float]] = field(default_factory=list)


@dataclass
class Sampler:
    """A thread that looks at the processes every second, and at the lag every `LAG_EVERY` of them."""

    stage: Stage
    usage: dict[str, Usage] = field(default_factory=dict)
    #: (seconds since the epoch, commands that are not decided)
    lag: list[tuple[float, int]] = field(default_factory=list)

    def __post_init__(self) -> None:
        self._stop = threading.Event()
        self._processes: dict[int, psutil.Process] = {}
        self._last: dict[int, tuple[float, float]] = {}
        self._thread = threading.Thread(target=self._run, name="sampler", daemon=True)
        self._thread.start()

    def close(self) -> None:
        """Stop looking."""
        self._stop.set()
        self._thread.join(30)

    def _run(self) -> None:
        looks = 0
        while not self._stop.wait(1.0):
            looks += 1
            for name, pid in (self.stage.pids() | self.stage.broker_pids()).items():
                with contextlib.suppress(psutil.Error):
                    self._look(name, pid)
            # A broker that is just being killed answers nothing; the next look does.
            with contextlib.suppress(StreamError):
                if looks % LAG_EVERY == 0:
                    self.lag.append((time.time(), self._lag()))

    def _look(self, name: str, pid: int) -> None:
        process = self._processes.get(pid) or self._processes.setdefault(pid, psutil.Process(pid))
        with process.oneshot():
            times, memory = process.cpu_times(), process.memory_info().rss / 2**20
        now, spent = time.time(), times.user + times.system
        usage = self.usage.setdefault(name, Usage())
        before = self._last.get(pid)
        if before is not None:
            usage.cpu_s += spent - before[1]
            usage.series.append((now, 100 * (spent - before[1]) / max(now - before[0], 1e-3)))
        self._last[pid] = (now, spent)
        usage.rss_mib = max(usage.rss_mib, memory)

    def _lag(self) -> int:
        log = self.stage.log
        done = log.committed(GROUP, PLACES)
        # From there on and not from zero: a reader fetches what it stands before, and that would be the whole topic.
        reader = log.reader({place: done.get(place, 0) for place in PLACES}, follow=True)
        try:
            # Control records count: this is an upper bound by one or two a partition.
            return sum(max(0, end - done.get(place, 0)) for place, end in reader.end_offsets().items())
        finally:
            reader.close()
