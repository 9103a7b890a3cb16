"""Recurrence: when a schedule repeats. The only module that knows dateutil.

A strict grammar of our own stands in front of dateutil, which accepts rules that RFC 5545 forbids and never
answers for some of them. What is accepted here is deliberately small: one rule, HOURLY or slower.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from dateutil import rrule as rfc

from aggregates.errors import Problem

RULE_LIMIT = 500
"""Longest rule, in characters."""

EXAMPLE = "FREQ=WEEKLY;BYDAY=MO;BYHOUR=9;BYMINUTE=0"

_HORIZON = {True: timedelta(days=366), False: timedelta(days=3660)}
"""How far ahead the next occurrence may lie, for an hourly rule and for a slower one."""

# Lowest, highest, and whether there may be several. Two minutes of one hour would be less than an hour apart.
_NUMBERS = {
    "INTERVAL": (1, 1000, False),
    "COUNT": (1, 10_000, False),
    "BYMINUTE": (0, 59, False),
    "BYHOUR": (0, 23, True),
    "BYMONTHDAY": (-31, 31, True),
    "BYMONTH": (1, 12, True),
}
_FREQUENCIES = ("HOURLY", "DAILY", "WEEKLY", "MONTHLY", "YEARLY")
_DAYS = dict(enumerate((31, 29, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31), start=1))
"""The most days that each month can have."""

_WEEKDAYS = frozenset({"MO", "TU", "WE", "TH", "FR", "SA", "SU"})
_UNTIL = re.compile(r"^\d{8}T\d{6}Z?$")
# dateutil walks from the start to the present, so the start may not be long ago.
_OLDEST = timedelta(days=366)
_PARTS = {"FREQ", "UNTIL", "BYDAY", *_NUMBERS}


@dataclass(frozen=True)
class Recurrence:
    """A rule, its first instant in local wall time, and the IANA zone of that wall time."""

    rrule: str
    starts_at: datetime
    timezone: str

    def as_data(self) -> dict[str, Any]:
        return {"rrule": self.rrule, "starts_at": self.starts_at.isoformat(), "timezone": self.timezone}

    @classmethod
    def parse(
        cls, rrule: Any, starts_at: Any, timezone: Any, *, now: datetime
    ) -> tuple[Recurrence | None, list[Problem]]:
        """The recurrence, or every problem with it. `starts_at` without an offset is local wall time."""
        problems: list[Problem] = []
        zone = _zone(timezone, problems)
        start = _start(starts_at, zone, now, problems)
        text = _rule(rrule, problems)
        if problems or zone is None or start is None or text is None:
            return None, problems
        found = cls(text, start, timezone)
        if not found._occurs_after(now):
            problems.append(
                Problem(
                    "/rrule", "rrule.no_occurrence", "The rule has no occurrence in the future.", None, None, EXAMPLE
                )
            )
            return None, problems
        return found, problems

    def _occurs_after(self, now: datetime) -> bool:
        try:
            return self.next_after(now) is not None
        except ValueError:  # dateutil's word for an end that is no date, or parts that exclude each other
            return False

    def next_after(self, instant: datetime) -> datetime | None:
        """The first occurrence strictly after an instant, in UTC; None when there is no more."""
        zone = ZoneInfo(self.timezone)
        local = instant.astimezone(zone).replace(tzinfo=None)
        found = self._expanded(until=local + _HORIZON[self.rrule.startswith("FREQ=HOURLY")]).after(local)
        return None if found is None else found.replace(tzinfo=zone).astimezone(UTC)

    def _expanded(self, *, until: datetime) -> rfc.rrule:
        """The rule in local wall time, cut at `until`."""
        zone = ZoneInfo(self.timezone)
        text = self.rrule
        end = re.search(r"UNTIL=(\d{8}T\d{6})Z", text)
        if end:
            local = datetime.strptime(end[1], "%Y%m%dT%H%M%S").replace(tzinfo=UTC).astimezone(zone)
            text = text.replace(end[0], f"UNTIL={local:%Y%m%dT%H%M%S}")
        rule = rfc.rrulestr(text, dtstart=self.starts_at)
        assert isinstance(rule, rfc.rrule)
        own_end = rule._until  # dateutil offers no other way to read it
        return rule if "COUNT=" in text else rule.replace(until=min(own_end or until, until))


def _zone(name: Any, problems: list[Problem]) -> ZoneInfo | None:
    try:
        return ZoneInfo(name)
    except (KeyError, ValueError, TypeError, OSError):
        problems.append(
            Problem(
                "/timezone",
                "timezone.unknown",
                "There is no such IANA time zone.",
                None,
                "IANA name",
                "Europe/Stockholm",
            )
        )
        return None


def _start(value: Any, zone: ZoneInfo | None, now: datetime, problems: list[Problem]) -> datetime | None:
    try:
        start = value if isinstance(value, datetime) else datetime.fromisoformat(value)
        if not -_OLDEST < start.replace(tzinfo=UTC) - now < _HORIZON[False]:
            raise ValueError
    except (ValueError, TypeError):
        problems.append(
            Problem(
                "/starts_at",
                "starts_at.invalid",
                "An ISO date and time, at most a year ago and ten years ahead.",
                None,
                "date-time",
                "2026-12-01T09:00:00",
            )
        )
        return None
    if start.tzinfo is not None and zone is not None:
        start = start.astimezone(zone)
    return start.replace(tzinfo=None, microsecond=0)


def _rule(value: Any, problems: list[Problem]) -> str | None:
    if not isinstance(value, str) or not 0 < len(value) <= RULE_LIMIT:
        problems.append(_refusal("rrule.invalid", f"A rule is a text of 1 to {RULE_LIMIT} characters."))
        return None
    text = value.upper().removeprefix("RRULE:")
    parts: dict[str, str] = {}
    for part in text.split(";"):
        name, _, body = part.partition("=")
        if name not in _PARTS or name in parts:
            problems.append(_refusal("rrule.part_refused", "A part of the rule is unknown, repeated or not supported."))
            return None
        parts[name] = body
    found = list(_part_problems(parts))
    problems += found
    return None if found else text


def _part_problems(parts: dict[str, str]) -> Iterator[Problem]:
    """Each part on its own, then what some of them mean together."""
    if parts.get("FREQ") not in _FREQUENCIES:
        yield _refusal("rrule.too_frequent", f"FREQ is one of {', '.join(_FREQUENCIES)}.")
    for name, (low, high, many) in _NUMBERS.items():
        numbers = parts[name].split(",") if name in parts else []
        if not all(_is_number(number, low, high) for number in numbers) or (len(numbers) > 1 and not many):
            yield _refusal("rrule.invalid", f"{name} is {'some numbers' if many else 'one number'}, {low} to {high}.")
    if not _UNTIL.match(parts.get("UNTIL", "20270101T000000Z")):
        yield _refusal("rrule.invalid", "UNTIL is like 20270101T000000Z.")
    if not all(day in _WEEKDAYS for day in parts.get("BYDAY", "MO").split(",")):
        yield _refusal("rrule.invalid", "BYDAY lists plain week days.")
    if "COUNT" in parts and "UNTIL" in parts:
        yield _refusal("rrule.invalid", "COUNT and UNTIL exclude each other.")
    narrowed = {"BYDAY", "BYMONTHDAY", "BYMONTH", "BYHOUR"} & set(parts)
    if narrowed and (parts.get("FREQ") == "HOURLY" or (parts.get("FREQ") == "DAILY" and "INTERVAL" in parts)):
        yield _refusal("rrule.part_refused", f"{min(narrowed)} goes with a slower FREQ, or without INTERVAL.")
    if _never(parts):
        yield _refusal("rrule.no_occurrence", "No month of the rule has such a day.")


def _never(parts: dict[str, str]) -> bool:
    """Whether no month that the rule names has any day that it names, such as 30 February.

    dateutil would look for one in every year up to 9999.
    """
    days, months = (re.findall(r"\d+", parts.get(name, "")) for name in ("BYMONTHDAY", "BYMONTH"))
    named = [int(month) for month in months] or list(_DAYS)
    return bool(days) and min(map(int, days)) > max(_DAYS.get(month, 31) for month in named)


def _refusal(code: str, message: str) -> Problem:
    return Problem("/rrule", code, message, None, "one RFC 5545 RRULE", EXAMPLE)


def _is_number(text: str, low: int, high: int) -> bool:
    """Whether a text is a whole number in a range; in a range that counts from both ends there is no zero."""
    return bool(re.fullmatch(r"-?\d{1,5}", text)) and low <= int(text) <= high and (int(text) != 0 or low == 0)
