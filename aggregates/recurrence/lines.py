"""A rule expanded into instants, along one of two lines of time.

The wall, for DAILY and slower, and for HOURLY rules that name hours of the day: it occurs when the clock on the wall
says so. A time that the clock skips in spring becomes the first instant that exists; of a time that it shows twice in
autumn, it is the first.

UTC, for HOURLY rules that name no hours: so many real hours after each other, through every change of the clock. The
days that they name are days of the wall, and so is a minute that they name.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator, Set
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from functools import cached_property, lru_cache
from itertools import islice
from zoneinfo import ZoneInfo

from aggregates.recurrence.days import NO_DAYS
from aggregates.recurrence.rule import LAST_YEAR, Rule
from aggregates.recurrence.walltimes import HOUR, WallTimes

SECOND = timedelta(seconds=1)
ZERO = timedelta()
BEFORE_ALL, AFTER_ALL = datetime(1, 1, 1), datetime(9999, 1, 1)


@dataclass(frozen=True)
class Occurrence:
    """When a rule occurs.

    `instant` is UTC. `nominal` is the wall time, without a zone, as the rule says it. `note` is "moved_forward" if the
    clock skips that wall time, "first_of_two" if the clock shows it twice and the rule means it once.
    """

    instant: datetime
    nominal: datetime
    note: str | None


@dataclass(frozen=True)
class WallLine:
    """A rule on the line of wall time."""

    wall: WallTimes
    zone: ZoneInfo

    def since(self, instant: datetime, without: Set[int]) -> Iterator[Occurrence]:
        """Every occurrence after an instant, ascending, and perhaps some before it; on all days but some (ordinals)."""
        until, begin = self.wall.rule.until, instant.astimezone(self.zone).replace(tzinfo=None)
        if begin > self._last:
            return
        for nominal in self.wall.since(begin, without):
            if nominal > self._last:
                return
            moment, note = attached(nominal, self.zone)
            if until is not None and (moment if until.tzinfo else nominal) > until:
                return
            yield Occurrence(moment, nominal, note)

    @cached_property
    def _last(self) -> datetime:
        """The wall time that COUNT ends with; it counts what the rule says, whatever happens to that afterwards."""
        count = self.wall.rule.count
        return last_of(self.wall.since(self.wall.starts_at), count) or BEFORE_ALL if count else AFTER_ALL


@dataclass(frozen=True)
class HourLine:
    """An HOURLY rule on the line of UTC. Its periods are hours of the clock at `starts_at`."""

    wall: WallTimes
    zone: ZoneInfo

    def since(self, instant: datetime, without: Set[int]) -> Iterator[Occurrence]:
        """Every occurrence at or after an instant, ascending, on all days but some (ordinals)."""
        if instant > self._end:
            return
        for moment in self._endless(instant, without):
            if moment > self._end:
                return
            yield Occurrence(moment, moment.astimezone(self.zone).replace(tzinfo=None, fold=0), None)

    @cached_property
    def _end(self) -> datetime:
        """The last instant that COUNT or UNTIL allows."""
        count, until = self.wall.rule.count, self.wall.rule.until
        if count:
            return last_of(self._endless(self._start), count) or BEFORE_ALL.replace(tzinfo=UTC)
        if until is None:
            return AFTER_ALL.replace(tzinfo=UTC)
        return until if until.tzinfo else until.replace(tzinfo=self.zone, fold=1).astimezone(UTC)

    @cached_property
    def _start(self) -> datetime:
        return self.wall.starts_at.replace(tzinfo=self.zone).astimezone(UTC)

    def _endless(self, instant: datetime, without: Set[int] = NO_DAYS) -> Iterator[datetime]:
        """The instants at or after one, without regard to COUNT and UNTIL."""
        begin = max(instant, self._start)
        if not self.wall.offsets:
            return
        if self.wall.days.every_day and not without:
            yield from self._grid(begin)
            return
        today = begin.astimezone(self.zone).toordinal()
        for year in range(date.fromordinal(today).year, LAST_YEAR + 1):
            for first, last in self.wall.days.runs_of(year, without):
                if last >= today:
                    yield from self._grid_on(first, last, begin)

    def _grid_on(self, first: int, last: int, begin: datetime) -> Iterator[datetime]:
        """The grid from an instant on, and on days of the wall from one to another (ordinals)."""
        midnight = datetime.fromordinal(first).replace(tzinfo=self.zone).astimezone(UTC)
        for moment in self._grid(max(begin, midnight)):
            day = moment.astimezone(self.zone).toordinal()
            if day > last:
                return
            if day >= first:
                yield moment

    def _grid(self, begin: datetime) -> Iterator[datetime]:
        """The moments of every period that the interval reaches, from an instant on."""
        start, step = self.wall.starts_at, self.wall.rule.interval * HOUR
        first = self._start - timedelta(minutes=start.minute, seconds=start.second)
        hour = first + (begin - first) // step * step
        while hour.year <= LAST_YEAR:
            for moment in self._in_hour(hour):
                if moment >= begin:
                    yield moment
            hour += step

    def _in_hour(self, hour: datetime) -> list[datetime]:
        """The moments of a period, as long after its beginning as the first; minutes that are named are the wall's."""
        moments = [hour + offset for offset in self.wall.offsets]
        if not self.wall.rule.byminute:
            return moments
        return [found for moment in moments if (found := self._shown(moment, hour)) is not None]

    def _shown(self, moment: datetime, hour: datetime) -> datetime | None:
        """When, in the hour, the clock shows the minute of a moment that it would show without any change.

        Where the clock changes by half an hour, that is elsewhere in the hour, or never.
        """
        drift = self._drift(moment)
        if not drift:
            return moment
        moved = hour + (moment - hour - drift) % HOUR
        return moved if self._drift(moved) == drift else None

    def _drift(self, moment: datetime) -> timedelta:
        """How far the clock has changed since the beginning, apart from whole hours."""
        return ((moment.astimezone(self.zone).utcoffset() or ZERO) - self._offset) % HOUR

    @cached_property
    def _offset(self) -> timedelta:
        return self._start.astimezone(self.zone).utcoffset() or ZERO


