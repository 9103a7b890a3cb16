"""Recurrence: a rule, its first instant in local wall time, its zone, and the dates left out."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from functools import cached_property
from itertools import islice, takewhile
from typing import Any
from zoneinfo import ZoneInfo

from aggregates.errors import Problem
from aggregates.recurrence import grammar, inputs
from aggregates.recurrence.lines import Occurrence, line
from aggregates.recurrence.rule import LAST_YEAR, Rule
from aggregates.recurrence.spacing import too_close
from aggregates.recurrence.walltimes import DAY, HOUR

NEAREST = HOUR
"""No two occurrences of any recurrence are closer than this."""


@dataclass(frozen=True)
class Recurrence:
    """When something repeats. Wall times have no offset; they are those of `timezone`, an IANA name.

    `rrule` is one RFC 5545 rule, upper case, without prefix. `starts_at` occurs only if the rule names it. COUNT counts
    what the rule names, before `exdates` (wall times, and dates that leave out a whole day) are taken away.

    Where a change of the clock brings two occurrences closer than an hour, the later one gives way. What occurs does
    not depend on the instant that one asks from.
    """

    rrule: str
    starts_at: datetime
    timezone: str
    exdates: tuple[date, ...] = ()

    @classmethod
    def parse(
        cls,
        rrule: Any,
        starts_at: Any,
        timezone: Any,
        exdates: Any = (),
        *,
        now: datetime,
        minimum_interval: timedelta = NEAREST,
    ) -> tuple[Recurrence | None, list[Problem]]:
        """The recurrence, or None and every problem with it.

        `starts_at` and the exdates are ISO texts or datetimes; one with an offset is converted to the zone. Wall times
        are at least `minimum_interval` apart; a change of the clock may take its hour from that.
        """
        text, problems = grammar.check(rrule)
        zone = inputs.zone(timezone, problems)
        start = inputs.start(starts_at, zone, now, problems)
        left_out = inputs.exdates(exdates, zone, problems)
        least = max(minimum_interval, NEAREST)
        if text and start and too_close(Rule.read(text), start, least):
            minutes = f"{least.total_seconds() / 60:g}"
            problems.append(grammar.too_frequent(f"Two occurrences could be less than {minutes} minutes apart."))
        if problems or text is None or start is None:
            return None, problems
        found = cls(text, start, timezone, left_out)
        if found.next_after(now) is None:
            problems.append(grammar.no_occurrence())
            return None, problems
        return found, []

    @classmethod
    def of(cls, data: Mapping[str, Any]) -> Recurrence:
        """A recurrence as it was stored by `as_data`; older ones have no exdates."""
        return cls(
            data["rrule"],
            datetime.fromisoformat(data["starts_at"]),
            data["timezone"],
            tuple(inputs.stored_exdate(text) for text in data.get("exdates", ())),
        )

    def as_data(self) -> dict[str, Any]:
        return {
            "rrule": self.rrule,
            "starts_at": self.starts_at.isoformat(),
            "timezone": self.timezone,
            "exdates": [left_out.isoformat() for left_out in self.exdates],
        }

    def next_after(self, instant: datetime) -> datetime | None:
        """The first occurrence strictly after an instant, in UTC; None when there is no more."""
        return next((found.instant for found in self._after(instant)), None)

    def between(self, after: datetime, until: datetime, limit: int) -> list[datetime]:
        """The first `limit` occurrences strictly after one instant and not after another, in UTC, ascending."""
        instants = (found.instant for found in self._after(after))
        return list(islice(takewhile(lambda instant: instant <= until, instants), max(0, limit)))

    def upcoming(self, after: datetime, count: int) -> list[Occurrence]:
        """The next `count` occurrences strictly after an instant."""
        return list(islice(self._after(after), max(0, count)))

    def _after(self, instant: datetime) -> Iterator[Occurrence]:
        if instant.year > LAST_YEAR:
            return
        # Who gives way to whom is settled within hours of a change of the clock: a day before, the answer is the same
        # for everybody.
        since = instant - DAY if instant.year >= self.starts_at.year else self.starts_at.replace(tzinfo=UTC) - 2 * DAY
        taken = None
        for found in line(self.rrule, self.starts_at, self.timezone).since(since, self._days_out):
            if self._leaves_out(found) or (taken is not None and found.instant - taken < NEAREST):
                continue
            taken = found.instant
            if taken > instant:
                yield found

    def _leaves_out(self, found: Occurrence) -> bool:
        """By the wall time that the rule says, or by the one that it was moved to; `since` knows about most days."""
        if not self.exdates:
            return False
        if found.note != "moved_forward":
            return found.nominal in self._left_out
        moved = found.instant.astimezone(ZoneInfo(self.timezone)).replace(tzinfo=None)
        return not self._left_out.isdisjoint({found.nominal, moved, moved.date()})

    @cached_property
    def _left_out(self) -> frozenset[date]:
        return frozenset(self.exdates)

    @cached_property
    def _days_out(self) -> frozenset[int]:
        return frozenset(day.toordinal() for day in self.exdates if not isinstance(day, datetime))
