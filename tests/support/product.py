"""The product inside a test: a built system over a fresh database, and short ways to drive it."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import UUID

from sqlalchemy import insert, text

from aggregates.address import normalised
from aggregates.base import Principal, Source
from commands.batch_job import RunBatch, SizeAudience
from commands.grants import SCOPES
from commands.runs import RunWorkflow
from commands.workflow import CreateWorkflow, EnableWorkflow
from engine.bootstrap import System, build, ensure_project
from engine.clock import SystemClock
from engine.ids import new_id
from engine.settings import load_settings
from projections.run_rows import as_run, of_job
from projections.tables import people, projects
from tests.support.refusals import Refused, refusals
from tests.support.views import Views

Json = dict[str, Any]

CAPTURE: Json = {"id": "note", "name": "Note", "type": "capture", "config": {"message": "Hello"}}
EVERYONE: Json = {"type": "batch", "filters": {"properties": []}}


def batch(*conditions: Json) -> Json:
    """A batch trigger over the people who meet these conditions."""
    return {"type": "batch", "filters": {"properties": list(conditions)}}


def person(key: str, operator: str, value: Any = None) -> Json:
    return {"type": "person", "key": key, "operator": operator, "value": value}


class MovableClock:
    """The present, and later when a test says so; or it stands still but for that."""

    def __init__(self) -> None:
        self._clock = SystemClock()
        self._ahead = timedelta()
        self._still: datetime | None = None

    def now(self) -> datetime:
        return (self._still or self._clock.now()) + self._ahead

    def stop(self) -> None:
        """Stand still: what a test does takes no time, however slow the machine is."""
        self._still = self._clock.now()

    def monotonic(self) -> float:
        return self.now().timestamp()

    def advance(self, **time: float) -> None:
        self._ahead += timedelta(**time)


class Product:
    """A system with one project; `ask` dispatches a command as somebody with every scope."""

    def __init__(self, database_url: str, data_dir: Path, redis_url: str = "unix:///unused", **settings: Any) -> None:
        self.clock = MovableClock()
        chosen = load_settings(
            database_url=database_url, redis_url=redis_url, data_dir=data_dir, directory=data_dir, **settings
        )
        self.system: System = build(chosen, clock=self.clock)
        self.project_id, self.owner_key = ensure_project(self.system)
        self._views = Views(self.system.engine)

    def principal(self, *, source: Source = "api", without: Sequence[str] = (), **facts: Any) -> Principal:
        """Somebody of the project, with every scope but some."""
        named = {"project_id": self.project_id, "id": "tester", **facts}
        return Principal(scopes=SCOPES - set(without), source=source, **named)

    def ask(self, command: Any, principal: Principal | None = None, **meta: Any) -> Json:
        """A command's answer, with the views brought up to date. A manual run has an idempotency key unless told."""
        if isinstance(command, RunWorkflow):
            meta.setdefault("idempotency_key", str(new_id()))
        answer = self.system.bus.dispatch(command, self.system.meta(principal or self.principal(), via="test", **meta))
        self._views.catch_up()
        return {**answer.data, **answer.once, "position": answer.position}

    def catch_up(self) -> None:
        self._views.catch_up()

    def other_project(self) -> UUID:
        """Another tenant."""
        project_id = new_id()
        with self.system.engine.begin() as connection:
            connection.execute(insert(projects).values(id=project_id, name=str(project_id)))
        return project_id

    def add_people(self, count: int, project_id: UUID | None = None, **columns: Any) -> list[int]:
        """Some people with `properties.n` counting from 1; their ids."""
        rows = [
            {
                "project_id": project_id or self.project_id,
                "distinct_id": f"p{n}",
                "email": f"p{n}@example.com",
                "properties": {"n": n, "plan": "pro" if n % 2 else "free"},
                **columns,
            }
            for n in range(1, count + 1)
        ]
        for row in rows:
            row.setdefault("address", normalised(str(row["email"] or "")))
        with self.system.engine.begin() as connection:
            return list(connection.execute(insert(people).returning(people.c.id), rows).scalars())

    def workflow(self, *, trigger: Json = EVERYONE, active: bool = True, **content: Any) -> UUID:
        """A workflow, active unless told otherwise; one capture step unless told otherwise."""
        answer = self.ask(CreateWorkflow(name="Launch", trigger=trigger, **{"steps": [CAPTURE], **content}))
        workflow_id = UUID(answer["workflow_id"])
        if active:
            self.ask(EnableWorkflow(workflow_id))
        return workflow_id

    def size(self, workflow_id: UUID, principal: Principal | None = None, **variables: Any) -> Json:
        return self.ask(SizeAudience(workflow_id, variables), principal)

    def run(self, workflow_id: UUID, principal: Principal | None = None) -> UUID:
        """A job over whoever matches now."""
        sizing = self.size(workflow_id, principal)
        command = RunBatch(workflow_id, sizing["affected"], sizing["confirm_token"])
        return UUID(self.ask(command, principal)["batch_job_id"])

    def job(self, job_id: UUID) -> Json:
        """The job as the views show it, after they have caught up."""
        self.catch_up()
        return self.system.reads.batch_jobs.get(self.principal(), job_id)

    def runs(self, job_id: UUID, status: str | None = None) -> list[Json]:
        """All runs of a job, with what their steps gave."""
        with self.system.engine.connect() as connection:
            return [
                as_run(row)
                for row in of_job(connection, self.project_id, job_id, status=status, limit=None, whole=True)
            ]

    def execute(self, statement: str, **parameters: Any) -> Any:
        """A statement of the test's own, committed."""
        with self.system.engine.begin() as connection:
            result = connection.execute(text(statement), parameters)
            return result.all() if result.returns_rows else result.rowcount

    def log_position(self) -> int:
        return int(self.execute("SELECT coalesce(max(notification_id), 0) FROM log")[0][0])

    def empty_log(self) -> None:
        """As if nothing had ever been recorded: for tests in which positions count from 1."""
        self.execute("TRUNCATE log, stream_heads RESTART IDENTITY")

    def refusals(self, after: int = 0) -> list[Refused]:
        """What was recorded of refused calls after a position."""
        return refusals(self.system.engine, after)

    def close(self) -> None:
        self.system.close()
