"""From a draft to a batch job, and every refusal on the way; after a refusal nothing is there that was not before."""

from __future__ import annotations

import threading
from typing import Any

import anyio
import httpx2
from mcp import Client

from aggregates.batch_job.standing import COUNTS
from mcp_adapter.tools.jobs import LISTED_AT_ONCE, brief
from tests.mcp.conftest import CONTENT, PEOPLE, World
from tests.support.agents import Agent, facts
from workers.delivery import Deliveries
from workers.fanout import Fanout
from workers.sending import Sender
from workers.world import DatabaseWorld


def size(agent: Agent, workflow_id: str, **arguments: Any) -> str:
    sized = agent.call("workflows-blast-radius", workflow_id=workflow_id, **arguments)
    assert (sized["affected"], sized["total"], sized["everyone"]) == (PEOPLE, PEOPLE + 2, False)
    return str(sized["confirm_token"])


def size_of_all(agent: Agent, workflow_id: str) -> str:
    return str(agent.call("workflows-blast-radius", workflow_id=workflow_id)["confirm_token"])


def run(workflow_id: str, token: str | None, count: int = PEOPLE, **more: Any) -> dict[str, Any]:
    arguments = {"workflow_id": workflow_id, "acknowledged_affected_count": count, **more}
    return arguments if token is None else arguments | {"confirm_token": token}


def test_a_confirmed_audience_becomes_a_job_and_the_same_call_is_the_same_job(
    agent: Agent, world: World, workflow_id: str
) -> None:
    token = size(agent, workflow_id)
    before = world.traces()
    started = agent.call("workflows-run-batch", **run(workflow_id, token))
    assert (started["status"], started["acknowledged"]) == ("queued", PEOPLE)
    assert agent.call("workflows-run-batch", **run(workflow_id, token)) == {**started, "changed": False}
    assert world.traces() == (before[0] + 1, before[1] + 1, before[2])

    job = agent.call("batch-jobs-get", batch_job_id=started["batch_job_id"])
    assert (job["status"], job["ended"], job["source"]) == ("queued", False, "mcp")
    listed = agent.call("workflows-list-batch-jobs", workflow_id=workflow_id)
    assert [row["batch_job_id"] for row in listed["batch_jobs"]] == [started["batch_job_id"]]


def test_an_idempotency_key_gives_the_first_answer_again(agent: Agent, world: World, workflow_id: str) -> None:
    arguments = run(workflow_id, size(agent, workflow_id), idempotency_key="once")
    started = agent.call("workflows-run-batch", **arguments)
    before = world.traces()
    assert agent.call("workflows-run-batch", **arguments) == started
    again = arguments | {"confirm_token": size(agent, workflow_id)}
    assert agent.refusal("workflows-run-batch", **again)["code"] == "idempotency.mismatch"
    assert world.traces() == before


def test_a_count_that_the_user_did_not_see_is_refused(agent: Agent, world: World, workflow_id: str) -> None:
    token = size(agent, workflow_id)
    before = world.traces()
    refused = agent.refusal("workflows-run-batch", **run(workflow_id, token, PEOPLE + 1))
    assert (refused["code"], refused["details"]) == ("audience.drift", {"now": PEOPLE, "acknowledged": PEOPLE + 1})
    assert "workflows-blast-radius" in refused["next"]
    assert world.traces() == before


def test_an_audience_that_grew_meanwhile_is_refused(agent: Agent, world: World, workflow_id: str) -> None:
    token = size(agent, workflow_id)
    world.people(count=1, start=50)
    before = world.traces()
    assert agent.refusal("workflows-run-batch", **run(workflow_id, token))["code"] == "audience.drift"
    assert world.traces() == before


def test_an_agent_needs_the_token_beside_the_count(agent: Agent, world: World, workflow_id: str) -> None:
    before = world.traces()
    assert agent.refusal("workflows-run-batch", **run(workflow_id, None))["code"] == "confirm.missing"
    assert agent.refusal("workflows-run-batch", **run(workflow_id, "garbage"))["code"] == "confirm.invalid"
    assert world.traces() == before


def test_a_spent_token_buys_nothing_else(agent: Agent, world: World, workflow_id: str) -> None:
    token = size(agent, workflow_id)
    agent.call("workflows-run-batch", **run(workflow_id, token))
    before = world.traces()
    other = run(workflow_id, token, variables={"offer": "twenty"})
    assert agent.refusal("workflows-run-batch", **other)["code"] == "confirm.used"
    assert world.traces() == before


def test_a_token_of_another_key_is_refused(agent: Agent, world: World, workflow_id: str) -> None:
    token = size(world.agent(mode=agent.mode), workflow_id)
    before = world.traces()
    assert agent.refusal("workflows-run-batch", **run(workflow_id, token))["code"] == "confirm.changed"
    assert world.traces() == before


