"""Manual runs, lists of runs and simulation over HTTP."""

from __future__ import annotations

from typing import Any

import pytest

from tests.http.conftest import Door, bearer, pointers, problem
from tests.support.walks import chain, step

MANUAL = {"type": "manual", "inputs": {"order": {"type": "string", "required": True}}}
NOTED = step("note", "capture", {"message": "{{ inputs.order }}"})
EVERY = "/api/v1/runs"


@pytest.fixture(scope="module")
def manual(door: Door) -> str:
    made = door.client.post("/api/v1/workflows", json={"name": "Manual", "trigger": MANUAL, **chain(NOTED)}).json()
    door.client.post(f"/api/v1/workflows/{made['workflow_id']}/activate")
    return str(made["workflow_id"])


def begun(door: Door, workflow_id: str, **headers: str) -> Any:
    body = {"inputs": {"order": "A-1"}}
    return door.client.post(f"/api/v1/workflows/{workflow_id}/run", json=body, headers=headers)


def test_a_start_answers_with_the_run_and_where_it_is(door: Door, manual: str) -> None:
    answer = begun(door, manual)
    assert answer.status_code == 202
    assert answer.headers["location"] == f"{EVERY}/{answer.json()['run_id']}"
    # The views have not heard of it, and it is found all the same.
    run = door.client.get(answer.headers["location"]).json()
    assert (run["status"], run["manual"], run["person_id"], run["batch_job_status"]) == (
        "pending",
        True,
        None,
        "queued",
    )
    result = door.client.get(f"{answer.headers['location']}/result").json()
    assert (result["finished"], result["output"]) == (False, None) and result["next"]
    assert door.client.get(f"{answer.headers['location']}/trace").json()["data"] == []


def test_the_same_key_is_the_same_run_and_another_body_is_refused(door: Door, manual: str) -> None:
    first, again = (begun(door, manual, **{"Idempotency-Key": "http-once"}) for _ in range(2))
    assert first.json() == again.json()
    other = door.client.post(
        f"/api/v1/workflows/{manual}/run", json={"inputs": {"order": "B"}}, headers={"Idempotency-Key": "http-once"}
    )
    assert problem(other, 422)["code"] == "idempotency.mismatch"


def test_wrong_inputs_are_named_all_at_once(door: Door, manual: str) -> None:
    answer = door.client.post(f"/api/v1/workflows/{manual}/run", json={"inputs": {"ordr": 1}})
    assert set(pointers(answer)) == {"/inputs/ordr", "/inputs/order"}


def test_runs_are_listed_by_workflow_status_and_time(door: Door, manual: str) -> None:
    for _ in range(2):
        begun(door, manual)
    door.catch_up()
    ask: dict[str, Any] = {"workflow_id": manual, "limit": 1}
    first = door.client.get(EVERY, params=ask).json()
    second = door.client.get(EVERY, params={**ask, "after": first["next_cursor"]}).json()
    assert first["data"][0]["run_id"] != second["data"][0]["run_id"]
    assert door.client.get(EVERY, params={"workflow_id": manual, "status": "delivered"}).json()["data"] == []
    assert door.client.get(EVERY, params={"until": "2020-01-01T00:00:00Z"}).json()["data"] == []
    assert door.client.get(EVERY, params={"since": "2020-01-01T00:00:00Z"}).json()["data"]


@pytest.mark.parametrize(
    ("params", "name"),
    [
        ({"since": "yesterday"}, "/since"),
        ({"until": "2026-01-01T00:00:00"}, "/until"),
        ({"status": "done"}, "/status"),
        ({"person_id": "0"}, "/person_id"),
        ({"colour": "red"}, "/colour"),
        ({"after": "nonsense"}, "/after"),
    ],
)
def test_a_filter_that_cannot_be_is_an_error_and_never_ignored(door: Door, params: dict[str, str], name: str) -> None:
    assert list(pointers(door.client.get(EVERY, params=params))) == [name]


@pytest.mark.parametrize("path", ["", "/result", "/trace"])
def test_a_run_of_another_project_is_as_unknown_as_any(door: Door, manual: str, path: str) -> None:
    run_id = begun(door, manual).json()["run_id"]
    stranger = bearer(door.key(project=door.other_project))
    answers = [
        door.client.get(f"{EVERY}/{id}{path}", headers=stranger)
        for id in (run_id, run_id.replace("-", "0", 1), "nonsense", f"{run_id}1")
    ]
    told = [{**problem(answer, 404), "request_id": None} for answer in answers]
    assert told[0]["code"] == "run.not_found" and all(each == told[0] for each in told)
    refused = door.client.post(f"{EVERY}/{run_id}/cancel", json={"reason": "stop"}, headers=stranger)
    assert problem(refused, 404)["code"] == "run.not_found"


def test_a_run_is_cancelled_with_a_reason_and_says_so(door: Door, manual: str) -> None:
    where = begun(door, manual).headers["location"]
    assert list(pointers(door.client.post(f"{where}/cancel", json={}))) == ["/reason"]
    answer = door.client.post(f"{where}/cancel", json={"reason": "not needed"})
    assert (answer.status_code, answer.json()["status"]) == (202, "skipped")
    assert door.client.get(f"{where}/result").json()["reason"] == "job_cancelled"


def test_reading_a_run_of_a_person_needs_to_see_people_and_a_manual_one_has_none(door: Door, manual: str) -> None:
    where = begun(door, manual).headers["location"]
    blind = bearer(door.key(scopes=["run:read"]))
    for path in ("", "/result", "/trace"):
        assert door.client.get(f"{where}{path}", headers=blind).status_code == 200
        # Whether there is such a run or not: the answer tells nothing.
        for person in (f"{where[:-1]}1", f"{where[:-3]}{'0' if where[-3] != '0' else '1'}.7"):
            refusal = problem(door.client.get(f"{person}{path}", headers=blind), 403)
            assert refusal["details"]["missing"] == ["person:read"]


def test_a_batch_job_has_no_run_without_a_person(door: Door) -> None:
    blind = bearer(door.key(scopes=["run:read"]))
    workflow = door.enabled(name="Batch of one")
    door.people("of-one")
    job = door.ran(workflow, door.sized(workflow)["affected"])["batch_job_id"]
    assert problem(door.client.get(f"{EVERY}/{job}.0", headers=blind), 404)["code"] == "run.not_found"


def test_a_simulation_answers_with_counts_and_what_would_be_sent(door: Door) -> None:
    door.people("sim-1", "sim-2", plan="simulated")
    trigger = {
        "type": "batch",
        "filters": {"properties": [{"type": "person", "key": "plan", "operator": "exact", "value": "simulated"}]},
    }
    content = chain(step("hi", "capture", {"message": "Hello {{ person.distinct_id }}, {{ person.properties.name }}"}))
    made = door.client.post("/api/v1/workflows", json={"name": "Sim", "trigger": trigger, **content}).json()
    before = door.traces()
    answer = door.client.post(f"/api/v1/workflows/{made['workflow_id']}/simulate", json={"sample": 5})
    assert answer.status_code == 200
    told = answer.json()
    assert (told["people"], told["outcomes"], told["missing_fields"]) == (2, {"delivered": 2}, {"name": 2})
    assert [run["steps"][0]["output"]["message"] for run in told["runs"]] == ["Hello sim-1, ", "Hello sim-2, "]
    assert door.traces() == before
