"""What a person may be. One set of rules for every way in: files, one by one, CSV or JSON."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any
from unicodedata import normalize

from aggregates.address import normalised
from aggregates.errors import Problem
from aggregates.values import NAME_LIMIT, kind_of

EMAIL_LIMIT = 254
"""Longest address, in characters (RFC 5321)."""

PROPERTY_LIMIT = 200
"""Most properties of one person."""

PROPERTIES_SIZE_LIMIT = 64 * 1024
"""Largest set of properties, in bytes as JSON."""

DEPTH_LIMIT = 32
"""Deepest nesting of objects and arrays in a property."""

NUMBER_DIGITS = 100
"""Most digits of a number. One with thousands cannot be read again, neither here nor by others."""

FIELDS = ("distinct_id", "email", "opted_out_at", "opted_out", "properties")

# One address and nothing around it: no display name, no quoting, no blank, nothing that could end a header.
EMAIL = re.compile(
    r'[^\s@"(),:;<>\[\]\\\x00-\x1f\x7f]{1,64}@(?:[^\W_](?:[\w-]{0,61}[^\W_])?\.)+[^\W\d_](?:[\w-]{0,61}[^\W_])?'
)
CONTROL = re.compile(r"[\x00-\x1f\x7f]")


@dataclass(frozen=True)
class PersonInput:
    """A person as told from outside. What is None or absent is left as it is in a person whom we know."""

    distinct_id: str
    email: str | None = None
    properties: Mapping[str, Any] = field(default_factory=dict)
    opted_out_at: datetime | None = None

    @property
    def address(self) -> str | None:
        """The normalised address; None without one, and for what cannot be written to."""
        return normalised(self.email) if self.email else None

    @classmethod
    def parse(cls, raw: Any, now: datetime, pointer: str = "") -> tuple[PersonInput | None, list[Problem]]:
        """The person of an object with `FIELDS`, or every problem in it."""
        if not isinstance(raw, dict):
            return None, [
                Problem(
                    pointer, "person.not_an_object", "A person is an object.", kind_of(raw), {"distinct_id": "user-1"}
                )
            ]
        unknown = sorted(name for name in raw if name not in FIELDS)[:10]
        faults = [
            (name[:50], "field.unknown", "A person has no such field; other facts are properties.") for name in unknown
        ]
        distinct_id, email, properties = raw.get("distinct_id"), raw.get("email"), raw.get("properties")
        faults += _named("distinct_id", distinct_id_fault(distinct_id))
        faults += _named("email", email_fault(email) if email not in (None, "") else None)
        faults += _named("properties", properties_fault(properties) if properties is not None else None)
        opted_out_at, fault = _opted_out_at(raw, now)
        faults += _named("opted_out_at", fault)
        if faults:
            return None, [Problem(f"{pointer}/{name}", code, message) for name, code, message in faults]
        return cls(str(distinct_id), email or None, properties or {}, opted_out_at), []


Fault = tuple[str, str]
"""A stable code and a sentence, without what was sent."""


def distinct_id_fault(text: Any) -> Fault | None:
    if not isinstance(text, str) or not text.strip():
        return "distinct_id.missing", "Every person has a distinct_id, a text."
    if len(text) > NAME_LIMIT:
        return "distinct_id.too_long", f"A distinct_id has at most {NAME_LIMIT} characters."
    if not text.isprintable() and CONTROL.search(text):
        return "text.control_character", "It contains a control character."
    return None if text.isascii() or _is_unicode(text) else ("text.not_unicode", "It is not valid Unicode.")


def email_fault(text: Any) -> Fault | None:
    if not isinstance(text, str):
        return "email.invalid", "An email address is a text."
    if len(text) > EMAIL_LIMIT:
        return "email.too_long", f"An email address has at most {EMAIL_LIMIT} characters."
    if not EMAIL.fullmatch(text if text.isascii() else normalize("NFC", text)) or not (
        text.isascii() or _is_unicode(text)
    ):
        return "email.invalid", "It is not one plain email address."
    return None


def properties_fault(properties: Any) -> Fault | None:
    if not isinstance(properties, dict):
        return "properties.not_an_object", "Properties are an object."
    if len(properties) > PROPERTY_LIMIT:
        return "properties.too_many", f"A person has at most {PROPERTY_LIMIT} properties."
    if any(not 0 < len(key) <= NAME_LIMIT for key in properties):
        return "properties.name_invalid", f"A property's name has 1 to {NAME_LIMIT} characters."
    try:
        if _depth(properties.values()) > DEPTH_LIMIT:
            return "properties.too_deep", f"A property is nested at most {DEPTH_LIMIT} deep."
        if _too_large(properties):
            return "number.too_large", f"A number has at most {NUMBER_DIGITS} digits; one with more can be a text."
        text = as_json(properties)
        size = len(text.encode())
    except UnicodeEncodeError:
        return "text.not_unicode", "A text is not valid Unicode."
    except (TypeError, ValueError, RecursionError):
        return "properties.not_json", "Properties are plain JSON."
    if size > PROPERTIES_SIZE_LIMIT:
        return "properties.too_large", f"Properties have at most {PROPERTIES_SIZE_LIMIT // 1024} KiB as JSON."
    # The escape is also part of the text `\\u0000`, so its presence is only a reason to look.
    if "\\u0000" in text and _has_nul(properties):
        return "text.nul", "A text contains a NUL character."
    return None


def instant(text: Any) -> datetime | None:
    """The instant of an ISO date or date-time, in UTC; without an offset it is UTC. None if it is no date."""
    if not isinstance(text, str):
        return None
    try:
        moment = datetime.fromisoformat(text.strip())
        return moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)
    except (ValueError, OverflowError):
        return None


def as_json(properties: Mapping[str, Any]) -> str:
    return json.dumps(properties, ensure_ascii=False, allow_nan=False, separators=(",", ":"))


def _opted_out_at(raw: Mapping[str, Any], now: datetime) -> tuple[datetime | None, Fault | None]:
    flag, text = raw.get("opted_out"), raw.get("opted_out_at")
    if flag is not None and not isinstance(flag, bool):
        return None, ("opted_out.invalid", "opted_out is true or false.")
    if text in (None, ""):
        return (now if flag else None), None
    moment = instant(text)
    return moment, None if moment else ("date.invalid", "An ISO date or date-time, for instance 2026-01-31T09:00:00Z.")


def _named(name: str, fault: Fault | None) -> list[tuple[str, str, str]]:
    return [(name, *fault)] if fault else []


def _is_unicode(text: str) -> bool:
    """Whether there is no lone surrogate in it, which no database and no wire can carry."""
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


def _depth(values: Iterable[Any]) -> int:
    inner = [
        value.values() if isinstance(value, dict) else value for value in values if isinstance(value, (dict, list))
    ]
    return 1 + max(map(_depth, inner)) if inner else 1


def _too_large(value: Any) -> bool:
    match value:
        case bool():
            return False
        case int() | float():
            return bool(abs(value) >= 10**NUMBER_DIGITS)
        case dict():
            return any(map(_too_large, value.values()))
        case list():
            return any(map(_too_large, value))
        case _:
            return False


def _has_nul(value: Any) -> bool:
    match value:
        case str():
            return "\0" in value
        case dict():
            return any(_has_nul(key) or _has_nul(inner) for key, inner in value.items())
        case list():
            return any(map(_has_nul, value))
        case _:
            return False
