"""An oracle for recurrences: RFC 5545 read aloud, day by day and hour by hour.

It shares nothing with the product, neither code nor dateutil, and it is slow: every day of the calendar is asked
whether the rule means it. It believes that a rule is valid.
"""

from __future__ import annotations

import calendar
from collections.abc import Iterator
from datetime import UTC, date, datetime, time, timedelta
from itertools import groupby
from zoneinfo import ZoneInfo

CODES = ["MO", "TU", "WE", "TH", "FR", "SA", "SU"]
DAY = timedelta(days=1)
HOUR = timedelta(hours=1)


class Oracle:
    """One rule. `start` is wall time of the zone."""

    def __init__(self, rule: str, start: datetime, zone: str) -> None:
        self.parts = dict(part.split("=") for part in rule.split(";"))
        self.start, self.zone = start, ZoneInfo(zone)
        self.freq = self.parts["FREQ"]
        self.interval = int(self.parts.get("INTERVAL", 1))
        self.wkst = CODES.index(self.parts.get("WKST", "MO"))

    def instants(self, horizon: datetime) -> Iterator[datetime]:
        """Every occurrence before a horizon (wall time), in UTC; of two within an hour the later one is left out."""
        last = None
        for instant in self._ended(horizon):
            if last is None or instant - last >= HOUR:
                last = instant
                yield instant

    def nominals(self, horizon: datetime) -> Iterator[datetime]:
        """The wall times that the rule means, before COUNT and UNTIL."""
        for key, days in groupby(self._days(horizon), self._period):
            named = [day for day in days if self._named(day)]
            for hour in range(24) if self.freq == "HOURLY" else [None]:
                if self._steps(key, hour) % self.interval == 0:
                    moments = [datetime.combine(day, clock) for day in named for clock in self._times(hour)]
                    yield from (moment for moment in self._chosen(sorted(moments)) if moment >= self.start)

    def _ended(self, horizon: datetime) -> Iterator[datetime]:
        count = int(self.parts.get("COUNT", 10**9))
        until = self.parts.get("UNTIL", "99991231T235959")
        on_utc = self.freq == "HOURLY" and "BYHOUR" not in self.parts
        for nominal, instant in self._on_utc(horizon) if on_utc else self._on_wall(horizon):
            text = (instant if until.endswith("Z") else nominal).strftime("%Y%m%dT%H%M%S")
            if count == 0 or text > until.removesuffix("Z"):
                return
            count -= 1
            yield instant

    def _on_wall(self, horizon: datetime) -> Iterator[tuple[datetime, datetime]]:
        for nominal in self.nominals(horizon):
            yield nominal, first_shown(nominal, self.zone)

    def _on_utc(self, horizon: datetime) -> Iterator[tuple[datetime, datetime]]:
        """Every hour of the UTC line, each minute of which is asked what the clock shows."""
        hour = first_shown(self.start.replace(minute=0, second=0), self.zone)
        step = 0
        while (hour + step * HOUR).replace(tzinfo=None) < horizon + DAY:
            moments = []
            for minute in range(60):
                second = int(self.parts.get("BYSECOND", self.start.second))
                moment = hour + step * HOUR + timedelta(minutes=minute, seconds=second)
                local = moment.astimezone(self.zone)
                shown = local.minute if "BYMINUTE" in self.parts else minute
                if shown in self._numbers("BYMINUTE", self.start.minute) and self._named(local.date()):
                    moments.append((local.replace(tzinfo=None), moment))
            begin = self.start.replace(tzinfo=self.zone).astimezone(UTC)
            yield from (pair for pair in self._chosen(moments) if pair[1] >= begin)
            step += self.interval

    def _days(self, horizon: datetime) -> Iterator[date]:
        day = date(self.start.year, 1, 1) - 7 * DAY
        while day.year <= horizon.year:
            yield day
            day += DAY

    def _period(self, day: date) -> date:
        """The first day of the period that a day is in."""
        match self.freq:
            case "YEARLY":
                return date(day.year, 1, 1)
            case "MONTHLY":
                return date(day.year, day.month, 1)
            case "WEEKLY":
                while day.weekday() != self.wkst:
                    day -= DAY
        return day

    def _steps(self, key: date, hour: int | None) -> int:
        """How many periods after the one of the start."""
        first = self._period(self.start.date())
        match self.freq:
            case "YEARLY":
                return key.year - first.year
            case "MONTHLY":
                return (key.year - first.year) * 12 + key.month - first.month
            case "WEEKLY":
                return (key - first).days // 7
            case "DAILY":
                return (key - first).days
        return (key - first).days * 24 + (hour or 0) - self.start.hour

    def _times(self, hour: int | None) -> Iterator[time]:
        hours = self._numbers("BYHOUR", self.start.hour if hour is None else hour)
        for each in hours:
            if hour is None or hour == each:
                for minute in self._numbers("BYMINUTE", self.start.minute):
                    for second in self._numbers("BYSECOND", self.start.second):
                        yield time(each, minute, second)

    def _chosen(self, moments: list) -> list:
        if "BYSETPOS" not in self.parts:
            return moments
        numbers = self._numbers("BYSETPOS", 0)
        size = len(moments)
        return [it for index, it in enumerate(moments) if index + 1 in numbers or index - size in numbers]

    def _named(self, day: date) -> bool:
        length = calendar.monthrange(day.year, day.month)[1]
        year_day, year_length = day.timetuple().tm_yday, 365 + calendar.isleap(day.year)
        return (
            self._has("BYMONTH", day.month)
            and self._has("BYMONTHDAY", day.day, day.day - length - 1)
            and self._has("BYYEARDAY", year_day, year_day - year_length - 1)
            and ("BYWEEKNO" not in self.parts or self._has("BYWEEKNO", *self._week(day)))
            and self._weekday(day)
            and self._as_at_start(day)
        )

    def _as_at_start(self, day: date) -> bool:
        """What the RFC takes from DTSTART if the rule does not name any days."""
        if any(name in self.parts for name in ("BYWEEKNO", "BYYEARDAY", "BYMONTHDAY", "BYDAY")):
            return True
        match self.freq:
            case "YEARLY":
                return day.day == self.start.day and ("BYMONTH" in self.parts or day.month == self.start.month)
            case "MONTHLY":
                return day.day == self.start.day
            case "WEEKLY":
                return day.weekday() == self.start.weekday()
        return True

    def _weekday(self, day: date) -> bool:
        if "BYDAY" not in self.parts:
            return True
        within_month = self.freq == "MONTHLY" or "BYMONTH" in self.parts
        before = after = 1
        other = day - 7 * DAY
        while other.year == day.year and (other.month == day.month or not within_month):
            before, other = before + 1, other - 7 * DAY
        other = day + 7 * DAY
        while other.year == day.year and (other.month == day.month or not within_month):
            after, other = after + 1, other + 7 * DAY
        code = CODES[day.weekday()]
        return any(
            it.lstrip("+") in {code, f"{before}{code}", f"-{after}{code}"} for it in self.parts["BYDAY"].split(",")
        )

    def _week(self, day: date) -> tuple[int, int]:
        """The number of its week in the year that most of the week is in, from the front and from the back."""
        while day.weekday() != self.wkst:
            day -= DAY
        year = (day + 3 * DAY).year
        weeks = 1
        before = day
        while (before - 4 * DAY).year == year:
            before -= 7 * DAY
            weeks += 1
        after, back = day, 1
        while (after + 10 * DAY).year == year:
            after += 7 * DAY
            back += 1
        return weeks, -back

    def _numbers(self, name: str, otherwise: int) -> list[int]:
        return [int(number) for number in self.parts[name].split(",")] if name in self.parts else [otherwise]

    def _has(self, name: str, *values: int) -> bool:
        return name not in self.parts or any(value in self._numbers(name, 0) for value in values)


def first_shown(wall: datetime, zone: ZoneInfo) -> datetime:
    """The first instant, in UTC, at which the clock shows a wall time, or the first one after it would have."""
    around = wall.replace(tzinfo=UTC)
    offsets = {(around + shift * DAY).astimezone(zone).utcoffset() or timedelta() for shift in (-2, -1, 0, 1, 2)}
    shown = [around - offset for offset in offsets if (around - offset).astimezone(zone).replace(tzinfo=None) == wall]
    if shown:
        return min(shown)
    instant = (around - 27 * HOUR).replace(second=0)
    while instant.astimezone(zone).replace(tzinfo=None) < wall:
        instant += timedelta(minutes=1)
    return instant
