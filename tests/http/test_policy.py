"""The policy over HTTP: shown to each caller as it holds for them, narrowed for the project, and enforced."""

from __future__ import annotations

from typing import Any

import pytest
from sqlalchemy import update

from projections import tables
from tests.http.conftest import Door, bearer, pointers, problem

SET = ("set_by", "set_at")

NARROW = {
    "max_audience": 2,
    "approval_over": 1,
    "max_growth": 0.05,
    "minimum_interval_minutes": 1440,
    "send_mode": "capture",
    "send_rate": "100/minute",
}


@pytest.fixture
def door(fresh_door: Door) -> Door:
    """Three people match."""
    fresh_door.people("ann", "ben", "cem")
    return fresh_door


def test_what_the_project_narrows_is_shown_and_holds(door: Door) -> None:
    workflow_id = door.enabled()
    before = door.client.get("/api/v1/policy").json()
    levels, _ = before.pop("narrowed_by"), [before.pop(name) for name in SET]
    assert (before, levels) == (door.system.policy.as_data(), {"project": {}, "key": {}})
    assert door.sized(workflow_id)["policy"] == before

    answer = door.client.put("/api/v1/policy", json=NARROW)
    assert (answer.status_code, answer.json()["limits"], answer.json()["changed"]) == (200, NARROW, True)
    policy = door.client.get("/api/v1/policy").json()
    assert all(policy.pop(name) is not None for name in SET)
    assert policy.pop("narrowed_by") == {"project": NARROW, "key": {}}
    assert policy == {**before, **NARROW}
    sizing = door.sized(workflow_id)
    assert (sizing["policy"], sizing["limit"], sizing["send_mode"]) == (policy, 2, "capture")
    over = door.client.post(f"/api/v1/workflows/{workflow_id}/run-batch", json={"acknowledged_affected_count": 3})
    refusal = problem(over, 422)
    assert (refusal["code"], refusal["details"]) == ("audience.over_limit", {"affected": 3, "limit": 2})
    often = door.attached(workflow_id, 3, rrule="FREQ=HOURLY", max_growth=0.06)
    assert pointers(often) == {"/rrule": "rrule.too_frequent", "/max_growth": "limit.beyond"}

    # What is left out is narrowed no more, and nothing widens what the installation says.
    assert door.client.put("/api/v1/policy", json={"max_audience": 10**9}).status_code == 200
    after = door.client.get("/api/v1/policy").json()
    assert after.pop("narrowed_by")["project"] == {"max_audience": 10**9}
    assert all(after.pop(name) is not None for name in SET)
    assert after == before


def test_the_project_keeps_some_of_the_installations_colleagues_and_fewer_sends(door: Door) -> None:
    limits = {"max_sends": 1, "notify_addresses": ["Ops@Example.com", "ann@example.com"]}
    answer = door.client.put("/api/v1/policy", json=limits)
    assert answer.json()["limits"] == {"max_sends": 1, "notify_addresses": ["ann@example.com", "ops@example.com"]}
    policy = door.client.get("/api/v1/policy").json()
    assert (policy["max_sends"], policy["notify_addresses"]) == (1, [])
    for wrong in (["nobody"], ["a@example.com, b@example.com"]):
        refusal = door.client.put("/api/v1/policy", json={"notify_addresses": wrong})
        assert pointers(refusal) == {"/notify_addresses": "field.invalid"}


def test_a_key_narrows_further_and_sees_it(door: Door) -> None:
    body = {"name": "small", "scopes": ["workflow:read", "person:read"], "max_audience": 1, "approval_over": 0}
    made = door.client.post("/api/v1/keys", json=body).json()
    shown = {key["id"]: key["limits"] for key in door.client.get("/api/v1/keys").json()["data"]}
    assert shown[made["key_id"]] == {"max_audience": 1, "approval_over": 0}
    policy = door.client.get("/api/v1/policy", headers=bearer(made["key"])).json()
    assert (policy["max_audience"], policy["approval_over"]) == (1, 0)
    assert door.sized(door.enabled(), key=made["key"])["limit"] == 1


