"""A job as a worker knows it: pinned content and variables, read once a process."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass
from uuid import UUID

from sqlalchemy import Connection, select

from aggregates.errors import Problem
from aggregates.pace import Pace
from aggregates.reach import Reach
from aggregates.walk.route import Route
from aggregates.workflow.definition import Definition
from projections.tables import jobs_at_work, manual_runs

KEPT = 64
"""Jobs that a process remembers."""


class ContentRefused(Exception):
    """This version takes the content that an enrolment pinned for none. Names the problems, without any value."""

    def __init__(self, job_id: UUID, problems: Sequence[Problem]) -> None:
        found = ", ".join(sorted({f"{problem.pointer} {problem.code}" for problem in problems}))
        super().__init__(f"the pinned content of job {job_id} is refused: {found}")


@dataclass(frozen=True)
class WorkingJob:
    """What enrolment pinned; it never changes, so it may be kept."""

    id: UUID
    project_id: UUID
    route: Route
    pace: Pace

    @property
    def is_captured(self) -> bool:
        """Whether nothing of it leaves."""
        return self.route.captures

    @property
    def reach(self) -> Reach:
        """Whom its workflow may reach; the cap had its say when people were enrolled."""
        return self.route.definition.reach()


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
    """The job as it was enrolled. Raises ContentRefused."""
    started_with = manual_runs.c.inputs
    row = connection.execute(
        select(jobs_at_work, started_with)
        .outerjoin(manual_runs, manual_runs.c.job_id == jobs_at_work.c.id)
        .where(jobs_at_work.c.id == job_id)
    ).one()
    definition, problems = Definition.parse(row.content)
    if definition is None:
        raise ContentRefused(job_id, problems)
    route = Route(
        job_id=job_id,
        workflow={"id": str(row.workflow_id), "name": row.workflow_name},
        definition=definition,
        variables=row.variables,
        captures=row.send_mode == "capture",
        inputs=row.inputs,
    )
    return WorkingJob(job_id, row.project_id, route, Pace.of(row.rate, row.breaker))
