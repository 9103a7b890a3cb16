"""`{"properties": [conditions]}`: how a trigger and a branch say whom they mean."""

from __future__ import annotations

from typing import Any

from aggregates.audience import EXAMPLE_CONDITION, Audience
from aggregates.errors import Problem
from aggregates.shape import at, unknown_fields
from aggregates.values import kind_of

BEHAVIORAL = ("events", "actions")
"""What people did: refused as a filter, because such a filter cannot be counted the same way twice."""

EXAMPLE_FILTERS = {"properties": [EXAMPLE_CONDITION]}


def parse_filters(raw: Any, pointer: str) -> tuple[Audience | None, list[Problem]]:
    """The audience of a filters object, or None and every problem in it.

    Everyone is meant only by an empty list that is written out; missing filters are refused.
    """
    if raw is None:
        return None, [_missing(pointer, "null")]
    if not isinstance(raw, dict):
        return None, [
            Problem(
                pointer, "audience.filters_invalid", "Filters are an object.", kind_of(raw), "object", EXAMPLE_FILTERS
            )
        ]
    problems = [
        Problem(
            at(pointer, name),
            "audience.behavioral_filter",
            "An audience is chosen by what people are, never by what they did.",
            name,
            "properties",
            EXAMPLE_FILTERS,
        )
        for name in BEHAVIORAL
        if name in raw
    ]
    problems += unknown_fields({name: None for name in raw if name not in BEHAVIORAL}, ("properties",), pointer)
    if "properties" not in raw:
        return None, [*problems, _missing(at(pointer, "properties"), None)]
    audience, findings = Audience.parse(raw["properties"], at(pointer, "properties"))
    problems += findings
    return (None if problems else audience), problems


def _missing(pointer: str, got: str | None) -> Problem:
    return Problem(
        pointer,
        "audience.filters_missing",
        'Say whom you mean; everyone is written as {"properties": []}.',
        got,
        "a list of conditions",
        EXAMPLE_FILTERS,
    )
