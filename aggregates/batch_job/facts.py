"""What the events of a batch job add up to."""

from __future__ import annotations

from typing import Any

from aggregates.approval import asked_of
from aggregates.base import Aggregate, Event
from aggregates.batch_job.events import (
    BatchJobApproved,
    BatchJobCancelled,
    BatchJobCancelRequested,
    BatchJobCompleted,
    BatchJobEnrolled,
    BatchJobFailed,
    BatchJobPaused,
    BatchJobProgressed,
    BatchJobRejected,
    BatchJobRequested,
    BatchJobResumed,
    BatchJobRunCancelled,
    BatchJobStepDecided,
    BatchJobUnknownDecided,
)
from aggregates.lineage import recorded_heads
from aggregates.pace import Pace
from aggregates.reach import PerPerson


class Recorded(Aggregate):
    """A batch job as it stands by its events; what may be done with it is `BatchJob`'s business."""

    def _acknowledged(self, acknowledgement: dict[str, Any]) -> None:
        self.acknowledgement = acknowledgement
        self.acknowledged_count: int = acknowledgement["count"]
        self.fingerprint: str = acknowledgement["fingerprint"]
        self.per_person = PerPerson.of(acknowledgement.get("per_person"))

    def _requested(self, event: BatchJobRequested) -> None:
        self.workflow_id = self.parent_id = event.workflow_id
        self.workflow_version = event.workflow_version
        self.variables = event.variables
        self._acknowledged(event.acknowledgement)
        self.request_digest = event.request_digest
        self.send_mode = event.send_mode
        self.schedule_id = event.schedule_id
        self.requesters = recorded_heads(event.meta)
        self.asked = asked_of(event)
        self.held_because = event.held_because
        self.rejected_with: str | None = None
        self.paused_by_agent: str | None = None
        self.pauses = 0
        self.paused_by_command: str | None = None
        self.approved_by: str | None = None
        self.decisions: dict[str, str] = {}
        self.cancelled_runs: frozenset[int] = frozenset()
        self.unknown_decided: dict[int, str] = {}
        self.frozen = event.frozen
        self.manual = event.manual
        self.retry_of = event.retry_of
        self.pace = Pace.of(event.rate, event.breaker)
        self.due_at = event.held_until
        self.enrolled: int | None = None
        self.counts: dict[str, int] = {}
        self.reached: int | None = 0
        self.status = event.status

    def _paused(self, event: BatchJobPaused) -> None:
        self.pauses += 1
        self.paused_by_command = event.meta["command_id"]
        self.paused_by_agent = event.meta["actor"] if event.guarded else None

    def _changed_runs(self, event: Event) -> None:
        match event:
            case BatchJobStepDecided():
                self.decisions = {**self.decisions, event.step_id: event.decision}
            case BatchJobUnknownDecided():
                self.unknown_decided = {**self.unknown_decided, event.person_id: event.decision}
            case BatchJobRunCancelled():
                self.cancelled_runs |= {event.person_id}

    def evolve(self, event: Event) -> None:
        match event:
            case BatchJobRequested():
                self._requested(event)
            case BatchJobApproved():
                self._acknowledged(event.acknowledgement)
                self.approved_by = event.meta["actor"]
            case BatchJobRejected():
                self.rejected_with = event.code
            case BatchJobPaused():
                self._paused(event)
            case BatchJobStepDecided() | BatchJobUnknownDecided() | BatchJobRunCancelled():
                self._changed_runs(event)
            case BatchJobEnrolled():
                self.enrolled = event.enrolled
            case BatchJobResumed():
                self.status = "queued" if self.enrolled is None else "running"
            case BatchJobProgressed() | BatchJobCancelled():
                self.counts = event.counts
                self.reached = event.reached
            case BatchJobCompleted():
                self.counts = event.counts
                self.reached = event.reached
                self.status = "completed_with_failures" if event.failures else "completed"
        self.status = _STATUS.get(type(event), self.status)
        if self.status != "held":
            self.due_at = None


_STATUS: dict[type[Event], str] = {
    BatchJobApproved: "queued",
    BatchJobRejected: "rejected",
    BatchJobEnrolled: "running",
    BatchJobPaused: "paused",
    BatchJobCancelRequested: "cancelling",
    BatchJobCancelled: "cancelled",
    BatchJobFailed: "failed",
}
"""Where an event leads whatever was before."""
