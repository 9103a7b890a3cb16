"""Runs: who got it, who did not, and why; and what a run came to."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any
from uuid import UUID

from aggregates.base import Principal
from aggregates.errors import DomainError, Problem, invalid
from aggregates.values import NOBODY, parse_run_id
from projections import unknown_outcomes
from projections.page import MOST, Page, Reader, as_id, bigint, decode_cursor, encode_cursor
from projections.person_facts import run_for_reader
from projections.run_rows import STATUSES, as_run, is_job, of_job, of_project
from projections.tables import jobs_at_work

ENDED = frozenset({"delivered", "skipped", "failed", "exited"})

NOT_FINISHED = "The run has not finished. Ask for its status later; waiting here would not make it faster."


class RunReads(Reader):
    """Runs of the principal's project: of batch jobs, one for each person, and manual ones.

    A manual run has no person, so `get`, `result` and `trace` of one need `run:read` only; a person's need
    `person:read` too.
    """

    def list(
        self,
        principal: Principal,
        *,
        batch_job_id: object | None = None,
        workflow_id: object | None = None,
        person_id: int | None = None,
        status: str | None = None,
        since: datetime | None = None,
        until: datetime | None = None,
        limit: int = 20,
        after: str | None = None,
    ) -> Page:
        """Those of the newest jobs first, within a job by ascending person id.

        `since` and `until` are about when the job was asked for.
        """
        self.authorize(principal, "runs.list")
        _checked(limit, status)
        cursor = decode_cursor(after, (datetime.fromisoformat, UUID, bigint)) if after else None
        asked: dict[str, Any] = {"status": status, "person_id": person_id, "limit": limit + 1}
        with self.engine.connect() as connection:
            if batch_job_id is not None:
                job_id = as_id(batch_job_id, "batch_job.not_found")
                if not is_job(connection, principal.project_id, job_id):
                    raise DomainError("batch_job.not_found")
                found = of_job(connection, principal.project_id, job_id, last=cursor[2] if cursor else -1, **asked)
                found = [row for row in found if _fits(row, workflow_id, since, until)]
            else:
                workflow = None if workflow_id is None else as_id(workflow_id, "workflow.not_found")
                place = dict(zip(("requested_at", "job_id", "last"), cursor or [None, None, -1], strict=True))
                asked |= {"workflow_id": workflow, "since": since, "until": until, **place}
                found = of_project(connection, principal.project_id, **asked)
        rows = found[:limit]
        return Page([as_run(row) for row in rows], _cursor(rows[-1]) if len(found) > limit else None, None)

    def get(self, principal: Principal, id: str) -> dict[str, Any]:
        """One run; ids are `<batch job id>.<person id>`. An unknown one and a foreign one are refused alike."""
        self.authorize(principal, "runs.get")
        return self._one(principal, id)

    def result(self, principal: Principal, id: str) -> dict[str, Any]:
        """What a run came to: its outcome, the variables that it ended with, and what each step gave.

        A run that has not finished is answered as such, at once, with how it stands.
        """
        self.authorize(principal, "runs.result")
        run = self._one(principal, id)
        finished = run["status"] in ENDED
        output = None
        if finished:
            output = {"variables": self._variables(run), "steps": _step_outputs(run["steps"])}
        told = (
            "run_id",
            "batch_job_id",
            "workflow_id",
            "workflow_version",
            "status",
            "reason",
            "reached",
            "updated_at",
        )
        return {
            **{name: run[name] for name in told},
            "finished": finished,
            "output": output,
            "next": None if finished else NOT_FINISHED,
        }

    def trace(
        self,
        principal: Principal,
        id: str,
        *,
        step: str | None = None,
        outcome: str | None = None,
        limit: int = 50,
        after: str | None = None,
    ) -> Page:
        """What the run went through, in order; `number` counts from 1."""
        self.authorize(principal, "runs.trace")
        _checked(limit, None)
        last = decode_cursor(after, (bigint,))[0] if after else 0
        notes = [{"number": number, **note} for number, note in enumerate(self._one(principal, id)["steps"], start=1)]
        found = [
            note
            for note in notes[last:]
            if (step is None or note["step"] == step) and (outcome is None or note["outcome"] == outcome)
        ]
        more = len(found) > limit
        return Page(found[:limit], encode_cursor([found[limit - 1]["number"]]) if more else None, None)

    def unknown(self, principal: Principal, *, batch_job_id: object, limit: int = 20, after: str | None = None) -> Page:
        """Runs of a job that wait for somebody to say what became of an effect, by ascending person id."""
        self.authorize(principal, "runs.unknown")
        _checked(limit, None)
        last = decode_cursor(after, (bigint,))[0] if after else -1
        job_id = as_id(batch_job_id, "batch_job.not_found")
        with self.engine.connect() as connection:
            if not is_job(connection, principal.project_id, job_id):
                raise DomainError("batch_job.not_found")
            found = unknown_outcomes.page(connection, job_id, last=last, limit=limit + 1)
        rows = [as_run(row) for row in found[:limit]]
        return Page(rows, encode_cursor([found[limit - 1].person_id]) if len(found) > limit else None, None)

    def _one(self, principal: Principal, id: str) -> dict[str, Any]:
        parsed = parse_run_id(id)
        if parsed is None:
            raise DomainError("run.not_found")
        job_id, person_id = parsed
        if person_id != NOBODY:
            # Asked of the id alone, before anything is looked up: who may not read people learns nothing from it.
            self.authorize(principal, "runs.list")
        with self.engine.connect() as connection:
            project_id, before = principal.project_id, person_id - 1
            rows = of_job(connection, project_id, job_id, last=before, person_id=person_id, limit=1, whole=True)
        if not rows:
            raise DomainError("run.not_found")
        return run_for_reader(principal, as_run(rows[0]))

    def _variables(self, run: Mapping[str, Any]) -> dict[str, Any]:
        """The job's variables overlaid by those that the run has set itself."""
        pinned = jobs_at_work.c
        with self.engine.connect() as connection:
            job = connection.execute(
                jobs_at_work.select().with_only_columns(pinned.variables).where(pinned.id == run["batch_job_id"])
            ).scalar()
        return {**(job or {}), **(run["variables"] or {})}


def _checked(limit: int, status: str | None) -> None:
    if not 1 <= limit <= MOST:
        raise invalid("request.invalid", [Problem("/limit", "field.invalid", f"A page has 1 to {MOST} rows.", limit)])
    if status is not None and status not in STATUSES:
        raise invalid("request.invalid", [Problem("/status", "field.invalid", "No such status.", None, STATUSES)])


def _fits(row: Any, workflow_id: object | None, since: datetime | None, until: datetime | None) -> bool:
    """Whether a run of a named job is also of what else is asked for."""
    asked = row.requested_at
    return (
        (workflow_id is None or str(row.workflow_id) == str(workflow_id))
        and (since is None or (asked is not None and asked >= since))
        and (until is None or (asked is not None and asked < until))
    )


def _cursor(row: Any) -> str:
    # A job that no view has heard of yet is read by its id; its instant is then of no use to anybody.
    requested_at = row.requested_at.isoformat() if row.requested_at else "0001-01-01T00:00:00+00:00"
    return encode_cursor([requested_at, row.batch_job_id, row.person_id])


def _step_outputs(steps: Any) -> dict[str, dict[str, Any]]:
    """What each step gave the last time that the run was there."""
    return {note["step"]: {name: value for name, value in note.items() if name != "step"} for note in steps}
