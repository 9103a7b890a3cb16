"""Values that are parsed once; after that the type is the proof.

`parse` functions report every problem at once and never raise for bad input of any shape.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal
from uuid import UUID

from aggregates.errors import Problem

NAME_LIMIT = 200
"""Longest name of anything, in characters."""

VARIABLES_LIMIT = 5 * 1024
"""Largest set of variables, in bytes as JSON."""

CONDITION_LIMIT = 100
"""Most conditions in one audience."""

LIST_LIMIT = 1_000
"""Most values in one condition's list."""

TEXT_LIMIT = 1_000
"""Longest text value in a condition, in characters."""

REGEX_LIMIT = 200
"""Longest regular expression, in characters."""

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

RELATIVE_DATE = re.compile(r"^-(\d{1,4})([hdwmy])$")
"""`-7d`: so many hours, days, weeks, months or years before the instant of evaluation."""

# Back-references and look-around make a match exponential in PostgreSQL; they are refused.
UNSAFE_REGEX = re.compile(r"\\[1-9]|\(\?[=!<]")

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
        if not isinstance(raw, list):
            return cls(), [
                Problem(
                    pointer, "audience.not_a_list", "Conditions are a list.", _kind(raw), "array", [EXAMPLE_CONDITION]
                )
            ]
        if len(raw) > CONDITION_LIMIT:
            return cls(), [
                Problem(pointer, "audience.too_many", "Too many conditions.", len(raw), f"at most {CONDITION_LIMIT}")
            ]
        problems: list[Problem] = []
        conditions = [_condition(entry, f"{pointer}/{index}", problems) for index, entry in enumerate(raw)]
        return cls(tuple(c for c in conditions if c is not None)), problems


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


def _kind(value: Any) -> str:
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


kind_of = _kind


def _condition(raw: Any, pointer: str, problems: list[Problem]) -> Condition | None:
    if not isinstance(raw, dict):
        problems.append(
            Problem(
                pointer, "condition.not_an_object", "A condition is an object.", _kind(raw), "object", EXAMPLE_CONDITION
            )
        )
        return None
    problems += [
        Problem(f"{pointer}/{name[:50]}", "field.unknown", "A condition has no such field.", None, list(FIELDS))
        for name in sorted(set(map(str, raw)) - set(FIELDS))
    ]
    match raw.get("type"):
        case "person":
            return _person_condition(raw, pointer, problems)
        case "cohort":
            return _cohort_condition(raw, pointer, problems)
        case other:
            problems.append(
                Problem(
                    f"{pointer}/type",
                    "condition.type_unknown",
                    "A condition is about a person's property or a cohort; what people did belongs into a cohort.",
                    other[:50] if isinstance(other, str) else _kind(other),
                    ["person", "cohort"],
                    EXAMPLE_CONDITION,
                )
            )
            return None


def _person_condition(raw: Mapping[str, Any], pointer: str, problems: list[Problem]) -> PersonCondition | None:
    before = len(problems)
    key, operator, value = raw.get("key"), raw.get("operator"), raw.get("value")
    if not isinstance(key, str) or not 0 < len(key) <= NAME_LIMIT or "\0" in key:
        problems.append(
            Problem(
                f"{pointer}/key",
                "condition.key_invalid",
                f"A key is a text of 1 to {NAME_LIMIT} characters.",
                _kind(key),
                "string",
                "plan",
            )
        )
    if not isinstance(operator, str) or operator not in PERSON_OPERATORS:
        problems.append(
            Problem(
                f"{pointer}/operator",
                "condition.operator_unknown",
                "There is no such operator.",
                operator[:50] if isinstance(operator, str) else _kind(operator),
                sorted(PERSON_OPERATORS),
                "exact",
            )
        )
        return None
    parsed = _operand(operator, value, f"{pointer}/value", problems)
    if len(problems) > before:
        return None
    assert isinstance(key, str)
    return PersonCondition(key, operator, parsed)  # type: ignore[arg-type]  # checked against PERSON_OPERATORS


def _operand(operator: str, value: Any, pointer: str, problems: list[Problem]) -> Scalar | tuple[Scalar, ...] | None:
    def bad(message: str, expected: Any, example: Any) -> None:
        problems.append(Problem(pointer, "condition.value_invalid", message, _kind(value), expected, example))

    if operator in PRESENCE_OPERATORS:
        if value is not None and not isinstance(value, (str, bool)):
            bad("This operator takes no value.", "nothing", None)
        return None
    if operator in LIST_OPERATORS:
        entries = value if isinstance(value, list) else [value]
        if not entries or len(entries) > LIST_LIMIT or not all(_is_scalar(entry) for entry in entries):
            bad(
                f"A text, number or boolean, or a list of 1 to {LIST_LIMIT} of them.",
                "scalar or array",
                ["pro", "team"],
            )
            return None
        return tuple(entries)
    if operator in NUMBER_OPERATORS:
        if isinstance(value, bool) or not isinstance(value, (int, float)) or abs(value) > 1e300:
            bad("This operator compares with a number.", "number", 18)
            return None
        return value
    if not isinstance(value, str) or not 0 < len(value) <= TEXT_LIMIT or "\0" in value:
        bad(f"This operator takes a text of 1 to {TEXT_LIMIT} characters.", "string", "example")
        return None
    if operator in REGEX_OPERATORS and not _is_regex(value):
        bad(
            f"A regular expression of at most {REGEX_LIMIT} characters without back-references or look-around.",
            "regular expression",
            "^a.*z$",
        )
        return None
    if operator in DATE_OPERATORS and not _is_date(value):
        bad("An ISO date, an ISO instant, or a relative date.", "date", "-7d")
        return None
    return value


def _cohort_condition(raw: Mapping[str, Any], pointer: str, problems: list[Problem]) -> CohortCondition | None:
    before = len(problems)
    operator, value = raw.get("operator"), raw.get("value")
    if raw.get("key", "id") != "id":
        problems.append(
            Problem(f"{pointer}/key", "condition.key_invalid", "A cohort is named by its id.", None, "id", "id")
        )
    if not isinstance(operator, str) or operator not in COHORT_OPERATORS:
        problems.append(
            Problem(
                f"{pointer}/operator",
                "condition.operator_unknown",
                "A cohort condition says in or not_in.",
                operator[:50] if isinstance(operator, str) else _kind(operator),
                sorted(COHORT_OPERATORS),
                "in",
            )
        )
    try:
        cohort_id = UUID(value) if isinstance(value, str) else None
    except ValueError:
        cohort_id = None
    if cohort_id is None:
        problems.append(
            Problem(
                f"{pointer}/value",
                "condition.value_invalid",
                "The id of a cohort.",
                _kind(value),
                "uuid",
                "6f9c4f0e-0f0e-4d6e-9d5e-000000000000",
            )
        )
    if len(problems) > before or cohort_id is None:
        return None
    return CohortCondition(cohort_id, operator)  # type: ignore[arg-type]  # checked against COHORT_OPERATORS


def _is_scalar(value: Any) -> bool:
    if isinstance(value, str):
        return len(value) <= TEXT_LIMIT and "\0" not in value
    return isinstance(value, (bool, int, float)) and abs(value) <= 1e300


def _is_regex(text: str) -> bool:
    if len(text) > REGEX_LIMIT or UNSAFE_REGEX.search(text):
        return False
    try:
        re.compile(text)
    except (re.error, OverflowError, RecursionError):
        return False
    return True


def _is_date(text: str) -> bool:
    if RELATIVE_DATE.match(text):
        return True
    try:
        datetime.fromisoformat(text)
    except ValueError:
        return False
    return True
