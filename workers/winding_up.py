"""The end of a cancel: what was not begun is dropped, people without an outcome are skipped or exit, piece by piece.

A piece is a transaction of its own, so however many people wait, no lock is held for long and a crash loses no more
than a piece. Statements follow the primary key and join nothing, for the reason that `waking` gives.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from sqlalchemy import Connection, text

from engine.store import head_status
from projections.failed_runs import NO_ADDRESS
from projections.run_rows import alone_with_chunks
from workers import ledger
from workers.attempts import unrecorded

AT_ONCE = 5_000
"""Runs that are looked at in one transaction."""

# What was never begun is skipped as it stands; a wake chunk that was never begun leaves its people in progress.
_CANCEL_CHUNKS = text(
    "UPDATE chunks SET state = 'cancelled', skipped = skipped + CASE WHEN size > 0 THEN size ELSE 0 END "
    "WHERE job_id = :id AND state = 'ready'"
)
_STILL_SENDING = text("SELECT 1 FROM chunks WHERE job_id = :id AND state = 'sending' AND leased_until >= now() LIMIT 1")
_SENDING = text("SELECT number, person_ids, size FROM chunks WHERE job_id = :id AND state = 'sending' FOR UPDATE")
_REACHED = text(
    "UPDATE runs SET reached = true WHERE job_id = :id AND person_id BETWEEN :first AND :last "
    "AND person_id = ANY (CAST(:people AS bigint[])) AND NOT reached"
)
_COUNT_REACHED = text("UPDATE chunks SET reached = reached + :more WHERE job_id = :id AND number = :number")
_STOP_SENDING = text("UPDATE chunks SET state = 'done' WHERE job_id = :id AND state = 'sending'")

_HAS_OPEN = text("SELECT coalesce(sum(waiting), 0) + coalesce(sum(in_progress), 0) > 0 FROM chunks WHERE job_id = :id")
_END_OF_PIECE = text(
    "SELECT max(person_id) FROM (SELECT person_id FROM runs WHERE job_id = :id AND person_id > :after "
    "ORDER BY person_id LIMIT :limit) piece"
)
# A chunk without people takes them from one count to the other. Who is not failed exits if reached, or else is skipped.
_END = text(
    "WITH standing AS (SELECT status, at_step, CASE WHEN :outcome = 'failed' THEN 'failed' WHEN reached THEN 'exited' "
    "ELSE 'skipped' END AS outcome FROM runs WHERE job_id = :id AND person_id > :after AND person_id <= :upto "
    "AND status IN ('waiting', 'in_progress') FOR UPDATE), "
    "ended AS (UPDATE runs SET status = CASE WHEN :outcome = 'failed' THEN 'failed' WHEN reached THEN 'exited' "
    "ELSE 'skipped' END, reason = :reason, wake_at = NULL, updated_at = :now, "
    "steps = CASE WHEN :outcome = 'failed' AND at_step IS NOT NULL THEN steps || jsonb_build_object("
    "'step', at_step, 'outcome', 'failed', 'reason', CAST(:reason AS text)) ELSE steps END "
    "WHERE job_id = :id AND person_id > :after AND person_id <= :upto AND status IN ('waiting', 'in_progress')), "
    "counted AS ("
    "INSERT INTO chunks (job_id, number, person_ids, size, state, failed, exited, skipped, waiting, in_progress) "
    "SELECT :id, (SELECT max(number) + 1 FROM chunks WHERE job_id = :id), '{}', 0, 'done', "
    "count(*) FILTER (WHERE outcome = 'failed'), count(*) FILTER (WHERE outcome = 'exited'), "
    "count(*) FILTER (WHERE outcome = 'skipped'), "
    "-count(*) FILTER (WHERE status = 'waiting'), -count(*) FILTER (WHERE status = 'in_progress') FROM standing "
    "HAVING count(*) > 0 RETURNING number) "
    "INSERT INTO failed_steps (job_id, chunk, step_id, reason, host, failed, went_on, retried) "
    "SELECT :id, number, coalesce(at_step, ''), :reason, '', count(*), 0, 0 FROM standing, counted "
    "WHERE outcome = 'failed' GROUP BY number, coalesce(at_step, '')"
)
# Chunks that nobody has begun: their people get a row each, and what was confirmed of their addresses with it.
_FAIL_CHUNKS = text(
    "WITH begun AS (UPDATE chunks SET state = 'done', failed = failed + greatest(size, 0) "
    "WHERE job_id = :id AND state = 'ready' RETURNING number, person_ids, address_marks, size), "
    "rows AS (INSERT INTO runs (job_id, person_id, status, reason, steps, updated_at, address_mark) "
    "SELECT :id, p.id, 'failed', :reason, '[]'::jsonb, :now, "
    "CASE WHEN begun.address_marks IS NOT NULL THEN coalesce(begun.address_marks[p.place], :none) END FROM begun "
    "CROSS JOIN LATERAL unnest(begun.person_ids) WITH ORDINALITY AS p (id, place) WHERE begun.size > 0) "
    "INSERT INTO failed_steps (job_id, chunk, step_id, reason, host, failed, went_on, retried) "
    "SELECT :id, number, '', :reason, '', size, 0, 0 FROM begun WHERE size > 0"
)

_TRY_ALONE = text("SELECT pg_try_advisory_lock(hashtextextended(:id, -6))")
_LEAVE = text("SELECT pg_advisory_unlock(hashtextextended(:id, -6))")


@dataclass(frozen=True)
class Ending:
    """How people end who have no outcome: `failed`, or `skipped` and exited if they were reached; why, and when."""

    outcome: str
    reason: str
    at: datetime


@contextmanager
def alone(connection: Connection, job_id: UUID) -> Iterator[bool]:
    """Whether the caller is the only one to wind this job up, over any number of transactions, until the block ends."""
    with connection.begin():
        mine = bool(connection.execute(_TRY_ALONE, {"id": str(job_id)}).scalar())
    try:
        yield mine
    finally:
        if mine:
            with connection.begin():
                connection.execute(_LEAVE, {"id": str(job_id)})


def wind_up(connection: Connection, job_id: UUID, now: datetime) -> bool:
    """Drop what was not begun and skip everybody without an outcome; False if a sender is still at a sub-batch.

    It stops before the next one, and the sweep rings again.
    """
    with connection.begin():
        if head_status(connection, job_id) != "cancelling" or not _stop_chunks(connection, job_id):
            return False
    after: int | None = -1
    ending = _cancelled(now)
    while after is not None:
        with connection.begin():
            after = _end_piece(connection, job_id, after, ending)
    return True


def skip_the_rest(connection: Connection, job_id: UUID, now: datetime) -> None:
    """Skip those who were woken while the job was wound up. Nobody is woken until the caller's transaction ends."""
    connection.execute(_CANCEL_CHUNKS, {"id": job_id})
    _end_the_rest(connection, job_id, _cancelled(now))


