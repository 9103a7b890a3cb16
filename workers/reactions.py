"""Reactions: what the log says has happened, turned into bells. The log is the outbox.

This follower has a position of its own, moved after the bells were rung; a crash in between rings them twice,
which is harmless.
"""

from __future__ import annotations

from collections.abc import Sequence

from sqlalchemy import Connection

from aggregates.base import Event
from aggregates.batch_job.events import (
    BatchJobApproved,
    BatchJobCancelRequested,
    BatchJobEnrolled,
    BatchJobRequested,
    BatchJobResumed,
    BatchJobRunCancelled,
    BatchJobUnknownDecided,
)
from projections import failpoints
from projections.view import Recorded
from workers.broker import Bells


class Reactions:
    """Follows the log and rings for every job that has something to do."""

    name = "reactions"

    def __init__(self, bells: Bells, drainers: int) -> None:
        self._bells = bells
        self._drainers = drainers

    def handle(self, connection: Connection, batch: Sequence[Recorded]) -> None:
        for recorded in batch:
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
