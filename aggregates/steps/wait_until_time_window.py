"""Waits for an hour of the day, in one zone or in each person's own.

A window opens on its days at `start` and closes at the next `end`, so one that ends before it starts is open over
midnight and belongs to the day on which it opens. Where the clocks leave a wall time out it stands for the first
instant after the gap, and where they repeat one it stands for the first of the two.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from datetime import UTC, date, datetime, time, timedelta
from functools import cached_property
from typing import Annotated, Literal
from zoneinfo import ZoneInfo

from pydantic import AfterValidator, Field
from pydantic_core import PydanticCustomError

from aggregates.errors import Problem
from aggregates.shape import echo
from aggregates.steps.base import Advance, ByProperty, Config, Park, Plan, StepType
from aggregates.values import NAME_LIMIT

DAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
MIDNIGHT = "24:00"
TIME = r"^([01][0-9]|2[0-3]):[0-5][0-9]$"
END = r"^(([01][0-9]|2[0-3]):[0-5][0-9]|24:00)$"
IN_STOCKHOLM = {
    "days": ["mon", "tue", "wed", "thu", "fri"],
    "start": "09:00",
    "end": "17:00",
    "timezone": "Europe/Stockholm",
}
WHERE_THEY_LIVE = {"start": "18:00", "end": "21:00", "timezone_property": "timezone", "fallback_timezone": "UTC"}

AHEAD = 16
"""How many days the next opening is looked for; more than a week, because the clocks may leave one out."""


def zone_of(name: str | None) -> ZoneInfo | None:
    """The IANA zone of that name, if there is one."""
    try:
        return ZoneInfo(name) if name else None
    except (KeyError, ValueError, OSError):
        return None


def _checked_zone(name: str) -> str:
    if zone_of(name) is None:
        raise PydanticCustomError(
            "timezone.unknown",
            "There is no such IANA time zone",
            {"expected": "IANA name", "example": "Europe/Stockholm"},
        )
    return name


Zone = Annotated[str, AfterValidator(_checked_zone)]


class WindowConfig(Config):
    days: list[Literal["mon", "tue", "wed", "thu", "fri", "sat", "sun"]] | None = Field(
        None, min_length=1, max_length=7, description="The days on which it opens; every day if left out."
    )
    start: str = Field(pattern=TIME, description="Wall time at which it opens, such as 09:00.")
    end: str = Field(
        pattern=END, description="Wall time at which it closes; 24:00 is midnight; before start: next day."
    )
    timezone: Zone | None = Field(None, max_length=100, description="The same IANA zone for everybody.")
    timezone_property: str | None = Field(
        None, min_length=1, max_length=NAME_LIMIT, description="The property that holds each person's own IANA zone."
    )
    fallback_timezone: Zone | None = Field(
        None, max_length=100, description="The zone of people whose property is missing or names no zone."
    )

    @cached_property
    def weekdays(self) -> frozenset[int]:
        return frozenset(DAYS.index(day) for day in self.days or DAYS)

    def opening(self, zone: ZoneInfo, now: datetime) -> datetime | None:
        """When the window opens next in a zone; None while it is open."""
        for opens, closes in self._windows(zone, now.astimezone(zone).date()):
            if now < closes:
                return None if opens <= now else opens
        raise AssertionError("a window opens every week")

    def _windows(self, zone: ZoneInfo, today: date) -> Iterator[tuple[datetime, datetime]]:
        """From yesterday's on, which may still be open, in the order of time."""
        start = time.fromisoformat(self.start)
        end = time.fromisoformat("00:00" if self.end == MIDNIGHT else self.end)
        over_midnight = end <= start
        for offset in range(-1, AHEAD):
            day = today + timedelta(days=offset)
            if day.weekday() in self.weekdays:
                opens = _instant(datetime.combine(day, start), zone)
                closes = _instant(datetime.combine(day + timedelta(days=over_midnight), end), zone)
                if opens < closes:  # else it lies wholly in a gap
                    yield opens, closes


def _instant(wall: datetime, zone: ZoneInfo) -> datetime:
    """The first instant at which clocks in a zone show a wall time, or the first one after the gap that hides it."""
    found = wall.replace(tzinfo=zone).astimezone(UTC)
    if found.astimezone(zone).replace(tzinfo=None) == wall:
        return found
    # Read with the offset after the gap, the wall time is an instant before it; the gap lies between the two.
    before = wall.replace(tzinfo=zone, fold=1).astimezone(UTC)
    offset = before.astimezone(zone).utcoffset()
    while found - before > timedelta(seconds=1):
        middle = before + timedelta(seconds=(found - before) // timedelta(seconds=2))
        before, found = (middle, found) if middle.astimezone(zone).utcoffset() == offset else (before, middle)
    return found


class WaitUntilTimeWindow(StepType[WindowConfig]):
    id = "wait_until_time_window"
    name = "Wait until time window"
    category = "timing"
    description = (
        "Lets people go on between two wall times on some days, in one zone or in each person's own. Others wait until "
        "the window next opens, and so does who could not be taken before it closed. A window over midnight belongs to "
        "the day on which it opens."
    )
    Config = WindowConfig
    examples = (IN_STOCKHOLM, WHERE_THEY_LIVE)
    waits = True
    lets_through = True

    def check(self, config: WindowConfig) -> Iterable[Problem]:
        for index, day in enumerate(config.days or ()):
            if day in (config.days or ())[:index]:
                yield Problem(f"/days/{index}", "window.day_repeated", "This day is given twice.", day, "another day")
        if config.start == config.end:
            message = "It closes when it opens. For a whole day write 00:00 to 24:00."
            yield Problem("/end", "window.empty", message, echo(config.end), "another time", MIDNIGHT)
        if (config.timezone is None) == (config.timezone_property is None):
            message = "Give either one zone for everybody or the property that holds each person's own."
            got = None if config.timezone is None else "both"
            expected = "timezone, or timezone_property with fallback_timezone"
            yield Problem("/timezone", "window.zone_unclear", message, got, expected, "Europe/Stockholm")
        if config.timezone_property is not None and config.fallback_timezone is None:
            message = "People without a zone of their own need one as well."
            yield Problem("/fallback_timezone", "field.missing", message, None, "IANA name", "UTC")
        if config.timezone_property is None and config.fallback_timezone is not None:
            message = "A fallback goes with `timezone_property`."
            yield Problem(
                "/fallback_timezone", "window.zone_unclear", message, echo(config.fallback_timezone), "nothing"
            )
        if "\0" in (config.timezone_property or ""):
            yield Problem("/timezone_property", "condition.key_invalid", "No property has such a name.", None, "string")

    def plan(self, config: WindowConfig, now: datetime) -> Plan:
        def plan_in(zone: ZoneInfo) -> Advance | Park:
            opening = config.opening(zone, now)
            return Advance() if opening is None else Park(opening, again=True)

        fallback = config.timezone or config.fallback_timezone
        assert fallback is not None, "checked with the config"
        if config.timezone_property is None:
            return plan_in(ZoneInfo(fallback))
        return ByProperty(config.timezone_property, lambda name: plan_in(zone_of(name) or ZoneInfo(fallback)))
