"""Liquid in bounds: what a template may do, and how much of it.

A template is written by a tenant and fed with people's properties, so both are hostile. There are no
partials, no clock and no counters; loops, lists, numbers, texts and output have limits; and every printed
value is made harmless for the place where it goes.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from datetime import datetime
from functools import cache, wraps
from typing import Any, ClassVar, Literal, TextIO
from urllib.parse import quote

from liquid import BoundTemplate, Environment, RenderContext
from liquid.builtin.output import Output, OutputNode
from liquid.exceptions import FilterArgumentError, LoopIterationLimitError
from liquid.filter import string_filter
from liquid.stringify import to_liquid_string
from liquid.undefined import is_undefined

Place = Literal["text", "html", "url", "line"]
"""Where output goes: plain text, HTML, a part of a URL, or one line (a header, a subject)."""

TEXT_LIMIT = 256 * 1024
"""Longest text that a template reads, makes on the way, or gives, in characters."""

ITEM_LIMIT = 1_000
"""Most items in a list or range, and most loop turns in one rendering."""

NUMBER_LIMIT = 256
"""Largest whole number, in bits."""

TAGS = frozenset({"if", "unless", "case", "for", "break", "continue", "assign", "capture", "comment", "#"})
URL_TAGS = frozenset({"if", "unless", "case", "comment", "#"})

# `safe` would undo escaping; `strip_html` and `escapejs` promise safety that they do not give.
FILTERS = frozenset(
    """abs append at_least at_most base64_decode base64_encode base64_url_safe_decode base64_url_safe_encode
    capitalize ceil compact concat default divided_by downcase escape escape_once find find_index first floor has
    join last lstrip map minus modulo newline_to_br plus prepend reject remove remove_first remove_last replace
    replace_first replace_last reverse rstrip size slice sort sort_natural split squish strip strip_newlines sum
    times truncate truncatewords uniq upcase url_decode url_encode where""".split()
) | {"date", "round"}

CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029]+")

# A width in a directive (`%999999999d`) makes the C library fill memory.
DATE_FORMAT = re.compile(r"(?:[^%]|%[-]?[aAbBdeHIjlmMpSuUwWyYZzF%]){0,200}")


class _UrlPart(str):
    """Text that is already percent-encoded."""

    __slots__ = ()


MASK = _UrlPart("***")
"""What stands where a secret would, also in a URL."""


def text_of(value: object) -> str:
    """A value as plain text: nothing for a missing one, JSON for an object. PostgreSQL stores no NUL."""
    text = json.dumps(value, ensure_ascii=False) if isinstance(value, dict) else to_liquid_string(value, False)
    return text.replace("\0", "")


def html_of(value: object) -> str:
    """Escaped, unless a filter already did so."""
    if isinstance(value, str) and not hasattr(value, "__html__"):
        return to_liquid_string(text_of(value), True)
    return to_liquid_string(json.dumps(value) if isinstance(value, dict) else value, True).replace("\0", "")


def url_of(value: object) -> str:
    """Percent-encoded, so that a value stays inside its path segment or parameter."""
    if isinstance(value, _UrlPart):
        return str(value)
    text = text_of(value)
    if text in {".", ".."}:
        raise FilterArgumentError("a value would climb out of its path segment", token=None)
    return quote(text, safe="")


def line_of(value: object) -> str:
    """On one line: control characters and line separators become a space."""
    return CONTROL.sub(" ", text_of(value))


PLACES: dict[Place, Callable[[object], str]] = {"text": text_of, "html": html_of, "url": url_of, "line": line_of}


class _PlacedNode(OutputNode):
    __slots__ = ()

    def render_to_output(self, context: RenderContext, buffer: TextIO) -> int:
        assert isinstance(context.env, BoundedEnvironment)
        return buffer.write(context.env.printed(self.expression.evaluate(context)))


class _PlacedOutput(Output):
    node_class = _PlacedNode


class _CountingContext(RenderContext):
    """Counts every turn of every loop; the library's own limit looks at one nest of loops at a time."""

    turns = 0

    def raise_for_loop_limit(self, length: int = 1) -> None:
        self.turns += length
        if self.turns > ITEM_LIMIT:
            raise LoopIterationLimitError("too many loop turns", token=None)


