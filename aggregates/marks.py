"""The marks by which stored JSON tells ids and instants from texts; tenant JSON that looks like one is wrapped."""

from __future__ import annotations

from datetime import datetime
from typing import Any
from uuid import UUID

PLAIN = "plain"
"""The mark of an object of a tenant that has a member `_type_`: it is kept as it is, and read as nothing else."""


def is_mark(value: dict[str, Any]) -> bool:
    """Whether a stored object has the form of a mark."""
    return len(value) == 2 and "_type_" in value and "_data_" in value


def marks_in(value: Any) -> int:
    """How many ids and instants there are at the top of a state, and in its lists."""
    if not isinstance(value, dict):
        return 0
    found = 0
    for inner in value.values():
        kinds = inner if isinstance(inner, list) else (inner,)
        found += sum(type(one) in (UUID, datetime) for one in kinds)
    return found


def wrapped(value: Any) -> Any:
    """The value with every object that has a member `_type_` wrapped."""
    if isinstance(value, list | tuple):
        return [wrapped(inner) for inner in value]
    if not isinstance(value, dict):
        return value
    whole = {name: wrapped(inner) for name, inner in value.items()}
    return {"_type_": PLAIN, "_data_": whole} if "_type_" in whole else whole
