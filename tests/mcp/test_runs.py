"""Runs as an agent handles them: manual ones, those of a batch, and trying a workflow out."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from mcp_adapter.tools.runs import OUTPUT_BUDGET
from tests.mcp.conftest import World
from tests.support.agents import Agent
from tests.support.walks import chain, step
from workers.delivery import Deliveries
from workers.fanout import Fanout
from workers.sending import Sender
from workers.world import DatabaseWorld

MANUAL = {"type": "manual", "inputs": {"order": {"type": "string", "required": True}}}
NOTED = step("note", "capture", {"message": "Order {{ inputs.order }}"})
WAIT = step("wait", "delay", {"duration": "P1D"})


@pytest.fixture
def worker(world: World) -> Iterator[Fanout]:
    """One that takes a job when it is told to."""
    system = world.system
    deliveries = Deliveries.from_settings(system.settings, system.secrets)
    yield Fanout(
        system, Sender(system, deliveries, lambda c, p: DatabaseWorld(c, system, p)), lambda _job, _times: None
    )
    deliveries.close()


def manual(agent: Agent, *steps: Any) -> str:
    """An active manual workflow."""
    made = agent.call("workflows-create", name="Manual", trigger=MANUAL, **chain(*(steps or (NOTED,))))
    agent.call("workflows-enable", workflow_id=made["workflow_id"])
    return str(made["workflow_id"])


def begun(agent: Agent, workflow_id: str, key: str = "k1", **more: Any) -> dict[str, Any]:
    return agent.call("workflows-run", workflow_id=workflow_id, inputs={"order": "A-1"}, idempotency_key=key, **more)


def test_a_start_answers_at_once_and_the_result_says_that_it_is_not_there_yet(agent: Agent, worker: Fanout) -> None:
    started = begun(agent, manual(agent))
    assert (started["status"], started["workflow_version"]) == ("pending", 1)
    early = agent.call("runs-get-result", run_id=started["run_id"])
    assert (early["finished"], "output" in early) == (False, False)
    assert "runs-get-status" in early["next"]
    worker.advance(started["batch_job_id"])
    late = agent.call("runs-get-result", run_id=started["run_id"])
    assert late["finished"] and late["output"]["steps"]["note"]["output"] == {"message": "Order A-1"}
    status = agent.call("runs-get-status", run_id=started["run_id"], wait_seconds=25)
    assert (status["ended"], [note["step"] for note in status["trace"]]) == (True, ["note"])


def test_a_start_has_to_carry_an_idempotency_key_and_a_repeated_one_is_the_same_run(agent: Agent) -> None:
    workflow_id = manual(agent)
    refused = agent.refusal("workflows-run", workflow_id=workflow_id, inputs={"order": "A-1"})
    assert [error["pointer"] for error in refused["errors"]] == ["/idempotency_key"]
    first = begun(agent, workflow_id)
    assert begun(agent, workflow_id)["run_id"] == first["run_id"] != begun(agent, workflow_id, "k2")["run_id"]


def test_a_run_is_cancelled_and_stays_so(agent: Agent) -> None:
    started = begun(agent, manual(agent))
    cancelled = agent.call("runs-cancel", run_id=started["run_id"], reason="not needed")
    assert (cancelled["status"], cancelled["batch_job_status"]) == ("skipped", "cancelled")
    assert agent.call("runs-get-result", run_id=started["run_id"])["reason"] == "job_cancelled"


def test_who_got_it_and_who_did_not_is_a_list(agent: Agent, worker: Fanout, world: World, workflow_id: str) -> None:
    sized = agent.call("workflows-blast-radius", workflow_id=workflow_id)
    job = agent.call(
        "workflows-run-batch",
        workflow_id=workflow_id,
        acknowledged_affected_count=sized["affected"],
        confirm_token=sized["confirm_token"],
    )
    worker.advance(job["batch_job_id"])
    first = agent.call("runs-list", batch_job_id=job["batch_job_id"], limit=4)
    rest = agent.call("runs-list", batch_job_id=job["batch_job_id"], limit=4, after=first["next_cursor"])
    rows = [*first["runs"], *rest["runs"]]
    assert len({row["run_id"] for row in rows}) == 7
    assert {row["status"] for row in rows} == {"delivered"}
    assert agent.call("runs-list", workflow_id=workflow_id, status="failed")["runs"] == []
    one = agent.call("runs-list", person_id=rows[2]["person_id"])
    assert [row["run_id"] for row in one["runs"]] == [rows[2]["run_id"]]


@pytest.mark.parametrize("tool", ["runs-get-status", "runs-get-result", "runs-cancel"])
def test_a_strange_run_and_an_unknown_one_are_refused_alike(agent: Agent, stranger: Agent, tool: str) -> None:
    run_id = begun(agent, manual(agent))["run_id"]
    more = {"reason": "stop"} if tool == "runs-cancel" else {}
    answers = [stranger.refusal(tool, run_id=id, **more) for id in (run_id, run_id.replace("-", "0"), "nonsense")]
    assert answers[0] == answers[1] == answers[2]
    assert answers[0]["code"] == "run.not_found"


def test_a_large_output_is_left_out_and_read_step_by_step(agent: Agent, worker: Fanout) -> None:
    long = "x" * (OUTPUT_BUDGET // 2)
    steps = [step(f"s{n}", "capture", {"message": f"{long}{n}"}) for n in range(3)]
    started = begun(agent, manual(agent, *steps))
    worker.advance(started["batch_job_id"])
    found = agent.call("runs-get-result", run_id=started["run_id"])
    assert found["outputs_omitted"] and "output" not in found["output"]["steps"]["s2"]
    one = agent.call("runs-get-status", run_id=started["run_id"], step="s2")
    assert [note["output"]["message"][-1] for note in one["trace"]] == ["2"]


def test_a_workflow_is_tried_out_without_any_effect(agent: Agent, world: World, workflow_id: str) -> None:
    before = world.traces()
    tried = agent.call("workflows-simulate", workflow_id=workflow_id, sample=3)
    assert (tried["people"], tried["outcomes"]) == (3, {"delivered": 3})
    assert {run["status"] for run in tried["runs"]} == {"delivered"} and len(tried["runs"]) == 3
    named = agent.call("workflows-simulate", workflow_id=workflow_id, people=["p100"])
    assert [run["not_reached_because"] for run in named["runs"]] == ["not_matched"]
    assert world.traces() == before


# -- /mcp/studio


@pytest.fixture
def studio(agent: Agent, world: World) -> Agent:
    return replace(agent, url=f"{world.url}/mcp/studio")


def test_the_studio_offers_its_nine_tools_under_their_own_names(studio: Agent) -> None:
    async def names(client: Any) -> list[str]:
        return [tool.name for tool in (await client.list_tools()).tools]

    assert studio.within(names) == [
        "list_workflows",
        "get_workflow",
        "run_workflow",
        "list_components",
        "get_component",
        "list_runs",
        "get_run_status",
        "get_run_result",
        "cancel_run",
    ]


def test_the_sequence_of_the_studio_works(agent: Agent, studio: Agent, worker: Fanout) -> None:
    workflow_id = manual(agent)
    assert "capture" in [row["id"] for row in studio.call("list_components")["components"]]
    assert studio.call("get_component", componentId="capture")["id"] == "capture"
    assert [row["id"] for row in studio.call("list_workflows")["workflows"]] == [workflow_id]
    assert studio.call("get_workflow", workflowId=workflow_id)["trigger"]["type"] == "manual"
    started = studio.call("run_workflow", workflowId=workflow_id, inputs={"order": "B-2"})
    assert studio.call("get_run_status", runId=started["runId"])["ended"] is False
    assert studio.call("get_run_result", runId=started["runId"])["finished"] is False
    worker.advance(started["runId"].partition(".")[0])
    assert studio.call("get_run_status", runId=started["runId"])["status"] == "delivered"
    result = studio.call("get_run_result", runId=started["runId"])
    assert result["result"]["steps"]["note"]["output"] == {"message": "Order B-2"}
    assert studio.refusal("cancel_run", runId=started["runId"])["code"] == "run.ended"
    other = studio.call("run_workflow", workflowId=workflow_id, inputs={"order": "C-3"}, versionId=1)
    assert studio.call("cancel_run", runId=other["runId"])["status"] == "skipped"
    listed = studio.call("list_runs", workflowId=workflow_id, status="delivered", limit=100)["runs"]
    assert [row["runId"] for row in listed] == [started["runId"]]


def test_the_studio_takes_its_own_spelling_only(studio: Agent) -> None:
    refused = studio.refusal("get_workflow", workflow_id="x")
    assert {error["pointer"] for error in refused["errors"]} == {"/workflow_id", "/workflowId"}


def test_our_tools_are_not_at_the_address_of_the_studio(studio: Agent, tmp_path: Path) -> None:
    async def called(client: Any) -> str:
        try:
            await client.call_tool("workflows-list", {})
        except Exception as error:  # noqa: BLE001
            return str(error)
        return "answered"

    assert "no such tool" in studio.within(called)
