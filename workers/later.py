"""Bells that are rung in a while, by the process that knows when: nobody stands and waits for that instant.

They may be lost: the sweep rings again. Of what is due together, the job that was rung least lately is rung first, so
that jobs which wait for the same turn have it by turns.
"""

from __future__ import annotations

import logging
import threading
from collections import OrderedDict
from collections.abc import Callable
from uuid import UUID

logger = logging.getLogger(__name__)

MOST = 200
"""Jobs that are waited for at a time; the sweep is there for the others."""

TOGETHER_SECONDS = 0.02
"""What is due within so long is due together."""


class Later:
    """Used from any thread. Its own thread begins with the first bell."""

    def __init__(self, ring: Callable[[UUID, int], None], monotonic: Callable[[], float]) -> None:
        self._ring = ring
        self._now = monotonic
        self._changed = threading.Condition()
        self._due: dict[UUID, float] = {}
        self._rung: OrderedDict[UUID, None] = OrderedDict()
        self._closed = False
        self._thread: threading.Thread | None = None

    def ring(self, job_id: UUID, seconds: float) -> None:
        """Ring for a job after so many seconds, once, however often that is asked for."""
        with self._changed:
            if self._closed or (job_id not in self._due and len(self._due) >= MOST):
                return
            due = self._now() + seconds
            self._due[job_id] = min(due, self._due.get(job_id, due))
            if self._thread is None:
                self._thread = threading.Thread(target=self._run, name="later", daemon=True)
                self._thread.start()
            self._changed.notify()

    def due(self) -> list[UUID]:
        """The jobs that are due now, which are waited for no more, in the order in which they are to be rung."""
        with self._changed:
            now = self._now() + TOGETHER_SECONDS
            found = {job_id for job_id, due in self._due.items() if due <= now}
            lately = [job_id for job_id in self._rung if job_id in found]
            for job_id in found:
                del self._due[job_id]
            ordered = [*sorted(found - set(lately)), *lately]
            for job_id in ordered:
                self._rung[job_id] = None
                self._rung.move_to_end(job_id)
            while len(self._rung) > MOST:
                self._rung.popitem(last=False)
            return ordered

    def close(self) -> None:
        """Ring for nobody any more."""
        with self._changed:
            self._closed = True
            self._changed.notify()
        if self._thread is not None:
            self._thread.join()

    def _run(self) -> None:
        while True:
            with self._changed:
                next_due = min(self._due.values(), default=None)
                if not self._closed and (next_due is None or next_due > self._now()):
                    self._changed.wait(None if next_due is None else next_due - self._now())
                if self._closed:
                    return
            try:
                for job_id in self.due():
                    self._ring(job_id, 1)
            except Exception:
                logger.exception("a bell could not be rung now; the sweep rings again")
