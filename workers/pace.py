"""How fast a job sends, all workers together, and what its breaker has seen.

One row a job says when the next people may go out: whoever sends moves that instant on by as much as they take, and
waits for the one that they found. So nobody asks twice, and what a worker took and could not use is merely lost. The
row may be lost as well: then the job begins as if nothing had been sent just now.
"""

from __future__ import annotations

from uuid import UUID

from sqlalchemy import Connection, text

from aggregates.pace import Pace

PATIENCE_SECONDS = 2.0
"""How long a worker waits for its turn. What is due later is left to whoever is rung then: `fanout` leases no
chunk, and `scheduler` rings for none, whose turn is further away."""

_TAKE_TURN = text(
    "INSERT INTO sending_pace AS p (job_id, free_at) "
    "VALUES (:job_id, clock_timestamp() + make_interval(secs => :cost)) "
    "ON CONFLICT (job_id) DO UPDATE "
    "SET free_at = greatest(p.free_at, clock_timestamp()) + make_interval(secs => :cost) "
    "WHERE p.free_at IS NULL OR p.free_at <= clock_timestamp() + make_interval(secs => :patience) "
    "RETURNING extract(epoch FROM free_at - clock_timestamp()) - :cost AS ahead"
)
_COUNT = text(
    "INSERT INTO sending_pace AS p (job_id, attempts, failures) VALUES (:job_id, :attempts, :failures) "
    "ON CONFLICT (job_id) DO UPDATE "
    "SET attempts = p.attempts + :attempts, failures = p.failures + :failures RETURNING attempts, failures"
)
_FORGET = text(
    "UPDATE sending_pace p SET attempts = 0, failures = 0 FROM "
    "(SELECT job_id, attempts, failures FROM sending_pace WHERE job_id = :job_id FOR UPDATE) AS before "
    "WHERE p.job_id = before.job_id RETURNING before.attempts, before.failures"
)


def take_turn(connection: Connection, job_id: UUID, pace: Pace) -> float | None:
    """Seconds until `pace.at_once` people may go out, taken for the caller; None when that is too far away."""
    turn = {"job_id": job_id, "cost": pace.gap * pace.at_once, "patience": PATIENCE_SECONDS}
    ahead = connection.execute(_TAKE_TURN, turn).scalar()
    return None if ahead is None else max(float(ahead), 0.0)


def count(connection: Connection, job_id: UUID, attempts: int, failures: int) -> tuple[int, int]:
    """Add to what the breaker has seen; all that it has seen since it was last asked to forget."""
    seen = {"job_id": job_id, "attempts": attempts, "failures": failures}
    row = connection.execute(_COUNT, seen).one()
    return row.attempts, row.failures


def forget(connection: Connection, job_id: UUID) -> tuple[int, int]:
    """What the breaker has seen, from now on nothing."""
    row = connection.execute(_FORGET, {"job_id": job_id}).first()
    return (row.attempts, row.failures) if row else (0, 0)
