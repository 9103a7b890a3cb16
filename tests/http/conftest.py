"""The HTTP door over a real database: two projects, keys as needed, and the views brought up to date by hand."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any
from uuid import UUID

import httpx2
import pytest
from sqlalchemy import func, insert, select
from starlette.testclient import TestClient

from commands.due import FireSchedule
from commands.grants import SCOPES
from engine.bootstrap import System, build, ensure_project, system_principal
from engine.http.app import create_app
from engine.settings import load_settings
from projections import tables
from tests.support.databases import Databases
from tests.support.product import MovableClock
from tests.support.refusals import FACTS
from tests.support.views import Views

CONTENT: dict[str, Any] = {
    "trigger": {
        "type": "batch",
        "filters": {"properties": [{"type": "person", "key": "plan", "operator": "exact", "value": ["pro"]}]},
    },
    "steps": [{"id": "note", "name": "Note", "type": "capture", "config": {"message": "Hello"}}],
    "edges": [],
    "variables": [{"key": "offer", "type": "string", "default": "ten"}],
}

PROBLEM_FIELDS = {"type", "title", "status", "code", "detail", "errors", "next", "request_id", "details"}


@dataclass(frozen=True)
class Door:
    """The application, and a client with the owner's key. Moving the clock is for a fresh one only."""

    system: System
    clock: MovableClock
    client: TestClient
    project: UUID
    other_project: UUID

    def key(self, *, scopes: list[str] | None = None, project: UUID | None = None, **fields: Any) -> str:
        """The plain text of a new key; all scopes unless told."""
        with self.system.engine.begin() as connection:
            _, plain = self.system.keyring.create(
                connection,
                project or self.project,
                name="test",
                scopes=sorted(SCOPES) if scopes is None else scopes,
                now=self.system.clock.now(),
                **fields,
            )
        return plain

    def people(self, *distinct_ids: str, plan: str = "pro") -> None:
        rows = [
            {
                "project_id": self.project,
                "distinct_id": name,
                "email": f"{name}@example.com",
                "properties": {"plan": plan},
            }
            for name in distinct_ids
        ]
        with self.system.engine.begin() as connection:
            connection.execute(insert(tables.people), rows)

    def catch_up(self) -> None:
        """Bring the views to the end of the log."""
        Views(self.system.engine).catch_up()

    def traces(self) -> dict[str, int]:
        """How much there is of everything that a command could leave behind; refusals are recorded and not counted."""
        counted = (tables.people, tables.cohorts, tables.idempotency_keys, tables.api_keys)
        statements = {"log": FACTS, **{table.name: select(func.count()).select_from(table) for table in counted}}
        with self.system.engine.connect() as connection:
            return {name: connection.execute(statement).scalar_one() for name, statement in statements.items()}

    def created(self, **changes: Any) -> str:
        """The id of a new draft."""
        answer = self.client.post("/api/v1/workflows", json={"name": "Launch", **CONTENT, **changes})
        assert answer.status_code == 201, answer.text
        return str(answer.json()["workflow_id"])

    def enabled(self, **changes: Any) -> str:
        """The id of a new active workflow."""
        workflow_id = self.created(**changes)
        assert self.client.post(f"/api/v1/workflows/{workflow_id}/activate").status_code == 200
        return workflow_id

    def sized(self, workflow_id: str, *, key: str | None = None, **body: Any) -> dict[str, Any]:
        """A sizing by the owner, or by the holder of another key."""
        headers = bearer(key) if key else {}
        answer = self.client.post(f"/api/v1/workflows/{workflow_id}/blast-radius", json=body, headers=headers)
        assert answer.status_code == 200, answer.text
        return dict(answer.json())

    def ran(self, workflow_id: str, count: int, **fields: Any) -> dict[str, Any]:
        """A batch job over so many people."""
        body = {"acknowledged_affected_count": count, **fields}
        answer = self.client.post(f"/api/v1/workflows/{workflow_id}/run-batch", json=body)
        assert answer.status_code == 202, answer.text
        self.catch_up()
        return dict(answer.json())

    def attached(self, workflow_id: str, count: int, **fields: Any) -> httpx2.Response:
        """The answer to attaching a schedule; daily at nine in Berlin unless told."""
        rule = {"rrule": "FREQ=DAILY;BYHOUR=9", "starts_at": "2024-01-01T09:00:00", "timezone": "Europe/Berlin"}
        body = {**rule, "acknowledged_affected_count": count, **fields}
        answer = self.client.post(f"/api/v1/workflows/{workflow_id}/schedules", json=body)
        self.catch_up()
        return answer

    def fired(self, schedule_id: str, *, late_by_minutes: float = 0) -> None:
        """Let the time of the next occurrence come, and everything that is due be decided."""
        row = self.client.get(f"/api/v1/schedules/{schedule_id}").json()
        ahead = datetime.fromisoformat(row["next_occurrence"]) - self.clock.now()
        self.clock.advance(seconds=ahead.total_seconds() + 1, minutes=late_by_minutes)
        principal = system_principal(self.project, source="scheduler")
        command = FireSchedule(UUID(schedule_id), self.clock.now())
        while self.system.bus.dispatch(command, self.system.meta(principal, via="test")).data["decided"]:
            pass
        self.catch_up()


def bearer(key: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {key}"}


def problem(answer: httpx2.Response, status: int | None = None) -> dict[str, Any]:
    """The problem document of a refusal; anything else fails the test."""
    assert status is None or answer.status_code == status, answer.text
    assert 400 <= answer.status_code < 600, answer.text
    assert answer.headers["content-type"] == "application/problem+json"
    document = answer.json()
    assert set(document) == PROBLEM_FIELDS | ({"batch_job_id", "schedule_id"} & set(document["details"]))
    assert document["status"] == answer.status_code
    assert document["request_id"] == answer.headers["x-request-id"]
    assert document["next"]
    return dict(document)


def pointers(answer: httpx2.Response, status: int = 422) -> dict[str, str]:
    """The codes of a refusal by the pointers that they name."""
    return {error["pointer"]: error["code"] for error in problem(answer, status)["errors"]}


@pytest.fixture(scope="module")
def door(databases: Databases, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Door]:
    """One installation for the tests of a module."""
    url = databases.create()
    try:
        with opened(url, tmp_path_factory.mktemp("door")) as door:
            yield door
    finally:
        databases.drop(url)


@pytest.fixture
def fresh_door(database_url: str, tmp_path: Path) -> Iterator[Door]:
    """An installation that nobody has used."""
    with opened(database_url, tmp_path) as door:
        yield door


class opened:  # noqa: N801  # a context manager, used like a function
    """The door of a database."""

    def __init__(self, url: str, directory: Path) -> None:
        settings = load_settings({}, directory=directory, database_url=url, data_dir=directory)
        self._clock = MovableClock()
        self._system = closing(build(settings, clock=self._clock))

    def __enter__(self) -> Door:
        system = self._system.__enter__()
        project, key = ensure_project(system)
        other, _ = ensure_project(system, "other")
        assert key is not None
        door = Door(system, self._clock, TestClient(create_app(system), headers=bearer(key)), project, other)
        door.catch_up()
        return door

    def __exit__(self, *exc: Any) -> None:
        self._system.__exit__(*exc)
