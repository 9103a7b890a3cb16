"""Chains 1 to 5: an audience of one is an audience."""

from __future__ import annotations

from typing import Any

import pytest

from tests.reach.conftest import Open
from tests.reach.field import EMAIL, MANUAL, TO_INPUT, Field
from tests.support.product import Json

RUN_ONLY = frozenset({"workflow:read", "workflow:write", "workflow:run", "run:read"})
STRANGER: Json = {"inputs": {"to": "stranger@example.com"}}
LITERALS = [{**EMAIL, "id": f"mail_{n}", "config": {**EMAIL["config"], "to": f"p{n}@example.com"}} for n in range(30)]
CHAIN = [{"from": f"mail_{n}", "to": f"mail_{n + 1}", "branch": "next"} for n in range(29)]


def manual(field: Field, **content: Any) -> str:
    """A workflow of a human's, which writes to whoever it is started for."""
    return field.workflow(trigger=MANUAL, steps=[TO_INPUT], **content)


@pytest.mark.parametrize("confirmation", ["relayed", "witnessed"])
def test_01_a_run_by_an_agent_without_person_read_waits_for_a_human(field_with: Open, confirmation: str) -> None:
    field = field_with(confirmation=confirmation)
    agent = field.agent(scopes=RUN_ONLY)
    id = field.workflow(agent, trigger=MANUAL, steps=[TO_INPUT])
    for said in (
        field.post(agent, f"/workflows/{id}/run", STRANGER),
        field.tool(agent, "workflows-run", workflow_id=id, idempotency_key="one", **STRANGER),
        field.tool(agent, "run_workflow", studio=True, workflowId=id, **STRANGER),
    ):
        assert said.code == "scope.missing" or "/confirm/" in str(said.ok), said
    field.work()
    assert not field.mailed


def test_02_literal_addresses_are_refused_at_every_pointer(field: Field) -> None:
    agent = field.agent()
    content: Json = {"name": "Letters", "trigger": MANUAL, "steps": LITERALS, "edges": CHAIN}
    for said in (field.post(agent, "/workflows", content), field.tool(agent, "workflows-create", **content)):
        assert said.code == "workflow.invalid"
        found = {error["pointer"] for error in said.data["errors"] if error["code"] == "email.to_elsewhere"}
        assert found == {f"/steps/{n}/config/to" for n in range(30)}


def test_03_a_hundred_runs_are_a_hundred_people_of_the_budget(field_with: Open) -> None:
    field = field_with(max_audience=20)
    agent, id = field.agent(), manual(field)
    codes = [
        field.post(agent, f"/workflows/{id}/run", {"inputs": {"to": f"p{n}@example.com"}}).code for n in range(100)
    ]
    assert codes == ["ok"] * 20 + ["audience.over_budget"] * 80
    field.work()
    assert not field.mailed


def test_04_limits_of_none_and_one_hold_it(field_with: Open) -> None:
    field = field_with(confirmation="relayed", max_audience=1, approval_over=0)
    agent, id = field.agent(limits={"max_audience": 1, "approval_over": 0}), manual(field)
    said = field.post(agent, f"/workflows/{id}/run", STRANGER)
    assert said.ok["batch_job_status"] == "held"
    field.work()
    assert not field.mailed


def test_05_somebody_elses_workflow_is_run_as_its_human_lets_it(field: Field) -> None:
    agent, id = field.agent(scopes=RUN_ONLY | {"person:read"}), manual(field)
    held = field.post(agent, f"/workflows/{id}/run", STRANGER).ok
    assert held["batch_job_status"] == "held" and held["confirm_url"].endswith(held["batch_job_id"])
    field.work()
    assert not field.mailed
    assert field.confirm(field.human, held["batch_job_id"], 1).ok
    field.work()
    assert field.mailed == {"stranger@example.com": 1}
    assert field.http(agent, "PUT", f"/workflows/{id}/agent-runs", {"agent_runs": "free"}).code != "ok"
    field.http(field.owner, "PUT", f"/workflows/{id}/agent-runs", {"agent_runs": "never"}).done()
    assert field.post(agent, f"/workflows/{id}/run", STRANGER).code == "workflow.agent_runs_never"
    field.http(field.owner, "PUT", f"/workflows/{id}/agent-runs", {"agent_runs": "free"}).done()
    assert (
        field.post(agent, f"/workflows/{id}/run", {"inputs": {"to": "b@example.com"}}).ok["batch_job_status"]
        == "queued"
    )
    field.work()
    assert field.mailed["b@example.com"] == 1


def test_an_opted_out_address_is_not_written_to_by_a_manual_run(field: Field) -> None:
    field.people("gone,gone@example.com,pro,true", header="distinct_id,email,plan,opted_out").done()
    said = field.post(field.owner, f"/workflows/{manual(field)}/run", {"inputs": {"to": "Gone@Example.com"}})
    assert said.code == "audience.empty"
    field.work()
    assert not field.mailed
