"""The ledger of a batch job, read person by person.

A person whose chunk has not been processed has no row yet and is `pending`; in a chunk that was cancelled
before it began everyone is `skipped`. Both are derived from the frozen ids, so nothing is written to say so.
"""

from __future__ import annotations

from typing import Any
from uuid import UUID

from sqlalchemy import Connection, Engine, Row, bindparam, func, select, text

from aggregates.base import Principal
from aggregates.errors import DomainError, Problem, invalid
from aggregates.values import run_id
from projections import tables
from projections.page import MOST, Page, Reader, bigint, decode_cursor, encode_cursor

STATUSES = ("pending", "in_progress", "waiting", "delivered", "skipped", "failed", "exited")

# The frozen ids of a job's chunks after a cursor, each with its ledger row if it has one.
_RUNS = """
SELECT frozen.person_id, p.distinct_id,
       coalesce(r.status, CASE WHEN c.state = 'cancelled' THEN 'skipped' ELSE 'pending' END) AS status,
       coalesce(r.reason, CASE WHEN c.state = 'cancelled' THEN 'job_cancelled' END) AS reason,
       r.at_step, r.wake_at, coalesce(r.steps, '[]'::jsonb) AS steps, r.variables, r.updated_at
FROM chunks c
CROSS JOIN LATERAL unnest(c.person_ids) AS frozen (person_id)
LEFT JOIN runs r ON r.job_id = c.job_id AND r.person_id = frozen.person_id
LEFT JOIN people p ON p.id = frozen.person_id
WHERE c.job_id = :job_id AND c.size > 0
  AND c.person_ids[c.size] > :after AND frozen.person_id > :after
  AND (CAST(:status AS text) IS NULL
       OR coalesce(r.status, CASE WHEN c.state = 'cancelled' THEN 'skipped' ELSE 'pending' END) = :status)
  AND (CAST(:person_id AS bigint) IS NULL OR frozen.person_id = :person_id)
ORDER BY c.number, frozen.person_id
LIMIT :limit
"""


class RunReads(Reader):
    """Who got it, who did not, and why."""

    def list(
        self,
        principal: Principal,
        batch_job_id: UUID,
        *,
        status: str | None = None,
        limit: int = 20,
        after: str | None = None,
    ) -> Page:
        """The runs of one job by ascending person id."""
        self.authorize(principal, "runs.list")
        if not 1 <= limit <= MOST:
            raise invalid(
                "request.invalid", [Problem("/limit", "field.invalid", f"A page has 1 to {MOST} rows.", limit)]
            )
        if status is not None and status not in STATUSES:
            raise invalid("request.invalid", [Problem("/status", "field.invalid", "No such status.", None, STATUSES)])
        last = decode_cursor(after, (bigint,))[0] if after else 0
        with self.engine.connect() as connection:
            _own(connection, principal, batch_job_id)
            rows = _runs(connection, batch_job_id, after=last, status=status, person_id=None, limit=limit + 1)
        more = len(rows) > limit
        data = [_data(batch_job_id, row) for row in rows[:limit]]
        return Page(data, encode_cursor([data[-1]["person_id"]]) if more else None, None)

    def get(self, principal: Principal, id: str) -> dict[str, Any]:
        """One run; ids are `<batch job id>.<person id>`."""
        self.authorize(principal, "runs.get")
        job, _, person = id.partition(".")
        try:
            job_id, person_id = UUID(job), int(person)
        except ValueError as error:
            raise DomainError("run.not_found") from error
        # An id has one spelling only.
        if not 0 <= person_id < 2**63 or id != run_id(job_id, person_id):
            raise DomainError("run.not_found")
        with self.engine.connect() as connection:
            try:
                _own(connection, principal, job_id)
            except DomainError as error:
                raise DomainError("run.not_found") from error
            rows = _runs(connection, job_id, after=person_id - 1, status=None, person_id=person_id, limit=1)
        if not rows:
            raise DomainError("run.not_found")
        return _data(job_id, rows[0])


def counts(connection: Connection, job_id: UUID) -> dict[str, int]:
    """How many enrolled people are where, from the counters of the chunks. They always sum up to the enrolled."""
    c = tables.chunks.c
    columns = (c.delivered, c.skipped, c.failed, c.exited, c.waiting, c.in_progress)
    row = connection.execute(
        select(func.coalesce(func.sum(c.size), 0), *(func.coalesce(func.sum(column), 0) for column in columns)).where(
            c.job_id == job_id
        )
    ).one()
    found = {column.name: int(value) for column, value in zip(columns, row[1:], strict=True)}
    return {**found, "pending": int(row[0]) - sum(found.values())}


def audit(engine: Engine, job_id: UUID) -> dict[str, int]:
    """The same counts from the ledger rows themselves, one by one; equal to `counts` or something is wrong."""
    with engine.connect() as connection:
        rows = _runs(connection, job_id, after=-1, status=None, person_id=None, limit=None)
    found = dict.fromkeys(("delivered", "skipped", "failed", "exited", "waiting", "in_progress", "pending"), 0)
    for row in rows:
        found[row.status] += 1
    return found


def _own(connection: Connection, principal: Principal, job_id: UUID) -> None:
    heads = tables.stream_heads.c
    row = connection.execute(
        select(heads.id).where(heads.id == job_id, heads.kind == "batch_job", heads.project_id == principal.project_id)
    ).first()
    if row is None:
        raise DomainError("batch_job.not_found")


def _runs(
    connection: Connection, job_id: UUID, *, after: int, status: str | None, person_id: int | None, limit: int | None
) -> list[Row[Any]]:
    statement = text(_RUNS).bindparams(bindparam("job_id", type_=tables.Id))
    found = connection.execute(
        statement, {"job_id": job_id, "after": after, "status": status, "person_id": person_id, "limit": limit}
    )
    return list(found)


def _data(job_id: UUID, row: Row[Any]) -> dict[str, Any]:
    return {"run_id": run_id(job_id, row.person_id), "batch_job_id": job_id, **row._mapping}
