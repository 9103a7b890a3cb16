"""Chunks that fail: tried again a little later, then split until the person is found for whom they fail.

Whatever raises while a chunk is processed takes the whole chunk's transaction with it. So a chunk that has failed three
times is done in pieces, and a piece that fails is split again; what fails for a single person ends that run, with a
reason, and everybody else goes on. Meanwhile other chunks of the job are taken first.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from math import isqrt
from typing import Any
from uuid import UUID

from sqlalchemy import Connection, Row, text

from aggregates.walk.entry import Entry
from projections.failed_runs import NO_ADDRESS
from projections.failures import add as add_failures
from projections.run_rows import alone_with_chunks
from workers import ledger
from workers.attempts import unrecorded
from workers.jobs import WorkingJob
from workers.leases import Lease

TRIES = 3
"""How often a chunk fails before it is split. Its pieces are split at the first failure."""

PAUSE_SECONDS = 2
"""How long a chunk that has failed is left alone, for each time that it has."""

FAILED = "run.crashed"
"""The reason of a run for which the engine itself fails; its log says how."""

_SET_BACK = text(
    "UPDATE chunks SET failures = failures + 1, "
    "leased_until = now() + make_interval(secs => :pause * (failures + 1)) WHERE job_id = :job_id "
    "AND number = :number AND fence = :fence AND state IN ('ready', 'sending') RETURNING failures"
)
# Everybody of a chunk that was never begun is at the first step from now on, in the hands of a piece.
_BEGIN = text(
    "INSERT INTO runs (job_id, person_id, status, at_step, steps, updated_at, address_mark) "
    "SELECT :job_id, p.id, 'in_progress', :at_step, '[]', :now, p.mark "
    "FROM unnest(CAST(:ids AS bigint[]), CAST(:marks AS bigint[])) AS p (id, mark)"
)
_SPLIT = text(
    "UPDATE chunks SET state = 'done', leased_until = NULL, in_progress = in_progress + :begun "
    "WHERE job_id = :job_id AND number = :number"
)
_PIECE = text(
    "WITH mine AS (UPDATE runs SET resumed_by = :piece WHERE job_id = :job_id AND person_id BETWEEN :first AND :last "
    "AND person_id = ANY (CAST(:ids AS bigint[]))) "
    "INSERT INTO chunks (job_id, number, person_ids, size, state, failures) "
    "VALUES (:job_id, :piece, CAST(:ids AS bigint[]), 0, 'ready', :failures)"
)
_LAST_CHUNK = text("SELECT max(number) FROM chunks WHERE job_id = :job_id")


def set_back(connection: Connection, job: WorkingJob, chunk: Row[Any], lease: Lease | None, now: datetime) -> None:
    """A chunk has failed in the caller's hands: leave it alone for a while, or split it.

    `lease` is the one under which it was sent; then it is split at once, because each try may send again. Nothing is
    done when the chunk is another worker's by now.
    """
    held = {"job_id": job.id, "number": chunk.number}
    fence, tries = (chunk.fence, TRIES) if lease is None else (lease.fence, 1)
    with connection.begin():
        failures = connection.execute(_SET_BACK, {**held, "fence": fence, "pause": PAUSE_SECONDS}).scalar()
        if failures is None or failures < tries:
            return
        alone_with_chunks(connection, job.id)
        fresh = lease is None and chunk.state == "ready" and chunk.size > 0
        begun = _begin(connection, job, chunk, now) if fresh else 0
        rows = ledger.in_progress(connection, job.id, chunk)
        if len(rows) == 1:
            ledger.count(connection, job.id, chunk.number, _end(connection, job, rows[0], begun, now), "done")
            add_failures(connection, job.id, chunk.number, {(rows[0].at_step or "", FAILED, "", "failed"): 1})
        else:
            connection.execute(_SPLIT, {**held, "begun": begun})
            _cut(connection, job.id, [row.person_id for row in rows])


def _begin(connection: Connection, job: WorkingJob, chunk: Row[Any], now: datetime) -> int:
    marks = [mark or NO_ADDRESS for mark in chunk.address_marks] if chunk.address_marks else [None] * chunk.size
    told = {"job_id": job.id, "at_step": job.route.definition.entry, "now": now}
    connection.execute(_BEGIN, {**told, "ids": chunk.person_ids, "marks": marks})
    return int(chunk.size)


def _cut(connection: Connection, job_id: UUID, people: Sequence[int]) -> None:
    """Pieces of about the root of their number, so that two more failures find one person among hundreds."""
    size = max(isqrt(len(people)), 1)
    piece = connection.execute(_LAST_CHUNK, {"job_id": job_id}).scalar_one()
    for start in range(0, len(people), size):
        ids = people[start : start + size]
        piece += 1
        told = {"job_id": job_id, "piece": piece, "first": ids[0], "last": ids[-1], "failures": TRIES - 1}
        connection.execute(_PIECE, {**told, "ids": ledger.as_array(ids)})


def _end(connection: Connection, job: WorkingJob, row: Row[Any], begun: int, now: datetime) -> dict[str, int]:
    """End the run of the one person for whom the chunk fails; the change of the chunk's counters."""
    # A message may have left before the failure: then the person counts as reached.
    reached = set() if row.reached else unrecorded(connection, job.id, [row])
    note = {"step": row.at_step, "outcome": "failed", "reason": FAILED}
    ledger.write_again(connection, job.id, [Entry("failed", [row.person_id], [note], reason=FAILED)], now, reached)
    return {**dict.fromkeys(ledger.COUNTERS, 0), "failed": 1, "in_progress": begun - 1, "reached": len(reached)}
