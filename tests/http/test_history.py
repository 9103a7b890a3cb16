"""The log and states of the past over HTTP; and what is recorded of requests that were refused there."""

from __future__ import annotations

from typing import Any

import pytest

from tests.http.conftest import Door, bearer, pointers, problem

LOG = "/api/v1/log"


def key(door: Door, *scopes: str, **fields: Any) -> tuple[str, str]:
    """A new key's id and its plain text."""
    made = door.client.post("/api/v1/keys", json={"name": "k", "scopes": list(scopes), **fields}).json()
    return made["key_id"], made["key"]


def newest(door: Door, **query: Any) -> list[dict[str, Any]]:
    answer = door.client.get(LOG, params=query)
    assert answer.status_code == 200, answer.text
    return list(answer.json()["data"])


def test_the_log_tells_who_did_what_and_by_which_request(door: Door) -> None:
    answer = door.client.post(
        "/api/v1/workflows",
        json={"name": "Told", "trigger": {"type": "manual", "inputs": {}}, "steps": []},
        headers={"X-Request-Id": "req-7", "User-Agent": "curl/8"},
    )
    assert answer.status_code == 422
    workflow_id = door.enabled()
    events = newest(door, stream_id=workflow_id)
    assert [event["topic"] for event in events] == ["workflow.activated.v1", "workflow.created.v1"]
    assert events[0]["via"] == "POST /api/v1/workflows/{workflow_id}/activate"
    (refused,) = newest(door, refused="true", limit=1)
    assert (refused["data"]["name"], refused["data"]["code"]) == ("CreateWorkflow", "workflow.invalid")
    assert (refused["request_id"], refused["client"], refused["source"]) == ("req-7", "curl/8", "api")
    one = door.client.get(f"{LOG}/{refused['position']}")
    assert (one.status_code, one.json()) == (200, refused)


def test_pages_go_on_with_the_cursor_in_both_directions(door: Door) -> None:
    for _ in range(3):
        door.created()
    first = door.client.get(LOG, params={"limit": 2}).json()
    second = door.client.get(LOG, params={"limit": 2, "after": first["next_cursor"]}).json()
    assert [event["position"] for event in first["data"]] > [event["position"] for event in second["data"]]
    onwards = door.client.get(LOG, params={"from_position": 2, "limit": 1}).json()
    then = door.client.get(LOG, params={"from_position": 2, "limit": 1, "after": onwards["next_cursor"]}).json()
    assert onwards["data"][0]["position"] == 2 < then["data"][0]["position"]


def test_an_unknown_event_is_not_found_and_a_wrong_question_is_named(door: Door) -> None:
    for position in ("999999999", "0", "-1", "x", str(10**30)):
        assert problem(door.client.get(f"{LOG}/{position}"), 404)["code"] == "event.not_found"
    wrong = {"stream_id": "x", "source": "nobody", "since": "yesterday", "from_position": "0", "refused": "perhaps"}
    assert set(pointers(door.client.get(LOG, params=wrong))) == {f"/{name}" for name in wrong}


def test_a_key_that_lacks_a_scope_leaves_one_record_with_its_own_name(door: Door) -> None:
    workflow_id = door.enabled()
    id, plain = key(door, "workflow:read")
    path = f"/api/v1/workflows/{workflow_id}/run-batch"
    for _ in range(2):
        assert problem(door.client.post(path, json={"nonsense": 1}, headers=bearer(plain)), 403)
    assert problem(door.client.get("/api/v1/people", headers=bearer(plain)), 403)
    told = [
        (event["data"]["name"], event["data"]["code"], event["data"]["subject_id"], event["via"])
        for event in newest(door, actor=id)
    ]
    assert told == [
        ("people.list", "scope.missing", None, "GET /api/v1/people"),
        *[("RunBatch", "scope.missing", workflow_id, "POST /api/v1/workflows/{workflow_id}/run-batch")] * 2,
    ]


def test_what_is_not_even_a_command_leaves_no_record(door: Door) -> None:
    before = newest(door, limit=1)[0]["position"]
    assert problem(door.client.post("/api/v1/workflows", content=b"{", headers={"Content-Type": "application/json"}))
    assert problem(door.client.post("/api/v1/workflows", json={"nam": "x"}), 422)
    assert problem(door.client.get("/api/v1/workflows", headers=bearer("tg_live_no_key")), 401)
    assert problem(door.client.get("/api/v1/workflows/no-id"), 404)
    assert newest(door, limit=1)[0]["position"] == before


def test_a_flood_of_one_key_leaves_one_record(door: Door) -> None:
    id, plain = key(door, "workflow:read", rate_per_minute=1)
    codes = [door.client.get("/api/v1/workflows", headers=bearer(plain)).status_code for _ in range(6)]
    assert codes == [200, *[429] * 5]
    assert [event["data"]["code"] for event in newest(door, actor=id)] == ["rate.limited"]


def test_a_state_is_read_as_it_was_and_compared(door: Door) -> None:
    workflow_id = door.enabled()
    created = newest(door, stream_id=workflow_id)[-1]
    path = f"/api/v1/streams/{workflow_id}"
    now = door.client.get(f"{path}/state").json()
    assert (now["kind"], now["version"], now["state"]["status"]) == ("workflow", 2, "active")
    then = door.client.get(f"{path}/state", params={"position": created["position"]}).json()
    assert (then["position"], then["state"]["status"]) == (created["position"], "draft")
    at = door.client.get(f"{path}/state", params={"time": created["recorded_at"]}).json()
    assert at == then
    diff = door.client.get(f"{path}/diff", params={"from_position": created["position"]}).json()
    changed = {change["pointer"]: (change["before"], change["after"]) for change in diff["changes"]}
    assert changed["/status"] == ("draft", "active")
    early = problem(door.client.get(f"{path}/state", params={"position": 1}), 404)
    assert (early["code"], early["details"]["first_position"]) == ("stream.not_begun", created["position"])


@pytest.mark.parametrize("id", ["00000000-0000-0000-0000-000000000000", "no-id"])
def test_what_is_not_of_the_project_has_no_past(door: Door, id: str) -> None:
    assert problem(door.client.get(f"/api/v1/streams/{id}/state"), 404)["code"] == "stream.not_found"
    answer = door.client.get(f"/api/v1/streams/{id}/diff", params={"from_position": 1})
    assert problem(answer, 404)["code"] == "stream.not_found"


def test_a_wrong_moment_is_named(door: Door) -> None:
    path = f"/api/v1/streams/{door.created()}"
    wrong = {"position": "0", "time": "noon"}
    assert set(pointers(door.client.get(f"{path}/state", params=wrong))) == {"/position", "/time"}
    both = {"position": "9", "time": "2027-01-31T00:00:00Z"}
    assert set(pointers(door.client.get(f"{path}/state", params=both))) == {"/time"}
    assert set(pointers(door.client.get(f"{path}/diff"))) == {"/from_position"}
