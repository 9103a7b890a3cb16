"""Dates as conditions write them: ISO dates and instants, and `-7d`, so long before a condition is evaluated."""

from __future__ import annotations

import calendar
import re
from datetime import UTC, date, datetime, timedelta

RELATIVE = re.compile(r"-(\d{1,4})([hdwmy])", re.ASCII)
"""So many hours, days, weeks, months or years before the instant of evaluation."""

EARLIEST = datetime(2000, 1, 1, tzinfo=UTC)
"""Before this nothing is evaluated: what is a date then is one for ever."""


def is_date(text: str) -> bool:
    """Whether `span` has an answer, whenever it is asked."""
    try:
        span(text, EARLIEST)
    except ValueError:
        return False
    return True


def span(text: str, now: datetime) -> tuple[datetime, datetime]:
    """The UTC instants that a text stands for: a whole day for a plain date, else twice the same one.

    Raises ValueError for what is no date, or is outside the years 1 to 9999.
    """
    try:
        if relative := RELATIVE.fullmatch(text):
            instant = _before(now.astimezone(UTC), int(relative[1]), relative[2])
            return instant, instant
        if len(text) <= 10 and (day := _plain_date(text)):
            start = datetime(day.year, day.month, day.day, tzinfo=UTC)
            return start, day_after(start)
        instant = datetime.fromisoformat(text)
        instant = instant.replace(tzinfo=UTC) if instant.tzinfo is None else instant.astimezone(UTC)
        return instant, instant
    except OverflowError as error:
        raise ValueError("outside the years 1 to 9999") from error


def day_after(start: datetime) -> datetime:
    """The same time of the next day, or the last instant that there is."""
    try:
        return start + timedelta(days=1)
    except OverflowError:
        return datetime.max.replace(tzinfo=UTC)


def _plain_date(text: str) -> date | None:
    try:
        return date.fromisoformat(text)
    except ValueError:
        return None


def _before(now: datetime, amount: int, unit: str) -> datetime:
    """So many units before `now`; months and years are calendar ones, ending on the last day if need be."""
    match unit:
        case "h":
            return now - timedelta(hours=amount)
        case "d":
            return now - timedelta(days=amount)
        case "w":
            return now - timedelta(weeks=amount)
    months = now.year * 12 + now.month - 1 - amount * (12 if unit == "y" else 1)
    year, month = divmod(months, 12)
    if year < 1:
        raise OverflowError(year)
    return now.replace(year=year, month=month + 1, day=min(now.day, calendar.monthrange(year, month + 1)[1]))
