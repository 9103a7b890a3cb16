"""What waits for a human over HTTP: listed, shown, confirmed, turned down; and a page that says nothing."""

from __future__ import annotations

from typing import Any

import pytest

from engine.ids import new_id
from tests.http.conftest import Door, bearer, pointers, problem

COUNT = {"acknowledged_affected_count": 3}
DAILY = {"rrule": "FREQ=DAILY;BYHOUR=9", "starts_at": "2024-01-01T09:00:00", "timezone": "Europe/Berlin"}
BASE = "http://127.0.0.1:8787"


@pytest.fixture
def door(fresh_door: Door) -> Door:
    """Three people match, and what agents ask for is witnessed."""
    fresh_door.people("ann", "ben", "cem")
    assert fresh_door.client.put("/api/v1/policy", json={"confirmation": "witnessed"}).status_code == 200
    return fresh_door


@pytest.fixture
def agent(door: Door) -> str:
    scopes = ["workflow:read", "workflow:write", "workflow:run", "run:read", "run:cancel", "person:read"]
    return door.key(scopes=scopes, agent=True)


def held(door: Door, agent: str) -> dict[str, Any]:
    workflow_id = door.enabled()
    proof = COUNT | {"confirm_token": door.sized(workflow_id, key=agent)["confirm_token"]}
    answer = door.client.post(f"/api/v1/workflows/{workflow_id}/run-batch", json=proof, headers=bearer(agent))
    assert answer.status_code == 202, answer.text
    door.catch_up()
    return dict(answer.json())


def attached(door: Door, agent: str) -> Any:
    workflow_id = door.enabled()
    token = door.sized(workflow_id, key=agent, schedule=DAILY)["confirm_token"]
    body = {**DAILY, **COUNT, "confirm_token": token}
    answer = door.client.post(f"/api/v1/workflows/{workflow_id}/schedules", json=body, headers=bearer(agent))
    door.catch_up()
    return answer


def test_a_held_job_is_listed_shown_and_confirmed_by_another(door: Door, agent: str) -> None:
    job = held(door, agent)
    id = job["batch_job_id"]
    assert (job["status"], job["held_because"], job["confirm_url"]) == ("held", "witnessed", f"{BASE}/confirm/{id}")
    (row,) = door.client.get("/api/v1/confirmations").json()["data"]
    assert (row["id"], row["asks"], row["acknowledged"], row["source"]) == (id, "RunBatch", 3, "api")
    assert row["via"] == "POST /api/v1/workflows/{workflow_id}/run-batch"
    shown = door.client.get(f"/api/v1/confirmations/{id}").json()
    assert (shown["affected"], shown["same_people"]) == (3, True)
    assert shown["excluded"] == {"opted_out": 0, "suppressed": 0, "capped": 0}
    wrong = door.client.post(f"/api/v1/confirmations/{id}/confirm", json={"acknowledged_affected_count": 2})
    assert problem(wrong, 409)["code"] == "audience.drift"
    done = door.client.post(f"/api/v1/confirmations/{id}/confirm", json=COUNT | {"note": "seen"})
    assert (done.status_code, done.json()["status"], done.json()["batch_job_id"]) == (202, "queued", id)
    assert int(done.headers["tidegate-position"]) == done.json()["position"] > 0
    assert problem(door.client.post(f"/api/v1/confirmations/{id}/confirm", json=COUNT), 409)["code"] == (
        "confirmation.decided"
    )
    door.catch_up()
    assert door.client.get("/api/v1/confirmations").json()["data"] == []
    assert door.client.get("/api/v1/confirmations?status=confirmed").json()["data"][0]["id"] == id


def test_a_schedule_of_an_agent_is_accepted_as_unconfirmed(door: Door, agent: str) -> None:
    answer = attached(door, agent)
    told = answer.json()
    id = told["confirmation_id"]
    assert (answer.status_code, told["status"], told["next_occurrence"]) == (202, "unconfirmed", None)
    assert answer.headers["location"] == f"/api/v1/confirmations/{id}"
    assert told["confirm_url"] == f"{BASE}/confirm/{id}"
    assert door.client.get("/api/v1/schedules").json()["data"] == []
    shown = door.client.get(f"/api/v1/confirmations/{id}").json()
    assert (shown["asks"], shown["terms"]["outcome"]["rrule"]) == ("AttachSchedule", DAILY["rrule"])
    done = door.client.post(f"/api/v1/confirmations/{id}/confirm", json=COUNT)
    assert (done.status_code, done.json()["status"]) == (202, "active")
    door.catch_up()
    (schedule,) = door.client.get("/api/v1/schedules").json()["data"]
    assert schedule["id"] == done.json()["schedule_id"] == told["schedule_id"]


