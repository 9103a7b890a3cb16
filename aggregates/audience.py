"""Whom a workflow is for: a flat list of conditions, parsed once; after that the type is the proof.

`Audience.parse` reports every problem at once and never raises for bad input of any shape.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal
from uuid import UUID

from aggregates.dates import is_date
from aggregates.errors import Problem
from aggregates.nearest import nearest, plain
from aggregates.patterns import LARGEST, LONGEST, is_pattern
from aggregates.values import NAME_LIMIT, digest, kind_of

CONDITION_LIMIT = 100
"""Most conditions in one audience."""

LIST_LIMIT = 1_000
"""Most values in one condition's list."""

TEXT_LIMIT = 1_000
"""Longest text value in a condition, in characters."""

Operator = Literal[
    "exact",
    "is_not",
    "icontains",
    "not_icontains",
    "regex",
    "not_regex",
    "gt",
    "gte",
    "lt",
    "lte",
    "is_set",
    "is_not_set",
    "is_date_exact",
    "is_date_before",
    "is_date_after",
]

LIST_OPERATORS = frozenset({"exact", "is_not"})
TEXT_OPERATORS = frozenset({"icontains", "not_icontains"})
REGEX_OPERATORS = frozenset({"regex", "not_regex"})
NUMBER_OPERATORS = frozenset({"gt", "gte", "lt", "lte"})
PRESENCE_OPERATORS = frozenset({"is_set", "is_not_set"})
DATE_OPERATORS = frozenset({"is_date_exact", "is_date_before", "is_date_after"})
PERSON_OPERATORS = (
    LIST_OPERATORS | TEXT_OPERATORS | REGEX_OPERATORS | NUMBER_OPERATORS | PRESENCE_OPERATORS | DATE_OPERATORS
)
FIELDS = ("type", "key", "operator", "value")
"""The fields of a condition."""

COHORT_OPERATORS = frozenset({"in", "not_in"})

HINTS = {
    **dict.fromkeys(("starts_with", "startswith", "begins_with", "prefix"), "Use regex with ^ before the text."),
    **dict.fromkeys(("ends_with", "endswith", "suffix"), "Use regex with $ after the text."),
    "between": "Use two conditions, gte and lte.",
}
"""What to do instead of an operator that another one replaces only with a change of the value."""

EXAMPLE_CONDITION = {"type": "person", "key": "plan", "operator": "exact", "value": ["pro", "team"]}

Scalar = str | int | float | bool


@dataclass(frozen=True)
class PersonCondition:
    """A predicate over one property of a person; `value` is None only for is_set and is_not_set."""

    key: str
    operator: Operator
    value: Scalar | tuple[Scalar, ...] | None = None

    def as_data(self) -> dict[str, Any]:
        data: dict[str, Any] = {"type": "person", "key": self.key, "operator": self.operator}
        if self.value is not None:
            data["value"] = list(self.value) if isinstance(self.value, tuple) else self.value
        return data


@dataclass(frozen=True)
class CohortCondition:
    """Whether a person is in a cohort, or is not."""

    cohort_id: UUID
    operator: Literal["in", "not_in"]

    def as_data(self) -> dict[str, Any]:
        return {"type": "cohort", "key": "id", "operator": self.operator, "value": str(self.cohort_id)}


Condition = PersonCondition | CohortCondition


@dataclass(frozen=True)
class Audience:
    """A flat list of conditions, all of which must hold; the empty list is everyone."""

    conditions: tuple[Condition, ...] = ()

    @property
    def everyone(self) -> bool:
        return not self.conditions

    @property
    def cohort_ids(self) -> tuple[UUID, ...]:
        return tuple(c.cohort_id for c in self.conditions if isinstance(c, CohortCondition))

    def as_data(self) -> list[dict[str, Any]]:
        return [condition.as_data() for condition in self.conditions]

    def digest(self) -> str:
        """Stable over the order of keys, not over the order of conditions. 64 hexadecimal digits."""
        return digest(self.as_data())

    @classmethod
    def parse(cls, raw: Any, pointer: str = "") -> tuple[Audience, list[Problem]]:
        """The audience of a list of conditions, and every problem in it (then the audience is partial)."""
        found = _Findings(pointer)
        if not isinstance(raw, list):
            found.add("", "audience.not_a_list", "Conditions are a list.", raw, "array", example=[EXAMPLE_CONDITION])
            return cls(), found.problems
        if len(raw) > CONDITION_LIMIT:
            found.add("", "audience.too_many", "Too many conditions.", raw, f"at most {CONDITION_LIMIT}")
            return cls(), found.problems
        conditions = []
        for index, entry in enumerate(raw):
            of_entry = _Findings(f"{pointer}/{index}")
            conditions.append(_condition(entry, of_entry))
            found.problems += of_entry.problems
        return cls(tuple(c for c in conditions if c is not None)), found.problems


class _Findings:
    """Problems with one thing. A value is told by its kind only, because it may be anything."""

    def __init__(self, pointer: str) -> None:
        self.pointer = pointer
        self.problems: list[Problem] = []

    def add(self, field: str, code: str, message: str, value: Any, expected: Any, *, example: Any = None) -> None:
        self.problems.append(Problem(self.pointer + field, code, message, kind_of(value), expected, example))


