"""The same request again: the same answer, and nothing done twice."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

from tests.http.conftest import CONTENT, Door, bearer, problem


def test_the_same_key_and_body_get_the_same_answer_and_one_job(door: Door) -> None:
    door.people("ida")
    workflow_id = door.enabled()
    path, headers = f"/api/v1/workflows/{workflow_id}/run-batch", {"Idempotency-Key": "run-1"}
    count = door.sized(workflow_id)["affected"]
    first = door.client.post(path, json={"acknowledged_affected_count": count}, headers=headers)
    before = door.traces()
    again = door.client.post(path, json={"variables": {}, "acknowledged_affected_count": count}, headers=headers)
    assert first.status_code == again.status_code == 202
    assert first.json() == again.json()
    assert first.headers["location"] == again.headers["location"]
    assert first.headers["tidegate-position"] == again.headers["tidegate-position"]
    assert door.traces() == before


def test_a_batch_that_was_just_started_is_named_beside_the_code(door: Door) -> None:
    door.people("twice")
    workflow_id = door.enabled()
    path = f"/api/v1/workflows/{workflow_id}/run-batch"
    body = {"acknowledged_affected_count": door.sized(workflow_id)["affected"]}
    first = door.client.post(path, json=body).json()
    again = problem(door.client.post(path, json=body), 409)
    assert (again["code"], again["batch_job_id"]) == ("batch_job.just_started", first["batch_job_id"])


def test_the_same_key_with_another_body_is_refused(door: Door) -> None:
    headers = {"Idempotency-Key": "create-1"}
    assert door.client.post("/api/v1/workflows", json={"name": "A", **CONTENT}, headers=headers).status_code == 201
    other = door.client.post("/api/v1/workflows", json={"name": "B", **CONTENT}, headers=headers)
    assert problem(other, 422)["code"] == "idempotency.mismatch"


def test_a_key_is_its_principals_own(door: Door) -> None:
    bodies = [{"name": name, **CONTENT} for name in ("A", "B")]
    keys = [door.key(), door.key(project=door.other_project)]
    answers = [
        door.client.post("/api/v1/workflows", json=body, headers={**bearer(key), "Idempotency-Key": "shared"})
        for body, key in zip(bodies, keys, strict=True)
    ]
    assert [answer.status_code for answer in answers] == [201, 201]


def test_a_refused_request_does_not_use_up_its_key(door: Door) -> None:
    workflow_id, headers = door.created(), {"Idempotency-Key": "retry-1"}
    path = f"/api/v1/workflows/{workflow_id}/disable"
    archived = f"/api/v1/workflows/{workflow_id}/archive"
    assert door.client.post(archived).status_code == 200
    assert problem(door.client.post(path, headers=headers), 409)
    assert door.client.post(f"/api/v1/workflows/{workflow_id}/restore").status_code == 200
    assert door.client.post(path, headers=headers).status_code == 200


def test_many_at_once_with_one_key_make_one_workflow(door: Door) -> None:
    before = door.traces()["log"]

    def send(_: int) -> tuple[int, str]:
        answer = door.client.post(
            "/api/v1/workflows", json={"name": "Once", **CONTENT}, headers={"Idempotency-Key": "many-1"}
        )
        return answer.status_code, answer.json().get("workflow_id") or answer.json()["code"]

    with ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(send, range(16)))
    made = {id for status, id in answers if status == 201}
    assert len(made) == 1
    assert {answer for answer in answers if answer[0] != 201} <= {(409, "idempotency.in_flight")}
    assert door.traces()["log"] == before + 1
