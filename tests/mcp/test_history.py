"""The log and states of the past as an agent reads them; and what is recorded of calls that were refused there."""

from __future__ import annotations

import json
from typing import Any
from uuid import UUID

from mcp_adapter.tools.history import DATA_BUDGET, LISTED_AT_ONCE
from tests.mcp.conftest import AGENT_SCOPES, CONTENT, World
from tests.support.agents import Agent
from tests.support.refusals import recorded

MOST_TOKENS = 6_000
CHARACTERS_PER_TOKEN = 4

MANY_STEPS = [
    {"id": f"n{n}", "name": f"Note {n}", "type": "capture", "config": {"message": "x" * 900}} for n in range(60)
]


def test_an_agent_reads_who_did_what(agent: Agent, workflow_id: str) -> None:
    told = agent.call("log-read", stream_id=workflow_id)
    assert [event["topic"] for event in told["events"]] == ["workflow.activated.v1", "workflow.created.v1"]
    event = told["events"][0]
    assert (event["via"], event["source"], event["kind"], event["version"]) == (
        "mcp:workflows-enable",
        "mcp",
        "workflow",
        2,
    )
    onwards = agent.call("log-read", from_position=told["events"][1]["position"], limit=1)
    assert onwards["events"][0]["position"] == told["events"][1]["position"]
    more = agent.call("log-read", from_position=1, limit=1, after=onwards["next_cursor"])
    assert more["events"][0]["position"] == event["position"]


def test_a_refused_call_is_recorded_once_whatever_refused_it(agent: Agent, world: World, workflow_id: str) -> None:
    sizing = agent.call("workflows-blast-radius", workflow_id=workflow_id)
    proof = {"acknowledged_affected_count": sizing["affected"] + 1, "confirm_token": sizing["confirm_token"]}
    assert agent.refusal("workflows-run-batch", workflow_id=workflow_id, **proof)["code"] == "audience.drift"
    poor = world.agent(scopes=[scope for scope in AGENT_SCOPES if scope != "workflow:run"])
    assert poor.refusal("workflows-run-batch", workflow_id=workflow_id, **proof)["code"] == "scope.missing"
    assert poor.refusal("workflows-run-batch", workflow_id=workflow_id)["code"] == "scope.missing"
    assert agent.refusal("workflows-run-batch", workflow_id=workflow_id)["code"] == "request.invalid"
    found = recorded(world.system.engine)
    assert [(event.name, event.code) for event in found] == [
        ("RunBatch", "audience.drift"),
        ("RunBatch", "scope.missing"),
        ("RunBatch", "scope.missing"),
    ]
    assert {event.subject_id for event in found} == {UUID(workflow_id)}
    assert all(event.meta["via"] == "mcp:workflows-run-batch" and event.meta["request_id"] for event in found)
    told = agent.call("log-read", refused=True, limit=1)["events"][0]
    assert (told["kind"], told["data"]["code"]) == ("refusal", "scope.missing")


def test_what_is_too_long_for_a_list_is_named_and_read_by_its_position(agent: Agent, world: World) -> None:
    made = agent.call("workflows-create", name="Long", **{**CONTENT, "steps": MANY_STEPS[:5]})
    (event,) = agent.call("log-read", stream_id=made["workflow_id"])["events"]
    assert event["left_out"] == ["content"]
    assert event["data"] == {"name": "Long", "description": ""}
    told = agent.call("log-read", position=event["position"])
    assert "left_out" not in told["events"][0]
    assert told["events"][0]["data"]["content"]["steps"] == MANY_STEPS[:5]


def test_no_answer_is_longer_than_an_agent_can_take(agent: Agent, world: World) -> None:
    """The worst there is: each event says as much as a list shows, one content is longer than any answer."""
    for _ in range(LISTED_AT_ONCE):
        agent.call("workflows-create", name="N" * 200, description="d" * (DATA_BUDGET - 250), **CONTENT)
    page = agent.call("log-read", limit=LISTED_AT_ONCE)
    assert len(page["events"]) == LISTED_AT_ONCE
    assert all(len(event["left_out"]) == 1 for event in page["events"])
    made = agent.call("workflows-create", name="Long", **{**CONTENT, "steps": MANY_STEPS})
    (event,) = agent.call("log-read", limit=1)["events"]
    whole = agent.call("log-read", position=event["position"])
    state = agent.call("state-at", stream_id=made["workflow_id"])
    assert state["left_out"] == whole["events"][0]["left_out"] == ["content"]
    assert "over HTTP" in state["summary"] and "over HTTP" in whole["summary"]
    for answer in (page, whole, state):
        assert len(json.dumps(answer)) < MOST_TOKENS * CHARACTERS_PER_TOKEN


def test_an_agent_sees_how_it_was(agent: Agent, workflow_id: str) -> None:
    created = agent.call("log-read", stream_id=workflow_id)["events"][1]
    now = agent.call("state-at", stream_id=workflow_id)
    assert (now["kind"], now["state"]["status"], now["version"]) == ("workflow", "active", 2)
    for moment in ({"position": created["position"]}, {"time": created["recorded_at"]}):
        then = agent.call("state-at", stream_id=workflow_id, **moment)
        assert (then["state"]["status"], then["position"]) == ("draft", created["position"])
    early = agent.refusal("state-at", stream_id=workflow_id, time="2020-01-01T00:00:00Z")
    assert (early["code"], early["details"]["first_position"]) == ("stream.not_begun", created["position"])


def test_the_past_of_another_project_is_unknown(agent: Agent, stranger: Agent, workflow_id: str) -> None:
    position = agent.call("log-read", limit=1)["events"][0]["position"]
    own = {event["topic"] for event in stranger.call("log-read")["events"]}
    assert own == {"project.created.v1", "key.created.v1"}
    assert stranger.call("log-read", stream_id=workflow_id)["events"] == []
    asked: list[tuple[str, dict[str, Any], str]] = [
        ("state-at", {"stream_id": workflow_id}, "stream.not_found"),
        ("state-at", {"stream_id": "no-id"}, "stream.not_found"),
        ("log-read", {"stream_id": "no-id"}, "stream.not_found"),
        ("log-read", {"position": position}, "event.not_found"),
        ("log-read", {"since": "noon"}, "request.invalid"),
    ]
    for tool, given, code in asked:
        assert stranger.refusal(tool, **given)["code"] == code
