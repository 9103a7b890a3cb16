"""The view `batch_jobs`: one row a job, with the counts of its latest milestone."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from sqlalchemy import Connection, case

from aggregates.base import Principal
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
)
from projections import tables, unknown_outcomes
from projections.changes import Changes
from projections.page import Page, Reader, as_id
from projections.person_facts import word_for_reader
from projections.view import Recorded, View


class BatchJobsView(View):
    source = tables.batch_jobs
    topics = ("batch_job.",)

    def apply(self, connection: Connection, changes: Changes, recorded: Recorded) -> None:
        event = recorded.event
        if isinstance(event, BatchJobRequested):
            changes.add(_row(recorded, event))
            return
        change = self._change(event)
        if change is not None:
            stamp = {"revision": event.originator_version, "updated_at": event.timestamp}
            changes.change(connection, event.originator_id, {**change, **stamp})

    def _change(self, event: object) -> dict[str, Any] | None:
        """What an event of a job changes in its row; None for events of others."""
        match event:
            case BatchJobApproved():
                return {
                    "status": "queued",
                    "reason": None,
                    "held_until": None,
                    "approved_by": event.meta["actor"],
                    "acknowledged": event.acknowledgement["count"],
                }
            case BatchJobRejected():
                reason = f"{event.code}: {event.reason}"
                return {"status": "rejected", "reason": reason, "held_until": None, "finished_at": event.timestamp}
            case BatchJobEnrolled():
                return {
                    "status": "running",
                    "enrolled": event.enrolled,
                    "pending": event.enrolled,
                    "started_at": event.timestamp,
                }
            case BatchJobProgressed():
                return _counted(event)
            case BatchJobPaused():
                return {"status": "paused", "reason": event.reason}
            case BatchJobResumed():
                status = case((self.table.c.enrolled.is_(None), "queued"), else_="running")
                return {"status": status, "reason": None}
            case BatchJobCancelRequested():
                return {"status": "cancelling", "reason": event.reason}
            case BatchJobCancelled():
                return {"status": "cancelled", "finished_at": event.timestamp, **_counted(event)}
            case BatchJobCompleted():
                outcome = "completed_with_failures" if event.failures else "completed"
                return {"status": outcome, "finished_at": event.timestamp, **_counted(event)}
            case BatchJobFailed():
                return {"status": "failed", "reason": f"{event.code}: {event.reason}", "finished_at": event.timestamp}
            case _:
                return None


class BatchJobReads(Reader):
    """Batch jobs of the principal's project."""

    def list(
        self,
        principal: Principal,
        *,
        workflow_id: object | None = None,
        schedule_id: object | None = None,
        status: str | None = None,
        limit: int = 20,
        after: str | None = None,
    ) -> Page:
        """Newest first."""
        self.authorize(principal, "batch_jobs.list")
        workflow = None if workflow_id is None else as_id(workflow_id, "workflow.not_found")
        schedule = None if schedule_id is None else as_id(schedule_id, "schedule.not_found")
        page = self.newest(
            principal,
            tables.batch_jobs,
            "requested_at",
            limit=limit,
            after=after,
            workflow_id=workflow,
            schedule_id=schedule,
            status=status,
        )
        return replace(page, data=[_as_told(principal, row) for row in page.data])

    def get(self, principal: Principal, batch_job_id: object) -> dict[str, Any]:
        """One job, and how many of those who wait in it do so because nobody knows what became of an effect."""
        self.authorize(principal, "batch_jobs.get")
        job = _as_told(principal, self.one(principal, tables.batch_jobs, batch_job_id, "batch_job.not_found"))
        with self.engine.connect() as connection:
            # Nobody waits for a decision in a job in which nobody waits.
            return job | {"outcome_unknown": unknown_outcomes.left(connection, job["id"]) if job["waiting"] else 0}


def _as_told(principal: Principal, job: dict[str, Any]) -> dict[str, Any]:
    return {**job, "reason": word_for_reader(principal, job["reason"])}


def _counted(event: BatchJobProgressed | BatchJobCancelled | BatchJobCompleted) -> dict[str, Any]:
    return {**event.counts, "reached": event.reached}


def _row(recorded: Recorded, event: BatchJobRequested) -> dict[str, Any]:
    late = max((event.timestamp - event.scheduled_for).total_seconds(), 0.0) if event.scheduled_for else None
    return {
        "id": event.originator_id,
        "project_id": recorded.project_id,
        "workflow_id": event.workflow_id,
        "workflow_version": event.workflow_version,
        "manual": event.manual,
        "retry_of": event.retry_of,
        "rate": event.rate,
        "breaker": event.breaker,
        "schedule_id": event.schedule_id,
        "scheduled_for": event.scheduled_for,
        "fired_at": event.timestamp if event.scheduled_for else None,
        "late_by_seconds": late,
        "held_until": event.held_until,
        "frozen": event.frozen,
        "status": event.status,
        "reason": event.held_because,
        "revision": event.originator_version,
        "send_mode": event.send_mode,
        "variables": event.variables,
        "acknowledged": event.acknowledgement["count"],
        "reached": 0,
        "requested_by": event.meta["actor"],
        "source": event.meta["source"],
        "requested_at": event.timestamp,
        "updated_at": event.timestamp,
    }
