"""The main path over HTTP: define, enable, size, run, look, cancel."""

from __future__ import annotations

import pytest

from engine.ids import new_id
from projections.runner import read_log
from tests.http.conftest import Door, bearer, pointers, problem


@pytest.fixture
def door(fresh_door: Door) -> Door:
    """Three people match; a fourth does not."""
    fresh_door.people("ann", "ben", "cem")
    fresh_door.people("dot", plan="free")
    return fresh_door


def test_a_workflow_is_run_once_for_exactly_the_acknowledged_people_and_cancelled(door: Door) -> None:
    client = door.client
    workflow_id = door.enabled()
    sizing = door.sized(workflow_id)
    assert (sizing["matched"], sizing["affected"], sizing["total"], sizing["everyone"]) == (3, 3, 4, False)

    order = {"acknowledged_affected_count": 3, "confirm_token": sizing["confirm_token"]}
    started = client.post(f"/api/v1/workflows/{workflow_id}/run-batch", json=order)
    assert started.status_code == 202
    job = started.json()
    assert job["status"] == "queued"
    assert started.headers["location"] == f"/api/v1/batch-jobs/{job['batch_job_id']}"
    assert int(started.headers["tidegate-position"]) == job["position"] > 0

    door.catch_up()
    shown = client.get(started.headers["location"], params={"min_position": job["position"]}).json()
    assert (shown["status"], shown["acknowledged"], shown["source"]) == ("queued", 3, "api")
    assert client.get(f"{started.headers['location']}/runs").json()["data"] == []
    listed = client.get("/api/v1/batch-jobs", params={"workflow_id": workflow_id, "status": "queued"}).json()
    assert [row["id"] for row in listed["data"]] == [job["batch_job_id"]]

    cancelled = client.post(f"{started.headers['location']}/cancel", json={"reason": "wrong audience"})
    assert (cancelled.status_code, cancelled.json()["status"]) == (202, "cancelled")
    door.catch_up()
    assert client.get(started.headers["location"]).json()["status"] == "cancelled"


def test_a_token_buys_one_job_however_often_it_is_sent(door: Door) -> None:
    workflow_id = door.enabled()
    order = {"acknowledged_affected_count": 3, "confirm_token": door.sized(workflow_id)["confirm_token"]}
    first, again = (door.client.post(f"/api/v1/workflows/{workflow_id}/run-batch", json=order) for _ in range(2))
    assert first.json()["batch_job_id"] == again.json()["batch_job_id"]


def test_a_count_that_is_not_todays_is_refused_and_nothing_starts(door: Door) -> None:
    workflow_id = door.enabled()
    before = door.traces()
    answer = door.client.post(f"/api/v1/workflows/{workflow_id}/run-batch", json={"acknowledged_affected_count": 2})
    refusal = problem(answer, 409)
    assert (refusal["code"], refusal["details"]) == ("audience.drift", {"now": 3, "acknowledged": 2})
    assert door.traces() == before


def test_a_key_marked_agent_needs_the_token(door: Door) -> None:
    workflow_id = door.enabled()
    answer = door.client.post(
        f"/api/v1/workflows/{workflow_id}/run-batch",
        json={"acknowledged_affected_count": 3},
        headers=bearer(door.key(agent=True)),
    )
    assert problem(answer, 422)["code"] == "confirm.missing"


def test_a_draft_does_not_run(door: Door) -> None:
    answer = door.client.post(f"/api/v1/workflows/{door.created()}/run-batch", json={"acknowledged_affected_count": 3})
    assert problem(answer, 409)["code"] == "workflow.not_active"


def test_an_edit_names_the_version_and_the_revision_that_it_was_made_against(door: Door) -> None:
    path = f"/api/v1/workflows/{door.created()}"
    door.catch_up()
    read = door.client.get(path)
    assert (read.headers["etag"], read.json()["version"]) == ('"1"', 1)

    stale = door.client.patch(path, json={"version": 1, "name": "B"}, headers={"If-Match": '"7"'})
    assert problem(stale, 409)["code"] == "workflow.stale"
    done = door.client.patch(path, json={"version": 1, "name": "B"}, headers={"If-Match": read.headers["etag"]})
    assert (done.status_code, done.headers["etag"], done.json()["version"]) == (200, '"2"', 1)
    lost = door.client.patch(path, json={"version": 1, "name": "C"}, headers={"If-Match": read.headers["etag"]})
    assert problem(lost, 409)["code"] == "workflow.stale"
    assert problem(door.client.patch(path, json={"version": 4, "name": "C"}), 409)["code"] == "workflow.stale"
    wrong = door.client.patch(path, json={"version": 1, "name": "C"}, headers={"If-Match": "2"})
    assert pointers(wrong) == {"/if-match": "header.invalid"}
    assert door.client.patch(path, json={"version": 1, "name": "C"}, headers={"If-Match": "*"}).status_code == 200


