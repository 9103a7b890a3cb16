"""What the scheduler's works come to, added up over all schedulers: how often, how much they found, how long."""

from __future__ import annotations

import logging
from collections import defaultdict

from sqlalchemy import text
from sqlalchemy.exc import SQLAlchemyError

from engine.bootstrap import System

logger = logging.getLogger(__name__)

WRITTEN_EVERY_SECONDS = 5.0
"""Between two writes: whoever looks does so less often, and an idle installation is left idle."""

_ADD = text(
    "INSERT INTO scheduler_work AS w (work, passes, found, failures, seconds, last_at) "
    "VALUES (:work, :passes, :found, :failures, :seconds, :now) ON CONFLICT (work) DO UPDATE SET "
    "passes = w.passes + excluded.passes, found = w.found + excluded.found, "
    "failures = w.failures + excluded.failures, seconds = w.seconds + excluded.seconds, last_at = excluded.last_at"
)


class Tally:
    """Counts in one thread, and adds them to the counts of all now and then."""

    def __init__(self, system: System) -> None:
        self._system = system
        self._counts: defaultdict[str, dict[str, float]] = defaultdict(_nothing)
        self._written = system.clock.monotonic() - WRITTEN_EVERY_SECONDS

    def add(self, work: str, found: int, failures: int, seconds: float) -> None:
        """One pass of a work; `seconds` is how long it took."""
        counts = self._counts[work]
        for name, more in (("passes", 1), ("found", found), ("failures", failures), ("seconds", seconds)):
            counts[name] += more

    def write(self, *, at_once: bool = False) -> None:
        """Add what was counted, if it is time for that. What cannot be written now is written the next time."""
        moment, now = self._system.clock.monotonic(), self._system.clock.now()
        if not at_once and moment - self._written < WRITTEN_EVERY_SECONDS:
            return
        self._written = moment
        # In one order: schedulers that write at the same time wait for each other, and in no ring.
        rows = [{"work": work, "now": now, **counts} for work, counts in sorted(self._counts.items())]
        try:
            with self._system.engine.begin() as connection:
                for row in rows:
                    connection.execute(_ADD, row)
        except SQLAlchemyError as error:
            logger.debug("what the scheduler did is told later: %s", type(error).__name__)
        else:
            self._counts.clear()


def _nothing() -> dict[str, float]:
    return {"passes": 0, "found": 0, "failures": 0, "seconds": 0.0}