def test_the_address_alone_allows_nothing(door: Door, agent: str) -> None:
    id = attached(door, agent).json()["confirmation_id"]
    path = f"/api/v1/confirmations/{id}"
    # An agent's key can have no batch:approve, and a viewer's has none.
    for key in (agent, door.key(scopes=["workflow:read", "run:read", "person:read"])):
        for answer in (
            door.client.post(f"{path}/confirm", json=COUNT, headers=bearer(key)),
            door.client.post(f"{path}/reject", json={"reason": "no"}, headers=bearer(key)),
            door.client.get(path, headers=bearer(key)),
            door.client.get("/api/v1/confirmations", headers=bearer(key)),
        ):
            assert problem(answer, 403)["code"] == "scope.missing"
    foreign = bearer(door.key(project=door.other_project))
    unknown = door.client.get(f"/api/v1/confirmations/{new_id()}")
    there = door.client.get(path, headers=foreign)
    assert problem(unknown, 404)["detail"] == problem(there, 404)["detail"]
    assert problem(door.client.get("/api/v1/confirmations/nothing"), 404)["code"] == "confirmation.not_found"
    door.clock.advance(hours=73)
    assert problem(door.client.post(f"{path}/confirm", json=COUNT), 409)["code"] == "approval.expired"


def test_a_request_is_turned_down_with_a_reason(door: Door, agent: str) -> None:
    id = attached(door, agent).json()["confirmation_id"]
    assert pointers(door.client.post(f"/api/v1/confirmations/{id}/reject", json={})) == {"/reason": "field.missing"}
    done = door.client.post(f"/api/v1/confirmations/{id}/reject", json={"reason": "not now"})
    assert (done.status_code, done.json()["status"]) == (200, "rejected")
    assert problem(door.client.post(f"/api/v1/confirmations/{id}/confirm", json=COUNT), 409)["code"] == (
        "confirmation.decided"
    )


def test_the_page_tells_how_to_confirm_and_nothing_else(door: Door, agent: str) -> None:
    id = held(door, agent)["batch_job_id"]
    there, unknown = door.client.get(f"/confirm/{id}"), new_id()
    nothing = door.client.get(f"/confirm/{unknown}", headers={"Authorization": ""})
    assert (there.status_code, there.headers["content-type"]) == (200, "text/html; charset=utf-8")
    assert f"tidegate confirm accept {id}" in there.text
    # Whatever the id is of, and whoever asks: the same page.
    assert there.text.replace(id, "ID") == nothing.text.replace(str(unknown), "ID")
    assert there.text.replace(id, "ID") == door.client.get("/confirm/%3Cscript%3E").text
    assert "default-src 'none'" in there.headers["content-security-policy"]
    assert door.client.post(f"/confirm/{id}").status_code == 405


def test_what_a_human_paused_is_sized_and_resumed_with_a_proof(door: Door, agent: str) -> None:
    workflow_id = door.enabled()
    job = f"/api/v1/batch-jobs/{door.ran(workflow_id, 3)['batch_job_id']}"
    assert door.client.post(f"{job}/pause", json={"reason": "wait"}).status_code == 202
    refused = problem(door.client.post(f"{job}/resume", headers=bearer(agent)), 409)
    assert refused["code"] == "acknowledgement.missing"
    assert "/unfinished" in refused["next"][0]
    sizing = door.client.post(f"{job}/unfinished", headers=bearer(agent)).json()
    assert (sizing["affected"], sizing["confirmation"]) == (3, "witnessed")
    assert (sizing["deliveries"], sizing["per_person"], sizing["reaches"]) == ({}, 0, "3 people.")
    proof = COUNT | {"confirm_token": sizing["confirm_token"]}
    asked = door.client.post(f"{job}/resume", json=proof, headers=bearer(agent)).json()
    assert asked["status"] == "unconfirmed"
    # The owner asked for the job, and not for this.
    path = f"/api/v1/confirmations/{asked['confirmation_id']}/confirm"
    assert door.client.post(path, json=COUNT).json()["status"] == "queued"


def test_a_human_says_whether_agents_run_a_workflow_by_hand(door: Door, agent: str) -> None:
    steps = [{"id": "hook", "name": "Hook", "type": "webhook", "config": {"url": "https://example.com/{{ inputs.n }}"}}]
    trigger = {"type": "manual", "inputs": {"n": {"type": "string"}}}
    workflow_id = door.enabled(trigger=trigger, steps=steps, variables=[])
    path = f"/api/v1/workflows/{workflow_id}"
    keyed = bearer(agent) | {"Idempotency-Key": "one"}
    bare = door.client.post(f"{path}/run", json={"inputs": {"n": "1"}}, headers=bearer(agent))
    assert problem(bare, 422)["code"] == "idempotency.missing"
    first = door.client.post(f"{path}/run", json={"inputs": {"n": "1"}}, headers=keyed).json()
    assert (first["batch_job_status"], first["held_because"]) == ("held", "witnessed")
    assert first["confirm_url"] == f"{BASE}/confirm/{first['batch_job_id']}"
    assert problem(door.client.put(f"{path}/agent-runs", json={"agent_runs": "free"}, headers=bearer(agent)), 403)
    done = door.client.put(f"{path}/agent-runs", json={"agent_runs": "never"})
    assert (done.status_code, done.json()["agent_runs"]) == (200, "never")
    refused = door.client.post(f"{path}/run", json={"inputs": {"n": "2"}}, headers=keyed | {"Idempotency-Key": "two"})
    assert problem(refused, 403)["code"] == "workflow.agent_runs_never"
    door.catch_up()
    assert door.client.get(path).json()["agent_runs"] == "never"
    shown = door.client.get(f"/api/v1/confirmations/{first['batch_job_id']}").json()
    assert shown["terms"]["inputs"] == {"n": "1"}
