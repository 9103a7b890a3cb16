"""What a confirm token buys an agent, and how many people it may reach in a day."""

from __future__ import annotations

from tests.mcp.conftest import PEOPLE, World
from tests.mcp.test_sizing import confirmed
from tests.support.agents import Agent

DAILY = {"rrule": "FREQ=DAILY", "starts_at": "2026-01-05T09:00:00"}


def test_a_token_is_short_and_buys_what_was_sized(agent: Agent, world: World, workflow_id: str) -> None:
    sized = agent.call("workflows-blast-radius", workflow_id=workflow_id, rate="100/minute")
    assert len(sized["confirm_token"]) <= 40
    before = world.traces()
    refused = agent.refusal("workflows-run-batch", **confirmed(sized, workflow_id))
    assert (refused["code"], refused["details"]) == ("confirm.changed", {"changed": ["pace"]})
    refused = agent.refusal("workflows-schedule-create", **DAILY, **confirmed(sized, workflow_id))
    assert (refused["code"], refused["details"]["changed"][0]) == ("confirm.changed", "purpose")
    assert world.traces() == before
    agent.call("workflows-run-batch", rate="100/minute", **confirmed(sized, workflow_id))


def test_an_agent_reaches_as_many_in_a_day_as_in_one_job(agent: Agent, world: World, workflow_id: str) -> None:
    narrow = world.limited(agent, max_audience=PEOPLE)
    sized = narrow.call("workflows-blast-radius", workflow_id=workflow_id)
    assert sized["budget_left"] == PEOPLE
    narrow.call("workflows-run-batch", **confirmed(sized, workflow_id))
    sized = narrow.call("workflows-blast-radius", workflow_id=workflow_id)
    assert (sized["budget_left"], "may reach 0 more people today" in sized["summary"]) == (0, True)
    assert "do not ask for a yes" in sized["summary"]
    refused = narrow.refusal("workflows-run-batch", **confirmed(sized, workflow_id))
    assert (refused["code"], refused["details"]["budget_left"]) == ("audience.over_budget", 0)
    assert "Do not retry" in refused["next"]
