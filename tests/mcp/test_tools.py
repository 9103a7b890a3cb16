"""The table of tools, as clients see it."""

from __future__ import annotations

import json
from typing import Any

import pytest

from aggregates.errors import CODES
from commands.grants import COMMANDS, SCOPES
from mcp_adapter.texts import BATCH, ELSEWHERE, TOOL
from mcp_adapter.tools import TOOLS, TOOLSETS

WHOLE_LIST = 12_000
ONE_TOOLSET = 4_000
CHARACTERS_PER_TOKEN = 4

NAMES = [
    "guide",
    "workflows-list",
    "workflows-get",
    "workflows-create",
    "workflows-update",
    "workflows-enable",
    "workflows-archive",
    "workflows-simulate",
    "workflows-blast-radius",
    "workflows-run-batch",
    "workflows-list-batch-jobs",
    "batch-jobs-get",
    "batch-jobs-pause",
    "batch-jobs-resume",
    "batch-jobs-cancel",
    "batch-jobs-failures",
    "workflows-schedule-create",
    "workflows-update-schedule",
    "workflows-pause-schedule",
    "workflows-resume-schedule",
    "schedules-preview",
    "workflows-run",
    "runs-list",
    "runs-get-status",
    "runs-get-result",
    "runs-cancel",
    "cohorts-list",
    "people-properties",
    "components-list",
    "components-get",
    "log-read",
    "state-at",
]

# read only, destructive, idempotent, open world
HINTS = {
    "guide": (True, False, True, False),
    "people-properties": (True, False, True, False),
    "workflows-list": (True, False, True, False),
    "workflows-get": (True, False, True, False),
    "workflows-create": (False, False, False, False),
    "workflows-update": (False, True, True, False),
    "workflows-enable": (False, False, True, False),
    "workflows-archive": (False, True, True, False),
    "workflows-simulate": (True, False, True, False),
    "workflows-blast-radius": (True, False, True, False),
    "workflows-run-batch": (False, True, True, True),
    "workflows-list-batch-jobs": (True, False, True, False),
    "batch-jobs-get": (True, False, True, False),
    "batch-jobs-failures": (True, False, True, False),
    "batch-jobs-pause": (False, False, True, False),
    "batch-jobs-resume": (False, True, True, True),
    "batch-jobs-cancel": (False, True, True, False),
    "workflows-schedule-create": (False, True, True, True),
    "workflows-update-schedule": (False, True, True, True),
    "workflows-pause-schedule": (False, False, True, False),
    "workflows-resume-schedule": (False, True, True, True),
    "schedules-preview": (True, False, True, False),
    "workflows-run": (False, True, True, True),
    "runs-list": (True, False, True, False),
    "runs-get-status": (True, False, True, False),
    "runs-get-result": (True, False, True, False),
    "runs-cancel": (False, True, True, False),
    "cohorts-list": (True, False, True, False),
    "components-list": (True, False, True, False),
    "components-get": (True, False, True, False),
    "log-read": (True, False, True, False),
    "state-at": (True, False, True, False),
}


def wire(name: str) -> dict[str, Any]:
    return TOOLS[name].listing.model_dump(by_alias=True, mode="json", exclude_none=True)


def tokens(names: list[str]) -> int:
    return len(json.dumps([wire(name) for name in names])) // CHARACTERS_PER_TOKEN


def test_the_names_are_final_and_in_a_fixed_order() -> None:
    assert list(TOOLS) == NAMES


def test_the_list_fits_into_its_budget() -> None:
    assert tokens(list(TOOLS)) < WHOLE_LIST
    for tools in TOOLSETS.values():
        assert tokens([tool.name for tool in tools]) < ONE_TOOLSET


def test_the_annotations_say_what_each_tool_does_to_the_world() -> None:
    fields = ("readOnlyHint", "destructiveHint", "idempotentHint", "openWorldHint")
    assert {name: tuple(wire(name)["annotations"][field] for field in fields) for name in TOOLS} == HINTS


@pytest.mark.parametrize("name", NAMES)
def test_every_schema_is_closed_flat_and_of_an_object(name: str) -> None:
    given, answer = wire(name)["inputSchema"], wire(name)["outputSchema"]
    assert given["type"] == answer["type"] == "object"
    assert given["additionalProperties"] is False
    assert "summary" in answer["required"]
    assert not [word for word in ("$ref", "$defs", "anyOf", '"title":') if word in json.dumps([given, answer])]


@pytest.mark.parametrize("name", NAMES)
def test_ids_have_the_same_name_everywhere(name: str) -> None:
    ids = {field for field in wire(name)["inputSchema"]["properties"] if field.endswith("id")}
    assert ids <= {"stream_id", "workflow_id", "batch_job_id", "schedule_id", "run_id", "person_id", "component_id"}


def test_scopes_come_from_the_table_of_grants() -> None:
    assert all(set(tool.scopes) <= SCOPES for tool in TOOLS.values())
    assert TOOLS["workflows-run-batch"].scopes == ("workflow:run", "person:read")
    assert TOOLS["workflows-blast-radius"].scopes == ("workflow:read", "person:read")
    for act in ("schedule-create", "update-schedule", "resume-schedule"):
        assert TOOLS[f"workflows-{act}"].scopes == ("workflow:run", "person:read")


def test_nothing_that_widens_or_confirms_an_agents_own_reach_is_on_the_surface() -> None:
    withheld = {
        "DisableWorkflow",
        "DetachSchedule",
        "ApproveBatchJob",
        "RejectBatchJob",
        "DecideStep",
        "SetPolicy",
        "CreateKey",
        "RevokeKey",
        "ImportPeople",
    }
    assert withheld <= set(COMMANDS)
    assert not {tool.grant for tool in TOOLS.values()} & withheld


@pytest.mark.parametrize(
    "name",
    [
        "workflows-blast-radius",
        "workflows-run-batch",
        "workflows-schedule-create",
        "workflows-update-schedule",
        "workflows-resume-schedule",
    ],
)
def test_the_texts_tell_the_agent_to_stop_for_a_yes_in_the_users_own_turn(name: str) -> None:
    text = TOOLS[name].description
    assert "stop" in text.lower()
    assert "explicit yes in the user's own turn" in text


@pytest.mark.parametrize("name", ["workflows-schedule-create", "workflows-update-schedule"])
def test_the_texts_of_schedules_ask_for_the_cadence_too(name: str) -> None:
    assert "cadence" in TOOLS[name].description
    assert "schedules-preview" in TOOLS[name].description


def test_every_effectful_tool_takes_an_idempotency_key() -> None:
    for tool in TOOLS.values():
        assert ("idempotency_key" in tool.arguments.model_fields) is not tool.effect.reads_only


def test_next_steps_name_tools_that_exist_and_no_routes() -> None:
    assert set(BATCH.next) <= set(CODES)
    texts = " ".join([*BATCH.next.values(), BATCH.instructions, *(tool.description for tool in TOOLS.values())])
    assert set(TOOL.findall(texts)) <= set(TOOLS)
    assert not [text for text in BATCH.next.values() if ELSEWHERE.search(text)]
