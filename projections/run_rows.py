"""The rows of runs, and their counts, from the ledger.

A person whose chunk has not been processed has no row yet and is `pending`; in a chunk that was cancelled
before it began everyone is `skipped`. Both are derived from the frozen ids, so nothing is written to say so.
A manual run is a row for nobody; until its job is enrolled it is derived from how the job stands.
"""

from __future__ import annotations

from typing import Any
from uuid import UUID

from sqlalchemy import Connection, Engine, Row, bindparam, func, select, text

from aggregates.values import NOBODY, run_id
from projections import tables

STATUSES = ("pending", "in_progress", "waiting", "delivered", "skipped", "failed", "exited")

# The frozen ids of one job's chunks after a cursor, in order, each with its ledger row if it has one.
_OF_A_JOB = """
SELECT f.person_id, p.distinct_id,
       coalesce(r.status, CASE WHEN c.state = 'cancelled' THEN 'skipped' ELSE 'pending' END) AS status,
       coalesce(r.reason, CASE WHEN c.state = 'cancelled' THEN 'job_cancelled' END) AS reason,
       r.at_step, r.wake_at, coalesce(r.steps, '[]'::jsonb) AS steps, r.variables, r.updated_at,
       coalesce(r.reached, false) AS reached
FROM chunks c
CROSS JOIN LATERAL unnest(c.person_ids) AS f (person_id)
LEFT JOIN runs r ON r.job_id = c.job_id AND r.person_id = f.person_id
LEFT JOIN people p ON p.id = f.person_id
WHERE c.job_id = j.id AND c.size > 0 AND c.person_ids[c.size] > s.last AND f.person_id > s.last
  AND (CAST(:status AS text) IS NULL
       OR coalesce(r.status, CASE WHEN c.state = 'cancelled' THEN 'skipped' ELSE 'pending' END) = :status)
  AND (CAST(:person_id AS bigint) IS NULL OR f.person_id = :person_id)
ORDER BY c.number, f.person_id
LIMIT :limit
"""

# A manual run whose job is not enrolled, or never was.
_UNENROLLED = """
SELECT CAST(:nobody AS bigint), NULL, q.status, q.reason, NULL, NULL, '[]'::jsonb, NULL, NULL, false
FROM manual_runs m
CROSS JOIN LATERAL (
    SELECT CASE j.status WHEN 'cancelled' THEN 'skipped' WHEN 'failed' THEN 'failed' ELSE 'pending' END AS status,
           CASE j.status WHEN 'cancelled' THEN 'job_cancelled' WHEN 'failed' THEN j.reason END AS reason
) q
WHERE m.job_id = j.id AND s.last < :nobody AND NOT EXISTS (SELECT 1 FROM chunks c WHERE c.job_id = j.id)
  AND (CAST(:status AS text) IS NULL OR q.status = :status)
  AND (CAST(:person_id AS bigint) IS NULL OR :person_id = :nobody)
"""

_SHOWN = """
SELECT j.id AS batch_job_id, j.workflow_id, j.workflow_version, j.requested_at, j.manual,
       j.status AS batch_job_status, x.person_id, x.distinct_id, x.status, x.reason, x.at_step, x.wake_at,
       CASE WHEN :whole THEN x.steps ELSE (
           SELECT coalesce(jsonb_agg(s.note - 'output' ORDER BY s.place), '[]'::jsonb)
           FROM jsonb_array_elements(x.steps) WITH ORDINALITY AS s (note, place)
       ) END AS steps, x.variables, x.updated_at, x.reached
"""

_EACH = f"CROSS JOIN LATERAL (({_OF_A_JOB}) UNION ALL ({_UNENROLLED})) AS x"

# One job is found by its stream, so that its runs can be read before any view has heard of it.
_ONE_JOB = (
    _SHOWN,
    """
FROM (SELECT h.id, v.workflow_id, v.workflow_version, v.requested_at, h.status, v.reason,
             EXISTS (SELECT 1 FROM manual_runs m WHERE m.job_id = h.id) AS manual
      FROM stream_heads h LEFT JOIN batch_jobs v ON v.id = h.id
      WHERE h.id = :job_id AND h.kind = 'batch_job' AND h.project_id = :project_id) AS j
CROSS JOIN (SELECT CAST(:last AS bigint) AS last) AS s
""",
    _EACH,
    "ORDER BY x.person_id LIMIT :limit",
)

# Jobs newest first, each with its people in order; a job that has ended without anybody of that status is passed over.
_ALL_JOBS = (
    _SHOWN,
    """
FROM batch_jobs j
CROSS JOIN LATERAL (SELECT CASE WHEN j.id = CAST(:job_id AS uuid) THEN CAST(:last AS bigint) ELSE -1 END AS last) AS s
""",
    _EACH,
    """
WHERE j.project_id = :project_id
  AND (CAST(:workflow_id AS uuid) IS NULL OR j.workflow_id = :workflow_id)
  AND (CAST(:since AS timestamptz) IS NULL OR j.requested_at >= :since)
  AND (CAST(:until AS timestamptz) IS NULL OR j.requested_at < :until)
  AND (CAST(:job_id AS uuid) IS NULL OR (j.requested_at, j.id) <= (:requested_at, :job_id))
  AND (CAST(:status AS text) IS NULL OR j.finished_at IS NULL OR j.enrolled IS NULL
       OR CAST(to_jsonb(j) ->> :status AS bigint) > 0)
ORDER BY j.requested_at DESC, j.id DESC, x.person_id
LIMIT :limit
""",
)

