"""The failed runs of a job, counted and run again over HTTP; the pace of a job."""

from __future__ import annotations

from contextlib import closing
from typing import Any
from uuid import UUID

import pytest
from sqlalchemy import text

from tests.http.conftest import Door, bearer, pointers, problem
from workers.delivery import Deliveries
from workers.fanout import Fanout
from workers.sending import Sender
from workers.world import DatabaseWorld


def work(door: Door, job_id: str) -> None:
    """Answer a job's bells until there are none."""
    system, rung = door.system, [UUID(job_id)]
    with closing(Deliveries.from_settings(system.settings, system.secrets)) as deliveries:
        sender = Sender(system, deliveries, lambda c, project: DatabaseWorld(c, system, project))
        fanout = Fanout(system, sender, lambda job, times: rung.extend([job] * times))
        while rung:
            fanout.advance(str(rung.pop()))
    door.catch_up()


def execute(door: Door, statement: str, **parameters: Any) -> None:
    with door.system.engine.begin() as connection:
        connection.execute(text(statement), parameters)


@pytest.fixture
def failed(fresh_door: Door) -> str:
    """The address of a job of three people that is over; two of its runs failed."""
    fresh_door.people("ann", "ben", "cem")
    job = fresh_door.ran(fresh_door.enabled(), 3)["batch_job_id"]
    work(fresh_door, job)
    execute(fresh_door, "UPDATE runs SET status = 'failed' WHERE person_id <> (SELECT max(person_id) FROM runs)")
    return f"/api/v1/batch-jobs/{job}"


def test_the_failed_runs_are_counted_and_run_again(fresh_door: Door, failed: str) -> None:
    sizing = fresh_door.client.post(f"{failed}/blast-radius")
    assert (sizing.status_code, sizing.json()["affected"], sizing.json()["left"]) == (
        200,
        2,
        {"opted_out": 0, "suppressed": 0, "erased": 0, "address_changed": 0},
    )
    body = {"acknowledged_affected_count": 2, "confirm_token": sizing.json()["confirm_token"]}
    answer = fresh_door.client.post(f"{failed}/retry-failed", json=body)
    assert (answer.status_code, answer.json()["status"]) == (202, "queued")
    job = answer.json()["batch_job_id"]
    assert answer.headers["location"] == f"/api/v1/batch-jobs/{job}"
    work(fresh_door, job)
    shown = fresh_door.client.get(answer.headers["location"]).json()
    assert (shown["status"], shown["delivered"], shown["retry_of"]) == ("completed", 2, failed.rsplit("/", 1)[1])
    again = fresh_door.client.post(f"{failed}/retry-failed", json=body).json()
    assert (again["batch_job_id"], again["status"]) == (job, "completed")


def test_an_agent_is_asked_for_the_token_here_as_well(fresh_door: Door, failed: str) -> None:
    agent = bearer(fresh_door.key(agent=True))
    body = {"acknowledged_affected_count": 2}
    refused = fresh_door.client.post(f"{failed}/retry-failed", json=body, headers=agent)
    assert problem(refused, 422)["code"] == "confirm.missing"
    sizing = fresh_door.client.post(f"{failed}/blast-radius", headers=agent).json()
    body["confirm_token"] = sizing["confirm_token"]
    assert fresh_door.client.post(f"{failed}/retry-failed", json=body, headers=agent).status_code == 202


def test_a_retry_is_asked_for_with_a_count_and_nothing_else(fresh_door: Door, failed: str) -> None:
    assert pointers(fresh_door.client.post(f"{failed}/retry-failed", json={})) == {
        "/acknowledged_affected_count": "field.missing"
    }
    body = {"acknowledged_affected_count": 2, "variables": {}}
    assert pointers(fresh_door.client.post(f"{failed}/retry-failed", json=body)) == {"/variables": "field.unknown"}
    drifted = fresh_door.client.post(f"{failed}/retry-failed", json={"acknowledged_affected_count": 3})
    assert problem(drifted, 409)["details"] == {"now": 2, "acknowledged": 3}


def test_a_job_is_asked_for_with_a_rate_and_a_breaker(fresh_door: Door) -> None:
    fresh_door.people("ann")
    workflow = fresh_door.enabled()
    pace = {"rate": "100/minute", "breaker": {"min_attempts": 10, "max_failure_ratio": 0.5}}
    job = fresh_door.ran(workflow, 1, **pace)["batch_job_id"]
    shown = fresh_door.client.get(f"/api/v1/batch-jobs/{job}").json()
    assert {name: shown[name] for name in pace} == pace
    for wrong in ({"rate": "many"}, {"breaker": {"min_attempts": 10}}, {"breaker": {**pace["breaker"], "more": 1}}):  # type: ignore[dict-item]
        body = {"acknowledged_affected_count": 1, **wrong}
        refused = fresh_door.client.post(f"/api/v1/workflows/{workflow}/run-batch", json=body)
        assert problem(refused, 422)["code"] == "request.invalid"
