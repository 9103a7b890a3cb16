"""What a bell asks for: look at a job and do what it needs next, as long as there is something to do.

A worker takes one of the job's slots (a session advisory lock, which dies with the process), then leases chunks
one after another until none is left. For pure database work the row lock is the lease and everything about a
chunk is one transaction: rows, counters, state. So kill -9 at any instant leaves a chunk untouched or done.
"""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any
from uuid import UUID

from sqlalchemy import Connection, Row, text

from aggregates.walk.entry import Entry, of_reached
from aggregates.walk.walk import Group, Walk
from engine.bootstrap import System
from engine.fence import MAY_LEAVE
from engine.store import head_status
from projections import failpoints, failures
from projections.outage import is_outage
from workers import ledger, noted, splitting
from workers.attempts import unrecorded
from workers.enrolment import enrol
from workers.jobs import ContentRefused, JobCache, WorkingJob
from workers.later import Later
from workers.leases import Lease
from workers.milestones import Milestones
from workers.pace import PATIENCE_SECONDS
from workers.sending import Sender
from workers.shares import ASIDE_SECONDS, Shares
from workers.stuck import REFUSED, Stuck
from workers.world import DatabaseWorld

logger = logging.getLogger(__name__)

SLICE_SECONDS = 1.0
"""How long a worker stays with one job before others get their turn."""

_TAKE_SLOT = text(
    "SELECT slot FROM generate_series(0, :slots - 1) AS slot "
    "WHERE pg_try_advisory_lock(hashtextextended(:job, slot)) LIMIT 1"
)
_LEAVE_SLOT = text("SELECT pg_advisory_unlock(hashtextextended(:job, :slot))")

# The job's status is read in the statement that leases, so a pause or cancel that was committed before is seen.
_LEASE = text(
    "SELECT c.number, c.person_ids, c.address_marks, c.size, c.state, c.fence FROM chunks c "  # noqa: S608  # our own
    "WHERE c.job_id = :job_id "
    "AND ((c.state = 'ready' AND coalesce(c.leased_until < now(), true)) "
    "OR (c.state = 'sending' AND c.leased_until < now() AND NOT EXISTS (SELECT 1 FROM sending_pace p "
    "WHERE p.job_id = c.job_id AND p.free_at > now() + make_interval(secs => :patience)))) "
    "AND EXISTS (SELECT 1 FROM stream_heads h WHERE h.id = :job_id AND h.status = 'running') "
    f"AND (:captured OR {MAY_LEAVE}) "
    "ORDER BY c.number LIMIT 1 FOR UPDATE OF c SKIP LOCKED"
)


