"""What an agent learns before it asks a human: the number, the policy, and whether a second person is needed."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from commands.approval import ApproveBatchJob
from engine.bootstrap import system_principal
from projections.page import as_id
from tests.mcp.conftest import PEOPLE, World
from tests.support.agents import Agent


def confirmed(sized: dict[str, Any], workflow_id: str) -> dict[str, Any]:
    return {
        "workflow_id": workflow_id,
        "acknowledged_affected_count": sized["affected"],
        "confirm_token": sized["confirm_token"],
    }


def test_the_answer_carries_the_policy_of_the_key(agent: Agent, world: World, workflow_id: str) -> None:
    sized = agent.call("workflows-blast-radius", workflow_id=workflow_id)
    assert (sized["frozen"], sized["policy"]["max_audience"]) == (False, sized["limit"])
    assert "held" not in sized["next"] and sized["next"] in sized["summary"]
    assert (sized["deliveries"], sized["per_person"]) == ({}, 0)
    assert f"It reaches {PEOPLE} people." in sized["summary"]
    narrow = world.limited(agent, max_growth=0.05, approval_over=PEOPLE)
    sized = narrow.call("workflows-blast-radius", workflow_id=workflow_id)
    assert (sized["policy"]["max_growth"], sized["policy"]["approval_over"]) == (0.05, PEOPLE)
    assert "held" not in sized["next"]


def test_frozen_people_stay_the_ones_who_are_reached(agent: Agent, world: World, workflow_id: str) -> None:
    sized = agent.call("workflows-blast-radius", workflow_id=workflow_id, freeze=True)
    assert (sized["frozen"], sized["affected"]) == (True, PEOPLE)
    assert "kept until expires_at" in sized["summary"]
    world.people(count=3, start=50)
    started = agent.call("workflows-run-batch", **confirmed(sized, workflow_id))
    assert (started["status"], started["acknowledged"]) == ("queued", PEOPLE)


def test_a_batch_over_the_approval_limit_is_held_for_a_second_person(
    agent: Agent, world: World, workflow_id: str
) -> None:
    narrow = world.limited(agent, approval_over=PEOPLE - 1)
    sized = narrow.call("workflows-blast-radius", workflow_id=workflow_id)
    for said in ("It would be held", "within a day", "at confirm_url once it is asked for", "who did not ask for it"):
        assert said in sized["summary"]
    assert "confirm_url" not in sized
    started = narrow.call("workflows-run-batch", **confirmed(sized, workflow_id))
    assert (started["status"], started["held_because"]) == ("held", "approval_over")
    assert started["confirm_url"].endswith(f"/confirm/{started['batch_job_id']}")
    for said in ("a person who did not ask for it", "Give confirm_url to the user", "do not retry"):
        assert said in started["summary"]
    before = world.traces()
    again = narrow.call("workflows-run-batch", **confirmed(sized, workflow_id))
    assert again == {**started, "changed": False}
    assert world.traces() == before

    job = narrow.call("batch-jobs-get", batch_job_id=started["batch_job_id"])
    assert (job["status"], job["ended"], job["reason"]) == ("held", False, "approval_over")
    assert datetime.fromisoformat(job["held_until"]) == datetime.fromisoformat(started["held_until"])
    assert "do not retry" in job["summary"]

    boss = system_principal(world.project, source="cli", name="boss")
    approve = ApproveBatchJob(as_id(started["batch_job_id"], "batch_job.not_found"), PEOPLE)
    done = world.system.bus.dispatch(approve, world.system.meta(boss, via="test"))
    world.system.reads.wait_for(done.position)
    job = narrow.call("batch-jobs-get", batch_job_id=started["batch_job_id"])
    assert (job["status"], job["approved_by"], "held_until" in job) == ("queued", "boss", False)