def test_nobody_gives_the_project_more_than_they_have(door: Door) -> None:
    headers = bearer(door.key(limits={"max_audience": 10}))
    before = door.client.get("/api/v1/policy").json()
    for body in ({}, {"max_audience": 11}):
        answer = door.client.put("/api/v1/policy", json=body, headers=headers)
        assert (problem(answer, 422)["code"], pointers(answer)) == ("policy.invalid", {"/max_audience": "limit.beyond"})
    assert door.client.get("/api/v1/policy").json() == before
    assert door.client.put("/api/v1/policy", json={"max_audience": 10}, headers=headers).status_code == 200


def test_an_agent_reads_the_policy_and_cannot_set_it(door: Door) -> None:
    agent = bearer(door.key(agent=True))
    assert door.client.get("/api/v1/policy", headers=agent).status_code == 200
    refusal = problem(door.client.put("/api/v1/policy", json={"max_audience": 1}, headers=agent), 403)
    assert refusal["code"] == "policy.not_for_agents"
    plain = bearer(door.key(scopes=["workflow:read"]))
    refusal = problem(door.client.put("/api/v1/policy", json={"max_audience": 1}, headers=plain), 403)
    assert refusal["details"] == {"missing": ["key:admin"]}


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("max_audience", 0),
        ("max_audience", 10**9 + 1),
        ("approval_over", -1),
        ("max_growth", 10.5),
        ("max_growth", -0.1),
        ("minimum_interval_minutes", 59),
        ("minimum_interval_minutes", 60.5),
        ("send_mode", "loud"),
    ],
)
def test_a_limit_out_of_its_range_is_refused_by_its_name(door: Door, field: str, value: Any) -> None:
    assert pointers(door.client.put("/api/v1/policy", json={field: value})) == {f"/{field}": "field.invalid"}
    key = {"name": "x", "scopes": ["workflow:read"], field: value}
    assert pointers(door.client.post("/api/v1/keys", json=key)) == {f"/{field}": "field.invalid"}


def test_a_policy_is_set_once_for_one_idempotency_key(door: Door) -> None:
    headers = {"Idempotency-Key": "p"}
    first = door.client.put("/api/v1/policy", json={"max_audience": 5}, headers=headers)
    door.client.put("/api/v1/policy", json={"max_audience": 7})
    again = door.client.put("/api/v1/policy", json={"max_audience": 5}, headers=headers)
    assert (first.status_code, first.json()) == (200, again.json())
    assert door.client.get("/api/v1/policy").json()["max_audience"] == 7


def test_a_frozen_sizing_buys_a_job_over_its_people_whoever_matches_by_then(door: Door) -> None:
    workflow_id = door.enabled()
    loose, frozen = door.sized(workflow_id), door.sized(workflow_id, freeze=True)
    assert (loose["frozen"], frozen["frozen"]) == (False, True)
    assert (loose["affected"], frozen["affected"]) == (3, 3)
    leaves(door, "ann")
    door.people("dan")
    assert door.sized(workflow_id)["affected"] == 3

    path = f"/api/v1/workflows/{workflow_id}/run-batch"
    orders = [
        {"acknowledged_affected_count": 3, "confirm_token": sizing["confirm_token"]} for sizing in (loose, frozen)
    ]
    refusal = problem(door.client.post(path, json=orders[0]), 409)
    assert (refusal["code"], refusal["details"]["same_people"]) == ("audience.drift", False)
    started = door.client.post(path, json=orders[1])
    assert (started.status_code, started.json()["acknowledged"]) == (202, 3)
    attached = door.attached(workflow_id, 3, confirm_token=door.sized(workflow_id, freeze=True)["confirm_token"])
    assert problem(attached, 409)["code"] == "confirm.frozen"


def leaves(door: Door, distinct_id: str) -> None:
    """Somebody matches no more."""
    with door.system.engine.begin() as connection:
        found = tables.people.c.distinct_id == distinct_id
        connection.execute(update(tables.people).where(found).values(properties={"plan": "free"}))
