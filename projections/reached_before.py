"""How many people of an audience the same version of a workflow has reached before, by the ledger."""

from __future__ import annotations

from datetime import datetime
from uuid import UUID

from sqlalchemy import Connection, any_, bindparam, func, select
from sqlalchemy.dialects.postgresql import ARRAY

from aggregates.audience import Audience
from aggregates.errors import DomainError
from aggregates.reach import Reach
from projections import audience_sql
from projections.audience import POINTER, Audiences
from projections.audience_sql import Question
from projections.tables import Id, batch_jobs, runs

JOBS = 1_000
"""The latest jobs of a version that are looked at."""


def reached_before(
    connection: Connection,
    audiences: Audiences,
    project_id: UUID,
    audience: Audience,
    *,
    workflow_id: UUID,
    version: int,
    reach: Reach,
    now: datetime,
) -> int | None:
    """People, as far as the views have come; None if it takes longer than a sizing may."""
    jobs = batch_jobs.c
    of_version = (jobs.project_id == project_id, jobs.workflow_id == workflow_id, jobs.workflow_version == version)
    latest = select(jobs.id).where(*of_version).order_by(jobs.id.desc()).limit(JOBS)
    ids = list(connection.execute(latest).scalars())
    if not ids:
        return 0
    try:
        with audiences._asking(connection, project_id, audience, now, POINTER) as verdict:
            each = audience_sql.affected(Question(project_id, verdict, reach, now)).subquery("affected")
            had = select(runs.c.person_id).where(
                runs.c.job_id == any_(bindparam("jobs", ids, type_=ARRAY(Id))), runs.c.reached
            )
            counted = select(func.count()).select_from(each).where(each.c.id.in_(had))
            return int(connection.execute(counted).scalar_one())
    except DomainError:
        return None
