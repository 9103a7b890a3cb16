"""A step type for Tidegate: waits for working days."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, date, datetime, time, timedelta
from functools import cached_property
from typing import Annotated, Literal
from zoneinfo import ZoneInfo

from pydantic import AfterValidator, Field
from pydantic_core import PydanticCustomError

from aggregates.errors import Problem
from aggregates.steps.base import Advance, Config, Park, Plan, StepType

DAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
Day = Literal["mon", "tue", "wed", "thu", "fri", "sat", "sun"]


def _a_date(text: str) -> str:
    try:
        date.fromisoformat(text)
    except ValueError:
        raise PydanticCustomError(
            "business_days.holiday_invalid", "This is no date", {"expected": "YYYY-MM-DD", "example": "2026-12-25"}
        ) from None
    return text


class BusinessDaysConfig(Config):
    days: int = Field(ge=0, le=250, description="How many; 0 lets people go on at once on a working day.")
    timezone: str = Field("UTC", max_length=100, description="The IANA zone in which days begin and end.")
    workdays: list[Day] = Field(["mon", "tue", "wed", "thu", "fri"], min_length=1, max_length=7)
    holidays: list[Annotated[str, Field(pattern=r"^\d{4}-\d{2}-\d{2}$"), AfterValidator(_a_date)]] = Field(
        [], max_length=366, description="Dates on which nobody works."
    )

    @cached_property
    def free(self) -> frozenset[date]:
        return frozenset(map(date.fromisoformat, self.holidays))

    def next_working(self, day: date) -> date:
        """The first working day after a day."""
        while True:
            day += timedelta(days=1)
            if self.works(day):
                return day

    def works(self, day: date) -> bool:
        return DAYS[day.weekday()] in self.workdays and day not in self.free


class BusinessDays(StepType[BusinessDaysConfig]):
    id = "business_days"
    name = "Business days"
    category = "timing"
    description = (
        "Waits for a number of working days, until the time of day at which a person arrived; holidays are left out. "
        "With 0, people go on at once on a working day, and else when the next one begins."
    )
    Config = BusinessDaysConfig
    examples = (
        {"days": 3, "timezone": "Europe/Stockholm", "holidays": ["2026-12-25", "2026-12-26"]},
        {"days": 0, "workdays": ["sun", "mon", "tue", "wed", "thu"], "timezone": "Asia/Jerusalem"},
    )
    waits = True
    lets_through = True

    def check(self, config: BusinessDaysConfig) -> Iterable[Problem]:
        try:
            ZoneInfo(config.timezone)
        except (KeyError, ValueError, OSError):
            message = "There is no such IANA time zone."
            yield Problem("/timezone", "timezone.unknown", message, None, "IANA name", "Europe/Stockholm")

    def plan(self, config: BusinessDaysConfig, now: datetime) -> Plan:
        zone = ZoneInfo(config.timezone)
        arrived = now.astimezone(zone)
        day = arrived.date()
        if config.days == 0:
            return Advance() if config.works(day) else _at(config.next_working(day), time.min, zone)
        for _ in range(config.days):
            day = config.next_working(day)
        return _at(day, arrived.time(), zone)


def _at(day: date, wall: time, zone: ZoneInfo) -> Park:
    return Park(datetime.combine(day, wall, zone).astimezone(UTC))
