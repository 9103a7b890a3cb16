"""What a project's people are like, as statistics; and what they say against an audience.

Statistics are of people who were looked at: all, or a sample. Findings are warnings: an audience is never refused for
them, because what nobody has today somebody may have tomorrow.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from itertools import islice
from typing import Any

from aggregates.audience import (
    DATE_OPERATORS,
    LIST_OPERATORS,
    NUMBER_OPERATORS,
    REGEX_OPERATORS,
    TEXT_OPERATORS,
    Audience,
    PersonCondition,
    Scalar,
)
from aggregates.errors import Problem
from aggregates.nearest import nearest
from aggregates.operators import NEGATIVE
from aggregates.shape import echo

COLUMNS = ("distinct_id", "email")
"""Keys that every person has as a column; nothing is found against them."""

NUMBER_TEXT = re.compile(r"-?[0-9]+([.][0-9]+)?")
DATE_TEXT = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}([T ].*)?")

NESTED = frozenset({"array", "object"})
"""Types that no operator looks into."""

SCALARS = frozenset({"string", "number", "boolean", "date", "number_as_text", "boolean_as_text"})

MOST_FINDINGS = 20
"""Findings in one answer: an author who corrects those sees the others next."""

NAMES_TOLD = 3
"""Nearest names in one finding."""


@dataclass(frozen=True)
class Property:
    """A key that occurs: how many of the people looked at have it, with which types, and its frequent values.

    Types are `string`, `number`, `boolean`, `array`, `object`, and for texts that look like something else `date`,
    `number_as_text`, `boolean_as_text`. `values` is empty unless the key has few of them; `every_value` says that no
    other value occurs.
    """

    key: str
    people: int
    types: tuple[str, ...]
    values: Mapping[str, int] = field(default_factory=dict)
    every_value: bool = False


@dataclass(frozen=True)
class Statistics:
    """What is known of a project's properties. `people` is everybody, `looked_at` those who were counted.

    Of keys that were asked for and that none of those has, `absent` are had by nobody at all, and `rare` by somebody.
    """

    people: int
    looked_at: int
    properties: Mapping[str, Property]
    absent: frozenset[str] = frozenset()
    rare: frozenset[str] = frozenset()

    @property
    def sampled(self) -> bool:
        return self.looked_at < self.people

    def as_data(self) -> dict[str, Any]:
        """`share` is of the people looked at, from 0 to 1; the commonest keys and values come first."""
        return {
            "people": self.people,
            "looked_at": self.looked_at,
            "sampled": self.sampled,
            "properties": [
                {
                    "key": found.key,
                    "types": list(found.types),
                    "share": self._share(found.people),
                    "values": [{"value": value, "share": self._share(n)} for value, n in found.values.items()],
                }
                for found in self.properties.values()
            ],
        }

    def _share(self, people: int) -> float:
        return round(people / self.looked_at, 4)


def keys_of(audience: Audience) -> set[str]:
    """The properties that an audience names itself; those behind its cohorts are the cohorts' own."""
    return {c.key for c in audience.conditions if isinstance(c, PersonCondition)} - set(COLUMNS)


def findings(audience: Audience, pointer: str, known: Statistics) -> list[Problem]:
    """Warnings about conditions that name what no person has, the first few; none in a project without people."""
    if not known.looked_at:
        return []
    found = (
        problem
        for index, condition in enumerate(audience.conditions)
        if isinstance(condition, PersonCondition) and condition.key not in COLUMNS
        for problem in _findings(condition, f"{pointer}/{index}", known)
    )
    return list(islice(found, MOST_FINDINGS))


def _findings(condition: PersonCondition, pointer: str, known: Statistics) -> Iterator[Problem]:
    found = known.properties.get(condition.key)
    if condition.key in known.rare:
        return
    if found is None:
        yield _unknown_key(condition, pointer, known)
        return
    expected = _fitting_types(condition)
    if expected and not expected & set(found.types):
        yield Problem(
            f"{pointer}/value",
            "condition.type_mismatch",
            f"No value of this property is of the type that is asked for.{_then(condition)}",
            min(expected),
            list(found.types),
            severity="warning",
        )
        return
    if expected and condition.operator in NEGATIVE and not NESTED.isdisjoint(found.types):
        yield Problem(
            pointer,
            "condition.not_looked_into",
            "Some people have a list or an object here. The condition is negative, so it matches all of them.",
            None,
            "a property that is a text, a number or a boolean",
            severity="warning",
        )
    if condition.operator in LIST_OPERATORS and found.every_value:
        yield from _unseen_values(condition, pointer, found)


def _unknown_key(condition: PersonCondition, pointer: str, known: Statistics) -> Problem:
    names = nearest(condition.key, known.properties, NAMES_TOLD)
    certain = not known.sampled or condition.key in known.absent
    who = "No person has" if certain else f"None of the {known.looked_at:,} people looked at has"
    return Problem(
        f"{pointer}/key",
        "condition.key_unknown",
        f"{who} this property.{_then(condition) if certain else ''}",
        echo(condition.key),
        names or "a key of the people's properties",
        names[0] if names else None,
        severity="warning",
    )


def _unseen_values(condition: PersonCondition, pointer: str, found: Property) -> Iterator[Problem]:
    values = condition.value if isinstance(condition.value, tuple) else (condition.value,)
    unseen = [
        (index, str(canonical)) for index, value in enumerate(values) if (canonical := _text(value)) not in found.values
    ]
    everything = len(unseen) == len(values)
    for index, text in unseen:
        names = nearest(text, found.values, NAMES_TOLD)
        if names or everything:
            message = "No person has this value."
            message += _then(condition) if everything else ""
            yield Problem(
                f"{pointer}/value/{index}",
                "condition.value_unseen",
                message,
                None,
                names or list(found.values),
                names[0] if names else None,
                severity="warning",
            )


def _then(condition: PersonCondition) -> str:
    return " The condition is negative, so it matches everyone." if condition.operator in NEGATIVE else ""


def _fitting_types(condition: PersonCondition) -> set[str]:
    """The types of which a value has to be to mean anything to the condition; empty where any will do."""
    if condition.operator in NUMBER_OPERATORS:
        return {"number"}
    if condition.operator in DATE_OPERATORS:
        return {"date"}
    if condition.operator in TEXT_OPERATORS | REGEX_OPERATORS:
        return set(SCALARS)
    if condition.operator not in LIST_OPERATORS:
        return set()
    values = condition.value if isinstance(condition.value, tuple) else (condition.value,)
    return {name for value in values if value is not None for name in _types(value)}


def _types(value: Scalar) -> Iterable[str]:
    """The types under which a value may be stored: scalars are compared by their text."""
    text = _text(value)
    if text in ("true", "false"):
        return ("boolean", "boolean_as_text")
    if NUMBER_TEXT.fullmatch(text):
        return ("number", "number_as_text")
    return ("date",) if DATE_TEXT.fullmatch(text) else ("string",)


def _text(value: Any) -> str:
    """A scalar as it is compared."""
    if isinstance(value, str):
        return value
    return json.dumps(int(value) if isinstance(value, float) and value.is_integer() else value)
