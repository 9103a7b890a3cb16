"""How a schedule fires: what it does with occurrences that are late, and with those that meet the one before."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import datetime, timedelta
from itertools import takewhile
from typing import Any

from aggregates.errors import Problem

ON_TIME = timedelta(minutes=5)
"""An occurrence that is later than this was missed, and the catch-up rule decides about it."""

OVERLAPS = ("skip", "buffer_one", "allow")
CATCH_UPS = ("skip", "latest", "all")
LONGEST_WINDOW_MINUTES = 31 * 24 * 60


@dataclass(frozen=True)
class Firing:
    """`catch_up`: of missed occurrences make up none, the latest, or all, if younger than the window.

    `overlap`: while the batch job of an earlier occurrence is at work, skip, keep one waiting, or start beside it.
    """

    overlap: str = "skip"
    catch_up: str = "latest"
    catch_up_window_minutes: int = 60

    @classmethod
    def of(cls, data: Mapping[str, Any] | None) -> Firing:
        return cls(**(data or {}))

    def as_data(self) -> dict[str, Any]:
        return asdict(self)

    def problems(self) -> list[Problem]:
        """What is wrong with terms that somebody asks for."""
        found = []
        for name, known in (("overlap", OVERLAPS), ("catch_up", CATCH_UPS)):
            if getattr(self, name) not in known:
                found.append(Problem(f"/{name}", "field.invalid", f"One of {', '.join(known)}.", None, known, known[0]))
        window = self.catch_up_window_minutes
        if type(window) is not int or not 0 <= window <= LONGEST_WINDOW_MINUTES:
            message = f"Whole minutes, 0 to {LONGEST_WINDOW_MINUTES}."
            found.append(Problem("/catch_up_window_minutes", "field.invalid", message, None, "integer", 60))
        return found

    def missed(self, due: Sequence[datetime], now: datetime) -> list[datetime]:
        """The occurrences at the head of `due` (ascending, the latest of all at its end) that will not be made up."""
        return list(takewhile(lambda occurrence: not self._stands(occurrence, now - occurrence, due[-1]), due))

    def _stands(self, occurrence: datetime, late: timedelta, latest: datetime) -> bool:
        if late <= ON_TIME:
            return True
        if self.catch_up == "skip" or late > timedelta(minutes=self.catch_up_window_minutes):
            return False
        return self.catch_up == "all" or occurrence == latest
