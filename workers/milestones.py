"""A job's milestones: progress, completion, the end of a cancel. One writer a job at a time.

Counters live in the chunks; a milestone is their sum at one instant, appended as an event. How often progress is
written depends on how long the job has run, never on how many people it has.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any
from uuid import UUID

from sqlalchemy import Connection, TextClause, text

from aggregates.base import Meta
from aggregates.batch_job.aggregate import BatchJob
from commands.bus import StreamMoved
from engine.bootstrap import System
from engine.store import Store
from projections.run_rows import alone_with_chunks, counts_and_reached
from workers.attempts import unrecorded
from workers.enrolment import engine_meta
from workers.pace import forget

PROGRESS_SECONDS = 0.25
"""Least time between two progress events of a job: at most four a second."""

PROGRESS_SHARE = 0.01
"""A job that runs for long reports each time another hundredth of its age has passed."""

# Moves the instant on if it is time, so that all workers together keep the pace.
_PASSED = "now() - progress_at > greatest(CAST(:least AS interval), CAST(:share AS float8) * (now() - enrolled_at))"
_DUE = text(f"UPDATE jobs_at_work SET progress_at = now() WHERE id = :id AND {_PASSED} RETURNING 1")  # noqa: S608
_IS_DUE = text(f"SELECT 1 FROM jobs_at_work WHERE id = :id AND {_PASSED}")  # noqa: S608  # our own words
_PACE = {"least": f"{PROGRESS_SECONDS} seconds", "share": PROGRESS_SHARE}
# Who finds a chunk that is not done need not complete the job: whoever does that chunk settles after it. But where
# nobody may send for a while, nobody else tells how far it has come.
_MAY_BE_SETTLED = text(
    "SELECT 1 FROM stream_heads WHERE id = :id AND status = 'running' "
    "AND (NOT EXISTS (SELECT 1 FROM chunks WHERE job_id = :id AND state IN ('ready', 'sending')) "
    "OR EXISTS (SELECT 1 FROM sending_pace WHERE job_id = :id AND free_at > now() + CAST(:least AS interval)))"
)
_LOCK = text("SELECT pg_advisory_xact_lock(hashtextextended(:id, -2))")
_TRY_LOCK = text("SELECT pg_try_advisory_xact_lock(hashtextextended(:id, -2))")

# What was never begun is skipped as it stands; a wake chunk that was never begun leaves its people in progress.
_CANCEL_CHUNKS = text(
    "UPDATE chunks SET state = 'cancelled', skipped = skipped + CASE WHEN size > 0 THEN size ELSE 0 END "
    "WHERE job_id = :id AND state = 'ready'"
)
_STILL_SENDING = text("SELECT 1 FROM chunks WHERE job_id = :id AND state = 'sending' AND leased_until >= now() LIMIT 1")
# People at whom a sender was when it fell silent or was stopped: of chunks that are sent, and of nobody else.
_AT_AN_EFFECT = text(
    "SELECT c.number, r.person_id, r.at_step FROM chunks c CROSS JOIN LATERAL unnest(c.person_ids) AS p (id) "
    "JOIN runs r ON r.job_id = c.job_id AND r.person_id = p.id "
    "WHERE c.job_id = :id AND c.state = 'sending' AND r.status = 'in_progress' AND NOT r.reached "
    "AND r.resumed_by IS NOT DISTINCT FROM CASE WHEN c.size > 0 THEN NULL ELSE c.number END"
)
_REACHED = text(
    "UPDATE runs SET reached = true WHERE job_id = :id AND person_id = ANY (CAST(:people AS bigint[])) AND NOT reached"
)
_COUNT_REACHED = text("UPDATE chunks SET reached = reached + :more WHERE job_id = :id AND number = :number")
_STOP_SENDING = text("UPDATE chunks SET state = 'done' WHERE job_id = :id AND state = 'sending'")
# Everybody who has a row and no outcome, ended; a chunk without people takes them from one count to the other.
_END_OPEN = {
    outcome: text(
        "WITH ended AS (UPDATE runs r "
        "SET status = $outcome, reason = :reason, wake_at = NULL, updated_at = :now "
        "FROM runs before WHERE r.job_id = :id AND r.status IN ('waiting', 'in_progress') "
        "AND before.job_id = r.job_id AND before.person_id = r.person_id RETURNING before.status AS was) "
        "INSERT INTO chunks (job_id, number, person_ids, size, state, $outcome, waiting, in_progress) "
        "SELECT :id, (SELECT max(number) + 1 FROM chunks WHERE job_id = :id), '{}', 0, 'done', count(*), "
        "-count(*) FILTER (WHERE was = 'waiting'), -count(*) FILTER (WHERE was = 'in_progress') FROM ended".replace(
            "= $outcome", f"= '{outcome}'"
        ).replace("$outcome", outcome)
    )
    for outcome in ("skipped", "failed")
}
# Chunks that nobody has begun: their people get a row each, and what was confirmed of their addresses with it.
_FAIL_CHUNKS = text(
    "WITH begun AS (UPDATE chunks SET state = 'done', failed = failed + greatest(size, 0) "
    "WHERE job_id = :id AND state = 'ready' RETURNING person_ids, address_marks, size) "
    "INSERT INTO runs (job_id, person_id, status, reason, steps, updated_at, address_mark) "
    "SELECT :id, p.id, 'failed', :reason, '[]'::jsonb, :now, begun.address_marks[p.place] FROM begun "
    "CROSS JOIN LATERAL unnest(begun.person_ids) WITH ORDINALITY AS p (id, place) WHERE begun.size > 0"
)


class Milestones:
    """Writes the milestones of jobs, for one process."""

    def __init__(self, system: System) -> None:
        self._system = system
        self._tried: dict[UUID, float] = {}

    def progress(self, job_id: UUID) -> None:
        """Record where the job stands, if it is time for that."""
        now = self._system.clock.monotonic()
        if now - self._tried.get(job_id, 0.0) < PROGRESS_SECONDS:
            return
        self._tried[job_id] = now
        if self._asked(_IS_DUE, _PACE | {"id": job_id}):
            self._write(job_id, self._report, wait=False)

    def settle(self, job_id: UUID) -> None:
        """Complete the job if everybody has an outcome.

        Waits for its turn instead of passing: whoever is last sees all chunks done, and nobody comes after.
        """
        self._tried.pop(job_id, None)
        if self._asked(_MAY_BE_SETTLED, {"id": job_id, "least": _PACE["least"]}):
            self._write(job_id, self._complete, wait=True)

    def trip(self, job_id: UUID) -> None:
        """Pause a job whose breaker has seen enough; once it is resumed the breaker counts anew."""
        self._write(job_id, self._trip, wait=True)

    def wind_up(self, job_id: UUID) -> None:
        """End a cancel: nothing begins any more, those not reached are skipped, and only then is it cancelled."""
        self._write(job_id, self._cancel, wait=True)

    def give_up(self, job_id: UUID, reason: str) -> None:
        """Fail everybody of a running job who has no outcome, and complete it; not while somebody sends for it."""
        self._write(job_id, partial(self._fail, reason=reason), wait=True)

    def _asked(self, statement: TextClause, parameters: dict[str, Any]) -> bool:
        """Ask before the job is locked and read: of all workers at a job, only one has something to write."""
        with self._system.engine.connect() as connection:
            return connection.execute(statement, parameters).first() is not None

    def _write(
        self, job_id: UUID, milestone: Callable[[Connection, Store, BatchJob, Meta], None], *, wait: bool
    ) -> None:
        meta = engine_meta(self._system, job_id, via="workers.milestones")
        if meta is None:
            return
        try:
            with self._system.engine.begin() as connection:
                mine = connection.execute(_LOCK if wait else _TRY_LOCK, {"id": str(job_id)}).scalar()
                if wait or mine:
                    store = Store(connection, self._system.recorder)
                    milestone(connection, store, store.load(BatchJob, job_id, meta), meta)
        except StreamMoved:
            return  # somebody paused or cancelled at this instant; the next milestone sees it

    def _report(self, connection: Connection, store: Store, job: BatchJob, meta: Meta) -> None:
        if connection.execute(_DUE, _PACE | {"id": job.id}).first() is None:
            return
        found, reached = counts_and_reached(connection, job.id)
        job.progress(found, reached=reached, meta=meta)
        store.save(job)

    def _complete(self, connection: Connection, store: Store, job: BatchJob, meta: Meta) -> None:
        if job.status != "running":
            return
        found, reached = counts_and_reached(connection, job.id)
        if found["waiting"] or found["pending"] or found["in_progress"]:
            # Its rate bounds how often this is told.
            if job.pace.gap > PROGRESS_SECONDS or not (found["pending"] or found["in_progress"]):
                job.progress(found, reached=reached, meta=meta)
        else:
            job.complete(found, reached=reached, meta=meta)
        store.save(job)

    def _trip(self, connection: Connection, store: Store, job: BatchJob, meta: Meta) -> None:
        attempts, failures = forget(connection, job.id)
        found, reached = counts_and_reached(connection, job.id)
        job.progress(found, reached=reached, meta=meta)
        job.trip(attempts=attempts, failures=failures, meta=meta)
        store.save(job)

    def _cancel(self, connection: Connection, store: Store, job: BatchJob, meta: Meta) -> None:
        if job.status != "cancelling":
            return
        connection.execute(_CANCEL_CHUNKS, {"id": job.id})
        if connection.execute(_STILL_SENDING, {"id": job.id}).first() is not None:
            return  # its sender stops before the next sub-batch; the sweep comes back
        _count_begun(connection, job.id)
        connection.execute(_STOP_SENDING, {"id": job.id})
        alone_with_chunks(connection, job.id)
        found, reached = counts_and_reached(connection, job.id)
        if found["waiting"] or found["in_progress"]:
            ended = {"id": job.id, "reason": "job_cancelled", "now": meta.now}
            connection.execute(_END_OPEN["skipped"], ended)
            found, reached = counts_and_reached(connection, job.id)
        job.finish_cancel(found, reached=reached, meta=meta)
        store.save(job)

    def _fail(self, connection: Connection, store: Store, job: BatchJob, meta: Meta, *, reason: str) -> None:
        if job.status != "running" or connection.execute(_STILL_SENDING, {"id": job.id}).first() is not None:
            return  # whoever sends can read it
        ended = {"id": job.id, "reason": reason, "now": meta.now}
        alone_with_chunks(connection, job.id)
        connection.execute(_FAIL_CHUNKS, ended)
        _count_begun(connection, job.id)
        connection.execute(_STOP_SENDING, {"id": job.id})
        connection.execute(_END_OPEN["failed"], ended)
        found, reached = counts_and_reached(connection, job.id)
        job.complete(found, reached=reached, meta=meta)
        store.save(job)


def _count_begun(connection: Connection, job_id: UUID) -> None:
    """Count people in the middle of an effect as reached: it was begun, and its outcome will be recorded by nobody."""
    standing = connection.execute(_AT_AN_EFFECT, {"id": job_id}).all()
    begun = sorted(unrecorded(connection, job_id, standing))
    if begun:
        more = connection.execute(_REACHED, {"id": job_id, "people": begun}).rowcount
        connection.execute(_COUNT_REACHED, {"id": job_id, "more": more, "number": standing[0].number})
