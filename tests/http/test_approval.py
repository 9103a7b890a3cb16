"""What a second person decides over HTTP, and jobs that stand still and go on."""

from __future__ import annotations

from typing import Any
from uuid import UUID

import pytest

from engine.ids import new_id
from tests.http.conftest import CONTENT, Door, bearer, pointers, problem
from workers.enrolment import enrol

ANSWERED = {
    "position",
    "changed",
    "batch_job_id",
    "workflow_id",
    "workflow_version",
    "status",
    "acknowledged",
    "frozen",
    "send_mode",
    "held_until",
    "reached",
    "counts",
    "retry_of",
    "held_because",
    "confirm_url",
    "confirmation_id",
    "confirm_until",
}


@pytest.fixture
def door(fresh_door: Door) -> Door:
    """Three people match, and a job over more than two waits for a second person."""
    fresh_door.people("ann", "ben", "cem")
    assert fresh_door.client.put("/api/v1/policy", json={"approval_over": 2}).status_code == 200
    return fresh_door


@pytest.fixture
def held(door: Door) -> str:
    """The address of a job that the owner asked for."""
    job = door.ran(door.enabled(), 3)
    assert (set(job), job["status"]) == (ANSWERED, "held")
    return f"/api/v1/batch-jobs/{job['batch_job_id']}"


COUNT = {"acknowledged_affected_count": 3}


def test_who_asked_for_a_job_cannot_approve_it_and_another_person_can(door: Door, held: str) -> None:
    shown = door.client.get(held).json()
    assert (shown["status"], shown["reason"], shown["approved_by"]) == ("held", "approval_over", None)
    assert shown["held_until"] is not None
    assert problem(door.client.post(f"{held}/approve", json=COUNT), 403)["code"] == "approval.own_request"

    second = door.key()
    drifted = door.client.post(f"{held}/approve", json={"acknowledged_affected_count": 2}, headers=bearer(second))
    assert problem(drifted, 409)["code"] == "audience.drift"
    done = door.client.post(f"{held}/approve", json={**COUNT, "note": "seen"}, headers=bearer(second))
    assert (done.status_code, set(done.json())) == (202, ANSWERED)
    assert (done.json()["status"], done.json()["held_until"], "location" in done.headers) == ("queued", None, False)
    again = door.client.post(f"{held}/approve", json=COUNT, headers=bearer(second))
    assert (again.status_code, again.json()["position"]) == (202, done.json()["position"])
    door.catch_up()
    approved = door.client.get(held).json()
    assert (approved["status"], approved["approved_by"]) == ("queued", second.split("_")[2])
    assert (approved["held_until"], approved["reason"]) == (None, None)
    late = door.client.post(f"{held}/reject", json={"reason": "too late"})
    assert problem(late, 409)["code"] == "batch_job.illegal_move"


def test_an_agent_decides_nothing(door: Door, held: str) -> None:
    agent = bearer(door.key(agent=True))
    before = door.traces()
    for rest, body in (("approve", COUNT), ("reject", {"reason": "no"})):
        refusal = problem(door.client.post(f"{held}/{rest}", json=body, headers=agent), 403)
        assert refusal["code"] == "approval.not_for_agents"
    assert door.traces() == before


def test_a_scope_lets_nobody_approve_what_they_may_not_read(door: Door, held: str) -> None:
    refusal = problem(
        door.client.post(f"{held}/approve", json=COUNT, headers=bearer(door.key(scopes=["batch:approve"]))), 403
    )
    assert (refusal["code"], refusal["details"]) == ("scope.missing", {"missing": ["person:read"]})


def test_a_rejected_job_never_runs(door: Door, held: str) -> None:
    assert pointers(door.client.post(f"{held}/reject", json={"reason": "  "})) == {"/reason": "field.invalid"}
    answer = door.client.post(f"{held}/reject", json={"reason": "not in May"})
    assert (answer.status_code, answer.json()["status"]) == (200, "rejected")
    door.catch_up()
    shown = door.client.get(held).json()
    assert (shown["status"], shown["reason"]) == ("rejected", "approval.rejected: not in May")
    assert [job["status"] for job in door.client.get("/api/v1/batch-jobs?status=rejected").json()["data"]] == [
        "rejected"
    ]
    refusal = problem(door.client.post(f"{held}/approve", json=COUNT, headers=bearer(door.key())), 409)
    assert refusal["code"] == "batch_job.ended"