def test_a_draft_cannot_be_run(agent: Agent, world: World) -> None:
    world.people(count=PEOPLE)
    draft = agent.call("workflows-create", name="Draft", **CONTENT)["workflow_id"]
    token = agent.call("workflows-blast-radius", workflow_id=draft)["confirm_token"]
    before = world.traces()
    refused = agent.refusal("workflows-run-batch", **run(draft, token))
    assert (refused["code"], refused["details"]) == ("workflow.not_active", {"status": "draft"})
    assert world.traces() == before


def test_without_person_read_neither_sizing_nor_running_is_there(agent: Agent, world: World, workflow_id: str) -> None:
    token = size(agent, workflow_id)
    blind = world.agent(mode=agent.mode, scopes=["workflow:read", "workflow:run", "run:read"])
    before = world.traces()
    for tool, arguments in (
        ("workflows-run-batch", run(workflow_id, token)),
        ("workflows-blast-radius", {"workflow_id": workflow_id}),
    ):
        refused = blind.refusal(tool, **arguments)
        assert (refused["code"], refused["details"]) == ("scope.missing", {"missing": ["person:read"]})
    assert world.traces() == before


def test_the_keys_own_limit_is_the_limit(agent: Agent, world: World, workflow_id: str) -> None:
    capped = world.limited(agent, max_audience=PEOPLE - 1)
    sized = capped.call("workflows-blast-radius", workflow_id=workflow_id)
    assert sized["limit"] == PEOPLE - 1
    before = world.traces()
    refused = capped.refusal("workflows-run-batch", **run(workflow_id, sized["confirm_token"]))
    assert refused["code"] == "audience.over_limit"
    assert world.traces() == before


def test_ids_of_another_project_answer_like_unknown_ones(
    agent: Agent, stranger: Agent, world: World, workflow_id: str
) -> None:
    job = agent.call("workflows-run-batch", **run(workflow_id, size(agent, workflow_id)))["batch_job_id"]
    before = world.traces()
    unknown = "6f9c4f0e-0f0e-4d6e-9d5e-000000000000"
    for tool, name, id, more in (
        ("workflows-get", "workflow_id", workflow_id, {}),
        ("workflows-blast-radius", "workflow_id", workflow_id, {}),
        ("workflows-enable", "workflow_id", workflow_id, {}),
        ("workflows-archive", "workflow_id", workflow_id, {}),
        ("workflows-run-batch", "workflow_id", workflow_id, {"acknowledged_affected_count": PEOPLE}),
        ("batch-jobs-get", "batch_job_id", job, {}),
        ("batch-jobs-pause", "batch_job_id", job, {"reason": "mine"}),
        ("batch-jobs-resume", "batch_job_id", job, {}),
        ("batch-jobs-cancel", "batch_job_id", job, {"reason": "mine"}),
    ):
        foreign = stranger.refusal(tool, **{name: id}, **more)
        assert foreign["code"].endswith(".not_found")
        assert foreign == stranger.refusal(tool, **{name: unknown}, **more)
        assert foreign == stranger.refusal(tool, **{name: "not an id"}, **more)
    assert stranger.call("workflows-list")["workflows"] == []
    assert stranger.call("workflows-list-batch-jobs", workflow_id=workflow_id)["batch_jobs"] == []
    assert world.traces() == before


def test_a_queued_job_can_be_cancelled_for_good(agent: Agent, workflow_id: str) -> None:
    job = agent.call("workflows-run-batch", **run(workflow_id, size(agent, workflow_id)))["batch_job_id"]
    cancelled = agent.call("batch-jobs-cancel", batch_job_id=job, reason="wrong offer")
    assert cancelled["status"] == "cancelled"
    assert agent.call("batch-jobs-cancel", batch_job_id=job, reason="wrong offer") == {**cancelled, "changed": False}
    shown = agent.call("batch-jobs-get", batch_job_id=job, wait_seconds=25)
    assert (shown["status"], shown["ended"], shown["reason"]) == ("cancelled", True, "wrong offer")


def test_a_job_is_paused_and_goes_on(agent: Agent, world: World, workflow_id: str) -> None:
    job = agent.call("workflows-run-batch", **run(workflow_id, size(agent, workflow_id)))["batch_job_id"]
    paused = agent.call("batch-jobs-pause", batch_job_id=job, reason="wrong offer?")
    assert paused["status"] == "paused"
    before = world.traces()
    assert agent.call("batch-jobs-pause", batch_job_id=job, reason="again") == {**paused, "changed": False}
    assert world.traces() == before
    shown = agent.call("batch-jobs-get", batch_job_id=job)
    assert (shown["status"], shown["reason"], shown["ended"]) == ("paused", "wrong offer?", False)

    assert agent.call("batch-jobs-resume", batch_job_id=job)["status"] == "queued"
    agent.call("batch-jobs-cancel", batch_job_id=job, reason="wrong offer")
    refused = agent.refusal("batch-jobs-resume", batch_job_id=job)
    assert (refused["code"], refused["details"]) == ("batch_job.ended", {"status": "cancelled", "move": "resume"})


