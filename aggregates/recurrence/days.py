"""Which days of a calendar year a rule names, whatever its interval. The only module that knows dateutil.

dateutil is asked for one calendar year at a time, so no rule can make it search; and only for what it does well. The
weeks of the year are counted here: it is wrong about 52 and 53 in early January, and -52 and -53 in late December.
"""

from __future__ import annotations

from collections.abc import Iterator, Set
from dataclasses import dataclass
from datetime import MAXYEAR, date, datetime
from functools import lru_cache
from itertools import groupby

from dateutil import rrule as rfc

from aggregates.recurrence.rule import Rule

NO_DAYS: Set[int] = frozenset()

_CYCLE = range(1996, 2024)
"""28 years: of each weekday to begin on, a leap year, those beside one, and one that is neither."""


@dataclass(frozen=True)
class DayFilter:
    """The parts of a rule that name days, with those that RFC 5545 takes from the first instant filled in."""

    bymonth: tuple[int, ...]
    byweekno: tuple[int, ...]
    byyearday: tuple[int, ...]
    bymonthday: tuple[int, ...]
    byday: tuple[tuple[int, int], ...]
    wkst: int

    @classmethod
    def of(cls, rule: Rule, starts_at: datetime) -> DayFilter:
        months, monthdays, days = rule.bymonth, rule.bymonthday, rule.byday
        if not (rule.byweekno or rule.byyearday or monthdays or days):
            if rule.freq == "YEARLY":
                months = months or (starts_at.month,)
            if rule.freq in {"YEARLY", "MONTHLY"}:
                monthdays = (starts_at.day,)
            if rule.freq == "WEEKLY":
                days = ((0, starts_at.weekday()),)
        if rule.freq == "MONTHLY" and any(n for n, _ in days):
            months = months or tuple(range(1, 13))  # the n-th of each month, not of the year
        weeks = rule.byweekno
        return cls(months, weeks, rule.byyearday, monthdays, days, rule.wkst if weeks else 0)

    @property
    def every_day(self) -> bool:
        return not (self.bymonth or self.byweekno or self.byyearday or self.bymonthday or self.byday)

    def in_year(self, year: int) -> tuple[int, ...]:
        """The days that it names, ascending; 1 January is 0."""
        if self.every_day:
            return tuple(range(365 + _leap(year)))
        return _named(self, _twin(year))

    def runs_of(self, year: int, without: Set[int]) -> Iterator[tuple[int, int]]:
        """The first and last of each run of consecutive days that it names, as ordinals, without some days."""
        before = date(year, 1, 1).toordinal()
        days = [before + day for day in self.in_year(year)]
        kept = [day for day in days if day not in without] if without else days
        for _, group in groupby(enumerate(kept), lambda numbered: numbered[1] - numbered[0]):
            run = [day for _, day in group]
            yield run[0], run[-1]


def _leap(year: int) -> int:
    return int(year % 4 == 0 and (year % 100 != 0 or year % 400 == 0))


def _kind(year: int) -> tuple[int, ...]:
    """All that the days of a year depend on; its neighbours have the weeks that it begins and ends in."""
    return date(year, 1, 1).weekday(), _leap(year - 1), _leap(year), _leap(year + 1)


_TWINS = {_kind(year): year for year in _CYCLE}


def _twin(year: int) -> int:
    """A year of the cycle with the same days: there are no more than 28 to know."""
    return _TWINS[_kind(year)]


@lru_cache(maxsize=1024)
def _named(days: DayFilter, year: int) -> tuple[int, ...]:
    first = datetime(year, 1, 1)
    found: Iterator[datetime] = iter(
        rfc.rrule(
            rfc.YEARLY,
            dtstart=first,
            # It ends at an `until` only when it finds something after it; after so many years there are no more.
            interval=MAXYEAR,
            bymonth=days.bymonth or None,
            byyearday=days.byyearday or None,
            bymonthday=days.bymonthday or None,
            # Without any day it would take 1 January for granted.
            byweekday=[rfc.weekday(weekday, n or None) for n, weekday in days.byday] or range(7),
            byhour=0,
            byminute=0,
            bysecond=0,
        )
    )
    if not days.byweekno:
        return tuple((moment - first).days for moment in found)
    in_weeks = _days_of_weeks(days, year)
    return tuple((moment - first).days for moment in found if moment.toordinal() in in_weeks)


def _days_of_weeks(days: DayFilter, year: int) -> set[int]:
    """The days, as ordinals, of the weeks with the numbers named; those at its ends may be its neighbours' weeks."""
    found: set[int] = set()
    for counted in (year - 1, year, year + 1):
        first = _first_week(counted, days.wkst)
        weeks = (_first_week(counted + 1, days.wkst) - first) // 7
        for number in days.byweekno:
            week = number - 1 if number > 0 else weeks + number
            if 0 <= week < weeks:
                found.update(range(first + week * 7, first + week * 7 + 7))
    return found


def _first_week(year: int, wkst: int) -> int:
    """The first day, as ordinal, of the first week that has four days in the year: 4 January is always in it."""
    fourth = date(year, 1, 4)
    return fourth.toordinal() - (fourth.weekday() - wkst) % 7
