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
from projections.run_rows import counts_and_reached
from workers import winding_up
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

    def report(self, job_id: UUID) -> None:
        """Record where a job stands that does not run: what was under way when it was paused has come to an end."""
        self._write(job_id, self._tell, wait=True)

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

    def wind_up(self, connection: Connection, job_id: UUID) -> None:
        """End a cancel: nothing begins any more, everybody has an outcome, and only then is it cancelled.

        A caller that is not alone with it leaves at once: of all workers with a bell for the job, one winds it up.
        """
        with winding_up.alone(connection, job_id) as mine:
            if mine and winding_up.wind_up(connection, job_id, self._system.clock.now()):
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
        if connection.execute(_DUE, _PACE | {"id": job.id}).first() is not None:
            self._tell(connection, store, job, meta)

    def _tell(self, connection: Connection, store: Store, job: BatchJob, meta: Meta) -> None:
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
        winding_up.skip_the_rest(connection, job.id, meta.now)
        found, reached = counts_and_reached(connection, job.id)
        job.finish_cancel(found, reached=reached, meta=meta)
        store.save(job)

    def _fail(self, connection: Connection, store: Store, job: BatchJob, meta: Meta, *, reason: str) -> None:
        if job.status != "running" or not winding_up.fail_the_rest(connection, job.id, reason, meta.now):
            return
        found, reached = counts_and_reached(connection, job.id)
        job.complete(found, reached=reached, meta=meta)
        store.save(job)