@lru_cache(maxsize=1024)
def line(rrule: str, starts_at: datetime, timezone: str) -> WallLine | HourLine:
    """The line that a rule is expanded on. Kept, because the end of a rule with COUNT takes some counting."""
    rule = Rule.read(rrule)
    return (HourLine if on_utc(rule) else WallLine)(WallTimes(rule, starts_at), ZoneInfo(timezone))


def last_of(moments: Iterator[datetime], count: int) -> datetime | None:
    """The last of so many, or of all if there are fewer; None if there are none."""
    return next(iter(deque(islice(moments, count), maxlen=1)), None)


def on_utc(rule: Rule) -> bool:
    return rule.freq == "HOURLY" and not rule.byhour


def attached(nominal: datetime, zone: ZoneInfo) -> tuple[datetime, str | None]:
    """A wall time as an instant, with its note (PEP 495: the folds differ in offset only where the clock changes)."""
    local = nominal.replace(tzinfo=zone)
    before, after = local.utcoffset() or ZERO, local.replace(fold=1).utcoffset() or ZERO
    if before == after:
        return local.astimezone(UTC), None
    if before > after:
        return local.astimezone(UTC), "first_of_two"
    return _change(nominal - after, nominal - before, zone), "moved_forward"


def _change(early: datetime, late: datetime, zone: ZoneInfo) -> datetime:
    """The instant at which the clock changes, between two that know each one of its offsets (naive UTC)."""
    offset = early.replace(tzinfo=UTC).astimezone(zone).utcoffset()
    while late - early > SECOND:
        middle = early + (late - early) // 2 // SECOND * SECOND
        if middle.replace(tzinfo=UTC).astimezone(zone).utcoffset() == offset:
            early = middle
        else:
            late = middle
    return late.replace(tzinfo=UTC)
