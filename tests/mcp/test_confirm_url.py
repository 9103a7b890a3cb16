"""What an agent asks for under `witnessed`: it is told to hand the address on; a client that can opens it itself."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from tests.mcp.conftest import PEOPLE, World
from tests.support.agents import Agent
from tests.support.humans import Human

DAILY = {"rrule": "FREQ=DAILY", "starts_at": "2030-01-01T09:00:00"}
HOOK = {"id": "hook", "name": "Hook", "type": "webhook", "config": {"url": "https://example.com"}}
RUN = "workflows-run-batch"


@pytest.fixture
def witnessed(agent: Agent, world: World) -> Agent:
    return world.limited(agent, confirmation="witnessed")


def proof(agent: Agent, workflow_id: str, **what: Any) -> dict[str, Any]:
    sized = agent.call("workflows-blast-radius", workflow_id=workflow_id, **what)
    assert sized["confirmation"] == "witnessed"
    return {"acknowledged_affected_count": sized["affected"], "confirm_token": sized["confirm_token"]}


def test_a_batch_is_held_and_the_agent_is_told_to_hand_the_address_on(
    witnessed: Agent, world: World, workflow_id: str
) -> None:
    given = {"workflow_id": workflow_id, **proof(witnessed, workflow_id)}
    told = witnessed.call(RUN, **given)
    assert (told["status"], told["held_because"]) == ("held", "witnessed")
    assert told["confirm_url"].endswith(f"/confirm/{told['batch_job_id']}")
    assert "Give confirm_url to the user, stop and wait" in told["summary"]
    assert witnessed.call(RUN, **given) == {**told, "changed": False}


def test_a_schedule_is_unconfirmed_until_a_human_says_so(witnessed: Agent, workflow_id: str) -> None:
    given = {"workflow_id": workflow_id, **DAILY, **proof(witnessed, workflow_id, schedule=DAILY)}
    told = witnessed.call("workflows-schedule-create", **given)
    assert told["status"] == "unconfirmed"
    assert told["confirm_url"].endswith(f"/confirm/{told['confirmation_id']}")
    assert "Nothing has changed yet" in told["summary"]
    assert witnessed.call("workflows-get", workflow_id=workflow_id)["schedules"] == []


def test_a_manual_run_is_held_over_both_addresses(witnessed: Agent) -> None:
    made = witnessed.call("workflows-create", name="Hook", trigger={"type": "manual"}, steps=[HOOK])["workflow_id"]
    witnessed.call("workflows-enable", workflow_id=made)
    told = witnessed.call("workflows-run", workflow_id=made, idempotency_key="k")
    assert (told["batch_job_status"], "confirm_url" in told) == ("held", True)
    studio = replace(witnessed, url=f"{witnessed.url}/studio")
    bare = studio.refusal("run_workflow", workflowId=made)
    assert bare["code"] == "idempotency.missing" and "idempotencyKey" in bare["next"]
    theirs = studio.call("run_workflow", workflowId=made, idempotencyKey="s")
    assert "confirmUrl" in theirs and "Give confirmUrl to the user" in theirs["summary"]


def test_the_rest_of_a_paused_job_is_sized_by_the_same_tool(agent: Agent, world: World, workflow_id: str) -> None:
    sized = agent.call("workflows-blast-radius", workflow_id=workflow_id)
    job = agent.call(
        RUN,
        workflow_id=workflow_id,
        acknowledged_affected_count=sized["affected"],
        confirm_token=sized["confirm_token"],
    )["batch_job_id"]
    other = replace(agent, key=world.key()[1])
    other.call("batch-jobs-pause", batch_job_id=job, reason="wait")
    assert agent.refusal("batch-jobs-resume", batch_job_id=job)["code"] == "acknowledgement.missing"
    rest = agent.call("workflows-blast-radius", workflow_id=workflow_id, batch_job_id=job)
    assert (rest["affected"], rest["deliveries"], rest["per_person"]) == (PEOPLE, {}, 0)
    assert f"It reaches {PEOPLE} people." in rest["summary"]
    told = agent.call(
        "batch-jobs-resume",
        batch_job_id=job,
        acknowledged_affected_count=PEOPLE,
        confirm_token=rest["confirm_token"],
    )
    assert told["status"] == "queued"


# -- a client that opens addresses


@pytest.fixture
def opening(world: World) -> Agent:
    """Of the protocol in which a server can ask; its client can too."""
    return replace(world.limited(world.agent(), confirmation="witnessed"), human=Human(people=PEOPLE, go_on=True))


@pytest.mark.parametrize("action", ["accept", "decline", "cancel"])
def test_a_client_that_can_opens_the_address_once_and_nothing_depends_on_it(
    world: World, agent: Agent, workflow_id: str, opening: Agent, action: Any
) -> None:
    given = {"workflow_id": workflow_id, **DAILY, **proof(opening, workflow_id, schedule=DAILY)}
    human = Human(action)
    told = replace(opening, human=human).call("workflows-schedule-create", **given)
    assert told["status"] == "unconfirmed"
    assert human.opened == [told["confirm_url"]]
    # It was asked for once: the second try of the call only heard the answer.
    assert replace(opening, human=None).call("workflows-schedule-create", **given) == told


def test_a_form_and_an_address_come_one_after_the_other(opening: Agent, agent: Agent, workflow_id: str) -> None:
    told = opening.call(RUN, workflow_id=workflow_id, **proof(opening, workflow_id))
    assert isinstance(opening.human, Human)
    assert (told["status"], len(opening.human.asked)) == ("held", 1)
    assert opening.human.opened == [told["confirm_url"]]


def test_what_is_not_held_is_offered_to_nobody(opening: Agent, workflow_id: str) -> None:
    opening.call("workflows-blast-radius", workflow_id=workflow_id)
    assert isinstance(opening.human, Human)
    assert opening.human.opened == []
