"""After healing: wait for the end of everything. No progress for a while is a failure, and says what is stuck."""

from __future__ import annotations

import time
from typing import Any

import psycopg

from benchmarks.chaos.load import Load
from benchmarks.chaos.nemesis import expire_leases
from benchmarks.chaos.stage import Stage

LOOK_SECONDS = 0.25

_PROGRESS = (
    "SELECT (SELECT count(*) FROM log), (SELECT sum(attempts) FROM effects), "
    "(SELECT sum(position) FROM view_positions), "
    "(SELECT jsonb_object_agg(status, n) FROM (SELECT status, count(*) AS n FROM runs GROUP BY 1) r)"
)
_OPEN = (
    "SELECT count(*) FROM stream_heads WHERE kind = 'batch_job' "
    "AND status NOT IN ('cancelled', 'completed', 'completed_with_failures', 'failed', 'rejected')"
)
_BEHIND = "SELECT count(*) FROM view_positions WHERE position < (SELECT max(notification_id) FROM log)"
_STUCK = {
    "jobs": "SELECT id, status FROM stream_heads WHERE kind = 'batch_job' "
    "AND status NOT IN ('cancelled', 'completed', 'completed_with_failures', 'failed', 'rejected')",
    "chunks": "SELECT job_id, number, state, leased_until, fence, size FROM chunks WHERE state IN ('ready', 'sending')",
    "runs": "SELECT job_id, status, at_step, reason, min(wake_at), count(*) FROM runs "
    "WHERE status IN ('waiting', 'in_progress') GROUP BY 1, 2, 3, 4",
    "effects": "SELECT job_id, state, error, count(*) FROM effects WHERE state <> 'succeeded' GROUP BY 1, 2, 3",
    "followers": "SELECT name, position, stopped FROM view_positions",
    "sessions": "SELECT pid, state, wait_event, left(query, 80) FROM pg_stat_activity "
    "WHERE backend_type = 'client backend'",
    "now": "SELECT now()",
}


class StuckError(Exception):
    """Nothing has moved for too long."""


def drain(stage: Stage, load: Load, *, patience: float, hurry: bool = False) -> float:
    """Return when every job has ended and every view has come to the end of the log; the seconds that it took."""
    began = moved = time.monotonic()
    before: Any = None
    while True:
        load.resume_all()
        load.decide_all()
        with stage.connect() as connection:
            if _done(connection):
                return time.monotonic() - began
            now = connection.execute(_PROGRESS).fetchone()
        if hurry:
            expire_leases(stage)
        if now != before:
            before, moved = now, time.monotonic()
        elif time.monotonic() - moved > patience:
            raise StuckError(describe(stage))
        time.sleep(LOOK_SECONDS)


def _done(connection: psycopg.Connection[Any]) -> bool:
    counts = [connection.execute(statement).fetchone() for statement in (_OPEN, _BEHIND)]
    return all(count == (0,) for count in counts)


def describe(stage: Stage) -> str:
    """What stands still, and the last words of every process."""
    parts = []
    with stage.connect() as connection:
        for name, statement in _STUCK.items():
            rows = connection.execute(statement).fetchmany(20)
            parts += [f"--- {name}", *(str(row) for row in rows)]
    for log in sorted((stage.folder / "logs").glob("*.log")):
        parts += [f"--- {log.name}", log.read_text(errors="replace")[-1500:]]
    return "\n".join(parts)
