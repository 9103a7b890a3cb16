"""What a confirm token buys over HTTP, and how many people a key may reach in a day."""

from __future__ import annotations

from typing import Any

import pytest

from tests.http.conftest import Door, bearer, pointers, problem

DAILY = {"rrule": "FREQ=DAILY", "starts_at": "2024-01-01T09:00:00"}


@pytest.fixture
def door(fresh_door: Door) -> Door:
    """Three people match."""
    fresh_door.people("ann", "ben", "cem")
    return fresh_door


def proof(sizing: dict[str, Any]) -> dict[str, Any]:
    return {"acknowledged_affected_count": sizing["affected"], "confirm_token": sizing["confirm_token"]}


def test_a_token_is_short_and_buys_the_pace_that_was_sized(door: Door) -> None:
    agent, workflow_id = door.key(agent=True), door.enabled()
    pace = {"rate": "100/minute", "breaker": {"min_attempts": 10, "max_failure_ratio": 0.5}}
    sizing = door.sized(workflow_id, key=agent, **pace)
    assert len(sizing["confirm_token"]) <= 40
    path = f"/api/v1/workflows/{workflow_id}/run-batch"
    refused = problem(door.client.post(path, json=proof(sizing), headers=bearer(agent)), 409)
    assert (refused["code"], refused["details"]) == ("confirm.changed", {"changed": ["pace"]})
    answer = door.client.post(path, json=proof(sizing) | pace, headers=bearer(agent))
    assert (answer.status_code, answer.json()["status"]) == (202, "queued")


def test_a_token_of_a_schedule_is_for_its_recurrence(door: Door) -> None:
    agent, workflow_id = door.key(agent=True), door.enabled()
    sizing = door.sized(workflow_id, key=agent, schedule=DAILY)
    path = f"/api/v1/workflows/{workflow_id}/schedules"
    body = DAILY | proof(sizing)
    hourly = door.client.post(path, json=body | {"rrule": "FREQ=HOURLY"}, headers=bearer(agent))
    assert problem(hourly, 409)["details"] == {"changed": ["purpose", "recurrence"]}
    made = door.client.post(path, json=body, headers=bearer(agent))
    assert made.status_code == 201
    again = problem(door.client.post(path, json=DAILY | {"acknowledged_affected_count": 3}), 409)
    assert (again["code"], again["schedule_id"]) == ("schedule.already_attached", made.json()["schedule_id"])
    beside = DAILY | {"starts_at": f"{DAILY['starts_at'][:-2]}01", "acknowledged_affected_count": 3}
    assert pointers(door.client.post(path, json=beside)) == {"/rrule": "rrule.too_close"}


def test_a_schedule_that_is_not_there_cannot_be_sized_for(door: Door) -> None:
    path = f"/api/v1/workflows/{door.enabled()}/blast-radius"
    for unknown in ("x", "6f9c4f0e-0f0e-4d6e-9d5e-000000000000"):
        answer = door.client.post(path, json={"schedule": {"schedule_id": unknown}})
        assert problem(answer, 404)["code"] == "schedule.not_found"
    assert pointers(door.client.post(path, json={"schedule": {}})).keys() == {"/schedule/rrule", "/schedule/starts_at"}


def test_a_key_may_reach_so_many_people_a_day(door: Door) -> None:
    made = door.client.post(
        "/api/v1/keys",
        json={"name": "bot", "scopes": ["workflow:run", "workflow:read", "person:read"], "reach_per_day": 5},
    ).json()
    key, workflow_id = made["key"], door.enabled()
    assert door.sized(workflow_id, key=key)["budget_left"] == 5
    path = f"/api/v1/workflows/{workflow_id}/run-batch"
    for _ in range(2):
        answer = door.client.post(path, json=proof(door.sized(workflow_id, key=key)), headers=bearer(key))
    refused = problem(answer, 422)
    assert (refused["code"], refused["details"]["budget_left"]) == ("audience.over_budget", 2)
