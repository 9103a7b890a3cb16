"""Steps that decide a way by lot and steps that set variables."""

from __future__ import annotations

from typing import Any

import pytest

from aggregates.steps import catalogue
from aggregates.steps.base import Assign, Split
from aggregates.steps.config import parse_config
from aggregates.steps.set_variables import value_of
from aggregates.values import VARIABLES_LIMIT
from aggregates.workflow.definition import Definition
from tests.aggregates.test_steps import SCOPE, plan


def found(kind: str, config: dict[str, Any]) -> list[tuple[str, str]]:
    return [(p.code, p.pointer) for p in parse_config(catalogue()[kind], config, "")[1]]


def branches(**shares: float) -> dict[str, Any]:
    return {"branches": [{"name": name, "percentage": share} for name, share in shares.items()]}


def definition(*steps: dict[str, Any], edges: list[dict[str, Any]]) -> dict[str, Any]:
    trigger = {"type": "batch", "filters": {"properties": []}}
    variables = [{"key": "greeting", "type": "string"}]
    return {"trigger": trigger, "steps": list(steps), "edges": edges, "variables": variables}


ODD = [("split.percentage_invalid", f"/branches/{n}/percentage") for n in (0, 1)]


@pytest.mark.parametrize(
    ("shares", "expected"),
    [
        ({"a": 50, "b": 50}, {"a": 5000, "b": 5000}),
        ({"a": 33.33, "b": 33.33, "c": 33.34}, {"a": 3333, "b": 3333, "c": 3334}),
        ({"a": 0.01, "b": 99.99}, {"a": 1, "b": 9999}),
        ({"a": 100, "b": 0}, {"a": 10_000}),
        ({"a": 12.5, "b": 80, "c": 7.5}, {"a": 1250, "b": 8000, "c": 750}),
    ],
)
def test_lots_fall_as_the_percentages_say(shares: dict[str, float], expected: dict[str, int]) -> None:
    split = plan("random_split", branches(**shares))
    assert isinstance(split, Split)
    ids = range(1, 10_001)
    lots = split.lots("workflow", "step", ids)
    assert sorted(id for taken in lots.values() for id in taken) == list(ids)
    # Within four standard deviations of what chance allows.
    for name, share in expected.items():
        assert abs(len(lots.get(name, [])) - share) <= 4 * (share * (1 - share / 10_000)) ** 0.5


def test_a_lot_depends_on_workflow_step_and_person_and_on_nothing_else() -> None:
    split = plan("random_split", branches(a=50, b=50))
    ids = list(range(1, 1001))
    lots = split.lots("workflow", "step", ids)
    assert {name: sorted(taken) for name, taken in split.lots("workflow", "step", ids[::-1]).items()} == lots
    assert split.lots("workflow", "step", [7])[next(name for name, taken in lots.items() if 7 in taken)] == [7]
    # A known answer: another hash would send people of running workflows another way.
    assert split.lots("workflow", "step", range(1, 13)) == {"a": [2, 3, 7, 8, 9, 12], "b": [1, 4, 5, 6, 10, 11]}
    for other in (split.lots("other", "step", ids), split.lots("workflow", "other", ids)):
        assert 400 < len(set(other["a"]) ^ set(lots["a"])) < 600


@pytest.mark.parametrize(
    ("config", "problems"),
    [
        (branches(a=50, b=49.99), [("split.not_whole", "/branches")]),
        (branches(a=50, b=50.01), [("split.not_whole", "/branches")]),
        (branches(a=33.333, b=66.667), ODD),
        (branches(a=-1, b=101), ODD),
        (branches(a=float("nan"), b=float("inf")), ODD),
        (branches(a=100), [("config.invalid", "/branches")]),
        (branches(**{f"b{n}": 0 for n in range(20)}, last=100), [("config.invalid", "/branches")]),
        (
            {"branches": [{"name": "a", "percentage": "50"}, {"name": "b"}]},
            [("config.invalid", "/branches/0/percentage"), ("field.missing", "/branches/1/percentage")],
        ),
        (
            {"branches": [{"name": "a b", "percentage": 50}, {"name": "b", "percentage": True}]},
            [("config.invalid", "/branches/0/name"), ("config.invalid", "/branches/1/percentage")],
        ),
        (
            {"branches": [{"name": "a", "percentage": 50}, {"name": "a", "percentage": 49}]},
            [("branch.name_taken", "/branches/1/name"), ("split.not_whole", "/branches")],
        ),
        (branches(a=50, next=50), [("branch.name_taken", "/branches/1/name")]),
        ({}, [("field.missing", "/branches")]),
    ],
)
def test_a_split_that_is_no_whole_is_refused(config: dict[str, Any], problems: list[tuple[str, str]]) -> None:
    assert found("random_split", config) == problems


