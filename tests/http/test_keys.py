"""Keys over HTTP: changed, and counted from the very next request on."""

from __future__ import annotations

from typing import Any

import pytest

from tests.http.conftest import Door, bearer, pointers, problem


@pytest.fixture
def made(door: Door) -> dict[str, Any]:
    body = {"name": "ci", "scopes": ["workflow:read", "workflow:write"], "max_audience": 9, "rate_per_minute": 500}
    return dict(door.client.post("/api/v1/keys", json=body).json())


def test_a_key_that_lost_a_scope_is_refused_on_its_next_request(door: Door, made: dict[str, Any]) -> None:
    path, headers = f"/api/v1/keys/{made['key_id']}", bearer(made["key"])
    assert door.client.get("/api/v1/workflows", headers=headers).status_code == 200
    answer = door.client.patch(path, json={"scopes": ["workflow:write"], "name": "writer"})
    assert answer.status_code == 200, answer.text
    (row,) = [row for row in door.client.get("/api/v1/keys").json()["data"] if row["id"] == made["key_id"]]
    (event,) = door.client.get("/api/v1/log", params={"topic": "key.changed.v1", "limit": 1}).json()["data"]
    assert answer.json() == {
        "key_id": made["key_id"],
        "name": "writer",
        "scopes": ["workflow:write"],
        "agent": False,
        "limits": {"max_audience": 9},
        "rate_per_minute": 500,
        "expires_at": None,
        "owner": None,
        "chain": [row["made_by"]],
        "changed": True,
        "position": event["position"],
    }
    refusal = problem(door.client.get("/api/v1/workflows", headers=headers), 403)
    assert refusal["details"] == {"missing": ["workflow:read"]}
    door.client.patch(path, json={"scopes": ["workflow:read"]}, headers=bearer(door.key()))
    assert door.client.get("/api/v1/workflows", headers=headers).status_code == 200


def test_null_takes_a_limit_away_and_what_is_left_out_stays(door: Door, made: dict[str, Any]) -> None:
    path, another = f"/api/v1/keys/{made['key_id']}", bearer(door.key())
    door.client.patch(path, json={"expires_at": "2040-01-01T00:00:00+01:00", "send_mode": "capture"})
    changed = door.client.patch(
        path, json={"max_audience": None, "rate_per_minute": None, "name": None}, headers=another
    ).json()
    assert (changed["limits"], changed["rate_per_minute"]) == ({"send_mode": "capture"}, None)
    assert (changed["name"], changed["expires_at"]) == ("ci", "2039-12-31T23:00:00Z")
    assert door.client.patch(path, json={"expires_at": None}, headers=another).json()["expires_at"] is None
    assert door.client.patch(path, json={}).json()["limits"] == {"send_mode": "capture"}


def test_a_change_is_made_once_for_one_idempotency_key(door: Door, made: dict[str, Any]) -> None:
    path, another = f"/api/v1/keys/{made['key_id']}", bearer(door.key())
    headers = {"Idempotency-Key": made["key_id"]}
    first = door.client.patch(path, json={"max_audience": 5}, headers=headers)
    door.client.patch(path, json={"max_audience": 7}, headers=another)
    assert door.client.patch(path, json={"max_audience": 5}, headers=headers).json() == first.json()
    assert door.client.patch(path, json={}).json()["limits"] == {"max_audience": 7}


def test_a_change_is_refused_by_the_names_of_its_fields(door: Door, made: dict[str, Any]) -> None:
    path = f"/api/v1/keys/{made['key_id']}"
    assert pointers(door.client.patch(path, json={"scopes": ["nothing"]})) == {"/scopes": "scope.unknown"}
    assert pointers(door.client.patch(path, json={"rate_per_minute": 0})) == {"/rate_per_minute": "field.invalid"}
    agent = bearer(door.key(agent=True))
    assert problem(door.client.patch(path, json={"name": "x"}, headers=agent), 403)["code"] == "key.not_for_agents"
    door.client.delete(path)
    assert problem(door.client.patch(path, json={"name": "x"}), 409)["code"] == "key.revoked"


def test_a_foreign_key_is_as_unknown_as_any(door: Door, made: dict[str, Any]) -> None:
    stranger = bearer(door.key(project=door.other_project))
    answers = [
        problem(door.client.patch(f"/api/v1/keys/{id}", json={"name": "x"}, headers=stranger), 404)
        for id in (made["key_id"], "unknown", "%00")
    ]
    assert len({(answer["code"], answer["detail"], str(answer["next"])) for answer in answers}) == 1
    assert door.client.get("/api/v1/workflows", headers=bearer(made["key"])).status_code == 200