_SENDING = text("SELECT number, person_ids, size FROM chunks WHERE job_id = :job_id AND state = 'sending'")
# Of people of one chunk, those for whom a send was begun and nothing is recorded yet. Runs are joined to nothing: a
# planner that knows nothing of a young job would join all of its people to all of the chunk's.
_UNDER_WAY = text(
    "SELECT count(*) FROM runs r WHERE r.job_id = :job_id AND r.person_id BETWEEN :first AND :last "
    "AND r.person_id = ANY (CAST(:ids AS bigint[])) AND r.status = 'in_progress' AND NOT r.reached "
    "AND r.resumed_by IS NOT DISTINCT FROM CAST(:resumed_by AS integer) "
    "AND EXISTS (SELECT FROM effects e WHERE e.person_id = r.person_id AND e.job_id = r.job_id "
    "AND e.step_id = r.at_step AND e.state = 'started' "
    "AND e.started_at >= (SELECT enrolled_at FROM jobs_at_work WHERE id = :job_id))"
)

_IDS = ("job_id", "project_id")

_ALONE = text("SELECT pg_advisory_xact_lock(hashtextextended(:id, -3))")


def of_job(
    connection: Connection,
    project_id: UUID,
    job_id: UUID,
    *,
    last: int = -1,
    status: str | None = None,
    person_id: int | None = None,
    limit: int | None,
    whole: bool = False,
) -> list[Row[Any]]:
    """Some runs of one job by ascending person; nothing for a job of somebody else.

    Only with `whole` do their steps have what they gave: a page of rendered messages would be as large as the memory.
    """
    statement = text("\n".join(_ONE_JOB)).bindparams(*(bindparam(name, type_=tables.Id) for name in _IDS))
    parameters = {"job_id": job_id, "project_id": project_id, "last": last, "nobody": NOBODY}
    asked = {"status": status, "person_id": person_id, "limit": limit, "whole": whole}
    return list(connection.execute(statement, {**parameters, **asked}))


def of_project(connection: Connection, project_id: UUID, **asked: Any) -> list[Row[Any]]:
    """Some runs of a project, the newest jobs first; `asked` are the filters and the cursor of `_ALL_JOBS`."""
    names = (*_IDS, "workflow_id")
    instants = [bindparam(name, type_=tables.Instant) for name in ("since", "until", "requested_at")]
    statement = text("\n".join(_ALL_JOBS)).bindparams(*(bindparam(name, type_=tables.Id) for name in names), *instants)
    return list(connection.execute(statement, {"project_id": project_id, "nobody": NOBODY, "whole": False, **asked}))


def is_job(connection: Connection, project_id: UUID, job_id: UUID) -> bool:
    """Whether the project has such a job."""
    heads = tables.stream_heads.c
    found = select(heads.id).where(heads.id == job_id, heads.kind == "batch_job", heads.project_id == project_id)
    return connection.execute(found).first() is not None


def as_run(row: Row[Any]) -> dict[str, Any]:
    """A row as it is told: a manual run has no person."""
    run = dict(row._mapping)
    whom = {"person_id": None, "distinct_id": None} if run["person_id"] == NOBODY else {}
    return {"run_id": run_id(run["batch_job_id"], run["person_id"]), **run, **whom}


def alone_with_chunks(connection: Connection, job_id: UUID) -> None:
    """Until the transaction ends nobody else adds chunks to the job or moves runs that wait: numbers follow each other,
    and what is counted of runs is what they are. Whoever needs the row of a chunk as well locks that first."""
    connection.execute(_ALONE, {"id": str(job_id)})


def counts(connection: Connection, job_id: UUID) -> dict[str, int]:
    """How many enrolled people are where, from the counters of the chunks. They always sum up to the enrolled."""
    return counts_and_reached(connection, job_id)[0]


def stands(connection: Connection, job_id: UUID) -> tuple[dict[str, int], int]:
    """The counts of this moment, and how many people were reached or may have been, those with a send under way too."""
    found, reached = counts_and_reached(connection, job_id)
    for chunk in connection.execute(_SENDING, {"job_id": job_id}).all():
        ids, resumed_by = sorted(chunk.person_ids), None if chunk.size else chunk.number
        asked = {"job_id": job_id, "first": ids[0], "last": ids[-1], "ids": ids, "resumed_by": resumed_by}
        reached += connection.execute(_UNDER_WAY, asked).scalar_one()
    return found, reached


def counts_and_reached(connection: Connection, job_id: UUID) -> tuple[dict[str, int], int]:
    """The counts, and how many of these people were reached or may have been: of one instant."""
    c = tables.chunks.c
    columns = (c.delivered, c.skipped, c.failed, c.exited, c.waiting, c.in_progress)
    row = connection.execute(
        select(*(func.coalesce(func.sum(column), 0) for column in (c.size, c.reached, *columns))).where(
            c.job_id == job_id
        )
    ).one()
    found = {column.name: int(value) for column, value in zip(columns, row[2:], strict=True)}
    return {**found, "pending": int(row[0]) - sum(found.values())}, int(row[1])


def audit(engine: Engine, job_id: UUID) -> dict[str, int]:
    """The same counts from the ledger rows themselves, one by one; equal to `counts` or something is wrong."""
    heads = tables.stream_heads.c
    with engine.connect() as connection:
        project_id = connection.execute(select(heads.project_id).where(heads.id == job_id)).scalar_one()
        rows = of_job(connection, project_id, job_id, limit=None, whole=True)
    found = dict.fromkeys(STATUSES, 0)
    for row in rows:
        found[row.status] += 1
    return found
