"""What a handler may touch beside the streams, each in the command's transaction: ledger, project, keys."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import Connection, select, text, update
from sqlalchemy.dialects.postgresql import insert

from aggregates.policy import Limits
from engine.keyring import Keyring
from projections import (
    unknown_outcomes,
)
from projections.run_cancelling import cancel_run, run_status
from projections.run_rows import stands
from projections.tables import jobs_at_work, manual_runs, projects, runs


class LedgerPort:
    """Where the people of a job stand, in this transaction."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def claim_step(self, job_id: UUID, step_id: str) -> bool:
        # Workers hold it together while people arrive at approval steps.
        arrivals = text("SELECT pg_advisory_xact_lock(hashtextextended(:id, -4))")
        self._connection.execute(arrivals, {"id": str(job_id)})
        content = self._connection.execute(select(jobs_at_work.c.content).where(jobs_at_work.c.id == job_id)).scalar()
        steps = content["steps"] if content else []
        return any(step["id"] == step_id and step["type"] == "approval" for step in steps)

    def keep_inputs(self, project_id: UUID, job_id: UUID, inputs: Mapping[str, Any]) -> None:
        row = {"job_id": job_id, "project_id": project_id, "inputs": dict(inputs)}
        self._connection.execute(insert(manual_runs).values(row))

    def inputs(self, job_id: UUID) -> Mapping[str, Any]:
        kept = select(manual_runs.c.inputs).where(manual_runs.c.job_id == job_id)
        return self._connection.execute(kept).scalar() or {}

    def run_status(self, job_id: UUID, person_id: int) -> str | None:
        return run_status(self._connection, job_id, person_id)

    def cancel_run(self, job_id: UUID, person_id: int, now: datetime) -> str:
        return cancel_run(self._connection, job_id, person_id, now)

    def unknown_at(self, job_id: UUID, person_id: int) -> str | None:
        return unknown_outcomes.at(self._connection, job_id, person_id)

    def decide_unknown(self, job_id: UUID, person_id: int, *, effect_id: UUID, decision: str, now: datetime) -> str:
        return unknown_outcomes.decide(
            self._connection, job_id, person_id, effect_id=effect_id, decision=decision, now=now
        )

    def stands(self, job_id: UUID) -> tuple[Mapping[str, int], int]:
        return stands(self._connection, job_id)

    def unknown_left(self, job_id: UUID) -> int:
        return unknown_outcomes.left(self._connection, job_id)

    def wake(self, job_id: UUID, step_id: str, now: datetime) -> None:
        waiting = (runs.c.job_id == job_id, runs.c.at_step == step_id, runs.c.status == "waiting")
        self._connection.execute(update(runs).where(*waiting).values(wake_at=now))


class ProjectsPort:
    """The project's own state, in this transaction."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def stands(self, project_id: UUID) -> tuple[str, Limits]:
        asked = select(projects.c.name, projects.c.limits).where(projects.c.id == project_id).with_for_update()
        row = self._connection.execute(asked).one()
        return row.name, Limits.of(row.limits)

    def narrow(self, project_id: UUID, limits: Limits) -> None:
        self._connection.execute(update(projects).where(projects.c.id == project_id).values(limits=limits.as_data()))


class KeysPort:
    """API keys, in this transaction."""

    def __init__(self, connection: Connection, keyring: Keyring) -> None:
        self._connection = connection
        self._keyring = keyring

    def create(self, project_id: UUID, **fields: Any) -> tuple[str, str]:
        return self._keyring.create(self._connection, project_id, **fields)

    def terms(self, project_id: UUID, id: str) -> Mapping[str, Any] | None:
        return self._keyring.terms(self._connection, project_id, id)

    def change(self, project_id: UUID, id: str, **fields: Any) -> None:
        self._keyring.change(self._connection, project_id, id, **fields)
