"""The database's time decides what is due: a process whose clock differs from it too much does nothing until it agrees.

Two schedulers with two clocks would otherwise fire early, or skip what has not come yet.
"""

from __future__ import annotations

import logging
from datetime import timedelta

from sqlalchemy import func, select

from engine.bootstrap import System

logger = logging.getLogger(__name__)

LARGEST = timedelta(seconds=5)
"""Most that a clock may differ from the database's. Clocks that NTP keeps differ by milliseconds."""

QUIET_SECONDS = 60.0
"""How often a clock that is wrong is told about."""


class ClockWatch:
    """Compares this process's clock with the database's."""

    def __init__(self, system: System) -> None:
        self._system = system
        self._told: float | None = None

    def agrees(self) -> bool:
        """Whether the clock is near enough to the database's; the time that asking takes is not held against it."""
        clock = self._system.clock
        before = clock.now()
        with self._system.asking.connect() as connection:
            there = connection.execute(select(func.clock_timestamp())).scalar_one()
        after = clock.now()
        if before - LARGEST <= there <= after + LARGEST:
            return True
        self._tell((there - before).total_seconds())
        return False

    def _tell(self, seconds: float) -> None:
        now = self._system.clock.monotonic()
        if self._told is None or not 0 <= now - self._told < QUIET_SECONDS:
            self._told = now
            logger.error(
                "this clock is %.0f s %s the database's: nothing is fired or woken here until they agree (NTP)",
                abs(seconds),
                "behind" if seconds > 0 else "ahead of",
            )