def test_a_workflow_goes_through_all_its_states_with_reasons_in_the_log(door: Door) -> None:
    path = f"/api/v1/workflows/{door.created()}"
    statuses = [
        door.client.post(f"{path}/{move}", json=body).json()["status"]
        for move, body in (
            ("activate", {}),
            ("disable", {"reason": "pause"}),
            ("archive", {"reason": "over"}),
            ("restore", {}),
        )
    ]
    assert statuses == ["active", "draft", "archived", "draft"]
    door.catch_up()
    assert door.client.get(path).json()["status"] == "draft"


def test_a_workflow_that_is_not_valid_is_refused_with_every_problem(door: Door) -> None:
    answer = door.client.post("/api/v1/workflows", json={"name": "x", "steps": [{"id": "a", "type": "nope"}]})
    refusal = problem(answer, 422)
    assert refusal["code"] == "workflow.invalid"
    assert len(refusal["errors"]) > 1


def test_cohorts_are_made_listed_and_used(door: Door) -> None:
    made = door.client.post("/api/v1/cohorts", json={"name": "Two", "kind": "static", "members": ["ann", "dot"]})
    assert (made.status_code, made.json()["members"]) == (201, 2)
    cohort = door.client.get(made.headers["location"]).json()
    assert (cohort["members"], cohort["kind"]) == (2, "static")
    condition = {"type": "cohort", "key": "id", "operator": "in", "value": cohort["id"]}
    workflow_id = door.created(trigger={"type": "batch", "filters": {"properties": [condition]}})
    assert door.sized(workflow_id)["affected"] == 2
    unknown = door.client.post("/api/v1/cohorts", json={"name": "X", "kind": "static", "members": ["ann", "nobody"]})
    assert pointers(unknown) == {"/members/1": "person.unknown"}
    door.client.post("/api/v1/cohorts", json={"name": "B", "kind": "behavioral"})
    assert len(door.client.get("/api/v1/cohorts").json()["data"]) == 2
    assert len(door.client.get("/api/v1/cohorts", params={"hide_behavioral": True}).json()["data"]) == 1


def test_a_key_is_made_used_and_revoked(door: Door) -> None:
    made = door.client.post(
        "/api/v1/keys", json={"name": "ci", "scopes": ["workflow:read"], "expires_at": "2040-01-01T00:00:00Z"}
    )
    assert made.status_code == 201
    plain, key_id = made.json()["key"], made.json()["key_id"]
    assert door.client.get("/api/v1/workflows", headers=bearer(plain)).status_code == 200
    listed = door.client.get("/api/v1/keys").json()["data"]
    assert plain not in str(listed)
    assert {key["id"]: key["scopes"] for key in listed}[key_id] == ["workflow:read"]
    assert door.client.delete(f"/api/v1/keys/{key_id}").status_code == 200
    assert problem(door.client.get("/api/v1/workflows", headers=bearer(plain)), 401)


def test_a_key_hands_on_no_more_than_its_maker_may(door: Door) -> None:
    maker = bearer(door.key(scopes=["key:admin"]))
    answer = door.client.post("/api/v1/keys", json={"name": "x", "scopes": ["workflow:run"]}, headers=maker)
    assert pointers(answer) == {"/scopes": "scope.beyond"}
    for bad in ("2020-01-01T00:00:00Z", "2040-01-01T00:00:00", "tomorrow", 5, "9999-12-31T23:59:59-23:59"):
        body = {"name": "x", "scopes": ["workflow:read"], "expires_at": bad}
        assert list(pointers(door.client.post("/api/v1/keys", json=body))) == ["/expires_at"]


def test_a_malformed_or_unknown_run_is_not_found(door: Door) -> None:
    for run_id in ("x", f"{new_id()}.1", f"{new_id()}.{'9' * 30}", f"{new_id()}.-1", f"{new_id()}.1_0"):
        assert problem(door.client.get(f"/api/v1/runs/{run_id}"), 404)["code"] == "run.not_found"


def test_every_event_of_a_command_records_who_asked_and_how(door: Door) -> None:
    door.client.post(
        "/api/v1/workflows",
        json={
            "name": "x",
            "trigger": {"type": "manual", "inputs": {}},
            "steps": [{"id": "a", "name": "A", "type": "exit", "config": {"reason": "x"}}],
        },
        headers={"X-Request-Id": "req-1", "User-Agent": "probe/1.0", "Idempotency-Key": "k1"},
    )
    with door.system.engine.connect() as connection:
        meta = read_log(connection, after=0, limit=100)[-1].event.meta
    assert meta["source"] == "api"
    assert meta["via"] == "POST /api/v1/workflows"
    assert (meta["request_id"], meta["client"], meta["idempotency_key"]) == ("req-1", "probe/1.0", "k1")
