"""Who stands behind a key, over HTTP: who approves, who lifts, and what an agent does not do to what is live."""

from __future__ import annotations

from typing import Any

import pytest

from commands.grants import SCOPES
from tests.http.conftest import CONTENT, Door, bearer, pointers, problem


@pytest.fixture
def door(fresh_door: Door) -> Door:
    fresh_door.people("a", "b", "c")
    return fresh_door


def made(door: Door, by: str | None = None, **terms: Any) -> dict[str, Any]:
    """A key that another one makes; the owner's key unless told."""
    body = {"name": "made", "scopes": sorted(SCOPES), **terms}
    answer = door.client.post("/api/v1/keys", json=body, headers=bearer(by) if by else {})
    assert answer.status_code == 201, answer.text
    return dict(answer.json())


def test_a_key_shows_its_owner_and_who_made_it(door: Door) -> None:
    root = door.key(owner="ada")
    child = made(door, root)
    grandchild = made(door, child["key"])
    assert (child["owner"], len(child["chain"])) == ("ada", 1)
    assert (grandchild["owner"], grandchild["chain"]) == ("ada", [*child["chain"], child["key_id"]])
    changed = door.client.patch(f"/api/v1/keys/{child['key_id']}", json={"name": "other"}).json()
    assert (changed["owner"], changed["chain"], changed["changed"]) == ("ada", child["chain"], True)
    rows = {row["id"]: row for row in door.client.get("/api/v1/keys").json()["data"]}
    row = rows[grandchild["key_id"]]
    assert (row["owner"], row["chain"], row["made_by"]) == ("ada", grandchild["chain"], child["key_id"])
    assert (row["made_via"], rows[child["key_id"]]["changed_by"] is not None) == ("POST /api/v1/keys", True)
    state = door.client.get(f"/api/v1/streams/{row['stream_id']}/state").json()
    assert (state["kind"], state["state"]["chain"], state["position"]) == (
        "key",
        grandchild["chain"],
        grandchild["position"],
    )


def test_no_owner_is_chosen_over_http(door: Door) -> None:
    body = {"name": "made", "scopes": ["run:read"], "owner": "grace"}
    assert "/owner" in pointers(door.client.post("/api/v1/keys", json=body))


def test_nobody_approves_with_a_key_of_the_requesters_making(door: Door) -> None:
    workflow_id = door.enabled()
    asks = door.key(limits={"approval_over": 1})
    size = door.sized(workflow_id, key=asks)
    body = {"acknowledged_affected_count": size["affected"], "confirm_token": size["confirm_token"]}
    path = f"/api/v1/workflows/{workflow_id}/run-batch"
    job = door.client.post(path, json=body, headers=bearer(asks)).json()
    assert job["status"] == "held"
    minted = made(door, asks, approval_over=1)
    remade = made(door, minted["key"], approval_over=1)
    assert door.client.delete(f"/api/v1/keys/{minted['key_id']}").json()["revoked"]
    approve = f"/api/v1/batch-jobs/{job['batch_job_id']}/approve"
    count = {"acknowledged_affected_count": size["affected"]}
    for key in (asks, remade["key"]):
        assert problem(door.client.post(approve, json=count, headers=bearer(key)), 403)["code"] == (
            "approval.own_request"
        )
    assert door.client.post(approve, json=count).json()["status"] == "queued"


def test_nobody_lifts_a_key_of_their_own_chain_nor_one_whose_scopes_they_lack(door: Door) -> None:
    child = made(door, agent=True, scopes=["workflow:read", "workflow:run"], max_audience=5)
    path = f"/api/v1/keys/{child['key_id']}"
    assert problem(door.client.patch(path, json={"max_audience": None}), 403)["code"] == "key.own_chain"
    admin = bearer(door.key(scopes=["key:admin", "workflow:read"]))
    lacking = problem(door.client.patch(path, json={"max_audience": 6}, headers=admin), 403)
    assert (lacking["code"], lacking["details"]) == ("scope.missing", {"missing": ["workflow:run"]})
    assert door.client.patch(path, json={"max_audience": 4}, headers=admin).json()["changed"] is True
    another = bearer(door.key())
    lifted = door.client.patch(path, json={"max_audience": None}, headers=another).json()
    event = door.client.get(f"/api/v1/log/{lifted['position']}").json()
    # Nothing else is said of a day, so it is as wide as a job and is lifted with it.
    widened = ["/limits/max_audience", "/limits/reach_per_day"]
    assert (event["topic"], event["data"]["widened"]) == ("key.changed.v1", widened)
    again = door.client.patch(path, json={"max_audience": None}, headers=another).json()
    assert (again["changed"], again["position"]) == (False, lifted["position"])


def test_the_policy_says_who_set_it_and_the_log_what_it_was(door: Door) -> None:
    answer = door.client.put("/api/v1/policy", json={"max_audience": 50}).json()
    event = door.client.get(f"/api/v1/log/{answer['position']}").json()
    assert event["data"]["changes"] == [{"pointer": "/max_audience", "before": None, "after": 50}]
    told = door.client.get("/api/v1/policy").json()
    assert told["set_by"] == event["actor"]
    assert told["set_at"] is not None
    admin = bearer(door.key(scopes=["key:admin"]))
    assert problem(door.client.put("/api/v1/policy", json={}, headers=admin), 403)["code"] == "scope.missing"
    again = door.client.put("/api/v1/policy", json={"max_audience": 50}).json()
    assert again == {**answer, "changed": False}


def test_an_agent_neither_restores_what_was_active_nor_detaches_a_schedule(door: Door) -> None:
    agent = bearer(door.key(agent=True))
    workflow_id = door.enabled()
    schedule_id = door.attached(workflow_id, 3).json()["schedule_id"]
    detach = f"/api/v1/schedules/{schedule_id}/detach"
    assert problem(door.client.post(detach, headers=agent), 403)["code"] == "schedule.not_for_agents"
    archive, restore = (f"/api/v1/workflows/{workflow_id}/{move}" for move in ("archive", "restore"))
    assert door.client.post(archive, headers=agent).status_code == 200
    assert problem(door.client.post(restore, headers=agent), 403)["code"] == "workflow.not_for_agents"
    assert door.client.post(restore).json()["status"] == "draft"


def test_an_agent_saves_no_step_that_says_yes_by_itself(door: Door) -> None:
    config = {"instructions": "Right?", "expires_after": "PT1S", "on_expiry": "approved"}
    end = {"id": "end", "name": "End", "type": "exit", "config": {"reason": "done"}}
    steps = [{"id": "ask", "name": "Ask", "type": "approval", "config": config}, end]
    edges = [{"from": "ask", "to": "end", "branch": way} for way in ("approved", "rejected")]
    body = {"name": "Launch", **CONTENT, "steps": steps, "edges": edges}
    agent = bearer(door.key(agent=True))
    assert pointers(door.client.post("/api/v1/workflows", json=body, headers=agent)) == {
        "/steps/0/config/on_expiry": "approval.expires_to_approved"
    }
    (finding,) = door.client.post("/api/v1/workflows", json=body).json()["findings"]
    assert (finding["code"], finding["severity"]) == ("approval.expires_to_approved", "warning")
