"""JSON that a client sends as text where something else is declared: one rule for every argument of every tool.

Text is taken for a list, an object, a number or a boolean only if it is strict JSON of exactly that kind. Nothing else
is converted: `"3.0"` is no whole number and `"yes"` no boolean.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from aggregates.errors import DomainError
from engine.http import strict_json

NOUNS: Mapping[str, str] = {
    "array": "a list",
    "object": "an object",
    "integer": "a whole number",
    "number": "a number",
    "boolean": "true or false",
}
"""Kinds of JSON that are declared, as they are said."""

TYPES: Mapping[str, tuple[type, ...]] = {
    "array": (list,),
    "object": (dict,),
    "integer": (int,),
    "number": (int, float),
    "boolean": (bool,),
}


def as_meant(raw: Mapping[str, Any], kinds: Mapping[str, str]) -> dict[str, Any]:
    """The arguments, where text that is JSON of the declared kind is replaced by what it says."""
    return {name: _meant(value, kinds[name]) if name in kinds else value for name, value in raw.items()}


def text_sentence(kind: str) -> str:
    """What is said of text that is not JSON of the declared kind."""
    return f"This is text where {NOUNS[kind]} is meant: send JSON, without quotes around it."


def _meant(value: Any, kind: str) -> Any:
    if not isinstance(value, str):
        return value
    try:
        said = strict_json.parse(value.encode())
    except DomainError:
        return value
    fits = isinstance(said, TYPES[kind]) and isinstance(said, bool) == (kind == "boolean")
    return said if fits else value
