"""What the catalogue tells an author is true: schemas, examples, ways out, and what a step does to a run."""

from __future__ import annotations

import copy
import json
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from jsonschema import Draft202012Validator

from aggregates.steps import catalogue, close_to
from aggregates.steps.base import (
    Advance,
    Ask,
    Assign,
    Branch,
    ByProperty,
    Deliver,
    Finish,
    Park,
    Record,
    Source,
    Split,
)
from aggregates.steps.config import parse_config
from aggregates.templates import Template
from aggregates.workflow.definition import Definition

MONDAY = datetime(2026, 3, 2, 5, 6, tzinfo=UTC)
A_WEEK = [MONDAY + timedelta(hours=hours) for hours in range(0, 24 * 7, 5)]

PLANS = {
    "action": (Record, Deliver, Assign),
    "timing": (Park, ByProperty, Advance),
    "decision": (Branch, Split, Ask),
    "end": (Finish,),
}
VARIABLES = [{"key": "discount", "type": "number"}, {"key": "greeting", "type": "string"}]

every_type = pytest.mark.parametrize("id", sorted(catalogue()))


def taken(id: str, config: Any) -> bool:
    """Whether a step may have this config."""
    parsed, problems = parse_config(catalogue()[id], config, "")
    return parsed is not None and not problems


def broken(schema: dict[str, Any], example: dict[str, Any]) -> dict[str, dict[str, Any]]:
    """The example with one thing wrong with it, by what is wrong."""
    found = {"a field that is not there": {**example, "no_such_field": 1}}
    for name in schema.get("required", ()):
        found[f"without {name}"] = {key: value for key, value in example.items() if key != name}
    for name in schema["properties"]:
        found[f"{name} is a list in a list"] = {**copy.deepcopy(example), name: [[[]]]}
    return found


@every_type
def test_a_type_tells_an_author_all_that_is_needed(id: str) -> None:
    data = json.loads(json.dumps(catalogue()[id].as_data()))
    assert data["id"] == id and data["description"] and data["category"] and data["name"]
    assert data["distribution"] is None
    assert '"title"' not in json.dumps(data["config_schema"]["properties"])
    for example in data["examples"]:
        config, problems = parse_config(catalogue()[id], example, "/config")
        assert config is not None and not problems
        templates = list(catalogue()[id].templates(config))
        assert all(isinstance(source, Source) for source in templates)
        assert all(Template.parse(source.text, "", source.place)[0] for source in templates)


@every_type
def test_the_schema_of_a_config_takes_the_examples_and_refuses_what_the_parser_refuses(id: str) -> None:
    data = catalogue()[id].as_data()
    Draft202012Validator.check_schema(data["config_schema"])
    schema = Draft202012Validator(data["config_schema"])
    for example in data["examples"]:
        assert schema.is_valid(example) and taken(id, example)
        for what, config in broken(data["config_schema"], example).items():
            free = config.get("body") == [[[]]]  # the body of a webhook is whatever JSON there is
            assert (schema.is_valid(config), taken(id, config)) == (free, free), what


@every_type
def test_an_example_can_be_pasted_into_a_workflow(id: str) -> None:
    for example in catalogue()[id].examples:
        ports = catalogue()[id].ports(catalogue()[id].Config.model_validate(example))
        raw = {
            "trigger": {"type": "batch", "filters": {"properties": []}},
            "steps": [
                {"id": "first", "type": id, "config": example},
                *({"id": f"then-{port}", "type": "capture"} for port in ports),
            ],
            "edges": [{"from": "first", "to": f"then-{port}", "branch": port} for port in ports],
            "variables": VARIABLES,
        }
        assert Definition.parse(raw)[1] == []


@every_type
def test_the_kind_is_what_a_step_really_does_to_a_run(id: str) -> None:
    step_type = catalogue()[id]
    for example in step_type.examples:
        config = step_type.Config.model_validate(example)
        for now in A_WEEK:
            plan = step_type.plan(config, now)
            assert isinstance(plan, PLANS[step_type.kind])
            assert isinstance(plan, Deliver) is step_type.external
            if isinstance(plan, Park | Ask):
                assert step_type.waits


def test_the_catalogue_says_for_whom_the_config_decides_the_ways_out() -> None:
    assert {id for id, step_type in catalogue().items() if step_type.metadata()["ports_vary"]} == {
        "conditional_branch",
        "random_split",
    }
    assert catalogue()["approval"].metadata()["ports"] == ["approved", "rejected"]
    assert catalogue()["exit"].metadata()["ports"] == []


@pytest.mark.parametrize(
    ("said", "meant"),
    [
        ("Webhok", ["webhook"]),
        ("e-mail", ["email"]),
        ("wait", ["delay", "wait_until_time_window"]),
        ("split", ["random_split"]),
        ("branch", ["conditional_branch"]),
        ("teleport", []),
        ("x" * 100_000, []),
        ("", []),
    ],
)
def test_who_mistakes_the_name_of_a_type_is_told_the_close_ones(said: str, meant: list[str]) -> None:
    assert close_to(said) == meant
    problems = Definition.parse({"steps": [{"id": "a", "type": said}]})[1]
    unknown = next(problem for problem in problems if problem.code == "step.type_unknown")
    assert unknown.expected == list(catalogue())
    assert unknown.example == (meant[0] if meant else None)
