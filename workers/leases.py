"""The lease of a chunk with effects outside: taken, renewed before each sub-batch, given back."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from sqlalchemy import Connection, text

from engine.fence import MAY_LEAVE

LEASE_SECONDS = 60
"""How long a silent sender keeps its chunk. A call that may begin at all gives away what it sends before that."""

_TAKE = text(
    "UPDATE chunks SET fence = fence + 1, leased_until = now() + make_interval(secs => :seconds) "
    "WHERE job_id = :job_id AND number = :number RETURNING fence"
)
# This is what permits a sub-batch: neither the job's status nor the location of the database is known from before.
_RENEW = text(
    "UPDATE chunks SET leased_until = now() + make_interval(secs => :seconds) "  # noqa: S608  # our own words
    "WHERE job_id = :job_id AND number = :number AND fence = :fence "
    "AND EXISTS (SELECT 1 FROM stream_heads h WHERE h.id = :job_id AND h.status = 'running') "
    f"AND {MAY_LEAVE} RETURNING 1"
)
# While what was begun is waited for: a pause does not change that it is under way. Somebody may hold a row for long,
# and no other lease waits behind it.
_KEEP = text(
    "UPDATE chunks c SET leased_until = now() + make_interval(secs => :seconds) FROM ("
    "SELECT c.job_id, c.number FROM chunks c "
    "JOIN unnest(CAST(:job_ids AS uuid[]), CAST(:numbers AS int[]), CAST(:fences AS int[])) "
    "AS mine (job_id, number, fence) "
    "USING (job_id, number, fence) "
    "JOIN stream_heads h ON h.id = c.job_id AND h.status IN ('running', 'paused') FOR UPDATE OF c SKIP LOCKED"
    ") AS mine WHERE c.job_id = mine.job_id AND c.number = mine.number"
)
_RELEASE = text(
    "UPDATE chunks SET leased_until = now() + make_interval(secs => :seconds) "
    "WHERE job_id = :job_id AND number = :number AND fence = :fence"
)
_STILL_MINE = text(
    "SELECT 1 FROM chunks "
    "WHERE job_id = :job_id AND number = :number AND fence = :fence AND state = 'sending' FOR UPDATE"
)


@dataclass(frozen=True)
class Lease:
    """One worker's hold on one chunk; the fence tells it from those before and after."""

    job_id: UUID
    number: int
    fence: int

    @classmethod
    def take(cls, connection: Connection, job_id: UUID, number: int) -> Lease:
        """In the transaction that holds the chunk's row."""
        parameters = {"job_id": job_id, "number": number, "seconds": LEASE_SECONDS}
        return cls(job_id, number, int(connection.execute(_TAKE, parameters).scalar_one()))

    def renew(self, connection: Connection, may_leave: Mapping[str, Any]) -> bool:
        """Hold it longer; False, and it is given back, when it is lost, the job does not run, or nothing may leave.

        `may_leave` are the parameters of `engine.fence.MAY_LEAVE`.
        """
        if connection.execute(_RENEW, {**vars(self), "seconds": LEASE_SECONDS, **may_leave}).first() is not None:
            return True
        self.release(connection)
        return False

    def release(self, connection: Connection, seconds: float = -1.0) -> None:
        """Let anybody take the chunk: at once, or after so many seconds, when it is worth looking at again."""
        connection.execute(_RELEASE, {**vars(self), "seconds": seconds})

    def holds(self, connection: Connection) -> bool:
        """Whether it is still ours; it stays so until the transaction ends."""
        return connection.execute(_STILL_MINE, vars(self)).first() is not None


def keep(connection: Connection, leases: Sequence[Lease]) -> None:
    """Hold them as long again, for what is under way; nothing more may begin because of that."""
    parameters = {
        "job_ids": [lease.job_id for lease in leases],
        "numbers": [lease.number for lease in leases],
        "fences": [lease.fence for lease in leases],
    }
    connection.execute(_KEEP, {**parameters, "seconds": LEASE_SECONDS})
