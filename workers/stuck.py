"""Jobs whose pinned content this version refuses: given up once no process gets on with them.

Another process may be of the version that pinned it, or have a step type that this one lacks: as long as the ledger
moves, the job is left to that.
"""

from __future__ import annotations

from typing import Any
from uuid import UUID

from sqlalchemy import text

from engine.bootstrap import System

REFUSED = "workflow.invalid"
"""Why the runs of such a job fail: the code with which the content would be refused when it is saved."""

PATIENCE_SECONDS = 300.0
"""How long nobody may have got on with a job before it is given up."""

REMEMBERED = 1_000
"""Jobs that a process watches; with more it begins anew, and only takes longer."""

_STANDS = text(
    "SELECT count(*), count(*) FILTER (WHERE state = 'done'), max(leased_until), coalesce(sum(delivered + skipped + "
    "failed + exited + 2 * waiting + 3 * in_progress + reached), 0) FROM chunks WHERE job_id = :id"
)


class Stuck:
    """What this process has seen of jobs that it cannot read."""

    def __init__(self, system: System) -> None:
        self._system = system
        self._seen: dict[UUID, tuple[float, Any]] = {}

    def is_stuck(self, job_id: UUID) -> bool:
        """Whether nobody has got on with a job for so long that nobody will."""
        now = self._system.clock.monotonic()
        with self._system.engine.connect() as connection:
            stands = tuple(connection.execute(_STANDS, {"id": job_id}).one())
        since, before = self._seen.get(job_id, (now, None))
        if before != stands:
            if len(self._seen) >= REMEMBERED:
                self._seen.clear()
            self._seen[job_id] = (now, stands)
            return False
        if now - since < PATIENCE_SECONDS:
            return False
        del self._seen[job_id]
        return True
