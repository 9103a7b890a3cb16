"""What waits behind the fence, and letting it go: on record in every project, by somebody, with a reason."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from sqlalchemy import Connection, Row, select, text

from aggregates.project.aggregate import Project
from commands.notes import checked_note
from engine.bootstrap import System, system_principal
from engine.fence import Standing
from engine.store import Store
from projections.tables import projects

# A job whose mode only its first event knows counts as one that sends.
_WAITING = text(
    "WITH held AS (SELECT h.id FROM stream_heads h LEFT JOIN jobs_at_work j ON j.id = h.id "
    "LEFT JOIN batch_jobs v ON v.id = h.id WHERE h.kind = 'batch_job' AND h.status IN ('queued', 'running') "
    "AND coalesce(j.send_mode, v.send_mode, 'live') = 'live') "
    "SELECT (SELECT count(*) FROM held) AS jobs, (SELECT coalesce(sum(CASE WHEN c.state = 'ready' "
    "THEN greatest(c.size, 0) ELSE 0 END + c.waiting + c.in_progress), 0) FROM chunks c "
    "JOIN held ON held.id = c.job_id) AS runs, "
    "(SELECT count(*) FROM stream_heads h WHERE h.kind = 'schedule' AND h.due_at <= :now) AS schedules"
)
_HEADS = text("SELECT id FROM stream_heads WHERE id = ANY (CAST(:ids AS uuid[])) ORDER BY id FOR UPDATE")
_HERE = text(
    "UPDATE installation SET location = tidegate_location(), name = :name, fenced_since = NULL, fenced_because = NULL, "
    "settled_at = greatest(now(), settled_at + interval '1 microsecond')"
)


def described(system: System, connection: Connection) -> dict[str, Any]:
    """How the fence stands and what waits behind it."""
    stands = system.fence.standing(connection)
    waiting = connection.execute(_WAITING, {"now": system.clock.now()}).one()
    return {
        "fence": "up" if stands.is_up else "down",
        "because": stands.because,
        "since": stands.since and stands.since.isoformat(),
        "location": stands.location,
        "location_recorded": stands.location_recorded,
        "installation": stands.name,
        "installation_recorded": stands.name_recorded,
        "settled_at": stands.settled_at and stands.settled_at.isoformat(),
        "waiting": {"jobs": waiting.jobs, "runs": int(waiting.runs), "schedules": waiting.schedules},
    }


def release(system: System, *, reason: str) -> bool:
    """Make this database the installation, at its location and under its name; False if it is so already.

    Every project's stream says so. Raises `request.invalid` without a reason.
    """
    checked_note(reason, at="/reason", required=True)
    with system.engine.begin() as connection:
        connection.execute(text("SELECT 1 FROM installation FOR UPDATE"))
        stands = system.fence.standing(connection)
        if not stands.is_up:
            return False
        rows = connection.execute(select(projects).order_by(projects.c.id)).all()
        # All of them before the log, which is locked by the first append.
        connection.execute(_HEADS, {"ids": [row.id for row in rows]})
        for row in rows:
            _record(system, connection, row, stands, reason)
        connection.execute(_HERE, {"name": stands.name})
    return True


def _record(system: System, connection: Connection, row: Row[Any], stands: Standing, reason: str) -> None:
    project_id: UUID = row.id
    meta = system.meta(system_principal(project_id, source="cli", name="cli"), via="fence release")
    store = Store(connection, system.recorder)
    project = store.find(Project, project_id, meta) or Project.found(row.name, row.limits, meta=meta)
    location, name = (stands.location_recorded, stands.location), (stands.name_recorded, stands.name)
    project.release(str(stands.because), location=location, name=name, reason=reason, meta=meta)
    store.save(project)
