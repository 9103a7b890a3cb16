"""What an agent learns in its first turn, and how it finds the names that a condition can use."""

from __future__ import annotations

import json

import httpx2
from sqlalchemy import insert

from aggregates.operators import OPERATORS
from aggregates.steps import catalogue
from commands.grants import SCOPES
from mcp_adapter.tools import TOOLS
from projections import tables
from tests.mcp.conftest import CONTENT, PEOPLE, World
from tests.support.agents import Agent

GUIDE_CHARACTERS = 1_500 * 4
RESULT_CHARACTERS = 6_000 * 4


def test_the_guide_says_what_a_first_turn_needs(agent: Agent) -> None:
    guide = agent.call("guide")
    assert guide["project"] == "default"
    assert guide["send_mode"] == "capture" or guide["send_mode"] == "live"
    assert guide["limits"]["max_audience"] == 5_000
    assert guide["confirmation"]["token_needed"] is True
    assert "confirm_token" in guide["confirmation"]["how"]
    assert set(guide["operators"]) == set(OPERATORS)
    assert set(guide["step_types"]) == set(catalogue())
    assert set(guide["triggers"]) == {"batch", "manual"}
    assert len(json.dumps(guide)) < GUIDE_CHARACTERS


def test_the_examples_of_the_guide_can_be_saved_as_they_stand(agent: Agent) -> None:
    guide = agent.call("guide")
    for trigger in guide["triggers"].values():
        made = agent.call("workflows-create", **{**CONTENT, "name": "W", "trigger": trigger})
        assert agent.call("workflows-enable", workflow_id=made["workflow_id"])["status"] == "active"
    agent.call("workflows-create", **guide["example"])


def test_the_guide_tells_the_limits_of_the_key_and_the_tools_that_it_has(agent: Agent, world: World) -> None:
    narrow = world.limited(agent, max_audience=3, approval_over=2).call("guide")
    assert (narrow["limits"]["max_audience"], narrow["limits"]["approval_over"]) == (3, 2)
    assert "Over 2 people" in narrow["confirmation"]["second_person"]
    reader = world.agent(mode=agent.mode, scopes=["workflow:read"])
    named = " ".join(reader.call("guide")["next"])
    assert "components-get" in named
    for tool in ("people-properties", "workflows-blast-radius", "workflows-run-batch"):
        assert tool not in named
        assert tool in " ".join(agent.call("guide")["next"])
    assert all(text.split(":")[0].split(",")[0].split(";")[0] in TOOLS for text in agent.call("guide")["next"])


def test_the_guide_and_the_operators_are_the_same_over_http(agent: Agent, world: World) -> None:
    headers = {"Authorization": f"Bearer {world.key(scopes=sorted(SCOPES))[1]}"}
    with httpx2.Client(base_url=f"{world.url}/api/v1", headers=headers) as http:
        guide = http.get("/guide").json()
        listed = http.get("/operators").json()["data"]
        found = http.get("/people/properties").json()
    ours = agent.call("guide")
    same = ("project", "operators", "triggers", "step_types", "example", "send_mode")
    assert all(guide[name] == ours[name] for name in same)
    assert guide["confirmation"]["token_needed"] is False
    assert [row["operator"] for row in listed] == list(OPERATORS)
    assert (found["people"], found["sampled"]) == (0, False)


def test_properties_are_read_before_a_condition_is_written(agent: Agent, world: World, workflow_id: str) -> None:
    found = agent.call("people-properties")
    rows = {row["key"]: row for row in found["properties"]}
    assert rows["plan"]["values"] == [{"value": "pro", "share": round(PEOPLE / (PEOPLE + 2), 4)}]
    assert found["people"] == PEOPLE + 2
    blind = world.agent(mode=agent.mode, scopes=["workflow:read", "workflow:write"])
    assert blind.refusal("people-properties")["code"] == "scope.missing"


def test_the_answer_of_a_sizing_names_what_was_probably_meant(agent: Agent, workflow_id: str) -> None:
    wrong = {"type": "batch", "filters": {"properties": [{"type": "person", "key": "plna", "operator": "is_set"}]}}
    made = agent.call("workflows-create", **{**CONTENT, "name": "W", "trigger": wrong})
    assert made["findings"][0]["example"] == "plan"
    sized = agent.call("workflows-blast-radius", workflow_id=made["workflow_id"])
    assert (sized["affected"], sized["findings"][0]["example"]) == (0, "plan")
    assert "findings" in sized["summary"]
    assert agent.call("workflows-blast-radius", workflow_id=workflow_id)["findings"] == []


def test_properties_of_many_keys_fit_into_an_answer(agent: Agent, world: World) -> None:
    properties = {f"a_property_with_a_rather_long_name_{n}": n for n in range(400)}
    rows = [{"project_id": world.project, "distinct_id": f"d{n}", "properties": properties} for n in range(6)]
    with world.system.engine.begin() as connection:
        connection.execute(insert(tables.people), rows)
    found = agent.call("people-properties")
    assert len(json.dumps(found)) < RESULT_CHARACTERS
    assert found["properties_omitted"] > 0