def _condition(raw: Any, found: _Findings) -> Condition | None:
    if not isinstance(raw, dict):
        found.add("", "condition.not_an_object", "A condition is an object.", raw, "object", example=EXAMPLE_CONDITION)
        return None
    for name in sorted(set(map(str, raw)) - set(FIELDS)):
        message, meant = "A condition has no such field.", next(iter(nearest(name, FIELDS)), None)
        found.add(f"/{name[:50]}", "field.unknown", message, raw[name], list(FIELDS), example=meant)
    match raw.get("type"):
        case "person":
            return _person_condition(raw, found)
        case "cohort":
            return _cohort_condition(raw, found)
        case other:
            message = "A condition is about a person's property or a cohort; what people did belongs into a cohort."
            found.add(
                "/type", "condition.type_unknown", message, other, ["person", "cohort"], example=EXAMPLE_CONDITION
            )
            return None


def _person_condition(raw: Mapping[str, Any], found: _Findings) -> PersonCondition | None:
    key, operator, value = raw.get("key"), raw.get("operator"), raw.get("value")
    if not isinstance(key, str) or not 0 < len(key) <= NAME_LIMIT or "\0" in key:
        message = f"A key is a text of 1 to {NAME_LIMIT} characters."
        found.add("/key", "condition.key_invalid", message, key, "string", example="plan")
    if not isinstance(operator, str) or operator not in PERSON_OPERATORS:
        _unknown_operator(operator, PERSON_OPERATORS, found)
        return None
    parsed = _operand(operator, value, found)
    if found.problems:
        return None
    assert isinstance(key, str)
    return PersonCondition(key, operator, parsed)  # type: ignore[arg-type]  # checked against PERSON_OPERATORS


def _unknown_operator(operator: Any, known: frozenset[str], found: _Findings) -> None:
    """The operator that was meant is the example, and its hint is said; nothing is guessed for a word that is alien."""
    meant = next(iter(nearest(operator, known)), None) if isinstance(operator, str) else None
    said = plain(operator) if isinstance(operator, str) else ""
    message = "There is no such operator."
    if meant:
        message += f" {HINTS.get(said, f'Use {meant}.')}"
    found.add("/operator", "condition.operator_unknown", message, operator, sorted(known), example=meant)


def _operand(operator: str, value: Any, found: _Findings) -> Any:
    """The value as a condition keeps it; it is worth something only if nothing was found."""

    def bad(message: str, expected: Any, example: Any) -> None:
        found.add("/value", "condition.value_invalid", message, value, expected, example=example)

    if operator in PRESENCE_OPERATORS:
        if value is not None and not isinstance(value, (str, bool)):
            bad("This operator takes no value.", "nothing", None)
        return None
    if operator in LIST_OPERATORS:
        entries = value if isinstance(value, list) else [value]
        if not entries or len(entries) > LIST_LIMIT or not all(_is_scalar(entry) for entry in entries):
            example = ["pro", "team"]
            bad(f"A text, number or boolean, or a list of 1 to {LIST_LIMIT} of them.", "scalar or array", example)
        return tuple(entries)
    if operator in NUMBER_OPERATORS:
        if isinstance(value, bool) or not isinstance(value, (int, float)) or not abs(value) <= 1e300:
            bad("This operator compares with a number.", "number", 18)
        return value
    if not isinstance(value, str) or not 0 < len(value) <= TEXT_LIMIT or "\0" in value:
        bad(f"This operator takes a text of 1 to {TEXT_LIMIT} characters.", "string", "example")
    elif operator in REGEX_OPERATORS and not is_pattern(value):
        message = (
            f"A regular expression of at most {LONGEST} characters, and of {LARGEST} with its repetitions written out, "
            "without back-references or look-around."
        )
        bad(message, "regular expression", "^a.*z$")
    elif operator in DATE_OPERATORS and not is_date(value):
        bad("An ISO date, an ISO instant, or a relative date.", "date", "-7d")
    return value


def _cohort_condition(raw: Mapping[str, Any], found: _Findings) -> CohortCondition | None:
    operator, value = raw.get("operator"), raw.get("value")
    if raw.get("key", "id") != "id":
        found.add("/key", "condition.key_invalid", "A cohort is named by its id.", raw["key"], "id", example="id")
    if not isinstance(operator, str) or operator not in COHORT_OPERATORS:
        _unknown_operator(operator, COHORT_OPERATORS, found)
    try:
        cohort_id = UUID(value) if isinstance(value, str) else None
    except ValueError:
        cohort_id = None
    if cohort_id is None:
        found.add("/value", "condition.value_invalid", "The id of a cohort.", value, "uuid")
    if found.problems or cohort_id is None:
        return None
    return CohortCondition(cohort_id, operator)  # type: ignore[arg-type]  # checked against COHORT_OPERATORS


def _is_scalar(value: Any) -> bool:
    if isinstance(value, str):
        return len(value) <= TEXT_LIMIT and "\0" not in value
    return isinstance(value, (bool, int, float)) and abs(value) <= 1e300