class Fanout:
    """Does a bell's work, in one process; any number of processes may do so at once."""

    def __init__(
        self,
        system: System,
        sender: Sender,
        ring: Callable[[UUID, int], None],
        waiting: Callable[[], Collection[UUID]] = tuple,
    ) -> None:
        """`waiting` tells the jobs whose bells nobody has taken yet."""
        self._system = system
        self._shares = Shares(system.settings.worker_threads, waiting)
        self._sender = sender
        self._ring = ring
        self._jobs = JobCache()
        self._milestones = Milestones(system)
        self._stuck = Stuck(system)
        self._later = Later(ring, system.clock.monotonic)
        sender.tell(self._landed, self._later.ring)

    def close(self) -> None:
        """Ring for nobody any more."""
        self._later.close()

    def advance(self, job_id: str) -> None:
        """The actor: look at a job. A failure is logged and left to the sweep, which rings again."""
        try:
            if self._sender.stopped:
                return  # the sweep rings again, for others
            failpoints.reach("bell_fetched")
            with (
                self._system.engine.connect() as connection,
                self._shares.thread(connection, UUID(job_id)) as may_stay,
            ):
                if not may_stay:
                    self._later.ring(UUID(job_id), ASIDE_SECONDS)
                    return
                with self._slot(connection, job_id) as mine:
                    if mine:
                        self._advance(connection, UUID(job_id))
            failpoints.reach("outcome_stored")
        except Exception:
            logger.exception("job %s could not be advanced now", job_id)

    def _advance(self, connection: Connection, job_id: UUID) -> None:
        self._system.fence.follow(connection)
        if self._status(connection, job_id) == "queued":
            enrol(self._system, job_id)
        if self._status(connection, job_id) == "running" and self._carry_on(connection, job_id):
            self._ring(job_id, 1)
            return
        status = self._status(connection, job_id)
        if status == "cancelling":
            self._milestones.wind_up(connection, job_id)
        elif status == "paused":
            self._milestones.report(job_id)

    def _status(self, connection: Connection, job_id: UUID) -> str | None:
        with connection.begin():
            return head_status(connection, job_id)

    def _carry_on(self, connection: Connection, job_id: UUID) -> bool:
        """Process chunks for a slice of time; whether there may be more. A job that nobody can read is given up."""
        try:
            return self._drain(connection, job_id)
        except ContentRefused as refusal:
            logger.warning("%s", refusal)
            if self._stuck.is_stuck(job_id):
                self._milestones.give_up(job_id, REFUSED)
            return False

    def _drain(self, connection: Connection, job_id: UUID) -> bool:
        """Process chunks until none is left or the slice is over; whether there may be more."""
        started = self._system.clock.monotonic()
        while self._system.clock.monotonic() - started < SLICE_SECONDS and not self._sender.stopped:
            if not self._next_chunk(connection, job_id):
                self._milestones.settle(job_id)
                return False
            failpoints.reach("between_chunks")
            self._milestones.progress(job_id)
        return True

    def _next_chunk(self, connection: Connection, job_id: UUID) -> bool:
        """Lease one chunk and carry it as far as it goes; False when there is none to lease."""
        job = chunk = lease = None
        notes: Counter[noted.Noted] = Counter()
        try:
            with connection.begin():
                job = self._jobs.get(connection, job_id)
                busy = self._sender.is_busy(job)
                if not busy:
                    chunk = self._lease(connection, job)
                if chunk is not None:
                    lease, notes = self._process(connection, job, chunk)
            self._sender.telling.notes(job, notes, {})
            if busy:
                # Nobody else tells how far it has come as long as nothing can be sent.
                self._milestones.progress(job_id)
            if chunk is None:
                return False
            if lease is not None:
                self._sender.send(connection, job, chunk, lease)
        except Exception as error:
            if job is None or chunk is None or is_outage(error):
                raise
            logger.exception("chunk %s of job %s failed", chunk.number, job_id)
            splitting.set_back(connection, job, chunk, lease, self._system.clock.now())
        return True

    def _lease(self, connection: Connection, job: WorkingJob) -> Row[Any] | None:
        fence = self._system.fence.parameters
        asked = {"job_id": job.id, "patience": PATIENCE_SECONDS, "captured": job.is_captured, **fence}
        return connection.execute(_LEASE, asked).first()

    def _landed(self, job_id: UUID, trips: bool, let_go: bool) -> None:
        """Outcomes are recorded. A chunk that nobody stands beside has been let go: somebody should look at the job."""
        if trips:
            self._milestones.trip(job_id)
        elif let_go and self._is_paused(job_id):
            self._milestones.report(job_id)  # it may be the last that is heard of it for long
        else:
            self._milestones.progress(job_id)
        if let_go:
            self._ring(job_id, 1)

    def _is_paused(self, job_id: UUID) -> bool:
        with self._system.engine.connect() as connection:
            return self._status(connection, job_id) == "paused"

    def _process(
        self, connection: Connection, job: WorkingJob, chunk: Row[Any]
    ) -> tuple[Lease | None, Counter[noted.Noted]]:
        """Walk a leased chunk; its new lease when it has effects outside to make, else None, and what was noted."""
        now = self._system.clock.now()
        fresh = chunk.state == "ready" and chunk.size > 0
        marked = fresh and bool(chunk.address_marks)
        marks = dict(zip(chunk.person_ids, chunk.address_marks, strict=True)) if marked else {}
        walk = Walk(job.route, DatabaseWorld(connection, self._system, job.project_id, marks), now)
        if fresh:
            entries = self._enter(connection, job, walk, chunk.person_ids)
            ledger.write_first(connection, job.id, entries, now, marks)
        else:
            entries, reached = self._go_on(connection, job, walk, chunk)
            ledger.write_again(connection, job.id, entries, now, reached)
        notes = noted.noted(entries)
        failures.add(connection, job.id, chunk.number, noted.failures(notes, {}))
        change = ledger.tally(entries)
        outside = change["in_progress"]
        if not fresh:
            change["in_progress"] -= sum(change.values())
            change["reached"] = len(reached)
        ledger.count(connection, job.id, chunk.number, change, "sending" if outside else "done")
        return (Lease.take(connection, job.id, chunk.number) if outside else None), notes

    def _enter(self, connection: Connection, job: WorkingJob, walk: Walk, ids: Sequence[int]) -> list[Entry]:
        """Everybody of a fresh chunk at the first step, but for those who left since the audience was frozen."""
        gone = ledger.unreachable(connection, job, ids)
        here = [id for id in ids if id not in gone] if gone else list(ids)
        return [*walk.run([Group(job.route.definition.entry, here)]), *_left_out(gone)]

    def _go_on(
        self, connection: Connection, job: WorkingJob, walk: Walk, chunk: Row[Any]
    ) -> tuple[list[Entry], set[int]]:
        """Those of a chunk who are in progress, from where they stand, but for those who left meanwhile.

        Also the people of these who may have been reached before they left, by an attempt that nobody recorded.
        """
        rows = ledger.in_progress(connection, job.id, chunk)
        gone = ledger.unreachable(connection, job, [row.person_id for row in rows])
        left = [row for row in rows if row.person_id in gone and not row.reached]
        here = [row for row in rows if row.person_id not in gone]
        begun = unrecorded(connection, job.id, left)
        reached = begun.union(row.person_id for row in rows if row.reached)
        return [*of_reached(walk.run(standing(here)), reached), *_left_out(gone, reached)], begun

    @contextmanager
    def _slot(self, connection: Connection, job_id: str) -> Iterator[bool]:
        """One of the job's slots, or False: then enough workers are at it and this bell has nothing to say."""
        slots = self._system.settings.drainers
        with connection.begin():
            slot = connection.execute(_TAKE_SLOT, {"job": job_id, "slots": slots}).scalar()
        try:
            yield slot is not None
        finally:
            if slot is not None:
                with connection.begin():
                    connection.execute(_LEAVE_SLOT, {"job": job_id, "slot": slot})


def _left_out(gone: Mapping[int, str], reached: Collection[int] = ()) -> list[Entry]:
    """People for whom nothing may be done any more, by the reason; who was reached before exits."""
    groups: dict[tuple[str, str], list[int]] = {}
    for id, reason in sorted(gone.items()):
        groups.setdefault((reason, "exited" if id in reached else "skipped"), []).append(id)
    return [Entry(status, ids, [], reason=reason) for (reason, status), ids in sorted(groups.items())]


def standing(rows: Iterable[Row[Any]]) -> list[Group]:
    """People who are in progress, grouped by the step at which they go on.

    People who stand before an effect outside stay where they are: the sender takes them from there.
    """
    groups: dict[str | None, list[Row[Any]]] = {}
    for row in rows:
        groups.setdefault(row.at_step, []).append(row)
    return [
        Group(step, [row.person_id for row in rows], variables=ledger.saved_variables(rows))
        for step, rows in groups.items()
    ]
