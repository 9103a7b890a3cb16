"""Personal values in every field that takes text or values over HTTP: none of them comes into the log."""

from __future__ import annotations

import json
from typing import Any
from uuid import UUID

import pytest

from commands.grants import SCOPES
from projections import tables
from tests.http.conftest import Door, bearer
from workers.enrolment import enrol

FIELDS = """name description property-condition branch-condition step-name template payload-field set-variable default
input-default instructions exit-reason edited-name edited-description activate-key disable-reason archive-reason
run-variable run-key schedule-variable revised-variable pause-note schedule-pause-note detach-note cancel-reason
approve-note reject-reason decide-note input run-cancel-reason cohort-name cohort-condition import-id import-email
import-property key-name simulate-variable refused-reason refused-variable header""".split()

PLANTED = {name: f"canary.{name}.é@example.com" for name in FIELDS}
ASCII = {name: text.replace("é", "e") for name, text in PLANTED.items()}
"""Headers take no other letters."""

RULE = {"rrule": "FREQ=DAILY;BYHOUR=9", "starts_at": "2024-01-01T09:00:00", "timezone": "Europe/Berlin"}


class Caller:
    """Posts to the API and insists on the status; on any success unless told."""

    def __init__(self, door: Door) -> None:
        self.door = door

    def post(
        self, path: str, body: Any = None, status: int | None = None, method: str = "POST", headers: Any = None
    ) -> Any:
        answer = self.door.client.request(method, f"/api/v1{path}", json=body, headers=headers)
        assert answer.status_code == status if status else answer.is_success, answer.text
        self.door.catch_up()
        return answer.json()

    def get(self, path: str) -> str:
        answer = self.door.client.get(f"/api/v1{path}")
        assert answer.status_code == 200, answer.text
        return json.dumps(answer.json(), ensure_ascii=False)


def content() -> dict[str, Any]:
    """A batch workflow with a planted value wherever an author writes one; it matches everybody but the planted."""
    arm = {"type": "person", "key": "email", "operator": "exact", "value": PLANTED["branch-condition"]}
    not_them = {"type": "person", "key": "email", "operator": "is_not", "value": [PLANTED["property-condition"]]}
    values = {"offer": PLANTED["set-variable"]}
    payload = {"to": PLANTED["payload-field"]}
    expiry = {"expires_after": "P3D", "on_expiry": "rejected"}
    steps: list[dict[str, Any]] = [
        {"id": "set", "name": PLANTED["step-name"], "type": "set_variables", "config": {"variables": values}},
        {"id": "ask", "type": "approval", "config": {"instructions": PLANTED["instructions"], **expiry}},
        {
            "id": "branch",
            "type": "conditional_branch",
            "config": {"conditions": [{"name": "them", "filters": {"properties": [arm]}}]},
        },
        {"id": "note", "type": "capture", "config": {"message": f"Dear {PLANTED['template']}"}},
        {"id": "push", "type": "capture", "config": {"payload": payload}},
        {"id": "bye", "type": "exit", "config": {"reason": PLANTED["exit-reason"]}},
    ]
    edges = [
        {"from": "set", "to": "ask"},
        {"from": "ask", "to": "branch", "branch": "approved"},
        {"from": "ask", "to": "bye", "branch": "rejected"},
        {"from": "branch", "to": "note", "branch": "them"},
        {"from": "branch", "to": "push", "branch": "else"},
    ]
    return {
        "trigger": {"type": "batch", "filters": {"properties": [not_them]}},
        "steps": [{"name": step["id"], **step} for step in steps],
        "edges": edges,
        "variables": [{"key": "offer", "type": "string", "default": PLANTED["default"]}],
    }


def authored(caller: Caller) -> str:
    created = caller.post(
        "/workflows", {"name": PLANTED["name"], "description": PLANTED["description"], **content()}, 201
    )
    id = created["workflow_id"]
    edit = {"version": created["version"], "name": PLANTED["edited-name"], "description": PLANTED["edited-description"]}
    caller.post(f"/workflows/{id}", edit, method="PATCH")
    caller.post(f"/workflows/{id}/activate", headers={"Idempotency-Key": ASCII["activate-key"]})
    caller.post(f"/workflows/{id}/simulate", {"variables": {"offer": PLANTED["simulate-variable"]}})
    return str(id)


def scheduled(caller: Caller, id: str) -> None:
    variables = {"variables": {"offer": PLANTED["schedule-variable"]}}
    attach = {**RULE, "acknowledged_affected_count": 2, **variables}
    made = caller.post(f"/workflows/{id}/schedules", attach)["schedule_id"]
    caller.post(f"/schedules/{made}/pause", {"note": PLANTED["schedule-pause-note"]})
    revised = {"variables": {"offer": PLANTED["revised-variable"]}}
    caller.post(f"/schedules/{made}", revised, method="PATCH")
    caller.post(f"/schedules/{made}/detach", {"note": PLANTED["detach-note"]})


