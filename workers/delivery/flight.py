"""A sub-batch that is under way: its outcomes, as they come."""

from __future__ import annotations

import threading
from collections.abc import Callable

from workers.delivery.retries import Outcome


class Flight:
    """Filled by the threads that send, read by the thread that records. Every effect gets one outcome."""

    def __init__(self, many: int) -> None:
        self._lock = threading.Lock()
        self._ended = threading.Event()
        self._outcomes: list[Outcome] = []
        self._left = many
        self._watcher: Callable[[], None] | None = None
        if not many:
            self._ended.set()

    def land(self, outcome: Outcome) -> None:
        """One of its effects has an outcome."""
        with self._lock:
            self._outcomes.append(outcome)
            self._left -= 1
            watcher = self._watcher
        if not self._left:
            self._ended.set()
        if watcher is not None:
            watcher()

    def wait(self, seconds: float) -> bool:
        """Whether all of it has ended; not longer than so many seconds."""
        return self._ended.wait(seconds)

    def has_landed(self) -> bool:
        """Whether there is an outcome that nobody has asked for yet."""
        return bool(self._outcomes)

    def landed(self) -> list[Outcome]:
        """The outcomes since this was asked last."""
        with self._lock:
            outcomes, self._outcomes = self._outcomes, []
            return outcomes

    def watch(self, watcher: Callable[[], None]) -> None:
        """Call this, from any thread and soon, with each outcome that comes; and once now."""
        with self._lock:
            self._watcher = watcher
        watcher()