class _CountingTemplate(BoundTemplate):
    context_class = _CountingContext


class BoundedEnvironment(Environment):
    """Tags, filters and limits for one place."""

    block_nesting_limit: ClassVar[int] = 10
    local_namespace_limit: ClassVar[int | None] = 4 * TEXT_LIMIT
    output_stream_limit: ClassVar[int | None] = TEXT_LIMIT
    template_class = _CountingTemplate

    def __init__(self, place: Place) -> None:
        self.place = place
        self.printed = PLACES[place]
        super().__init__(autoescape=place == "html")

    def setup_tags_and_filters(self, *, extra: bool = False) -> None:
        super().setup_tags_and_filters(extra=extra)
        allowed = (URL_TAGS if self.place == "url" else TAGS) | {"content", "output", "illegal"}
        self.tags = {name: tag for name, tag in self.tags.items() if name in allowed}
        self.add_tag(_PlacedOutput)
        self.filters |= {"date": _date, "round": _round}
        if self.place == "url":
            self.filters["url_encode"] = _url_encode
        self.filters = {name: _bounded(name, self.filters[name]) for name in FILTERS}


@cache
def environment(place: Place) -> BoundedEnvironment:
    """The one environment of a place."""
    return BoundedEnvironment(place)


def _bounded(name: str, function: Callable[..., Any]) -> Callable[..., Any]:
    """The filter, refusing anything over the limits before and after; before, because a product of two fair
    texts may be larger than the memory."""

    @wraps(function)
    def limited(value: Any, *args: Any, **kwargs: Any) -> Any:
        for given in (value, *args):
            _check(given)
        if _growth(name, value, args) > TEXT_LIMIT:
            raise FilterArgumentError("the text would be too long", token=None)
        result = function(value, *args, **kwargs)
        _check(result)
        return result

    return limited


def _check(value: Any) -> None:
    match value:
        case str():
            fits = len(value) <= TEXT_LIMIT
        case list() | tuple() | dict() | range():
            fits = len(value) <= ITEM_LIMIT
        case int():
            fits = value.bit_length() <= NUMBER_LIMIT
        case _:
            fits = True
    if not fits:
        raise FilterArgumentError("a value is too large", token=None)


def _growth(name: str, value: Any, args: tuple[Any, ...]) -> int:
    """How long the two filters that multiply would make their text, at most, in characters."""
    if name == "join":
        return len(value) * len(str(args[0])) if args and isinstance(value, (list, tuple)) else 0
    if name == "replace" and len(args) > 1:
        return str(value).count(str(args[0])) * len(str(args[1]))
    return 0


def _date(value: Any, pattern: Any = "%Y-%m-%d") -> str:
    """An ISO date or instant in another form; anything else is printed unchanged, as Liquid does."""
    if is_undefined(value) or value is None:
        return ""
    if not isinstance(pattern, str) or not DATE_FORMAT.fullmatch(pattern):
        raise FilterArgumentError("date: the format is not supported", token=None)
    try:
        instant = datetime.fromisoformat(value)
    except (TypeError, ValueError):
        return text_of(value)
    return instant.strftime(pattern)


def _round(value: Any, digits: Any = 0) -> int | float:
    """To 0 to 10 decimal places; a missing or foreign value is 0, as Liquid does."""
    places = digits if isinstance(digits, int) and 0 <= digits <= 10 else 0
    try:
        number = round(float(value), places)
    except (TypeError, ValueError):
        return 0
    return number if places else int(number)


@string_filter
def _url_encode(value: str) -> _UrlPart:
    return _UrlPart(quote(value, safe=""))
