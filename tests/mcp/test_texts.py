"""What an address says names its own tools and nothing of another door: over the whole catalogue of codes, and of the
studio over every answer and refusal that it can give."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import pytest

from aggregates.errors import CODES, DomainError
from aggregates.steps import catalogue
from commands.grants import SCOPES
from engine.ids import new_id
from mcp_adapter.endpoints import TABLES, TEXTS
from mcp_adapter.refusals import problem_of
from mcp_adapter.texts import BATCH, ELSEWHERE, STUDIO, TOOL, Texts
from mcp_adapter.tools import TOOLS
from tests.mcp.conftest import CONTENT, World
from tests.support.agents import Agent

NINE = {
    "list_workflows",
    "get_workflow",
    "run_workflow",
    "list_components",
    "get_component",
    "list_runs",
    "get_run_status",
    "get_run_result",
    "cancel_run",
}
LARGE = 20_000


def alien(text: str) -> list[str]:
    """What a text of the studio may not name."""
    return [name for name in TOOLS if name in text and name != "guide"] + TOOL.findall(text) + ELSEWHERE.findall(text)


@pytest.mark.parametrize("code", CODES)
def test_the_next_step_of_every_code_names_tools_of_the_address_only(code: str) -> None:
    ours, studio = (problem_of(DomainError(code), texts) for texts in (BATCH, STUDIO))
    assert ours["next"].endswith(".") and studio["next"].endswith(".")
    assert not ELSEWHERE.search(ours["next"])
    assert set(TOOL.findall(ours["next"])) <= set(TOOLS)
    assert alien(studio["next"]) == []


@pytest.mark.parametrize("code", CODES)
def test_the_sentence_of_every_code_names_no_tool(code: str) -> None:
    assert not TOOL.search(CODES[code].message)
    assert not ELSEWHERE.search(CODES[code].message)


@pytest.mark.parametrize("texts", [BATCH, STUDIO], ids=["batch", "studio"])
def test_a_next_step_of_another_door_is_replaced_even_if_it_is_a_refusals_own(texts: Texts) -> None:
    told = problem_of(DomainError("workflow.invalid", next="See GET /api/v1/workflows."), texts)
    assert not ELSEWHERE.search(told["next"])
    assert alien(problem_of(DomainError("workflow.invalid", next="Call workflows-get."), STUDIO)["next"]) == []


def test_every_address_has_words_of_its_own() -> None:
    assert set(TABLES) == set(TEXTS)
    assert {tool.name for tools in TABLES["/mcp/studio"].values() for tool in tools} == NINE
    assert alien(STUDIO.instructions) == []
    assert all(name in STUDIO.instructions for name in NINE)
    listing = [tool.listing.model_dump_json() for tools in TABLES["/mcp/studio"].values() for tool in tools]
    assert [found for text in listing for found in alien(text)] == []


@pytest.fixture
def studio(agent: Agent) -> Agent:
    return replace(agent, url=f"{agent.url}/studio")


def walk(agent: Agent, studio: Agent, world: World) -> list[dict[str, Any]]:
    """Answers and refusals of each of the nine, in as many situations as they tell apart."""
    manual = {"type": "manual", "inputs": {"note": {"type": "string", "required": True}}}
    note = {"id": "note", "type": "capture", "config": {"message": "{{ inputs.note }}"}}
    many = [{**note, "id": f"n{n}", "config": {"message": "x" * LARGE}} for n in range(3)]
    small, large, batch = (
        agent.call("workflows-create", **{**CONTENT, "name": "W", **more})["workflow_id"]
        for more in ({"trigger": manual, "steps": [note]}, {"trigger": manual, "steps": many}, {})
    )
    draft = agent.call("workflows-create", **{**CONTENT, "name": "W", "trigger": manual})["workflow_id"]
    for id in (small, large, batch):
        agent.call("workflows-enable", workflow_id=id)
    begun = studio.call("run_workflow", workflowId=small, inputs={"note": "hello"})
    run, other = begun["runId"], studio.call("run_workflow", workflowId=small, inputs={"note": "y"})["runId"]
    answers = [
        begun,
        studio.call("list_workflows"),
        *(studio.call("get_workflow", workflowId=id) for id in (small, large, batch, draft)),
        studio.call("list_components"),
        *(studio.call("get_component", componentId=id) for id in catalogue()),
        studio.call("list_runs"),
        *(studio.call(name, runId=run) for name in ("get_run_status", "get_run_result")),
        studio.call("cancel_run", runId=other, reason="no longer wanted"),
        *(studio.call(name, runId=other) for name in ("get_run_status", "get_run_result")),
    ]
    refusals = [
        *(studio.refusal(name, workflowId=str(new_id())) for name in ("get_workflow", "run_workflow")),
        *(studio.refusal("run_workflow", workflowId=id, inputs={}) for id in (small, batch, draft)),
        studio.refusal("run_workflow", workflowId=small, inputs={"note": "a"}, versionId=99),
        studio.refusal("run_workflow", workflow=small),
        studio.refusal("get_component", componentId="http_request"),
        *(studio.refusal(name, runId="none") for name in ("get_run_status", "get_run_result", "cancel_run")),
        studio.refusal("cancel_run", runId=run[:-1] + "7"),
        studio.refusal("list_runs", status="done"),
        studio.refusal("list_runs", after="nonsense"),
    ]
    blind = replace(studio, key=world.key(scopes=["key:admin"])[1])
    refusals += [blind.refusal(name) for name in sorted(NINE)]
    return answers + refusals


def test_no_answer_or_refusal_of_the_studio_names_a_tool_that_it_lacks(
    agent: Agent, studio: Agent, world: World
) -> None:
    told = walk(agent, studio, world)
    assert [(found, each) for each in told for found in alien(json.dumps(each))] == []
    assert {"summary", "next"} <= {name for each in told for name in each}


def test_who_may_run_and_read_runs_follows_its_own_manual_run(agent: Agent, studio: Agent, world: World) -> None:
    made = agent.call("workflows-create", **{**CONTENT, "name": "W", "trigger": {"type": "manual"}})
    agent.call("workflows-enable", workflow_id=made["workflow_id"])
    key = world.key(scopes=["workflow:run", "run:read"])[1]
    narrow, narrow_studio = replace(agent, key=key), replace(studio, key=key)
    run = narrow.call("workflows-run", workflow_id=made["workflow_id"], idempotency_key="once")["run_id"]
    status = narrow.call("runs-get-status", run_id=run)
    assert (status["run_id"], status["manual"], status["trace"]) == (run, True, [])
    assert narrow.call("runs-get-result", run_id=run)["finished"] is False
    assert narrow_studio.call("get_run_status", runId=run)["runId"] == run
    assert narrow_studio.call("get_run_result", runId=run)["finished"] is False
    job = run.partition(".")[0]
    for person in (f"{job}.1", f"{job[:-1]}0.1"):
        refused = narrow.refusal("runs-get-status", run_id=person)
        assert (refused["code"], refused["details"]["missing"]) == ("scope.missing", ["person:read"])
    stranger = world.key(scopes=sorted(SCOPES), project=world.other_project)[1]
    unknown = narrow.refusal("runs-get-status", run_id=f"{made['workflow_id']}.0")
    foreign = replace(agent, key=stranger).refusal("runs-get-status", run_id=run)
    assert unknown == foreign
    assert unknown["code"] == "run.not_found"


@pytest.mark.parametrize("texts", [BATCH, STUDIO], ids=["batch", "studio"])
@pytest.mark.parametrize(
    "code",
    ["workflow.agent_runs_never", "batch_job.paused_by_human", *(c for c in CODES if c.startswith("confirmation."))],
)
def test_what_only_a_person_decides_is_told_to_the_user(code: str, texts: Texts) -> None:
    assert problem_of(DomainError(code), texts)["next"].startswith("Tell the user: ")


@pytest.mark.parametrize("texts", [BATCH, STUDIO], ids=["batch", "studio"])
def test_a_spent_budget_is_nothing_to_try_again(texts: Texts) -> None:
    assert "Do not retry" in problem_of(DomainError("audience.over_budget"), texts)["next"]
