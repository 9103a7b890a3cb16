"""Which texts are a rule that we take: one RFC 5545 RRULE (section 3.3.10), HOURLY or slower.

It refuses all that the RFC forbids, and of what it allows:
- SECONDLY, MINUTELY, and more than 60 moments of an hour (rrule.too_frequent);
- any part but those of section 3.3.10 (rrule.part_refused);
- BYWEEKNO without BYDAY, since people disagree whether it means one day of the week or seven;
- BYDAY with plain and numbered days, of which some programs make nothing at all;
- WEEKLY with BYSETPOS, of whose first week programs make different things;
- UNTIL as a bare date: `starts_at` has a time, so the end must have one;
- HOURLY with days but no hours, if it skips whole days (INTERVAL over 24) or counts beyond 1000;
- a leap second (60), a value twice in one list, an INTERVAL over 1000, a COUNT over 10000.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

from aggregates.errors import Problem
from aggregates.recurrence.rule import FREQUENCIES, LAST_YEAR, LISTS, WEEKDAYS, Rule, moment
from aggregates.values import kind_of

LONGEST = 500
"""Longest rule, in characters."""

EXAMPLE = "FREQ=WEEKLY;BYDAY=MO;BYHOUR=9;BYMINUTE=0"

MOMENTS_OF_AN_HOUR = 60
"""How many minutes and seconds of one hour a rule may name, even if positions or COUNT choose among them."""

# Lowest and highest number; a lowest one below zero means that it may count from the end, and that there is no zero.
_RANGES = {
    "INTERVAL": (1, 1000),
    "COUNT": (1, 10_000),
    "BYSECOND": (0, 59),
    "BYMINUTE": (0, 59),
    "BYHOUR": (0, 23),
    "BYMONTHDAY": (-31, 31),
    "BYYEARDAY": (-366, 366),
    "BYWEEKNO": (-53, 53),
    "BYMONTH": (1, 12),
    "BYSETPOS": (-366, 366),
}
_PARTS = {"FREQ", "UNTIL", "BYDAY", "WKST", *_RANGES}
_UNTIL = re.compile(r"\d{8}T\d{6}Z?", re.ASCII)
_BYDAY = re.compile(r"([+-]?\d{1,2})?(MO|TU|WE|TH|FR|SA|SU)", re.ASCII)

# RFC 5545: which FREQ a part does not go with. A reader of the RFC's table finds them as N/A.
_NOT_WITH = {
    "BYWEEKNO": {"HOURLY", "DAILY", "WEEKLY", "MONTHLY"},
    "BYYEARDAY": {"DAILY", "WEEKLY", "MONTHLY"},
    "BYMONTHDAY": {"WEEKLY"},
    "BYSETPOS": {"WEEKLY"},
}


def check(value: Any) -> tuple[str | None, list[Problem]]:
    """The rule in upper case and without prefix, or None and every problem with it."""
    if not isinstance(value, str) or not 0 < len(value) <= LONGEST:
        return None, [_invalid(f"A rule is a text of 1 to {LONGEST} characters.", kind_of(value))]
    # Before upper(), which makes ASCII letters of some that are none.
    text = value.upper() if value.isascii() else ""
    foreign = re.search(r"DTSTART|RDATE|EXDATE|EXRULE", text)
    if foreign:
        return None, [_refused(f"{foreign[0]} is no part of a rule; see starts_at and exdates.", foreign[0])]
    text = text.removeprefix("RRULE:")
    if not re.fullmatch(r"[A-Z-]+=[A-Z0-9,+-]+(;[A-Z-]+=[A-Z0-9,+-]+)*", text):
        return None, [_invalid("A rule is one line of NAME=VALUE parts with a semicolon between two, no spaces.")]
    problems = list(_name_problems([part.partition("=")[0] for part in text.split(";")]))
    parts = dict(part.split("=") for part in text.split(";"))
    problems += _value_problems(parts)
    problems += _combination_problems(parts)
    if not problems:
        problems += _meaning_problems(Rule.read(text))
    return (None if problems else text), problems


def too_frequent(message: str) -> Problem:
    return Problem("/rrule", "rrule.too_frequent", message, None, f"FREQ: {', '.join(FREQUENCIES)}", EXAMPLE)


def no_occurrence() -> Problem:
    message = f"The rule has no occurrence in the future (until the year {LAST_YEAR})."
    return Problem("/rrule", "rrule.no_occurrence", message, None, "a rule that occurs", EXAMPLE)


def _invalid(message: str, got: str | None = None) -> Problem:
    return Problem("/rrule", "rrule.invalid", message, got, "one RFC 5545 RRULE", EXAMPLE)


def _refused(message: str, got: str | None = None) -> Problem:
    return Problem("/rrule", "rrule.part_refused", message, got, "one RFC 5545 RRULE", EXAMPLE)


def _name_problems(names: list[str]) -> Iterator[Problem]:
    unknown = [name for name in names if name not in _PARTS]
    if unknown:
        yield _refused("There is no such part, or it is not supported.", unknown[0][:20])
    repeated = next((name for name in names if names.count(name) > 1), None)
    if repeated:
        yield _invalid("A part may be given once.", repeated[:20])
    if names[0] != "FREQ":
        yield _invalid("FREQ is the first part.", names[0][:20])


def _value_problems(parts: Mapping[str, str]) -> Iterator[Problem]:
    """Each part on its own."""
    freq = parts.get("FREQ")
    if freq in {"SECONDLY", "MINUTELY"}:
        yield too_frequent(f"FREQ is one of {', '.join(FREQUENCIES)}.")
    elif freq is not None and freq not in FREQUENCIES:
        yield _invalid(f"FREQ is one of {', '.join(FREQUENCIES)}.")
    for name, (low, high) in _RANGES.items():
        if name not in parts:
            continue
        values = parts[name].split(",")
        if name not in LISTS and len(values) > 1:
            yield _invalid(f"{name} is one number.", name)
        elif not all(_in_range(value, low, high) for value in values):
            yield _invalid(f"{name} is {low} to {high}{', without 0' if low < 0 else ''}.", name)
        elif len({int(value) for value in values}) < len(values):
            yield _invalid(f"{name} names a value twice.", name)
    if "UNTIL" in parts and not _is_moment(parts["UNTIL"]):
        yield _invalid("UNTIL is like 20271231T235959 (local) or 20271231T235959Z (UTC).", "UNTIL")
    if parts.get("WKST", "MO") not in WEEKDAYS:
        yield _invalid(f"WKST is one of {', '.join(WEEKDAYS)}.", "WKST")
    if "BYDAY" in parts:
        yield from _byday_problems(parts["BYDAY"].split(","), parts)


def _byday_problems(values: list[str], parts: Mapping[str, str]) -> Iterator[Problem]:
    days = [_BYDAY.fullmatch(value) for value in values]
    numbers = [int(day[1]) for day in days if day and day[1]]
    # The n-th one of a month, or of a year if no month is named.
    highest = 53 if parts.get("FREQ") == "YEARLY" and "BYMONTH" not in parts else 5
    if None in days:
        yield _invalid("BYDAY lists days such as MO, or 2MO and -1FR.", "BYDAY")
    elif len({(int(day[1] or 0), day[2]) for day in days if day}) < len(days):
        yield _invalid("BYDAY names a day twice.", "BYDAY")
    elif numbers and len(numbers) < len(days):
        yield _refused("BYDAY has either plain or numbered days.", "BYDAY")
    if numbers and (parts.get("FREQ") not in {"MONTHLY", "YEARLY"} or "BYWEEKNO" in parts):
        yield _invalid("A numbered BYDAY goes with MONTHLY, or with YEARLY without BYWEEKNO.", "BYDAY")
    elif any(not 0 < abs(number) <= highest for number in numbers):
        yield _invalid(f"The number of a BYDAY is 1 to {highest}, or counts from the end.", "BYDAY")


def _combination_problems(parts: Mapping[str, str]) -> Iterator[Problem]:
    """What the RFC forbids together, and what nobody agrees upon."""
    freq = parts.get("FREQ", "")
    for name, frequencies in _NOT_WITH.items():
        if name in parts and freq in frequencies:
            make = _refused if name == "BYSETPOS" else _invalid
            yield make(f"{name} does not go with {freq}.", name)
    if "COUNT" in parts and "UNTIL" in parts:
        yield _invalid("COUNT and UNTIL exclude each other.", "UNTIL")
    if "BYWEEKNO" in parts and "BYDAY" not in parts:
        yield _refused("BYWEEKNO needs a BYDAY: which day of that week.", "BYWEEKNO")
    if "BYSETPOS" in parts and not any(name.startswith("BY") and name != "BYSETPOS" for name in parts):
        yield _invalid("BYSETPOS needs another BY part to choose from.", "BYSETPOS")


def _meaning_problems(rule: Rule) -> Iterator[Problem]:
    days = rule.bymonth or rule.byyearday or rule.bymonthday or rule.byday
    if rule.freq == "HOURLY" and days and not rule.byhour and (rule.interval > 24 or (rule.count or 0) > 1000):
        yield _refused("HOURLY with days goes with an INTERVAL up to 24 and a COUNT up to 1000; else name hours.")
    if (len(rule.byminute) or 1) * (len(rule.bysecond) or 1) > MOMENTS_OF_AN_HOUR:
        yield too_frequent(f"The rule names more than {MOMENTS_OF_AN_HOUR} moments of an hour.")


def _in_range(text: str, low: int, high: int) -> bool:
    signed = "[+-]?" if low < 0 else ""
    if not re.fullmatch(rf"{signed}\d{{1,{len(str(high))}}}", text, re.ASCII):
        return False
    return low <= int(text) <= high and (int(text) != 0 or low == 0)


def _is_moment(text: str) -> bool:
    try:
        return bool(_UNTIL.fullmatch(text)) and moment(text).year > 0
    except ValueError:
        return False
