"""Schedules over HTTP: attach, look ahead, revise, pause, resume, detach; and what becomes of their times."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from engine.ids import new_id
from tests.http.conftest import Door, bearer, pointers, problem

ANSWERED = {"position", "schedule_id", "workflow_id", "status", "rrule", "starts_at", "timezone", "exdates", "overlap"}
ANSWERED |= {"catch_up", "catch_up_window_minutes", "acknowledged", "max_growth", "ceiling", "approval_expires_at"}
ANSWERED |= {"rate", "breaker"}
ANSWERED |= {
    "next_occurrence",
    "variables",
    "held_because",
    "confirm_url",
    "confirmation_id",
    "confirm_until",
    "changed",
}

MONDAYS = {"rrule": "FREQ=WEEKLY;BYDAY=MO;BYHOUR=9", "starts_at": "2030-03-25T09:00:00", "timezone": "Europe/Berlin"}


@pytest.fixture
def door(fresh_door: Door) -> Door:
    """Ten people match."""
    fresh_door.people(*(f"p{n}" for n in range(10)))
    return fresh_door


@pytest.fixture
def workflow_id(door: Door) -> str:
    return door.enabled()


@pytest.fixture
def path(door: Door, workflow_id: str) -> str:
    """The address of a daily schedule."""
    return str(door.attached(workflow_id, 10).headers["location"])


def test_a_schedule_is_attached_revised_paused_resumed_fired_and_detached(door: Door, workflow_id: str) -> None:
    made = door.attached(workflow_id, 10, max_growth=0.1, approval_expires_at="2060-01-01T00:00:00+01:00")
    answer = made.json()
    assert (made.status_code, set(answer)) == (201, ANSWERED)
    assert (answer["status"], answer["acknowledged"], answer["max_growth"], answer["ceiling"]) == (
        "active",
        10,
        0.1,
        11,
    )
    path = made.headers["location"]
    assert path == f"/api/v1/schedules/{answer['schedule_id']}"

    shown = door.client.get(path, params={"min_position": answer["position"]}).json()
    assert (shown["acknowledged_count"], shown["ceiling"], shown["workflow_version"]) == (10, 11, 1)
    assert (shown["overlap"], shown["catch_up"], shown["catch_up_window_minutes"]) == ("skip", "latest", 60)
    assert shown["approval_expires_at"] == "2059-12-31T23:00:00Z"
    assert door.client.get(f"/api/v1/workflows/{workflow_id}").json()["schedules"] == [shown]

    refusal = problem(door.client.patch(path, json={"timezone": "UTC"}), 409)
    assert (refusal["code"], refusal["details"]) == ("acknowledgement.missing", {"status": "active"})
    with_count = {"timezone": "UTC", "acknowledged_affected_count": 10}
    assert door.client.patch(path, json=with_count).json()["timezone"] == "UTC"

    assert door.client.post(f"{path}/pause", json={"note": "holiday"}).json()["status"] == "paused"
    revised = door.client.patch(path, json={"overlap": "allow", "exdates": ["2030-12-24"]}).json()
    assert (revised["status"], revised["overlap"], revised["exdates"]) == ("paused", "allow", ["2030-12-24"])
    assert revised["next_occurrence"] is None

    assert problem(door.client.post(f"{path}/resume", json={"acknowledged_affected_count": 9}), 409)
    resumed = door.client.post(f"{path}/resume", json={"acknowledged_affected_count": 10, "max_growth": 0}).json()
    assert (resumed["status"], resumed["ceiling"]) == ("active", 10)

    door.catch_up()
    door.fired(answer["schedule_id"])
    (row,) = door.client.get(f"{path}/occurrences").json()["data"]
    job = door.client.get(f"/api/v1/batch-jobs/{row['batch_job_id']}").json()
    assert (row["state"], row["scheduled_for"]) == ("fired", resumed["next_occurrence"])
    assert (job["scheduled_for"], job["fired_at"], job["status"]) == (row["scheduled_for"], row["decided_at"], "queued")
    assert 1 <= job["late_by_seconds"] == row["late_by_seconds"] < 60

    assert door.client.post(f"{path}/detach").json()["status"] == "detached"
    door.catch_up()
    assert (door.client.get(path).json()["status"], door.client.get(path).json()["next_occurrence"]) == (
        "detached",
        None,
    )
    listed = door.client.get("/api/v1/schedules", params={"workflow_id": workflow_id, "status": "detached"}).json()
    assert [row["id"] for row in listed["data"]] == [answer["schedule_id"]]
    assert problem(door.client.patch(path, json={"timezone": "Asia/Tokyo"}), 409)["code"] == "schedule.ended"


def test_a_schedule_shows_the_pace_of_its_jobs(door: Door, path: str) -> None:
    door.client.post(f"{path}/pause", json={"note": "holiday"})
    pace = {"rate": "100/minute", "breaker": {"min_attempts": 10, "max_failure_ratio": 0.5}}
    paced = door.client.patch(path, json=pace).json()
    door.catch_up()
    shown = door.client.get(path, params={"min_position": paced["position"]}).json()
    assert [{name: said[name] for name in pace} for said in (paced, shown)] == [pace, pace]
    assert door.client.patch(path, json={"lifted": ["rate", "breaker"]}).json()["rate"] is None


def test_what_became_of_each_time_is_told_the_latest_first(door: Door, workflow_id: str) -> None:
    schedule_id = door.attached(workflow_id, 10, overlap="allow").json()["schedule_id"]
    path = f"/api/v1/schedules/{schedule_id}/occurrences"
    assert door.client.get(path).json()["data"] == []
    door.fired(schedule_id, late_by_minutes=90)
    door.fired(schedule_id)
    door.people("dan", "eve")
    door.fired(schedule_id)

    rows = door.client.get(path).json()["data"]
    assert [(row["state"], row["reason"]) for row in rows] == [
        ("held", "beyond_growth"),
        ("fired", None),
        ("skipped", "missed"),
    ]
    for state in ("fired", "held", "skipped", "buffered"):
        found = door.client.get(path, params={"state": state}).json()["data"]
        assert found == [row for row in rows if row["state"] == state]
    first = door.client.get(path, params={"limit": 2}).json()
    rest = door.client.get(path, params={"limit": 2, "after": first["next_cursor"]}).json()
    assert (first["data"] + rest["data"], rest["next_cursor"]) == (rows, None)

    jobs = door.client.get("/api/v1/batch-jobs", params={"schedule_id": schedule_id}).json()["data"]
    assert {(job["id"], job["status"]) for job in jobs} == {
        (rows[0]["batch_job_id"], "held"),
        (rows[1]["batch_job_id"], "queued"),
    }
    assert door.client.get("/api/v1/batch-jobs", params={"schedule_id": str(new_id())}).json()["data"] == []

    # Who let the schedule fire has asked for its jobs.
    held = f"/api/v1/batch-jobs/{rows[0]['batch_job_id']}/approve"
    today = {"acknowledged_affected_count": 12}
    assert problem(door.client.post(held, json=today), 403)["code"] == "approval.own_request"
    assert door.client.post(held, json=today, headers=bearer(door.key())).json()["status"] == "queued"


def test_a_rule_that_ends_is_completed_and_revived_by_another_one(door: Door, workflow_id: str) -> None:
    start = (door.clock.now() + timedelta(days=1)).strftime("%Y-%m-%dT09:00:00")
    made = door.attached(workflow_id, 10, rrule="FREQ=DAILY;COUNT=1;BYHOUR=9", starts_at=start, timezone="UTC")
    path = made.headers["location"]
    door.fired(made.json()["schedule_id"])
    listed = door.client.get("/api/v1/schedules", params={"status": "completed"}).json()["data"]
    assert [row["id"] for row in listed] == [made.json()["schedule_id"]]
    revival = {"rrule": "FREQ=DAILY;BYHOUR=9", "acknowledged_affected_count": 10}
    assert door.client.patch(path, json=revival).json()["status"] == "active"


def test_how_far_an_approval_reaches_is_told_with_the_acknowledgement(door: Door, path: str) -> None:
    assert problem(door.client.patch(path, json={"max_growth": 0}), 409)["code"] == "acknowledgement.missing"
    door.client.post(f"{path}/pause", json={"note": "x"})
    assert problem(door.client.patch(path, json={"max_growth": 0}), 409)["code"] == "schedule.not_active"
    ends = {"approval_expires_at": "2060-01-01T00:00:00Z", "acknowledged_affected_count": 10}
    assert door.client.post(f"{path}/resume", json=ends).json()["approval_expires_at"] == ends["approval_expires_at"]


def test_revising_nothing_changes_nothing(door: Door, path: str) -> None:
    before = door.traces()
    answers = [door.client.patch(path), door.client.patch(path, json={}), door.client.patch(path, json={"rrule": None})]
    for answer in answers:
        assert answer.status_code == 200
        assert (set(answer.json()), answer.json()["status"]) == (ANSWERED, "active")
    assert door.traces() == before


def test_all_that_is_wrong_with_a_schedule_is_told_at_once(door: Door, workflow_id: str, path: str) -> None:
    wrong: dict[str, Any] = {
        "rrule": "FREQ=SECONDLY",
        "starts_at": "soon",
        "timezone": "Mars/Olympus",
        "exdates": ["2030-12-24", "x"],
        "overlap": "sometimes",
        "catch_up": "never",
        "catch_up_window_minutes": -1,
        "max_growth": 99,
        "approval_expires_at": "2020-01-01T00:00:00Z",
    }
    named = {f"/{name}" for name in wrong} - {"/exdates"} | {"/exdates/1"}
    before = door.traces()
    attached = door.attached(workflow_id, 10, **wrong)
    assert (problem(attached, 422)["code"], set(pointers(attached))) == ("schedule.invalid", named)
    revised = door.client.patch(path, json=wrong)
    assert (problem(revised, 422)["code"], set(pointers(revised))) == ("schedule.invalid", named)
    resumed = {"acknowledged_affected_count": 10, "max_growth": -1, "approval_expires_at": "2030-01-01T00:00:00"}
    door.client.post(f"{path}/pause", json={"note": "x"})
    answer = door.client.post(f"{path}/resume", json=resumed)
    assert set(pointers(answer)) == {"/max_growth", "/approval_expires_at"}
    assert door.traces() == {**before, "log": before["log"] + 1}


def test_a_preview_tells_instants_and_wall_times_and_records_nothing(door: Door, path: str) -> None:
    before = door.traces()
    body = {**MONDAYS, "exdates": ["2030-04-08"], "count": 3}
    shown = door.client.post("/api/v1/schedules/preview", json=body)
    assert (shown.status_code, "tidegate-position" in shown.headers) == (200, False)
    assert shown.json() == {
        **MONDAYS,
        "schedule_id": None,
        "exdates": ["2030-04-08"],
        "occurrences": [
            {
                "at": "2030-03-25T08:00:00Z",
                "local": "2030-03-25T09:00:00+01:00",
                "nominal": "2030-03-25T09:00:00",
                "note": None,
            },
            {
                "at": "2030-04-01T07:00:00Z",
                "local": "2030-04-01T09:00:00+02:00",
                "nominal": "2030-04-01T09:00:00",
                "note": None,
            },
            {
                "at": "2030-04-15T07:00:00Z",
                "local": "2030-04-15T09:00:00+02:00",
                "nominal": "2030-04-15T09:00:00",
                "note": None,
            },
        ],
    }
    gap = {"rrule": "FREQ=DAILY;BYHOUR=2;BYMINUTE=30", "starts_at": "2030-03-31T02:30:00", "timezone": "Europe/Berlin"}
    (moved,) = door.client.post("/api/v1/schedules/preview", json={**gap, "count": 1}).json()["occurrences"]
    assert (moved["at"], moved["note"]) == ("2030-03-31T01:00:00Z", "moved_forward")

    existing = door.client.get(f"{path}/preview", params={"count": 2}).json()
    assert (existing["schedule_id"], len(existing["occurrences"])) == (path.rpartition("/")[2], 2)
    assert existing["occurrences"][0]["at"] == door.client.get(path).json()["next_occurrence"]
    assert len(door.client.get(f"{path}/preview").json()["occurrences"]) == 10
    assert door.traces() == before


def test_a_preview_of_what_cannot_be_is_refused_by_its_pointers(door: Door, path: str) -> None:
    wrong = door.client.post("/api/v1/schedules/preview", json={**MONDAYS, "rrule": "FREQ=SECONDLY", "count": 101})
    assert (problem(wrong, 422)["code"], set(pointers(wrong))) == ("schedule.invalid", {"/rrule", "/count"})
    for count in ("0", "101", "many"):
        assert pointers(door.client.get(f"{path}/preview?count={count}")) == {"/count": "parameter.invalid"}
    assert pointers(door.client.get(f"{path}/occurrences?state=lost")) == {"/state": "parameter.invalid"}
    assert pointers(door.client.get(f"{path}/occurrences?after=W10")) == {"/after": "cursor.invalid"}
    assert pointers(door.client.get("/api/v1/batch-jobs?schedule_id=x")) == {"/schedule_id": "parameter.invalid"}


def test_a_revision_and_a_resumption_are_done_once_for_one_idempotency_key(door: Door, path: str) -> None:
    body = {"overlap": "allow", "acknowledged_affected_count": 10}
    first, again = (door.client.patch(path, json=body, headers={"Idempotency-Key": "r"}) for _ in range(2))
    assert (first.status_code, first.json()) == (200, again.json())
    assert first.headers["tidegate-position"] == again.headers["tidegate-position"]
    other = door.client.patch(path, json={**body, "overlap": "skip"}, headers={"Idempotency-Key": "r"})
    assert problem(other, 422)["code"] == "idempotency.mismatch"


def test_an_agent_revises_with_the_token_of_a_sizing(door: Door, workflow_id: str, path: str) -> None:
    agent = door.key(agent=True)
    body = {"overlap": "allow", "acknowledged_affected_count": 10}
    assert problem(door.client.patch(path, json=body, headers=bearer(agent)), 422)["code"] == "confirm.missing"
    other = door.sized(workflow_id, key=agent)["confirm_token"]
    refused = problem(door.client.patch(path, json={**body, "confirm_token": other}, headers=bearer(agent)), 409)
    assert (refused["code"], refused["details"]) == ("confirm.changed", {"changed": ["purpose"]})
    sized_for = {"schedule_id": path.rpartition("/")[2]}
    token = door.sized(workflow_id, key=agent, schedule=sized_for)["confirm_token"]
    revised = door.client.patch(path, json={**body, "confirm_token": token}, headers=bearer(agent))
    assert (revised.status_code, revised.json()["overlap"]) == (200, "allow")
    spent = {"overlap": "skip", "acknowledged_affected_count": 10, "confirm_token": token}
    assert problem(door.client.patch(path, json=spent, headers=bearer(agent)), 409)["code"] == "confirm.used"


def test_the_schedules_of_another_project_are_as_unknown_as_any(door: Door, path: str) -> None:
    theirs = bearer(door.key(project=door.other_project))
    unknown = f"/api/v1/schedules/{new_id()}"
    ack = {"acknowledged_affected_count": 10}
    asked: tuple[tuple[str, str, dict[str, Any] | None], ...] = (
        ("GET", "", None),
        ("PATCH", "", {"overlap": "allow"}),
        ("GET", "/preview", None),
        ("GET", "/occurrences", None),
        ("POST", "/pause", {"note": "x"}),
        ("POST", "/resume", ack),
        ("POST", "/detach", {}),
    )
    before = door.traces()
    for method, rest, body in asked:
        answers = [
            problem(door.client.request(method, f"{address}{rest}", json=body, headers=theirs), 404)
            for address in (path, unknown, "/api/v1/schedules/x")
        ]
        texts = [{**answer, "request_id": None} for answer in answers]
        assert texts[0] == texts[1] == texts[2], rest
        assert texts[0]["code"] == "schedule.not_found"
    assert (
        door.client.get("/api/v1/batch-jobs", params={"schedule_id": path[-36:]}, headers=theirs).json()["data"] == []
    )
    assert door.traces() == before
