"""The batch job: requested once, enrolled once, ended once.

| from                       | command          | to                                     |
|----------------------------|------------------|----------------------------------------|
| -                          | request          | queued, or held                        |
| queued                     | enrol            | running                                |
| running                    | progress         | running                                |
| queued, running            | pause            | paused                                 |
| paused                     | resume           | queued or running, as before           |
| held, queued               | request_cancel   | cancelled                              |
| running, paused            | request_cancel   | cancelling                             |
| cancelling                 | finish_cancel    | cancelled                              |
| running                    | complete         | completed or completed_with_failures   |
| held, queued, running, ... | fail             | failed                                 |

Terminal: cancelled, completed, completed_with_failures, failed. They never change.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any, Self
from uuid import UUID

from aggregates.base import Aggregate, Event, Meta
from aggregates.batch_job.events import (
    BatchJobCancelled,
    BatchJobCancelRequested,
    BatchJobCompleted,
    BatchJobEnrolled,
    BatchJobFailed,
    BatchJobPaused,
    BatchJobProgressed,
    BatchJobRequested,
    BatchJobResumed,
)
from aggregates.errors import DomainError
from aggregates.values import Acknowledgement

TERMINAL = frozenset({"cancelled", "completed", "completed_with_failures", "failed", "rejected"})

OUTCOMES = ("delivered", "skipped", "failed", "exited")
OPEN = ("waiting", "in_progress", "pending")
COUNTS = OUTCOMES + OPEN
"""Every enrolled person is in exactly one of these."""


class BatchJob(Aggregate):
    TOPIC = "batch_job"
    KIND = "batch_job"

    # -- commands

    @classmethod
    def request(
        cls,
        id: UUID,
        *,
        workflow_id: UUID,
        workflow_version: int,
        variables: Mapping[str, Any],
        acknowledgement: Acknowledgement,
        request_digest: str,
        send_mode: str,
        held_because: str | None = None,
        schedule_id: UUID | None = None,
        scheduled_for: datetime | None = None,
        meta: Meta,
    ) -> Self:
        """A job over exactly the acknowledged people; `held_because` makes it wait for a human."""
        return cls.begin(
            BatchJobRequested,
            id,
            meta,
            workflow_id=workflow_id,
            workflow_version=workflow_version,
            variables=dict(variables),
            acknowledgement=acknowledgement.as_data(),
            request_digest=request_digest,
            send_mode=send_mode,
            schedule_id=schedule_id,
            scheduled_for=scheduled_for,
            status="held" if held_because else "queued",
            held_because=held_because,
        )

    def enrol(self, *, enrolled: int, chunks: int, fingerprint: str, meta: Meta) -> None:
        """Freeze the audience; refused when it is not the one that was acknowledged."""
        if self.enrolled is not None:
            return
        self._require("queued", move="enrol")
        if (enrolled, fingerprint) != (self.acknowledged_count, self.fingerprint):
            raise DomainError(
                "audience.drift",
                f"Now {enrolled:,}, acknowledged {self.acknowledged_count:,}.",
                details={"now": enrolled, "acknowledged": self.acknowledged_count},
            )
        self.emit(BatchJobEnrolled, meta, enrolled=enrolled, chunks=chunks)

    def progress(self, counts: Mapping[str, int], *, meta: Meta) -> None:
        """Record cumulative counts; equal counts and ended jobs record nothing."""
        if self.status not in {"running", "paused", "cancelling"} or dict(counts) == self.counts:
            return
        self._balanced(counts)
        self.emit(BatchJobProgressed, meta, counts=dict(counts))

    def pause(self, *, reason: str, meta: Meta) -> None:
        if self.status == "paused":
            return
        self._require("queued", "running", move="pause")
        self.emit(BatchJobPaused, meta, reason=reason)

    def resume(self, *, meta: Meta) -> None:
        if self.status in {"queued", "running"}:
            return
        self._require("paused", move="resume")
        self.emit(BatchJobResumed, meta)

    def request_cancel(self, *, reason: str, meta: Meta) -> None:
        """Stop; a job that nobody was enrolled for yet is cancelled at once."""
        if self.status in {"cancelling", "cancelled"}:
            return
        self._require("held", "queued", "running", "paused", move="cancel")
        self.emit(BatchJobCancelRequested, meta, reason=reason)
        if self.enrolled is None:
            self.emit(BatchJobCancelled, meta, counts=dict.fromkeys(COUNTS, 0))

    def finish_cancel(self, counts: Mapping[str, int], *, meta: Meta) -> None:
        """No further send starts from here on; those not reached are counted as skipped."""
        if self.status == "cancelled":
            return
        self._require("cancelling", move="finish_cancel")
        self._settled(counts)
        self.emit(BatchJobCancelled, meta, counts=dict(counts))

    def complete(self, counts: Mapping[str, int], *, meta: Meta) -> None:
        """End; refused unless everyone enrolled has an outcome."""
        if self.status in {"completed", "completed_with_failures"}:
            return
        self._require("running", move="complete")
        self._settled(counts)
        self.emit(BatchJobCompleted, meta, counts=dict(counts), failures=counts["failed"] > 0)

    def fail(self, *, code: str, reason: str, meta: Meta) -> None:
        if self.status == "failed":
            return
        self._require("held", "queued", "running", "paused", move="fail")
        self.emit(BatchJobFailed, meta, code=code, reason=reason)

    # -- guards

    @property
    def ended(self) -> bool:
        return self.status in TERMINAL

    def _require(self, *allowed: str, move: str) -> None:
        if self.status in allowed:
            return
        code = "batch_job.ended" if self.ended else "batch_job.illegal_move"
        raise DomainError(code, details={"status": self.status, "move": move})

    def _balanced(self, counts: Mapping[str, int]) -> None:
        if set(counts) != set(COUNTS) or min(counts.values()) < 0 or sum(counts.values()) != self.enrolled:
            raise DomainError("batch_job.unbalanced", details={"enrolled": self.enrolled, **counts})

    def _settled(self, counts: Mapping[str, int]) -> None:
        self._balanced(counts)
        if sum(counts[name] for name in OUTCOMES) != self.enrolled:
            raise DomainError("batch_job.unbalanced", details={"enrolled": self.enrolled, **counts})

    # -- facts

    def evolve(self, event: Event) -> None:
        match event:
            case BatchJobRequested():
                self.workflow_id = event.workflow_id
                self.workflow_version = event.workflow_version
                self.variables = event.variables
                self.acknowledgement = event.acknowledgement
                self.acknowledged_count: int = event.acknowledgement["count"]
                self.fingerprint: str = event.acknowledgement["fingerprint"]
                self.request_digest = event.request_digest
                self.send_mode = event.send_mode
                self.schedule_id = event.schedule_id
                self.requested_by = event.meta["actor"]
                self.enrolled: int | None = None
                self.counts: dict[str, int] = {}
                self.status = event.status
            case BatchJobEnrolled():
                self.enrolled = event.enrolled
                self.status = "running"
            case BatchJobProgressed():
                self.counts = event.counts
            case BatchJobPaused():
                self.status = "paused"
            case BatchJobResumed():
                self.status = "queued" if self.enrolled is None else "running"
            case BatchJobCancelRequested():
                self.status = "cancelling"
            case BatchJobCancelled():
                self.counts = event.counts
                self.status = "cancelled"
            case BatchJobCompleted():
                self.counts = event.counts
                self.status = "completed_with_failures" if event.failures else "completed"
            case BatchJobFailed():
                self.status = "failed"
