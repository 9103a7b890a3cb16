"""What the log says about jobs and schedules, as lines that an operator reads: one an event, never one a person."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from typing import Any

from aggregates.base import Event
from aggregates.batch_job import events as jobs
from aggregates.schedule import events as schedules
from projections.view import Recorded

logger = logging.getLogger(__name__)

LINES: Mapping[type[Event], tuple[str, tuple[str, ...]]] = {
    jobs.BatchJobRequested: ("job.requested", ("workflow_id", "status", "held_because", "send_mode")),
    jobs.BatchJobApproved: ("job.approved", ()),
    jobs.BatchJobRejected: ("job.rejected", ("code",)),
    jobs.BatchJobEnrolled: ("job.begun", ("enrolled", "chunks")),
    jobs.BatchJobPaused: ("job.paused", ("tripped",)),
    jobs.BatchJobResumed: ("job.resumed", ()),
    jobs.BatchJobCancelRequested: ("job.cancelling", ()),
    jobs.BatchJobCancelled: ("job.cancelled", ("counts", "reached")),
    jobs.BatchJobCompleted: ("job.completed", ("counts", "reached", "failures")),
    jobs.BatchJobFailed: ("job.failed", ("code",)),
    schedules.ScheduleFired: ("occurrence.fired", ("batch_job_id",)),
    schedules.ScheduleOccurrenceHeld: ("occurrence.held", ("batch_job_id", "reason")),
    schedules.ScheduleOccurrencesSkipped: ("occurrences.skipped", ("reason",)),
    schedules.SchedulePaused: ("schedule.paused", ()),
}
"""The name of the line, and the fields of the event that are in it: words and numbers of ours, no text of anybody."""

WARNS = frozenset({"job.failed", "job.rejected", "occurrence.held", "occurrences.skipped", "schedule.paused"})


def line_of(recorded: Recorded) -> tuple[int, str, dict[str, Any]] | None:
    """Level, name and fields of the line about an event; None where nobody has to see it."""
    event = recorded.event
    name, fields = LINES.get(type(event), ("", ()))
    if not name:
        return None
    of = "job_id" if name.startswith("job.") else "schedule_id"
    told = {of: str(event.originator_id), "project_id": str(recorded.project_id), "position": recorded.position}
    told |= {"request_id": event.meta.get("request_id"), "actor": event.meta.get("actor")}
    for field in fields:
        value = getattr(event, field)
        told[field] = value if value is None or isinstance(value, int | float | dict) else str(value)
    tripped = getattr(event, "tripped", None) is not None
    warns = name in WARNS or tripped or bool(getattr(event, "failures", False))
    return (logging.WARNING if warns else logging.INFO), "job.tripped" if tripped else name, told


def tell(recorded: Recorded) -> None:
    """Write the line about an event, if there is one."""
    line = line_of(recorded)
    if line is not None:
        level, name, told = line
        logger.log(level, name, extra=told)
