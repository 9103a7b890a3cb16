"""Checks on plain data that every parser needs: pointers, unknown fields, and what can be stored as JSON."""

from __future__ import annotations

import json
import math
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from aggregates.errors import Problem
from aggregates.nearest import nearest
from aggregates.values import kind_of

DEPTH_LIMIT = 32
"""Deepest nesting of stored content."""

CONTENT_LIMIT = 256 * 1024
"""Largest content, in bytes as JSON."""

INTEGER_LIMIT = 2**53
"""Largest whole number that every JSON reader keeps exact."""

ECHO_LIMIT = 50
"""How much of a name that a caller made up may come back to them, in characters."""


def at(pointer: str, *segments: object) -> str:
    """The JSON pointer to a member; long made-up names are cut."""
    escaped = (str(part)[:ECHO_LIMIT].replace("~", "~0").replace("/", "~1") for part in segments)
    return "/".join((pointer, *escaped))


def changes(pointer: str, before: Any, after: Any) -> Iterator[dict[str, Any]]:
    """Where two plain states differ: objects field by field, anything else as a whole. None for what is not there."""
    if before == after:
        return
    if isinstance(before, Mapping) and isinstance(after, Mapping):
        for name in sorted({*before, *after}):
            yield from changes(at(pointer, name), before.get(name), after.get(name))
        return
    yield {"pointer": pointer, "before": before, "after": after}


def echo(value: Any) -> str:
    """What an answer may say of a wrong value: a short text itself, otherwise only its kind."""
    return value[:ECHO_LIMIT] if isinstance(value, str) else kind_of(value)


def unknown_fields(raw: Mapping[str, Any], known: Iterable[str], pointer: str) -> Iterator[Problem]:
    """One problem for each field that nothing would read; the likeliest intended name is the example."""
    allowed = sorted(known)
    for name in sorted(set(raw) - set(allowed)):
        close = nearest(name, allowed)
        yield Problem(
            at(pointer, name),
            "field.unknown",
            "There is no such field here.",
            echo(name),
            allowed,
            close[0] if close else None,
        )


def json_problems(raw: Any, pointer: str = "", limit: int = CONTENT_LIMIT) -> list[Problem]:
    """Why data cannot be stored and read back unchanged; empty for good JSON of a fair size."""
    problems = list(_unstorable(raw, pointer, 0))
    if problems:
        return problems[:20]
    size = len(json.dumps(raw, ensure_ascii=False, separators=(",", ":")).encode())
    if size > limit:
        return [Problem(pointer, "content.too_large", "This is too large.", f"{size} bytes", f"at most {limit} bytes")]
    return []


def _unstorable(raw: Any, pointer: str, depth: int) -> Iterator[Problem]:
    if depth > DEPTH_LIMIT:
        yield Problem(pointer, "content.too_deep", "This is nested too deeply.", None, f"at most {DEPTH_LIMIT} levels")
        return
    match raw:
        case dict():
            for key, value in raw.items():
                if not isinstance(key, str) or not _is_text(key):
                    yield Problem(pointer, "content.not_json", "A field's name is not plain text.", None, "string")
                else:
                    yield from _unstorable(value, at(pointer, key), depth + 1)
        case list():
            for index, value in enumerate(raw):
                yield from _unstorable(value, at(pointer, index), depth + 1)
        case _ if not _is_scalar(raw):
            yield Problem(
                pointer,
                "content.not_json",
                "This cannot be stored: texts hold no NUL and no lone surrogates, numbers are finite and exact.",
                None,
                "plain JSON",
            )


def _is_scalar(raw: Any) -> bool:
    match raw:
        case None | bool():
            return True
        case str():
            return _is_text(raw)
        case int():
            return abs(raw) <= INTEGER_LIMIT
        case float():
            return math.isfinite(raw)
        case _:
            return False


def _is_text(text: str) -> bool:
    return "\0" not in text and not any("\ud800" <= letter <= "\udfff" for letter in text)
