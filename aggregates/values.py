"""Small values that commands, events and answers share."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

NAME_LIMIT = 200
"""Longest name of anything, in characters."""

VARIABLES_LIMIT = 5 * 1024
"""Largest set of variables, in bytes as JSON."""


@dataclass(frozen=True)
class Acknowledgement:
    """The count that a human confirmed, with the sizing that it came from."""

    count: int
    fingerprint: str
    token_nonce: str | None
    sized_at: datetime | None

    def as_data(self) -> dict[str, Any]:
        return {
            "count": self.count,
            "fingerprint": self.fingerprint,
            "token_nonce": self.token_nonce,
            "sized_at": self.sized_at.isoformat() if self.sized_at else None,
        }


@dataclass(frozen=True)
class Sizing:
    """Whom an audience reaches at one instant, in people.

    `excluded` counts by reason, `missing_variables` counts affected people who lack a property that the
    content reads, `total` is everybody in the project (None when it was not asked for), `fingerprint` stands
    for exactly the affected ids, and `sample` is masked.
    """

    matched: int
    excluded: Mapping[str, int]
    affected: int
    total: int | None
    fingerprint: str
    everyone: bool
    missing_variables: Mapping[str, int]
    sample: Sequence[Mapping[str, Any]]


def digest(data: Any) -> str:
    """SHA-256 of the canonical JSON of plain data; ids and instants count by their text."""
    text = json.dumps(data, sort_keys=True, separators=(",", ":"), default=str)
    return hashlib.sha256(text.encode()).hexdigest()


VARIABLE_TYPES: Mapping[str, tuple[type, ...]] = {"string": (str,), "number": (int, float), "boolean": (bool,)}


def fits(value: Any, type_name: str) -> bool:
    """Whether a plain value is of a declared variable type; true and false are not numbers."""
    if type_name != "boolean" and isinstance(value, bool):
        return False
    return isinstance(value, VARIABLE_TYPES[type_name])


def kind_of(value: Any) -> str:
    """The JSON name of a value's type: what we may say of it without echoing it."""
    match value:
        case None:
            return "null"
        case bool():
            return "boolean"
        case int() | float():
            return "number"
        case str():
            return "string"
        case list():
            return "array"
        case _:
            return "object"