def test_a_job_stands_still_and_goes_on(door: Door) -> None:
    assert door.client.put("/api/v1/policy", json={}).status_code == 200
    workflow_id = door.enabled()
    path = f"/api/v1/batch-jobs/{door.ran(workflow_id, 3)['batch_job_id']}"
    headers = {"Idempotency-Key": "pause"}
    first, again = (door.client.post(f"{path}/pause", json={"reason": "wait"}, headers=headers) for _ in range(2))
    assert (first.status_code, first.json()) == (202, again.json())
    door.catch_up()
    shown = door.client.get(path).json()
    assert (shown["status"], shown["reason"]) == ("paused", "wait")
    assert door.client.post(f"{path}/resume").json()["status"] == "queued"
    door.catch_up()
    assert (door.client.get(path).json()["status"], door.client.get(path).json()["reason"]) == ("queued", None)

    # It does not go on without its workflow.
    door.client.post(f"{path}/pause", json={"reason": "wait"})
    door.client.post(f"/api/v1/workflows/{workflow_id}/disable")
    refusal = problem(door.client.post(f"{path}/resume", json={}), 409)
    assert refusal["code"] == "workflow.not_active"
    door.client.post(f"{path}/cancel")
    assert problem(door.client.post(f"{path}/pause", json={"reason": "x"}), 409)["code"] == "batch_job.ended"


def test_an_approval_step_is_answered_once_by_somebody_else(door: Door) -> None:
    config = {"instructions": "Go on?", "expires_after": "P3D", "on_expiry": "rejected"}
    question = {"id": "ask", "name": "Ask", "type": "approval", "config": config}
    end = {"id": "end", "name": "End", "type": "exit", "config": {"reason": "no"}}
    edges = [{"from": "ask", "to": to, "branch": branch} for to, branch in (("note", "approved"), ("end", "rejected"))]
    workflow_id = door.enabled(steps=[question, *CONTENT["steps"], end], edges=edges)
    job_id = door.ran(workflow_id, 3)["batch_job_id"]
    path = f"/api/v1/batch-jobs/{job_id}/steps/ask/decide"
    second = bearer(door.key())
    body = {"decision": "approved", "note": "fine"}
    assert problem(door.client.post(path, json=body, headers=second), 409)["code"] == "batch_job.illegal_move"
    assert door.client.post(f"/api/v1/batch-jobs/{job_id}/approve", json=COUNT, headers=second).status_code == 202
    enrol(door.system, UUID(job_id))
    for step_id in ("other", "note", "%00", "%ff"):
        address = f"/api/v1/batch-jobs/{job_id}/steps/{step_id}/decide"
        assert problem(door.client.post(address, json=body, headers=second), 404)["code"] == "step.not_found"
    assert problem(door.client.post(path, json=body), 403)["code"] == "approval.own_request"
    agent = bearer(door.key(agent=True))
    assert problem(door.client.post(path, json=body, headers=agent), 403)["code"] == "approval.not_for_agents"
    wrong = door.client.post(path, json={"decision": "maybe"}, headers=second)
    assert pointers(wrong) == {"/decision": "field.invalid"}

    done = door.client.post(path, json=body, headers=second)
    assert (done.status_code, done.json()["batch_job_id"]) == (202, job_id)
    assert door.client.post(path, json=body, headers=second).json() == {**done.json(), "changed": False}
    other = door.client.post(path, json={"decision": "rejected"}, headers=second)
    assert (problem(other, 409)["code"], other.json()["details"]) == ("step.decided", {"decision": "approved"})


def test_the_jobs_of_another_project_are_as_unknown_as_any(door: Door, held: str) -> None:
    theirs = bearer(door.key(project=door.other_project))
    asked: tuple[tuple[str, dict[str, Any]], ...] = (
        ("approve", COUNT),
        ("reject", {"reason": "x"}),
        ("pause", {"reason": "x"}),
        ("resume", {}),
        ("steps/ask/decide", {"decision": "approved"}),
    )
    before = door.traces()
    for rest, body in asked:
        answers = [
            problem(door.client.post(f"{address}/{rest}", json=body, headers=theirs), 404)
            for address in (held, f"/api/v1/batch-jobs/{new_id()}", "/api/v1/batch-jobs/x")
        ]
        texts = [{**answer, "request_id": None} for answer in answers]
        assert texts[0] == texts[1] == texts[2], rest
        assert texts[0]["code"] == "batch_job.not_found"
    assert door.traces() == before