def test_every_branch_of_a_split_leads_somewhere_and_a_manual_run_has_none() -> None:
    steps = ({"id": "split", "type": "random_split", "config": branches(a=50, b=50)}, {"id": "end", "type": "capture"})
    raw = definition(*steps, edges=[{"from": "split", "to": "end", "branch": "a"}])
    assert [(p.code, p.got) for p in Definition.parse(raw)[1]] == [("branch.missing", "b")]
    raw = raw | {"trigger": {"type": "manual"}}
    assert ("step.needs_person", "/steps/0/type") in [(p.code, p.pointer) for p in Definition.parse(raw)[1]]


def test_variables_are_set_to_constants_and_to_what_templates_give() -> None:
    assign = plan("set_variables", {"variables": {"n": 1, "yes": True, "none": None, "text": "Hello"}})
    assert isinstance(assign, Assign) and assign.values.constant and assign.templated == frozenset()
    assert assign.values.render({}) == {"n": 1, "yes": True, "none": None, "text": "Hello"}
    assign = plan("set_variables", {"variables": {"n": 1, "who": "{{ person.email }}"}})
    assert not assign.values.constant and assign.templated == {"who"}
    assert assign.values.render(SCOPE) == {"n": 1, "who": "ann@example.com"}


@pytest.mark.parametrize(
    ("text", "type_name", "expected"),
    [
        (" a ", "string", " a "),
        ("", "string", ""),
        (" 5\n", "number", 5),
        ("-0.25", "number", -0.25),
        ("9007199254740992", "number", 2**53),
        ("true", "boolean", True),
        (" false ", "boolean", False),
        *[
            (text, "number", None)
            for text in ("", "five", "1e3", "007", "+1", "1,5", "nan", "٣", "9007199254740993", ".5", "1.", "0x1")
        ],
        *[(text, "boolean", None) for text in ("", "True", "1", "yes")],
        ("anything", None, None),
    ],
)
def test_a_text_becomes_a_value_of_the_declared_type(text: str, type_name: str | None, expected: Any) -> None:
    if expected is None:
        with pytest.raises(ValueError, match="declared type"):
            value_of(text, type_name)
    else:
        value = value_of(text, type_name)
        assert (value, type(value)) == (expected, type(expected))


@pytest.mark.parametrize(
    ("config", "problems"),
    [
        ({}, [("field.missing", "/variables")]),
        ({"variables": {}}, [("config.invalid", "/variables")]),
        (
            {"variables": {"a": [1], "b/c": {"d": 1}}},
            [("variable.type_mismatch", "/variables/a"), ("variable.type_mismatch", "/variables/b~1c")],
        ),
        ({"variables": {"a": "x" * VARIABLES_LIMIT}}, [("variables.too_large", "/variables")]),
        ({"variables": {"a": "{{ person.email }}" + "x" * VARIABLES_LIMIT}}, []),
    ],
)
def test_variables_that_nothing_can_hold_are_refused(config: dict[str, Any], problems: list[tuple[str, str]]) -> None:
    assert found("set_variables", config) == problems


def test_what_is_set_is_declared_and_of_its_type() -> None:
    step_type = catalogue()["set_variables"]
    values = {"n": "5", "text": 5, "yes": 1, "none": None, "late": "{{ person.email }}", "nope": 1, "broken": "{{"}
    declared = {
        "n": "number",
        "text": "string",
        "yes": "boolean",
        "none": "number",
        "late": "number",
        "broken": "number",
    }
    config = step_type.Config(variables=values)
    assert [(p.code, p.pointer) for p in step_type.check_variables(config, declared)] == [
        ("variable.type_mismatch", "/variables/n"),
        ("variable.type_mismatch", "/variables/text"),
        ("variable.type_mismatch", "/variables/yes"),
        ("variable.unknown", "/variables/nope"),
    ]


def test_what_the_templates_of_variables_need_is_counted_as_needed() -> None:
    config = {"variables": {"greeting": "Hi {{ person.properties.first_name }}"}}
    raw = definition({"id": "set", "type": "set_variables", "config": config}, edges=[])
    parsed, problems = Definition.parse(raw)
    assert parsed is not None and not problems
    assert parsed.needs == ("first_name",)
    config = {"variables": {"greeting": "{{ variables.nope }} {{ nobody }}"}}
    raw = definition({"id": "set", "type": "set_variables", "config": config}, edges=[])
    pointers = {(p.code, p.pointer) for p in Definition.parse(raw)[1]}
    assert ("template.name_unknown", "/steps/0/config/variables/greeting") in pointers
