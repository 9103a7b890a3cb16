"""Where the output of a template goes, and how a value is made harmless for it."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from typing import Any, Literal
from urllib.parse import quote, unquote

from liquid import escape
from liquid.undefined import is_undefined

from aggregates.numbers import Number, plain

Place = Literal["text", "html", "url", "line"]
"""Where output goes: plain text, HTML, a part of a URL, or one line (a header, a subject)."""

CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029]+")


class UrlPart(str):
    """Text that is already percent-encoded."""

    __slots__ = ()


MASK = UrlPart("***")
"""What stands where a secret would, also in a URL."""


def text_of(value: object) -> str:
    """A value as plain text: nothing for a missing one, the items of a list one after the other, JSON for an object
    and for a list in a list. PostgreSQL stores no NUL."""
    return _written(value).replace("\0", "")


def html_of(value: object) -> str:
    """Escaped, unless a filter already did so."""
    if isinstance(value, list):
        return "".join([html_of(_item(item)) for item in value])
    return str(escape(value if hasattr(value, "__html__") else text_of(value))).replace("\0", "")


def url_of(value: object) -> str:
    """Percent-encoded, so that a value stays inside its path segment or parameter."""
    if isinstance(value, UrlPart):
        return str(value)
    return encoded(text_of(value))


def encoded(text: str) -> UrlPart:
    """Percent-encoded. Dots stay dots, so the finished address is looked at with `climbs`."""
    return UrlPart(quote(text, safe=""))


def climbs(url: str) -> bool:
    """Whether a path segment of a URL is `.` or `..`, in any spelling: a receiver would take them away, and others."""
    path = url.partition("?")[0]
    return not {".", ".."}.isdisjoint(map(unquote, path.split("/")))


def line_of(value: object) -> str:
    """On one line: control characters and line separators become a space."""
    return CONTROL.sub(" ", text_of(value))


PLACES: dict[Place, Callable[[object], str]] = {"text": text_of, "html": html_of, "url": url_of, "line": line_of}


def _written(value: Any) -> str:
    match value:
        case str():
            return value
        case bool():
            return "true" if value else "false"
        case float():
            return str(Number(repr(value)))
        case dict():
            return json.dumps(plain(value), ensure_ascii=False)
        case list() | tuple():
            return "".join([_written(_item(item)) for item in value])
        case range():
            return f"{value.start}..{value.stop - 1}"
        case _ if value is None or is_undefined(value):
            return ""
        case _:
            return str(value)


def _item(item: Any) -> Any:
    """A list in a list is JSON, as an object is; what is printed for its items would not tell them apart."""
    return json.dumps(plain(item), ensure_ascii=False) if isinstance(item, (list, tuple)) else item
