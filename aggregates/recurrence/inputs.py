"""The other fields of a recurrence, which may be anything: the first instant, the zone, the excluded dates."""

from __future__ import annotations

import re
from datetime import date, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from aggregates.errors import Problem
from aggregates.values import kind_of

EARLIEST = datetime(1970, 1, 1)
FURTHEST = timedelta(days=3653)
"""How far ahead the first instant may be: ten years."""

MOST_EXDATES = 500
LONGEST = 64
"""Longest date or zone, in characters."""

_ZONE = re.compile(r"(?!posix/|right/)[A-Za-z][A-Za-z0-9_+-]*(/[A-Za-z0-9_+-]+)*", re.ASCII)
"""`posix/` and `right/` are how some systems file the zones; they are no zones."""

_NO_ZONES = {"localtime", "posixrules", "Factory"}
_DATE = re.compile(r"\d{4}-\d{2}-\d{2}", re.ASCII)


def zone(name: Any, problems: list[Problem]) -> ZoneInfo | None:
    try:
        if isinstance(name, str) and len(name) <= LONGEST and _ZONE.fullmatch(name) and name not in _NO_ZONES:
            return ZoneInfo(name)
    except (KeyError, ValueError, OSError):
        pass
    message = "There is no such IANA time zone."
    problems.append(Problem("/timezone", "timezone.unknown", message, None, "IANA name", "Europe/Stockholm"))
    return None


def start(value: Any, zone: ZoneInfo | None, now: datetime, problems: list[Problem]) -> datetime | None:
    """The first instant, as wall time of the zone, in whole seconds."""
    found = _wall_time(value, zone)
    latest = now.replace(tzinfo=None) + FURTHEST
    if found is not None and EARLIEST <= found <= latest:
        return found
    message = "A date and time, from 1970 to ten years ahead; without an offset it is local time of the zone."
    problems.append(
        Problem("/starts_at", "starts_at.invalid", message, kind_of(value), "date-time", "2026-12-01T09:00:00")
    )
    return None


def exdates(values: Any, zone: ZoneInfo | None, problems: list[Problem]) -> tuple[date, ...]:
    """Wall times and whole days, ascending and unique. Each that is wrong is a problem of its own."""
    if values is None:
        return ()
    if not isinstance(values, list | tuple) or len(values) > MOST_EXDATES:
        problems.append(_wrong_exdate("/exdates", f"A list of at most {MOST_EXDATES} dates.", values))
        return ()
    found: dict[str, date] = {}
    for index, value in enumerate(values):
        left_out = _exdate(value, zone)
        if left_out is None:
            problems.append(_wrong_exdate(f"/exdates/{index}", "A date, or a date and time of the zone.", value))
        else:
            found[left_out.isoformat()] = left_out
    return tuple(found[text] for text in sorted(found))


def stored_exdate(text: str) -> date:
    return date.fromisoformat(text) if _DATE.fullmatch(text) else datetime.fromisoformat(text)


def _exdate(value: Any, zone: ZoneInfo | None) -> date | None:
    if isinstance(value, date) and not isinstance(value, datetime):
        return value
    if isinstance(value, str) and _DATE.fullmatch(value):
        try:
            return date.fromisoformat(value)
        except ValueError:
            return None
    return _wall_time(value, zone)


def _wall_time(value: Any, zone: ZoneInfo | None) -> datetime | None:
    """A datetime or its ISO text; None if it is neither, or nowhere in the calendar."""
    try:
        found = datetime.fromisoformat(value) if isinstance(value, str) and len(value) <= LONGEST else value
        if not isinstance(found, datetime):
            return None
        if found.tzinfo is not None and zone is not None:
            found = found.astimezone(zone)
    except (ValueError, OverflowError):
        return None
    return found.replace(tzinfo=None, microsecond=0, fold=0)


def _wrong_exdate(pointer: str, message: str, value: Any) -> Problem:
    return Problem(pointer, "exdates.invalid", message, kind_of(value), "dates", ["2026-12-24", "2026-12-31T09:00:00"])
