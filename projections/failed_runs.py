"""The failed runs of a job: who they were, and their people frozen into the chunks of a retry.

A job that has ended changes no more, so these are the same people whenever they are asked for.
"""

from __future__ import annotations

from typing import Any
from uuid import UUID

from sqlalchemy import Connection, Select, case, func, select

from projections import audience_sql
from projections.audience import Audiences, Frozen
from projections.tables import people, runs


def tally(connection: Connection, audiences: Audiences, job_id: UUID) -> tuple[int, str]:
    """How many failed, and who, as a fingerprint."""
    row = connection.execute(audience_sql.known(_failed(job_id), audiences.seeds)).mappings().one()
    return int(row["count"]), audiences.fingerprint(row["count"], row["sum"], row["xor"])


def freeze(connection: Connection, audiences: Audiences, job_id: UUID, *, of: UUID, chunk_size: int) -> Frozen:
    """Write the people whose runs of the job `of` failed into the chunks of another job."""
    statement = audience_sql.freeze(job_id, _failed(of), chunk_size, audiences.seeds)
    row = connection.execute(statement).mappings().one()
    return Frozen(int(row["count"]), audiences.fingerprint(row["count"], row["sum"], row["xor"]), int(row["chunks"]))


def left_since(connection: Connection, job_id: UUID) -> dict[str, int]:
    """How many of those who failed a retry would skip, by the reason."""
    failed = _failed(job_id).subquery("failed")
    reason = case((people.c.id.is_(None), "erased"), else_="opted_out").label("reason")
    gone = people.c.id.is_(None) | people.c.opted_out_at.is_not(None)
    rows = connection.execute(
        select(reason, func.count())
        .select_from(failed.outerjoin(people, people.c.id == failed.c.id))
        .where(gone)
        .group_by(reason)
    )
    return {"opted_out": 0, "erased": 0} | {row[0]: row[1] for row in rows}


def _failed(job_id: UUID) -> Select[Any]:
    return select(runs.c.person_id.label("id")).where(runs.c.job_id == job_id, runs.c.status == "failed")