def test_a_job_of_a_workflow_that_is_no_longer_active_does_not_go_on(agent: Agent, workflow_id: str) -> None:
    job = agent.call("workflows-run-batch", **run(workflow_id, size(agent, workflow_id)))["batch_job_id"]
    agent.call("batch-jobs-pause", batch_job_id=job, reason="wait")
    agent.call("workflows-archive", workflow_id=workflow_id)
    assert agent.refusal("batch-jobs-resume", batch_job_id=job)["code"] == "workflow.not_active"


def test_a_wait_ends_when_its_time_is_over(agent: Agent, workflow_id: str) -> None:
    job = agent.call("workflows-run-batch", **run(workflow_id, size(agent, workflow_id)))["batch_job_id"]
    assert agent.call("batch-jobs-get", batch_job_id=job, wait_seconds=1)["ended"] is False


def test_a_wait_ends_when_the_job_has_ended(agent: Agent, world: World, workflow_id: str) -> None:
    job = agent.call("workflows-run-batch", **run(workflow_id, size(agent, workflow_id)))["batch_job_id"]
    deliveries = Deliveries.from_settings(world.system.settings, world.system.secrets)
    sender = Sender(world.system, deliveries, lambda c, project: DatabaseWorld(c, world.system, project))
    worker = threading.Thread(target=Fanout(world.system, sender, lambda *_: None).advance, args=(job,))

    async def wait_while_it_works(client: Client) -> dict[str, Any]:
        worker.start()
        return facts(await client.call_tool("batch-jobs-get", {"batch_job_id": job, "wait_seconds": 25}))

    shown = agent.within(wait_while_it_works)
    worker.join()
    deliveries.close()
    assert (shown["status"], shown["ended"], shown["counts"]["delivered"]) == ("completed", True, PEOPLE)
    assert sum(shown["counts"].values()) == shown["enrolled"] == PEOPLE


def test_many_waits_at_once_keep_nobody_else_waiting(world: World) -> None:
    """More waits than there are threads and connections."""
    world.people(count=PEOPLE)
    agent = world.agent()
    id = agent.call("workflows-create", name="W", **CONTENT)["workflow_id"]
    agent.call("workflows-enable", workflow_id=id)
    job = agent.call("workflows-run-batch", **run(id, size_of_all(agent, id)))["batch_job_id"]

    async def crowd(client: Client) -> list[str]:
        order: list[str] = []

        async def wait() -> None:
            await client.call_tool("batch-jobs-get", {"batch_job_id": job, "wait_seconds": 3})
            order.append("waited")

        async with anyio.create_task_group() as group:
            for _ in range(4 * world.system.settings.pool_size):
                group.start_soon(wait)
            await client.call_tool("workflows-list", {})
            order.append("listed")
        return order

    assert agent.within(crowd)[0] == "listed"


def test_a_key_marked_agent_needs_the_token_over_http_too(world: World) -> None:
    world.people(count=PEOPLE)
    agent = Agent(f"{world.url}/mcp", world.key(agent=True)[1])
    workflow_id = agent.call("workflows-create", name="Spring", **CONTENT)["workflow_id"]
    agent.call("workflows-enable", workflow_id=workflow_id)
    before = world.traces()
    answer = httpx2.post(
        f"{world.url}/api/v1/workflows/{workflow_id}/run-batch",
        json={"acknowledged_affected_count": PEOPLE},
        headers={"Authorization": f"Bearer {agent.key}"},
        trust_env=False,
    )
    assert (answer.status_code, answer.json()["code"]) == (422, "confirm.missing")
    assert world.traces() == before


def test_a_full_page_of_jobs_stays_readable() -> None:
    now, id = "2027-01-04T08:00:00.123456+00:00", "6f9c4f0e-0f0e-4d6e-9d5e-000000000000"
    instants = dict.fromkeys(("scheduled_for", "fired_at", "requested_at", "finished_at"), now)
    row = {"id": id, "workflow_id": id, "schedule_id": id, "workflow_version": 3, "reason": "r" * 1_000, **instants}
    row |= {"status": "completed_with_failures", "late_by_seconds": 3.125, "held_until": None, "approved_by": None}
    row |= {
        "acknowledged": 4_000,
        "enrolled": 4_000,
        "send_mode": "capture",
        "manual": False,
        **dict.fromkeys(COUNTS, 0),
    }
    shown = brief(row | {"delivered": 3_000, "failed": 1_000})
    assert shown.counts == {"delivered": 3_000, "failed": 1_000}
    assert LISTED_AT_ONCE * len(shown.model_dump_json(exclude_none=True)) < 7_000 * 4
