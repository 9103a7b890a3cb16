"""Recurrence: when a schedule repeats. The only module that knows dateutil.

A strict grammar of our own stands in front of dateutil, which accepts rules that RFC 5545 forbids and never
answers for some of them. What is accepted here is deliberately small: one rule, HOURLY or slower.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from dateutil.rrule import rrule, rrulestr

from aggregates.errors import Problem

RULE_LIMIT = 500
"""Longest rule, in characters."""

EXAMPLE = "FREQ=WEEKLY;BYDAY=MO;BYHOUR=9;BYMINUTE=0"

_HORIZON = {True: timedelta(days=366), False: timedelta(days=3660)}
"""How far ahead the next occurrence may lie, for an hourly rule and for a slower one."""

_NUMBERS = {"BYHOUR": (0, 23), "BYMINUTE": (0, 59), "BYMONTHDAY": (-31, 31), "BYMONTH": (1, 12)}
_FREQUENCIES = ("HOURLY", "DAILY", "WEEKLY", "MONTHLY", "YEARLY")
_WEEKDAY = re.compile(r"^(MO|TU|WE|TH|FR|SA|SU)$")
_UNTIL = re.compile(r"^\d{8}T\d{6}Z?$")
_ERA = 2026
_PARTS = {"FREQ", "INTERVAL", "COUNT", "UNTIL", "BYDAY", *_NUMBERS}


@dataclass(frozen=True)
class Recurrence:
    """A rule, its first instant in local wall time, and the IANA zone of that wall time."""

    rrule: str
    starts_at: datetime
    timezone: str

    def as_data(self) -> dict[str, Any]:
        return {"rrule": self.rrule, "starts_at": self.starts_at.isoformat(), "timezone": self.timezone}

    @classmethod
    def parse(cls, rrule: Any, starts_at: Any, timezone: Any, *, now: datetime) -> tuple[Recurrence | None, list[Problem]]:
        """The recurrence, or every problem with it. `starts_at` without an offset is local wall time."""
        problems: list[Problem] = []
        zone = _zone(timezone, problems)
        start = _start(starts_at, zone, problems)
        text = _rule(rrule, problems)
        if problems or zone is None or start is None or text is None:
            return None, problems
        found = cls(text, start, timezone)
        if found.next_after(now) is None:
            problems.append(Problem("/rrule", "rrule.no_occurrence", "The rule has no occurrence in the future.", None, None, EXAMPLE))
            return None, problems
        return found, problems

    def next_after(self, instant: datetime) -> datetime | None:
        """The first occurrence strictly after an instant, in UTC; None when there is no more."""
        zone = ZoneInfo(self.timezone)
        local = instant.astimezone(zone).replace(tzinfo=None)
        found = self._expanded(until=local + _HORIZON[self.rrule.startswith("FREQ=HOURLY")]).after(local)
        return None if found is None else found.replace(tzinfo=zone).astimezone(UTC)

    def _expanded(self, *, until: datetime) -> rrule:
        """The rule in local wall time, cut at `until`, because dateutil searches an empty rule to the year 9999."""
        zone = ZoneInfo(self.timezone)
        text = self.rrule
        end = re.search(r"UNTIL=(\d{8}T\d{6})Z", text)
        if end:
            local = datetime.strptime(end[1], "%Y%m%dT%H%M%S").replace(tzinfo=UTC).astimezone(zone)
            text = text.replace(end[0], f"UNTIL={local:%Y%m%dT%H%M%S}")
        rule = rrulestr(text, dtstart=self.starts_at)
        assert isinstance(rule, rrule)
        own_end = rule._until  # type: ignore[attr-defined]  # dateutil offers no other way to read it
        return rule if "COUNT=" in text else rule.replace(until=min(own_end or until, until))


def _zone(name: Any, problems: list[Problem]) -> ZoneInfo | None:
    try:
        return ZoneInfo(name)
    except (KeyError, ValueError, TypeError, OSError):
        problems.append(Problem("/timezone", "timezone.unknown", "There is no such IANA time zone.", None, "IANA name", "Europe/Stockholm"))
        return None


def _start(value: Any, zone: ZoneInfo | None, problems: list[Problem]) -> datetime | None:
    try:
        start = value if isinstance(value, datetime) else datetime.fromisoformat(value)
        if abs(start.year - _ERA) > 50:
            raise ValueError
    except (ValueError, TypeError):
        problems.append(Problem("/starts_at", "starts_at.invalid", "An ISO date and time within fifty years.", None, "date-time", "2026-12-01T09:00:00"))
        return None
    if start.tzinfo is not None and zone is not None:
        start = start.astimezone(zone)
    return start.replace(tzinfo=None, microsecond=0)


def _never(parts: dict[str, str]) -> bool:
    """Whether no month that the rule names has any day that it names, such as 30 February."""
    days = [abs(int(day)) for day in parts.get("BYMONTHDAY", "").split(",") if day]
    months = [int(month) for month in parts.get("BYMONTH", "").split(",") if month] or list(range(1, 13))
    longest = max(29 if month == 2 else 30 if month in {4, 6, 9, 11} else 31 for month in months)
    return bool(days) and min(days) > longest


def _rule(value: Any, problems: list[Problem]) -> str | None:
    def refuse(code: str, message: str) -> None:
        problems.append(Problem("/rrule", code, message, None, "one RFC 5545 RRULE", EXAMPLE))

    if not isinstance(value, str) or not 0 < len(value) <= RULE_LIMIT:
        refuse("rrule.invalid", f"A rule is a text of 1 to {RULE_LIMIT} characters.")
        return None
    text = value.upper().removeprefix("RRULE:")
    parts: dict[str, str] = {}
    for part in text.split(";"):
        name, _, body = part.partition("=")
        if name not in _PARTS or name in parts or not body:
            refuse("rrule.part_refused", "A part of the rule is unknown, repeated, empty or not supported.")
            return None
        parts[name] = body
    before = len(problems)
    if parts.get("FREQ") not in _FREQUENCIES:
        refuse("rrule.too_frequent", f"FREQ is one of {', '.join(_FREQUENCIES)}.")
    if "COUNT" in parts and "UNTIL" in parts:
        refuse("rrule.invalid", "COUNT and UNTIL exclude each other.")
    for name, low, high in (("INTERVAL", 1, 1000), ("COUNT", 1, 10_000)):
        if name in parts and not (parts[name].isdecimal() and low <= int(parts[name]) <= high):
            refuse("rrule.invalid", f"{name} is a number from {low} to {high}.")
    if "UNTIL" in parts and not _UNTIL.match(parts["UNTIL"]):
        refuse("rrule.invalid", "UNTIL is like 20270101T000000Z.")
    if "BYDAY" in parts and not all(_WEEKDAY.match(day) for day in parts["BYDAY"].split(",")):
        refuse("rrule.invalid", "BYDAY lists plain week days.")
    for name, (low, high) in _NUMBERS.items():
        numbers = parts[name].split(",") if name in parts else []
        if not all(re.fullmatch(r"-?\d{1,2}", n) and low <= int(n) <= high and (int(n) or low == 0) for n in numbers):
            refuse("rrule.invalid", f"{name} lists numbers from {low} to {high}.")
    if "," in parts.get("BYMINUTE", ""):
        refuse("rrule.too_frequent", "At most one occurrence an hour.")
    if len(problems) == before and _never(parts):
        refuse("rrule.no_occurrence", "No month of the rule has such a day.")
    return text if len(problems) == before else None
