"""The filters of templates: which there are, and what each of them may be given and may cost."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping
from datetime import datetime
from functools import wraps
from typing import Any

from liquid import RenderContext
from liquid.exceptions import FilterArgumentError
from liquid.filter import sequence_filter, string_filter
from liquid.undefined import is_undefined

from aggregates import numbers
from aggregates.allowance import FILTER, Allowance, weight
from aggregates.numbers import Number, plain
from aggregates.places import encoded, text_of

TEXT_LIMIT = 256 * 1024
"""Longest text that a template reads, makes on the way, or gives, in characters."""

ITEM_LIMIT = 1_000
"""Most items in a list or range, and most loop turns in one rendering."""

NUMBER_LIMIT = 256
"""Largest whole number, in bits."""

NOW = "now"
"""Under this name a scope has the instant that the product takes for now; no template can name it."""

# `safe` would undo escaping; `strip_html` and `escapejs` promise safety that they do not give.
FILTERS = frozenset(
    """abs append at_least at_most base64_decode base64_encode base64_url_safe_decode base64_url_safe_encode
    capitalize ceil compact concat date default divided_by downcase escape escape_once find find_index first floor has
    join last lstrip map minus modulo newline_to_br plus prepend reject remove remove_first remove_last replace
    replace_first replace_last reverse round rstrip size slice sort sort_natural split squish strip strip_newlines sum
    times truncate truncatewords uniq upcase url_decode url_encode where""".split()
)

# A width in a directive (`%999999999d`) makes the C library fill memory.
DATE_FORMAT = re.compile(r"(?:[^%]|%[-]?[aAbBdeHIjlmMpSuUwWyYZzF%]){0,200}")


def bounded(name: str, function: Callable[..., Any]) -> Callable[..., Any]:
    """The filter, refusing anything over the limits before and after; before, because a product of two fair
    texts may be larger than the memory. What it looks at is taken from the rendering's allowance."""
    needs_context = getattr(function, "with_context", False)

    @wraps(function)
    def limited(value: Any, *args: Any, context: RenderContext, **kwargs: Any) -> Any:
        given = [_decimal(each) for each in (value, *args)]
        work = FILTER
        for each in given:
            _check(each)
            work += 2 * weight(each)
        allowance: Allowance = context.allowance  # type: ignore[attr-defined]
        allowance.spend(work)
        if _growth(name, given[0], given[1:]) > TEXT_LIMIT:
            raise FilterArgumentError("the text would be too long", token=None)
        if needs_context:
            kwargs["context"] = context
        result = function(*given, **kwargs)
        _check(result)
        allowance.spend(weight(result))
        return result

    limited.with_context = True  # type: ignore[attr-defined]
    return limited


def _decimal(value: Any) -> Any:
    return Number(repr(value)) if isinstance(value, float) else value


def _check(value: Any) -> None:
    match value:
        case str():
            fits = len(value) <= TEXT_LIMIT
        case list() | tuple() | dict() | range():
            fits = len(value) <= ITEM_LIMIT
        case int():
            fits = value.bit_length() <= NUMBER_LIMIT
        case Number():
            fits = value.fits
        case _:
            fits = True
    if not fits:
        raise FilterArgumentError("a value is too large", token=None)


def _growth(name: str, value: Any, args: list[Any]) -> int:
    """How long the two filters that multiply would make their text, at most, in characters."""
    if name == "join":
        return len(value) * len(str(args[0])) if args and isinstance(value, (list, tuple)) else 0
    if name == "replace" and len(args) > 1:
        return str(value).count(str(args[0])) * len(str(args[1]))
    return 0


def _date(value: Any, pattern: Any = "%Y-%m-%d", *, context: RenderContext) -> str:
    """An ISO date or instant in another form; `now` and `today` are the product's clock, in UTC. Anything else is
    printed unchanged, as Liquid does."""
    if is_undefined(value) or value is None:
        return ""
    if not isinstance(pattern, str) or not DATE_FORMAT.fullmatch(pattern):
        raise FilterArgumentError("date: the format is not supported", token=None)
    if value in ("now", "today"):
        instant = context.globals.get(NOW)
        if not isinstance(instant, datetime):
            raise FilterArgumentError("date: there is no clock here", token=None)
        return instant.strftime(pattern)
    try:
        instant = datetime.fromisoformat(value)
    except (TypeError, ValueError):
        return text_of(value)
    return instant.strftime(pattern)


_date.with_context = True  # type: ignore[attr-defined]


def _of_object(function: Callable[..., Any]) -> Callable[..., Any]:
    """`first` and `last`: an object has no order, so it has neither."""

    @wraps(function)
    def ordered(value: Any, **kwargs: Any) -> Any:
        return None if isinstance(value, dict) else function(value, **kwargs)

    return ordered


@sequence_filter
def _uniq(items: list[Any], key: Any = None) -> list[Any]:
    """The first of each; with a key, of those that have the same there."""
    seen: set[Any] = set()
    kept = []
    for item in items:
        looked_at = item if key is None else item.get(key) if isinstance(item, dict) else None
        mark = _mark(looked_at)
        if mark not in seen:
            seen.add(mark)
            kept.append(item)
    return kept


def _mark(value: Any) -> Any:
    """The same for values that are the same: 1 and 1.0 are, 1 and true and "1" are not."""
    if isinstance(value, (list, dict)):
        return json.dumps(plain(value), sort_keys=True)
    return (isinstance(value, bool), value)


@sequence_filter
def _sum(items: list[Any], key: Any = None) -> Any:
    if key is not None and not is_undefined(key):
        items = [item.get(key) if isinstance(item, dict) else None for item in items]
    return numbers.total(items)


@string_filter
def _url_encode(value: str) -> str:
    return encoded(value)


OWN: Mapping[str, Callable[..., Any]] = {**numbers.FILTERS, "date": _date, "uniq": _uniq, "sum": _sum}
"""Filters that are ours and not the library's, in every place."""

WRAPPED: Mapping[str, Callable[[Callable[..., Any]], Callable[..., Any]]] = {"first": _of_object, "last": _of_object}

IN_URL: Mapping[str, Callable[..., Any]] = {"url_encode": _url_encode}
"""What stands where a URL is made."""