def fail_the_rest(connection: Connection, job_id: UUID, reason: str, now: datetime) -> bool:
    """Fail everybody without an outcome; False if a sender is still at work, which can read what others cannot."""
    if connection.execute(_STILL_SENDING, {"id": job_id}).first() is not None:
        return False
    alone_with_chunks(connection, job_id)
    connection.execute(_FAIL_CHUNKS, {"id": job_id, "reason": reason, "now": now, "none": NO_ADDRESS})
    _count_begun(connection, job_id)
    connection.execute(_STOP_SENDING, {"id": job_id})
    _end_the_rest(connection, job_id, Ending("failed", reason, now))
    return True


def _cancelled(now: datetime) -> Ending:
    return Ending("skipped", "job_cancelled", now)


def _end_the_rest(connection: Connection, job_id: UUID, ending: Ending) -> None:
    after: int | None = -1
    while after is not None:
        after = _end_piece(connection, job_id, after, ending)


def _stop_chunks(connection: Connection, job_id: UUID) -> bool:
    connection.execute(_CANCEL_CHUNKS, {"id": job_id})
    if connection.execute(_STILL_SENDING, {"id": job_id}).first() is not None:
        return False
    _count_begun(connection, job_id)
    connection.execute(_STOP_SENDING, {"id": job_id})
    return True


def _end_piece(connection: Connection, job_id: UUID, after: int, ending: Ending) -> int | None:
    """End those of the next people of the ledger who have no outcome; the last of them, or None if there are none."""
    alone_with_chunks(connection, job_id)
    if not connection.execute(_HAS_OPEN, {"id": job_id}).scalar():
        return None
    piece = {"id": job_id, "after": after}
    upto: int | None = connection.execute(_END_OF_PIECE, {**piece, "limit": AT_ONCE}).scalar()
    if upto is not None:
        ended = {**piece, "upto": upto, "now": ending.at, "outcome": ending.outcome, "reason": ending.reason}
        connection.execute(_END, ended)
    return upto


def _count_begun(connection: Connection, job_id: UUID) -> None:
    """Count people in the middle of an effect as reached: it was begun, and its outcome will be recorded by nobody."""
    for chunk in connection.execute(_SENDING, {"id": job_id}).all():
        standing = [row for row in ledger.in_progress(connection, job_id, chunk) if not row.reached]
        begun = sorted(unrecorded(connection, job_id, standing))
        if begun:
            people = {"first": begun[0], "last": begun[-1], "people": begun}
            more = connection.execute(_REACHED, {"id": job_id, **people}).rowcount
            connection.execute(_COUNT_REACHED, {"id": job_id, "more": more, "number": chunk.number})