def ran(caller: Caller, id: str) -> None:
    variables = {"variables": {"offer": PLANTED["run-variable"]}}
    count = {"acknowledged_affected_count": 2, **variables}
    held = [
        caller.post(f"/workflows/{id}/run-batch", count, headers={"Idempotency-Key": f"{ASCII['run-key']} {n}"})
        for n in range(2)
    ]
    first, second = (job["batch_job_id"] for job in held)
    approver = bearer(caller.door.key(scopes=sorted(SCOPES)))
    approval = {"acknowledged_affected_count": 2, "note": PLANTED["approve-note"]}
    caller.post(f"/batch-jobs/{first}/approve", approval, headers=approver)
    caller.post(f"/batch-jobs/{second}/reject", {"reason": PLANTED["reject-reason"]}, headers=approver)
    enrol(caller.door.system, UUID(first))
    decision = {"decision": "approved", "note": PLANTED["decide-note"]}
    caller.post(f"/batch-jobs/{first}/steps/ask/decide", decision, headers=approver)
    caller.post(f"/batch-jobs/{first}/pause", {"reason": PLANTED["pause-note"]})
    caller.post(f"/batch-jobs/{first}/cancel", {"reason": PLANTED["cancel-reason"]})


def by_hand(caller: Caller) -> None:
    inputs = {"order": {"type": "string", "default": PLANTED["input-default"]}}
    step = {"id": "note", "name": "Note", "type": "capture", "config": {"message": "{{ inputs.order }}"}}
    manual = {"name": "By hand", "trigger": {"type": "manual", "inputs": inputs}, "steps": [step]}
    id = caller.post("/workflows", manual)["workflow_id"]
    caller.post(f"/workflows/{id}/activate")
    run = caller.post(f"/workflows/{id}/run", {"inputs": {"order": PLANTED["input"]}})["run_id"]
    caller.post(f"/runs/{run}/cancel", {"reason": PLANTED["run-cancel-reason"]})


def beside(caller: Caller) -> None:
    """What is no workflow: cohorts, people, keys, and calls that are refused."""
    condition = {"type": "person", "key": "email", "operator": "exact", "value": PLANTED["cohort-condition"]}
    cohort = {"name": PLANTED["cohort-name"], "kind": "dynamic", "conditions": [condition]}
    caller.post("/cohorts", cohort)
    rows = f"distinct_id,email,city\n{PLANTED['import-id']},{ASCII['import-email']},{PLANTED['import-property']}\n"
    path = "/api/v1/people:import"
    imported = caller.door.client.post(path, content=rows.encode(), headers={"Content-Type": "text/csv"})
    assert imported.status_code == 200, imported.text
    caller.post("/keys", {"name": PLANTED["key-name"], "scopes": ["workflow:read"]})


def refused(caller: Caller, id: str) -> None:
    body = {"acknowledged_affected_count": 7, "variables": {"offer": PLANTED["refused-variable"]}}
    caller.post(f"/workflows/{id}/run-batch", body, 409, headers={"Idempotency-Key": ASCII["header"]})
    unknown = "00000000-0000-0000-0000-00000000000a"
    caller.post(f"/batch-jobs/{unknown}/cancel", {"reason": PLANTED["refused-reason"]}, 404)


@pytest.fixture
def planted(fresh_door: Door) -> Caller:
    """Everything was done, each with its own planted value."""
    fresh_door.people("p1")
    caller = Caller(fresh_door)
    caller.post("/policy", {"approval_over": 1}, method="PUT")
    beside(caller)
    id = authored(caller)
    ran(caller, id)
    scheduled(caller, id)
    by_hand(caller)
    refused(caller, id)
    caller.post(f"/workflows/{id}/disable", {"reason": PLANTED["disable-reason"]})
    caller.post(f"/workflows/{id}/archive", {"reason": PLANTED["archive-reason"]})
    return caller


def whole_log(door: Door) -> str:
    with door.system.engine.connect() as connection:
        rows = connection.execute(tables.log.select()).mappings().all()
    return "\n".join(
        value.decode() if isinstance(value, bytes) else str(value) for row in rows for value in row.values()
    )


def spellings(text: str) -> set[str]:
    """How a text may be written in JSON."""
    return {text, json.dumps(text)[1:-1], text.encode().decode("latin-1")}


def test_no_planted_value_is_in_the_log_and_reads_still_answer_them(planted: Caller) -> None:
    log = whole_log(planted.door)
    found = {
        name for texts in (PLANTED, ASCII) for name, text in texts.items() if any(s in log for s in spellings(text))
    }
    assert found == set()
    told = planted.get("/log?limit=200") + planted.get("/workflows") + planted.get("/cohorts") + planted.get("/people")
    kept_elsewhere = {"simulate-variable", "refused-reason", "refused-variable", "header", "key-name", "input"}
    never_told = {name for name in FIELDS if PLANTED[name] not in told and ASCII[name] not in told}
    assert never_told <= kept_elsewhere | {
        "activate-key",
        "run-key",
        "cohort-condition",
        "import-property",
        "import-id",
    }
