"""Reactions: what the log says has happened, turned into bells. The log is the outbox.

This follower has a position of its own, moved after the bells were rung; a crash in between rings them twice and
repeats lines of the operator's log, which is harmless. Runs of jobs that ended are counted together with the position.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from sqlalchemy import Connection

from aggregates.base import Event
from aggregates.batch_job.events import (
    BatchJobApproved,
    BatchJobCancelled,
    BatchJobCancelRequested,
    BatchJobCompleted,
    BatchJobEnrolled,
    BatchJobRequested,
    BatchJobResumed,
    BatchJobRunCancelled,
    BatchJobUnknownDecided,
)
from aggregates.batch_job.standing import OUTCOMES
from projections import failpoints, results
from projections.view import Recorded
from workers import lines
from workers.broker import Bells


class Reactions:
    """Follows the log and rings for every job that has something to do."""

    name = "reactions"

    def __init__(self, bells: Bells, drainers: int) -> None:
        self._bells = bells
        self._drainers = drainers

    def handle(self, connection: Connection, batch: Sequence[Recorded]) -> None:
        results.add(connection, _ended(batch))
        for recorded in batch:
            lines.tell(recorded)
            times = self._bells_for(recorded.event)
            if times:
                failpoints.reach("before_bell")
                self._bells.ring(recorded.event.originator_id, times)
                failpoints.reach("bell_rung")

    def _bells_for(self, event: Event) -> int:
        match event:
            case (
                BatchJobRequested(status="queued")
                | BatchJobApproved()
                | BatchJobCancelRequested()
                | BatchJobRunCancelled()
                | BatchJobUnknownDecided()
            ):
                return 1
            case BatchJobEnrolled():
                return min(event.chunks, self._drainers)
            case BatchJobResumed():
                return self._drainers
            case _:
                return 0


def _ended(batch: Sequence[Recorded]) -> Counter[results.Result]:
    """The runs of jobs that have ended, by what they came to."""
    found: Counter[results.Result] = Counter()
    for recorded in batch:
        if isinstance(recorded.event, BatchJobCompleted | BatchJobCancelled):
            counts = recorded.event.counts
            found.update({("runs", "", outcome): counts.get(outcome, 0) for outcome in OUTCOMES})
    return found
