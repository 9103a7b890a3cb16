"""How many of some people the same version of a workflow has reached before, by the ledger.

People are those of an audience, or known by a query. Every count is as far as the views have come, and None where it
takes longer than a sizing may.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import Connection, Select, Subquery, any_, bindparam, func, select
from sqlalchemy.dialects.postgresql import ARRAY
from sqlalchemy.exc import DBAPIError

from aggregates.audience import Audience
from aggregates.errors import DomainError
from aggregates.reach import Reach
from projections import audience_sql
from projections.audience import POINTER, Audiences
from projections.audience_sql import Question
from projections.properties import took_too_long
from projections.statement_limits import limited
from projections.tables import Id, batch_jobs, runs

JOBS = 1_000
"""The latest jobs of a version that are looked at."""


def jobs_of(connection: Connection, project_id: UUID, workflow_id: UUID, version: int) -> Sequence[UUID]:
    """The latest jobs of a version of a workflow."""
    jobs = batch_jobs.c
    of_version = (jobs.project_id == project_id, jobs.workflow_id == workflow_id, jobs.workflow_version == version)
    return list(connection.execute(select(jobs.id).where(*of_version).order_by(jobs.id.desc()).limit(JOBS)).scalars())


def of_audience(
    connection: Connection,
    audiences: Audiences,
    project_id: UUID,
    audience: Audience,
    *,
    jobs: Sequence[UUID],
    reach: Reach,
    now: datetime,
) -> int | None:
    """How many of those whom an audience reaches now were reached by these jobs."""
    if not jobs:
        return 0
    try:
        with audiences._asking(connection, project_id, audience, now, POINTER) as verdict:
            each = audience_sql.affected(Question(project_id, verdict, reach, now)).subquery("affected")
            return _counted(connection, each, jobs)
    except DomainError:
        return None


def of_known(connection: Connection, audiences: Audiences, ids: Select[Any], *, jobs: Sequence[UUID]) -> int | None:
    """How many of the people of a query, whose first column is `id`, were reached by these jobs."""
    try:
        with limited(connection, audiences.statement_timeout):
            return _counted(connection, ids.subquery("known"), jobs)
    except DBAPIError as error:
        if not took_too_long(error):
            raise
        return None


def _counted(connection: Connection, each: Subquery, jobs: Sequence[UUID]) -> int:
    of_jobs = runs.c.job_id == any_(bindparam("jobs", jobs, type_=ARRAY(Id)))
    had = select(runs.c.person_id).where(of_jobs, runs.c.reached)
    # In a filter of the count they are looked up in one table of them. As a condition they would be joined, and of a
    # young job a planner knows too little for that.
    counted = select(func.count().filter(each.c.id.in_(had))).select_from(each)
    return int(connection.execute(counted).scalar_one())
