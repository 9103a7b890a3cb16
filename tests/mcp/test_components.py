"""How an agent finds out what a workflow can be made of."""

from __future__ import annotations

import json

from aggregates.steps import catalogue
from tests.mcp.conftest import CONTENT, World
from tests.support.agents import Agent

RESULT_CHARACTERS = 24_000


def test_an_agent_reads_a_step_type_and_writes_a_workflow_from_its_example(agent: Agent) -> None:
    listed = agent.call("components-list")["components"]
    assert [row["component_id"] for row in listed] == sorted(catalogue())
    chosen = next(row for row in listed if row["kind"] == "timing" and "zone" in row["description"])
    read = agent.call("components-get", component_id=chosen["component_id"])
    assert chosen.items() <= read.items()
    assert read["config_schema"] == catalogue()[chosen["component_id"]].as_data()["config_schema"]
    step = {"id": "wait", "type": read["component_id"], "config": read["examples"][-1]}
    made = agent.call("workflows-create", name="W", **{**CONTENT, "steps": [step], "edges": []})
    assert agent.call("workflows-enable", workflow_id=made["workflow_id"])["status"] == "active"


def test_answers_stay_small(agent: Agent) -> None:
    assert len(json.dumps(agent.call("components-list"))) < RESULT_CHARACTERS // 4
    for id in catalogue():
        assert len(json.dumps(agent.call("components-get", component_id=id))) < RESULT_CHARACTERS // 4


def test_an_unknown_step_type_names_the_close_ones_and_the_tool_that_lists_them(agent: Agent) -> None:
    refused = agent.refusal("components-get", component_id="wait_until")
    assert (refused["code"], refused["details"]["close"]) == ("component.not_found", ["wait_until_time_window"])
    assert "components-list" in refused["next"]
    steps = [{"id": "a", "type": "wait_until", "config": {}}]
    wrong = agent.refusal("workflows-create", name="W", **{**CONTENT, "steps": steps})
    assert wrong["errors"][0]["example"] == "wait_until_time_window"
    assert "components-get" in wrong["next"]


def test_step_types_are_for_those_who_may_read_workflows(agent: Agent, world: World) -> None:
    blind = world.agent(mode=agent.mode, scopes=["run:read"])
    assert blind.refusal("components-get", component_id="delay")["code"] == "scope.missing"
