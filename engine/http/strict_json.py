"""One strict JSON document: what it refuses, another reader would understand differently, or not at all."""

from __future__ import annotations

import json
import math
import re
from typing import Any

from aggregates.errors import DomainError, Problem, invalid
from aggregates.shape import DEPTH_LIMIT, INTEGER_LIMIT, at

MOST_MEMBERS = 1_000
"""Fields of one object. An unknown field costs a sentence, so their number is bounded before anyone looks at them."""

MOST_PROBLEMS = 20
"""Problems that are collected before the reader gives up."""

_BEYOND_TEXT = re.compile("[\0\ud800-\udfff]")


class _Pairs(list[tuple[str, Any]]):
    """An object as it was written, before anyone knows whether a name occurs twice."""


class _NotFinite:
    """Stands where a number was that no number is."""


def parse(raw: bytes) -> Any:
    """The document as plain data. Raises `request.malformed` or `request.invalid` with pointers."""
    try:
        text = raw.decode("utf-8")
    except UnicodeDecodeError as error:
        raise _malformed("json.not_utf8", "The body is not UTF-8.") from error
    try:
        tree = json.loads(
            text,
            object_pairs_hook=_Pairs,
            parse_float=_finite,
            parse_int=_integer,
            parse_constant=lambda _: _NotFinite(),
        )
    except RecursionError as error:
        raise invalid("request.invalid", [_too_deep("")]) from error
    except ValueError as error:
        where = f"character {error.pos}" if isinstance(error, json.JSONDecodeError) else None
        raise _malformed("json.malformed", "This is not JSON.", where) from error
    problems: list[Problem] = []
    data = _plain(tree, "", 0, problems)
    if problems:
        raise invalid("request.invalid", problems)
    return data


def _plain(node: Any, pointer: str, depth: int, problems: list[Problem]) -> Any:
    """A parsed node as dictionaries and lists; what is wrong in it is added to `problems`."""
    match node:
        case _Pairs() | list():
            if depth >= DEPTH_LIMIT:
                problems.append(_too_deep(pointer))
                return None
            if isinstance(node, _Pairs):
                return _object(node, pointer, depth, problems)
            return _array(node, pointer, depth, problems)
        case str():
            if _BEYOND_TEXT.search(node):
                problems.append(
                    Problem(pointer, "json.not_text", "A text holds a NUL or half of a surrogate pair.", None, "text")
                )
        case int() if abs(node) > INTEGER_LIMIT:
            problems.append(
                Problem(
                    pointer, "json.integer_too_large", "Not every reader keeps so large a number exact.", None, "±2^53"
                )
            )
        case _NotFinite():
            problems.append(Problem(pointer, "json.not_finite", "This is not a finite number.", None, "number"))
    return node


def _array(node: list[Any], pointer: str, depth: int, problems: list[Problem]) -> list[Any]:
    plain = []
    for index, value in enumerate(node):
        if len(problems) >= MOST_PROBLEMS:
            break
        plain.append(_plain(value, f"{pointer}/{index}", depth + 1, problems))
    return plain


def _object(node: _Pairs, pointer: str, depth: int, problems: list[Problem]) -> dict[str, Any]:
    if len(node) > MOST_MEMBERS:
        problems.append(
            Problem(pointer, "json.too_many_fields", "An object has too many fields.", len(node), f"≤ {MOST_MEMBERS}")
        )
        return {}
    plain: dict[str, Any] = {}
    for name, value in node:
        if len(problems) >= MOST_PROBLEMS:
            break
        if _BEYOND_TEXT.search(name):
            problems.append(Problem(pointer, "json.not_text", "A field's name is not plain text.", None, "text"))
        elif name in plain:
            problems.append(Problem(at(pointer, name), "json.duplicate_key", "This field occurs twice."))
        else:
            plain[name] = _plain(value, at(pointer, name), depth + 1, problems)
    return plain


def _finite(text: str) -> float | _NotFinite:
    value = float(text)
    return value if math.isfinite(value) else _NotFinite()


def _integer(text: str) -> int:
    # Python refuses, slowly, to read thousands of digits; the pointer is worth more than the number.
    return int(text) if len(text) < 20 else INTEGER_LIMIT + 1


def _too_deep(pointer: str) -> Problem:
    return Problem(pointer, "json.too_deep", "This is nested too deeply.", None, f"at most {DEPTH_LIMIT} levels")


def _malformed(code: str, message: str, where: str | None = None) -> DomainError:
    return invalid("request.malformed", [Problem("", code, message, where, "one JSON document in UTF-8")])
