"""A rule's text, read into its parts (RFC 5545, section 3.3.10)."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from functools import lru_cache

FREQUENCIES = ("HOURLY", "DAILY", "WEEKLY", "MONTHLY", "YEARLY")
WEEKDAYS = ("MO", "TU", "WE", "TH", "FR", "SA", "SU")

LAST_YEAR = 2099
"""No occurrence lies after this year: a search has an end, and it is the same end whenever somebody asks."""

LISTS = (
    "BYMONTH",
    "BYWEEKNO",
    "BYYEARDAY",
    "BYMONTHDAY",
    "BYHOUR",
    "BYMINUTE",
    "BYSECOND",
    "BYSETPOS",
)
"""The parts that are lists of numbers."""


@dataclass(frozen=True)
class Rule:
    """Parts as numbers, each list ascending; an absent list is empty.

    `byday` holds (0, weekday) for a plain day and (n, weekday) for the n-th one; Monday is 0. `until` is aware (UTC)
    or naive (wall time), as it was written.
    """

    freq: str
    interval: int
    count: int | None
    until: datetime | None
    wkst: int
    byday: tuple[tuple[int, int], ...]
    bymonth: tuple[int, ...]
    byweekno: tuple[int, ...]
    byyearday: tuple[int, ...]
    bymonthday: tuple[int, ...]
    byhour: tuple[int, ...]
    byminute: tuple[int, ...]
    bysecond: tuple[int, ...]
    bysetpos: tuple[int, ...]

    @classmethod
    @lru_cache(maxsize=1024)
    def read(cls, text: str) -> Rule:
        """A text that the grammar has passed, today or in an earlier version."""
        parts = dict(part.split("=") for part in text.split(";"))
        lists = {name.lower(): _numbers(parts.get(name)) for name in LISTS}
        return cls(
            freq=parts["FREQ"],
            interval=int(parts.get("INTERVAL", "1")),
            count=int(parts["COUNT"]) if "COUNT" in parts else None,
            until=moment(parts["UNTIL"]) if "UNTIL" in parts else None,
            wkst=WEEKDAYS.index(parts.get("WKST", "MO")),
            byday=tuple(sorted({_day(day) for day in parts["BYDAY"].split(",")})) if "BYDAY" in parts else (),
            **lists,
        )

    def positions(self, size: int) -> list[int]:
        """Which of so many candidates in a period BYSETPOS chooses, ascending, counted from 0; without it, all."""
        if not self.bysetpos:
            return list(range(size))
        if size < len(self.bysetpos):
            wanted = set(self.bysetpos)
            return [position for position in range(size) if position + 1 in wanted or position - size in wanted]
        chosen = {position - 1 if position > 0 else size + position for position in self.bysetpos}
        return sorted(position for position in chosen if 0 <= position < size)


def moment(text: str) -> datetime:
    """An UNTIL: `20270101T090000` is wall time, with a Z it is UTC. ValueError if no calendar has it."""
    return datetime.fromisoformat(text)


def _numbers(text: str | None) -> tuple[int, ...]:
    return tuple(sorted({int(number) for number in text.split(",")})) if text else ()


def _day(text: str) -> tuple[int, int]:
    return int(text[:-2] or 0), WEEKDAYS.index(text[-2:])
