"""What each operator of a condition means, for whoever writes one: the same table at every door."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

from aggregates.audience import COHORT_OPERATORS, PERSON_OPERATORS


class OperatorFacts(NamedTuple):
    """What an operator asks, what its value is, an example value; negative ones match people without the property."""

    meaning: str
    takes: str
    example: Any
    negative: bool = False
    of: str = "person"


OPERATORS: Mapping[str, OperatorFacts] = {
    "exact": OperatorFacts("is the value, or one of a list", "scalar or list", ["pro", "team"]),
    "is_not": OperatorFacts("is not the value, or none of a list", "scalar or list", ["free"], True),
    "icontains": OperatorFacts("contains the text, in any case", "text", "gmail"),
    "not_icontains": OperatorFacts("does not contain the text", "text", "test", True),
    "regex": OperatorFacts("matches the POSIX regular expression; ^ begins, $ ends", "regex", "^EU-"),
    "not_regex": OperatorFacts("does not match the regular expression", "regex", "@example\\.com$", True),
    "gt": OperatorFacts("is a number greater than", "number", 18),
    "gte": OperatorFacts("is a number of at least", "number", 18),
    "lt": OperatorFacts("is a number less than", "number", 65),
    "lte": OperatorFacts("is a number of at most", "number", 65),
    "is_set": OperatorFacts("has the property", "nothing", None),
    "is_not_set": OperatorFacts("lacks the property", "nothing", None, True),
    "is_date_exact": OperatorFacts("is a date on that UTC day", "date", "2027-01-31"),
    "is_date_before": OperatorFacts("is a date before", "date or -7d, -2w, -3m", "-30d"),
    "is_date_after": OperatorFacts("is a date after", "date or -7d, -2w, -3m", "-7d"),
    "in": OperatorFacts("is in the cohort", "cohort id", "<cohort id>", False, "cohort"),
    "not_in": OperatorFacts("is not in the cohort", "cohort id", "<cohort id>", True, "cohort"),
}
"""In the order in which they are listed. Negative operators also match people who lack the property."""

KEYS: Mapping[str, str] = {"number": "age", "regex": "region", "nothing": "phone", "text": "email"}
"""A likely key for an example, by what the value is."""

NEGATIVE = frozenset(name for name, facts in OPERATORS.items() if facts.negative)

assert set(OPERATORS) == PERSON_OPERATORS | COHORT_OPERATORS


def operators() -> list[dict[str, Any]]:
    """Every operator: name, what it is about (`person` or `cohort`), meaning, what it takes, a whole condition."""
    return [
        {
            "operator": name,
            "of": facts.of,
            "meaning": facts.meaning,
            "takes": facts.takes,
            "negative": facts.negative,
            "example": _example(name, facts),
        }
        for name, facts in OPERATORS.items()
    ]


def _example(name: str, facts: OperatorFacts) -> dict[str, Any]:
    if facts.of == "cohort":
        return {"type": "cohort", "key": "id", "operator": name, "value": facts.example}
    dated = "signed_up_at" if facts.takes.startswith("date") else "plan"
    condition = {"type": "person", "key": KEYS.get(facts.takes, dated), "operator": name}
    return condition if facts.example is None else {**condition, "value": facts.example}
