"""JSON that is sent as text is taken where it is exactly what is declared, and refused with that sentence otherwise.

Generated from every argument of every tool of both addresses.
"""

from __future__ import annotations

import json
from typing import Any

import pytest

from aggregates.errors import DomainError
from mcp_adapter.json_text import NOUNS, text_sentence
from mcp_adapter.schemas import parse, schema_of
from mcp_adapter.tool import Tool
from mcp_adapter.tools import TOOLS
from mcp_adapter.tools.studio import STUDIO
from tests.doors.operations import example

EVERY = [*TOOLS.values(), *(tool for tools in STUDIO.values() for tool in tools)]
SCHEMAS = {tool.name: schema_of(tool.arguments) for tool in EVERY}
ARGUMENTS = [
    (tool, name)
    for tool in EVERY
    for name, field in SCHEMAS[tool.name]["properties"].items()
    if field.get("type") in NOUNS
]
VALUES: dict[str, Any] = {"array": [], "object": {}, "boolean": True, "number": 0.5}
OTHER = {"array": "{}", "object": "[]", "integer": "1.5", "number": "true", "boolean": "1"}


def least(tool: Tool[Any, Any]) -> dict[str, Any]:
    whole: dict[str, Any] = example(SCHEMAS[tool.name], {})
    return whole


def value_of(tool: Tool[Any, Any], name: str) -> Any:
    field = SCHEMAS[tool.name]["properties"][name]
    return VALUES.get(field["type"], field.get("minimum", 1))


@pytest.mark.parametrize(("tool", "name"), ARGUMENTS, ids=lambda part: getattr(part, "name", part))
def test_text_that_is_what_is_declared_is_taken_for_it(tool: Tool[Any, Any], name: str) -> None:
    value = value_of(tool, name)
    try:
        plain = parse(tool.arguments, least(tool) | {name: value})
    except DomainError:
        # A part of an object that is required: then text says the same, with the same pointers.
        with pytest.raises(DomainError) as said:
            parse(tool.arguments, least(tool) | {name: json.dumps(value)})
        assert all(problem.pointer.startswith(f"/{name}/") for problem in said.value.problems)
        return
    assert parse(tool.arguments, least(tool) | {name: json.dumps(value)}) == plain


@pytest.mark.parametrize(("tool", "name"), ARGUMENTS, ids=lambda part: getattr(part, "name", part))
@pytest.mark.parametrize("kind", ["other", "broken", "words", "nothing"])
def test_any_other_text_is_refused_with_the_sentence_that_says_so(tool: Tool[Any, Any], name: str, kind: str) -> None:
    declared = SCHEMAS[tool.name]["properties"][name]["type"]
    text = {"other": OTHER[declared], "broken": '[{"a":1', "words": "as you like", "nothing": "null"}[kind]
    with pytest.raises(DomainError) as refused:
        parse(tool.arguments, least(tool) | {name: text})
    assert refused.value.code == "request.invalid"
    found = [problem for problem in refused.value.problems if problem.pointer == f"/{name}"]
    assert [problem.message for problem in found] == [text_sentence(declared)]
    assert text not in str(found[0].as_data()) or len(text) < 5


def test_steps_and_counts_as_models_send_them() -> None:
    steps = [{"id": "note", "type": "capture", "config": {"message": "Hello"}}]
    given = parse(
        TOOLS["workflows-create"].arguments, {"name": "W", "trigger": '{"type":"manual"}', "steps": json.dumps(steps)}
    )
    assert (given.model_dump()["steps"], given.model_dump()["trigger"]) == (steps, {"type": "manual"})
    run = {"workflow_id": "w", "acknowledged_affected_count": "312", "confirm_token": "t"}
    assert parse(TOOLS["workflows-run-batch"].arguments, run).model_dump()["acknowledged_affected_count"] == 312


@pytest.mark.parametrize("text", ['{"a":1,"a":2}', '{"a":NaN}', '{"a":"\\u0000"}', '{"a":1e999}', "[" * 40 + "]" * 40])
def test_text_is_read_as_strictly_as_a_body(text: str) -> None:
    with pytest.raises(DomainError) as refused:
        parse(TOOLS["workflows-create"].arguments, {"name": "W", "trigger": text, "steps": []})
    assert [problem.pointer for problem in refused.value.problems] == ["/trigger"]


def test_what_is_required_in_words_is_required_in_the_schema() -> None:
    for tool in EVERY:
        schema = SCHEMAS[tool.name]
        said = {name for name, field in schema["properties"].items() if "Required" in field.get("description", "")}
        assert said <= set(schema.get("required", ())), tool.name
    for name in ("workflows-run-batch", "workflows-schedule-create", "workflows-resume-schedule"):
        assert {"acknowledged_affected_count", "confirm_token"} <= set(SCHEMAS[name]["required"])
