"""Parked runs whose time has come, turned into chunks.

A planner knows nothing of a job that came after its statistics: it takes such a job for a single row and joins
accordingly, at a cost that grows with the square of the job. So no statement here joins runs to anything. One reads
at most a piece of a job along the index of those who wait, the others name their people and the range they lie in.
"""

from __future__ import annotations

from datetime import datetime
from uuid import UUID

from sqlalchemy import Connection, text

from engine.store import head_status
from projections.run_rows import alone_with_chunks
from workers.ledger import as_array

AT_ONCE = 5_000
"""Parked runs of a job that are woken in one transaction."""

# The limit keeps the planner from reading all who wait, of all jobs, to find out which jobs have some.
_DUE_JOBS = text(
    "SELECT h.id FROM stream_heads h CROSS JOIN LATERAL (SELECT 1 FROM runs r WHERE r.job_id = h.id "
    "AND r.status = 'waiting' AND r.wake_at <= :now LIMIT 1) due WHERE h.kind = 'batch_job' AND h.status = 'running'"
)
_DUE = text(
    "SELECT person_id FROM runs WHERE job_id = :job_id AND status = 'waiting' AND wake_at <= :now "
    "ORDER BY wake_at, person_id LIMIT :limit FOR UPDATE SKIP LOCKED"
)
_LAST_CHUNK = text("SELECT max(number) FROM chunks WHERE job_id = :job_id")
# Their rows are locked, so they still wait. That is not asked again: it would allow the index of all who wait.
_WAKE = text(
    "WITH woken AS (UPDATE runs SET status = 'in_progress', wake_at = NULL, updated_at = :now, resumed_by = :number "
    "WHERE job_id = :job_id AND person_id BETWEEN :first AND :last AND person_id = ANY (CAST(:ids AS bigint[])) "
    "RETURNING 1) "
    "INSERT INTO chunks (job_id, number, person_ids, size, state, waiting, in_progress) "
    "SELECT :job_id, :number, CAST(:ids AS bigint[]), 0, 'ready', -count(*), count(*) FROM woken"
)


def due_jobs(connection: Connection, now: datetime) -> list[UUID]:
    """Running jobs with at least one parked run whose time has come."""
    return list(connection.execute(_DUE_JOBS, {"now": now}).scalars())


def wake(connection: Connection, job_id: UUID, now: datetime, *, chunk_size: int) -> int:
    """Wake one piece of a job's due runs in the caller's transaction; how many people that were."""
    alone_with_chunks(connection, job_id)
    if head_status(connection, job_id) != "running":
        return 0  # A cancel that has begun counts on nobody being woken any more.
    found = connection.execute(_DUE, {"job_id": job_id, "now": now, "limit": AT_ONCE}).scalars()
    people = sorted(found)
    number = connection.execute(_LAST_CHUNK, {"job_id": job_id}).scalar_one()
    for start in range(0, len(people), chunk_size):
        ids = people[start : start + chunk_size]
        number += 1
        parameters = {"job_id": job_id, "number": number, "now": now, "first": ids[0], "last": ids[-1]}
        connection.execute(_WAKE, {**parameters, "ids": as_array(ids)})
    return len(people)
