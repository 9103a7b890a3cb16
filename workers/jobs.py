"""A job as a worker knows it: pinned content and variables, read once a process."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from functools import cached_property
from typing import Any
from uuid import UUID

from sqlalchemy import Connection, select

from aggregates.shape import json_problems
from aggregates.steps.base import Assign, Plan
from aggregates.steps.set_variables import value_of
from aggregates.values import VARIABLES_LIMIT
from aggregates.workflow.definition import Definition
from projections.runs import run_id
from projections.tables import jobs_at_work

Scope = dict[str, Any]

KEPT = 64
"""Jobs that a process remembers."""


@dataclass(frozen=True)
class Route:
    """What everybody in a job shares: the pinned content, its variables, and whether effects stay inside."""

    job_id: UUID
    workflow: dict[str, str]
    definition: Definition
    variables: dict[str, Any]
    captures: bool

    def plan(self, step_id: str, now: datetime) -> Plan:
        step = self.definition.step(step_id)
        return step.plan(now)

    def scope(self, person: dict[str, Any], own: Mapping[str, Any]) -> Scope:
        """What a template sees for one person; `own` is what the run has set itself."""
        return {
            "person": person,
            "variables": {**self.variables, **own} if own else self.variables,
            "inputs": {},
            "workflow": self.workflow,
            "run": {"id": run_id(self.job_id, person["id"])},
        }

    def assigned(self, plan: Assign, rendered: Mapping[str, Any], before: Mapping[str, Any]) -> dict[str, Any]:
        """What a run has set after a step that sets variables; ValueError says why it cannot."""
        after = dict(before)
        for key, value in rendered.items():
            try:
                after[key] = value_of(value, self._types.get(key)) if key in plan.templated else value
            except ValueError as error:
                raise ValueError("variable.type_mismatch") from error
        if json_problems({**self.variables, **after}, "", VARIABLES_LIMIT):
            raise ValueError("variables.too_large")
        return after

    @cached_property
    def _types(self) -> dict[str, str]:
        return {variable.key: variable.type for variable in self.definition.variables}


@dataclass(frozen=True)
class WorkingJob:
    """What enrolment pinned; it never changes, so it may be kept."""

    id: UUID
    project_id: UUID
    route: Route


class JobCache:
    """The jobs that this process has lately worked on."""

    def __init__(self) -> None:
        self._jobs: OrderedDict[UUID, WorkingJob] = OrderedDict()

    def get(self, connection: Connection, job_id: UUID) -> WorkingJob:
        job = self._jobs.get(job_id)
        if job is None:
            job = load(connection, job_id)
            self._jobs[job_id] = job
            while len(self._jobs) > KEPT:
                self._jobs.popitem(last=False)
        return job


def load(connection: Connection, job_id: UUID) -> WorkingJob:
    row = connection.execute(select(jobs_at_work).where(jobs_at_work.c.id == job_id)).one()
    definition, problems = Definition.parse(row.content)
    assert definition is not None, f"enrolment pinned content that is not valid: {problems}"
    route = Route(
        job_id=job_id,
        workflow={"id": str(row.workflow_id), "name": row.workflow_name},
        definition=definition,
        variables=row.variables,
        captures=row.send_mode == "capture",
    )
    return WorkingJob(job_id, row.project_id, route)
