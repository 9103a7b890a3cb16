"""The people of an enrolled job whose runs have no outcome yet: whom resuming it would reach."""

from __future__ import annotations

from uuid import UUID

from sqlalchemy import Connection, Select, func, select

from aggregates.batch_job.standing import OUTCOMES
from projections import audience_sql
from projections.audience import Audiences
from projections.tables import chunks, runs


def tally(connection: Connection, audiences: Audiences, job_id: UUID) -> tuple[int, str]:
    """How many have no outcome, and who, as a fingerprint."""
    row = connection.execute(audience_sql.known(unfinished_of(job_id), audiences.seeds)).mappings().one()
    return int(row["count"]), audiences.fingerprint(row["count"], row["sum"], row["xor"])


def unfinished_of(job_id: UUID) -> Select[tuple[int]]:
    """(id): the people of a job who have no outcome yet."""
    # Chunks that wake parked runs name people of earlier chunks again.
    enrolled = select(func.unnest(chunks.c.person_ids).label("id")).where(chunks.c.job_id == job_id).distinct()
    people = enrolled.subquery("enrolled")
    # Looked up in one table of them, and not joined: of a young job a planner knows too little for that.
    ended = select(runs.c.person_id).where(runs.c.job_id == job_id, runs.c.status.in_(OUTCOMES))
    return select(people.c.id).where(people.c.id.not_in(ended))
