"""The lease of a chunk with effects outside: taken, renewed before each sub-batch, given back."""

from __future__ import annotations

from dataclasses import dataclass
from uuid import UUID

from sqlalchemy import Connection, text

LEASE_SECONDS = 60
"""How long a silent sender keeps its chunk. Must exceed the time that one sub-batch may take."""

_TAKE = text(
    "UPDATE chunks SET fence = fence + 1, leased_until = now() + make_interval(secs => :seconds) "
    "WHERE job_id = :job_id AND number = :number RETURNING fence"
)
_RENEW = text(
    "UPDATE chunks SET leased_until = now() + make_interval(secs => :seconds) "
    "WHERE job_id = :job_id AND number = :number AND fence = :fence "
    "AND EXISTS (SELECT 1 FROM stream_heads h WHERE h.id = :job_id AND h.status = 'running') RETURNING 1"
)
_RELEASE = text(
    "UPDATE chunks SET leased_until = now() - interval '1 second' "
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

    def renew(self, connection: Connection) -> bool:
        """Hold it longer; False, and it is given back, when it is lost or the job does not run any more."""
        if connection.execute(_RENEW, {**vars(self), "seconds": LEASE_SECONDS}).first() is not None:
            return True
        self.release(connection)
        return False

    def release(self, connection: Connection) -> None:
        """Let anybody take the chunk at once."""
        connection.execute(_RELEASE, vars(self))

    def holds(self, connection: Connection) -> bool:
        """Whether it is still ours; it stays so until the transaction ends."""
        return connection.execute(_STILL_MINE, vars(self)).first() is not None
