"""A rule expanded in wall time, without a zone: what RFC 5545 says, before any clock changes.

Only what a rule names is looked at, year by year, so an answer costs the same however old the first instant is.
"""

from __future__ import annotations

from bisect import bisect_left
from calendar import monthrange
from collections.abc import Callable, Iterator, Set
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from functools import cached_property
from itertools import product
from math import gcd

from aggregates.recurrence.days import NO_DAYS, DayFilter
from aggregates.recurrence.rule import LAST_YEAR, Rule

HOUR = timedelta(hours=1)
DAY = timedelta(days=1)


@dataclass(frozen=True)
class WallTimes:
    """The wall times of a rule. `starts_at` may be the first of them; like any other, only if the rule names it."""

    rule: Rule
    starts_at: datetime

    def since(self, moment: datetime, without: Set[int] = NO_DAYS) -> Iterator[datetime]:
        """Those at or after a wall time, ascending, on all days but some (ordinals); COUNT and UNTIL have no say."""
        first = max(moment, self.starts_at)
        for year in range(first.year, LAST_YEAR + 1) if self.times else ():
            for found in self._by_position(year) if self.by_position else self._by_day(year, first):
                if found >= first and not (without and found.toordinal() in without):
                    yield found

    @property
    def by_position(self) -> bool:
        """Whether positions choose among several days; within a day they choose among `times`."""
        return bool(self.rule.bysetpos) and self.rule.freq in {"MONTHLY", "YEARLY"}

    @cached_property
    def times(self) -> tuple[timedelta, ...]:
        """The times of day that the rule names, since midnight, ascending."""
        if self.rule.freq == "HOURLY":
            return tuple(sorted(time for times in self._by_remainder.values() for time in times))
        hours = self.rule.byhour or (self.starts_at.hour,)
        times = [hour * HOUR + offset for hour, offset in product(hours, self._offsets)]
        if self.rule.freq == "DAILY":
            times = [times[position] for position in self.rule.positions(len(times))]
        return tuple(times)

    @cached_property
    def offsets(self) -> tuple[timedelta, ...]:
        """What an HOURLY rule names in each hour, since its beginning, ascending."""
        return tuple(self._offsets[position] for position in self.rule.positions(len(self._offsets)))

    @cached_property
    def days(self) -> DayFilter:
        return DayFilter.of(self.rule, self.starts_at)

    def days_of(self, year: int) -> list[int]:
        """The days of a year, as ordinals, that the rule names and its interval reaches."""
        rule, before = self.rule, date(year, 1, 1).toordinal()
        if rule.freq == "YEARLY" and (year - self.starts_at.year) % rule.interval:
            return []
        named = [before + day for day in self.days.in_year(year)]
        if rule.interval == 1 or rule.freq == "YEARLY":
            return named
        if rule.freq == "MONTHLY":
            return [day for days in self._months(year, named) for day in days]
        reached = self._reached
        return [day for day in named if reached(day)]

    def _months(self, year: int, days: list[int]) -> Iterator[list[int]]:
        """The days of each month of a year that the interval reaches."""
        start = self.starts_at
        for month in range(1, 13):
            if ((year - start.year) * 12 + month - start.month) % self.rule.interval == 0:
                first = date(year, month, 1).toordinal()
                yield days[bisect_left(days, first) : bisect_left(days, first + monthrange(year, month)[1])]

    @property
    def _offsets(self) -> list[timedelta]:
        minutes = self.rule.byminute or (self.starts_at.minute,)
        seconds = self.rule.bysecond or (self.starts_at.second,)
        return [timedelta(minutes=minute, seconds=second) for minute, second in product(minutes, seconds)]

    @cached_property
    def _reached(self) -> Callable[[int], bool]:
        """Whether the interval reaches a day, given as an ordinal."""
        start, interval = self.starts_at, self.rule.interval
        origin = start.toordinal()
        match self.rule.freq:
            case "WEEKLY":
                week = origin - (start.weekday() - self.rule.wkst) % 7
                return lambda day: (day - week) // 7 % interval == 0
            case "HOURLY":
                cycle, remainders = self._cycle, self._by_remainder
                return lambda day: day % cycle in remainders
        return lambda day: (day - origin) % interval == 0

    @cached_property
    def _cycle(self) -> int:
        """After how many days the hours of an HOURLY rule are the same again."""
        return self.rule.interval // gcd(self.rule.interval, 24)

    @cached_property
    def _by_remainder(self) -> dict[int, list[timedelta]]:
        """The times that an HOURLY rule names, by the remainder, modulo the cycle, of the days that it reaches them on.

        The hour h of day d is reached if 24 d + h and the hour of `starts_at` differ by a multiple of the interval.
        """
        found: dict[int, list[timedelta]] = {}
        common, first = gcd(self.rule.interval, 24), self.starts_at.toordinal() * 24 + self.starts_at.hour
        for hour in self.rule.byhour:
            if (first - hour) % common == 0:
                remainder = (first - hour) // common * pow(24 // common, -1, self._cycle) % self._cycle
                found.setdefault(remainder, []).extend(hour * HOUR + offset for offset in self.offsets)
        return found

    def _by_day(self, year: int, first: datetime) -> Iterator[datetime]:
        days = self.days_of(year)
        for day in days[bisect_left(days, first.toordinal()) :]:
            midnight = datetime.fromordinal(day)
            for time in self._by_remainder[day % self._cycle] if self.rule.freq == "HOURLY" else self.times:
                yield midnight + time

    def _by_position(self, year: int) -> Iterator[datetime]:
        per_day, days_of_year = len(self.times), self.days_of(year)
        for days in self._months(year, days_of_year) if self.rule.freq == "MONTHLY" else [days_of_year]:
            for position in self.rule.positions(len(days) * per_day):
                yield datetime.fromordinal(days[position // per_day]) + self.times[position % per_day]
