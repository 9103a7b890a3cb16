"""One person's run, seen and cancelled inside the transaction of a command."""

from __future__ import annotations

from datetime import datetime
from uuid import UUID

from sqlalchemy import Connection, bindparam, text
from sqlalchemy.dialects.postgresql import insert

from projections.run_rows import alone_with_chunks
from projections.tables import Id, cancelled_runs

# The chunk's row is what a worker holds while it writes; who comes second sees what the other has written.
_CHUNK = text(
    "SELECT c.state FROM chunks c WHERE c.job_id = :job_id AND c.size > 0 AND c.person_ids[c.size] >= :person_id "
    "AND :person_id = ANY (c.person_ids) ORDER BY c.number LIMIT 1 FOR UPDATE"
).bindparams(bindparam("job_id", type_=Id))
_STATUS = text("SELECT status FROM runs WHERE job_id = :job_id AND person_id = :person_id").bindparams(
    bindparam("job_id", type_=Id)
)
_END = text(
    "WITH ended AS (UPDATE runs SET status = CASE WHEN reached THEN 'exited' ELSE 'skipped' END, "
    "reason = 'run_cancelled', wake_at = NULL, updated_at = :now "
    "WHERE job_id = :job_id AND person_id = :person_id AND status = 'waiting' RETURNING reached, status), "
    "counted AS (INSERT INTO chunks (job_id, number, person_ids, size, state, skipped, exited, waiting) "
    "SELECT :job_id, (SELECT max(number) + 1 FROM chunks WHERE job_id = :job_id), '{}', 0, 'done', "
    "CAST(NOT reached AS integer), CAST(reached AS integer), -1 FROM ended) SELECT status FROM ended"
).bindparams(bindparam("job_id", type_=Id))


def run_status(connection: Connection, job_id: UUID, person_id: int) -> str | None:
    """How a run stands, and keep its chunk as it is until the transaction ends; None for who is not enrolled."""
    parameters = {"job_id": job_id, "person_id": person_id}
    chunk = connection.execute(_CHUNK, parameters).first()
    if chunk is None:
        return None
    row = connection.execute(_STATUS, parameters).first()
    if row is not None:
        return str(row.status)
    return "skipped" if chunk.state == "cancelled" else "pending"


def cancel_run(connection: Connection, job_id: UUID, person_id: int, now: datetime) -> str:
    """Remember that nothing more is done for one person, and end their run at once if it waits; how it stands then.

    Who was reached exits, and is not called skipped.
    """
    connection.execute(insert(cancelled_runs).values(job_id=job_id, person_id=person_id).on_conflict_do_nothing())
    alone_with_chunks(connection, job_id)
    parameters = {"job_id": job_id, "person_id": person_id, "now": now}
    ended = connection.execute(_END, parameters).scalar()
    return str(ended) if ended else run_status(connection, job_id, person_id) or "pending"
