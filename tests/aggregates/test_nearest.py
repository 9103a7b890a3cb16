"""A word that is none of ours is answered with the one that was meant, or with none: never with a wrong one."""

from __future__ import annotations

from typing import Any
from uuid import UUID

import pytest

from aggregates.audience import COHORT_OPERATORS, PERSON_OPERATORS, Audience
from aggregates.nearest import SYNONYMS, nearest, plain
from aggregates.operators import NEGATIVE, operators
from aggregates.shape import unknown_fields
from aggregates.steps import catalogue, close_to
from aggregates.workflow.definition import Definition
from aggregates.workflow.steps import parse_steps

OPERATORS = {
    "contains": "icontains",
    "does not contain": "not_icontains",
    "equals": "exact",
    "eq": "exact",
    "==": "exact",
    "is": "exact",
    "in": "exact",
    "not_in": "is_not",
    "notIn": "is_not",
    "!=": "is_not",
    "not_equals": "is_not",
    "starts_with": "regex",
    "ends_with": "regex",
    "matches": "regex",
    "greater_than": "gt",
    ">=": "gte",
    "<": "lt",
    "between": "gte",
    "exists": "is_set",
    "is_null": "is_not_set",
    "before": "is_date_before",
    "is_date_befor": "is_date_before",
    "Exact": "exact",
}

STEP_TYPES = {
    "http_request": "webhook",
    "httpRequest": "webhook",
    "HTTP Request": "webhook",
    "api_call": "webhook",
    "send_email": "email",
    "mail": "email",
    "wait": "delay",
    "sleep": "delay",
    "if": "conditional_branch",
    "ab_test": "random_split",
    "log": "capture",
    "end": "exit",
    "webhok": "webhook",
    "wait_until": "wait_until_time_window",
}


def problem_of(operator: Any, kind: str = "person") -> Any:
    value = str(UUID(int=1)) if kind == "cohort" else "x"
    key = "id" if kind == "cohort" else "plan"
    _, (found,) = Audience.parse([{"type": kind, "key": key, "operator": operator, "value": value}])
    assert found.code == "condition.operator_unknown"
    return found


@pytest.mark.parametrize(("asked", "meant"), OPERATORS.items())
def test_an_operator_of_others_is_answered_with_ours(asked: str, meant: str) -> None:
    assert problem_of(asked).example == meant
    assert meant in problem_of(asked).message


@pytest.mark.parametrize(
    ("asked", "meant"), {"exact": "in", "is": "in", "is_not": "not_in", "not in": "not_in", "contains": "in"}.items()
)
def test_an_operator_of_people_is_answered_with_that_of_cohorts(asked: str, meant: str) -> None:
    assert problem_of(asked, "cohort").example == meant


def test_no_negative_operator_is_answered_with_a_positive_one_or_the_other_way_round() -> None:
    for meant in (*PERSON_OPERATORS, *COHORT_OPERATORS):
        for word in SYNONYMS[meant].split():
            known = PERSON_OPERATORS if meant in PERSON_OPERATORS else COHORT_OPERATORS
            (answered,) = nearest(word, known)
            assert (answered in NEGATIVE) == (meant in NEGATIVE), word


@pytest.mark.parametrize("asked", ["zzz", "", "\u202e", 7, None])
def test_nothing_is_guessed_for_a_word_that_is_like_none(asked: Any) -> None:
    assert problem_of(asked).example is None


@pytest.mark.parametrize(("asked", "meant"), STEP_TYPES.items())
def test_a_step_type_of_others_is_answered_with_ours(asked: str, meant: str) -> None:
    assert close_to(asked)[0] == meant
    _, problems = parse_steps([{"id": "a", "type": asked, "config": {}}], "/steps")
    assert [(problem.code, problem.example) for problem in problems] == [("step.type_unknown", meant)]


@pytest.mark.parametrize(
    ("asked", "known", "meant"),
    [
        ("property", ("type", "key", "operator", "value"), "key"),
        ("op", ("type", "key", "operator", "value"), "operator"),
        ("settings", ("id", "name", "type", "config", "on_error"), "config"),
        ("source", ("from", "to", "branch"), "from"),
        ("recipient", ("to", "subject", "text"), "to"),
        ("token", ("workflow_id", "confirm_token"), "confirm_token"),
        ("confirmToken", ("workflow_id", "confirm_token"), "confirm_token"),
    ],
)
def test_a_field_of_others_is_answered_with_ours(asked: str, known: tuple[str, ...], meant: str) -> None:
    assert [problem.example for problem in unknown_fields({asked: 1}, known, "")] == [meant]


def test_a_field_of_a_condition_is_answered_too() -> None:
    _, problems = Audience.parse([{"type": "person", "property": "plan", "operator": "exact", "value": "x"}])
    assert {problem.pointer: problem.example for problem in problems}["/0/property"] == "key"


@pytest.mark.parametrize(("asked", "meant"), [("broadcast", "batch"), ("api", "manual"), ("cron", "batch")])
def test_a_trigger_of_others_is_answered_with_an_example_of_ours(asked: str, meant: str) -> None:
    _, problems = Definition.parse({"trigger": {"type": asked}, "steps": [{"id": "a", "type": "exit"}]})
    found = next(problem for problem in problems if problem.code == "trigger.type_unknown")
    assert found.example["type"] == meant


def test_the_table_answers_with_names_that_there_are() -> None:
    assert set(SYNONYMS) >= PERSON_OPERATORS | COHORT_OPERATORS
    ours = {id for id, step_type in catalogue().items() if step_type.distribution is None}
    assert ours <= set(SYNONYMS)
    assert all(plain(word) == word for words in SYNONYMS.values() for word in words.split())


def test_every_operator_is_explained_with_a_condition_that_can_be_saved() -> None:
    for row in operators():
        example = dict(row["example"])
        if row["of"] == "cohort":
            example["value"] = str(UUID(int=1))
        assert Audience.parse([example])[1] == [], row["operator"]
