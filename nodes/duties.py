"""What one coordinator does for all of its group: the timer, the payer and the read models.

Whoever owns partition 0 of `commands` has the duties; the group elects it with every assignment, and nobody needs to be
asked. During a change two processes may have them for a moment. That costs a refusal each and nothing else: an
observation or a payment that comes twice is refused by the decider that knows the state.
"""

import threading
from collections.abc import Callable, Collection, Mapping

import structlog

logger = structlog.get_logger(__name__)
LEADING_PARTITION = 0
#: A duty works until the event is set.
Duty = Callable[[threading.Event], None]


class Duties:
    """Runs the duties, each in a thread of its own, for as long as this process owns the leading partition."""

    def __init__(self, duties: Mapping[str, Duty], failed: Callable[[str, BaseException], None]) -> None:
        self._duties = duties
        self._failed = failed
        self._changed = threading.Condition()
        self._over = threading.Event()
        self._leads = False

    @property
    def lead(self) -> bool:
        """Whether this process has the duties."""
        return self._leads

    def own(self, partitions: Collection[int]) -> None:
        """These partitions are ours from now on; returns at once."""
        with self._changed:
            if self._leads != (LEADING_PARTITION in partitions):
                self._leads = not self._leads
                # The term that runs ends, also when the next one is ours again: its successor looks anew.
                self._over.set()
                self._changed.notify_all()

    def run(self, stop: threading.Event) -> None:
        """Serve term after term until `stop` is set."""
        while not stop.is_set():
            with self._changed:
                if not self._changed.wait_for(lambda: self._leads, 0.2):
                    continue
                over = self._over = threading.Event()
            logger.info("duties_taken")
            self._serve(stop, over)
            logger.info("duties_left")

    def _serve(self, stop: threading.Event, over: threading.Event) -> None:
        threads = [
            threading.Thread(target=self._one, args=(*duty, over), name=duty[0]) for duty in self._duties.items()
        ]
        for thread in threads:
            thread.start()
        while not over.wait(0.2):
            if stop.is_set():
                over.set()
        for thread in threads:
            thread.join()

    def _one(self, name: str, duty: Duty, over: threading.Event) -> None:
        try:
            duty(over)
        # A coordinator without a timer looks alive and lets nobody be timed out.
        except BaseException as error:  # noqa: BLE001
            self._failed(name, error)
        finally:
            over.set()
