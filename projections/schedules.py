"""The views `schedules`, one row a schedule, and `occurrences`, what became of each planned instant."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, case

from aggregates.base import Event, Principal
from aggregates.schedule.events import (
    ScheduleAttached,
    ScheduleCompleted,
    ScheduleDetached,
    ScheduleFired,
    ScheduleOccurrenceBuffered,
    ScheduleOccurrenceHeld,
    ScheduleOccurrencesSkipped,
    SchedulePaused,
    ScheduleResumed,
    ScheduleRevised,
)
from projections import tables
from projections.changes import Changes
from projections.page import Page, Reader, as_id, decode_cursor, mine
from projections.person_facts import word_for_reader
from projections.view import Recorded, View


class SchedulesView(View):
    source = tables.schedules
    topics = ("schedule.",)

    def apply(self, connection: Connection, changes: Changes, recorded: Recorded) -> None:
        event = recorded.event
        match event:
            case ScheduleAttached():
                row = {
                    "id": event.originator_id,
                    "project_id": recorded.project_id,
                    "workflow_id": event.workflow_id,
                    "status": "active",
                    "revision": event.originator_version,
                    **_terms(event),
                    **_approval(event),
                    "next_occurrence": event.next_occurrence,
                    "created_at": event.timestamp,
                    "created_by": event.meta["actor"],
                    "updated_at": event.timestamp,
                }
                changes.add(row)
                return
            case ScheduleRevised():
                revived = case(
                    (self.table.c.status != "completed", self.table.c.status),
                    else_="completed" if event.next_occurrence is None else "active",
                )
                change: dict[str, Any] = {"status": revived, **_terms(event), **_approval(event)}
            case SchedulePaused():
                change = {"status": "paused", "note": event.note, "next_occurrence": None}
            case ScheduleResumed():
                change = {"status": "active", "note": None, **_approval(event)}
            case ScheduleFired() | ScheduleOccurrenceHeld():
                change = {"last_occurrence": event.scheduled_for}
            case ScheduleOccurrenceBuffered() | ScheduleOccurrencesSkipped():
                change = {}
            case ScheduleCompleted():
                change = {"status": "completed"}
            case ScheduleDetached():
                change = {"status": "detached", "note": event.note, "next_occurrence": None}
            case _:
                return
        if hasattr(event, "next_occurrence"):
            change["next_occurrence"] = event.next_occurrence
        stamp = {"revision": event.originator_version, "updated_at": event.timestamp}
        changes.change(connection, event.originator_id, {**change, **stamp})


def _terms(event: ScheduleAttached | ScheduleRevised) -> dict[str, Any]:
    # Schedules attached by the first release say nothing of how they fire.
    firing = event.firing or {"overlap": "skip", "catch_up": "latest", "catch_up_window_minutes": 60}
    pace = {"rate": event.rate, "breaker": event.breaker}
    return {"exdates": [], **event.recurrence, **firing, **pace, "variables": event.variables}


def _approval(event: ScheduleAttached | ScheduleRevised | ScheduleResumed) -> dict[str, Any]:
    """What a fresh acknowledgement sets; nothing when there was none."""
    if event.acknowledgement is None:
        return {}
    approval = event.approval or {}
    ends = approval.get("expires_at")
    return {
        "acknowledged_count": event.acknowledgement["count"],
        "acknowledged_by": approval.get("by", event.meta["actor"]),
        "workflow_version": approval.get("workflow_version"),
        "max_growth": approval.get("max_growth"),
        "ceiling": approval.get("ceiling"),
        "approval_expires_at": datetime.fromisoformat(ends) if ends else None,
    }


class OccurrencesView(View):
    source = tables.occurrences
    topics = ("schedule.",)
    keys = ("schedule_id", "scheduled_for")

    def apply(self, connection: Connection, changes: Changes, recorded: Recorded) -> None:
        event = recorded.event
        match event:
            case ScheduleFired():
                rows = [{"state": "fired", "batch_job_id": event.batch_job_id, **_decided(event, event.scheduled_for)}]
            case ScheduleOccurrenceHeld():
                held = {"state": "held", "reason": event.reason, "batch_job_id": event.batch_job_id}
                rows = [{**held, **_decided(event, event.scheduled_for)}]
            case ScheduleOccurrenceBuffered():
                rows = [{"state": "buffered", "reason": "overlap", **_decided(event, event.scheduled_for)}]
            case ScheduleOccurrencesSkipped():
                skipped = {"state": "skipped", "reason": event.reason}
                rows = [{**skipped, **_decided(event, occurrence)} for occurrence in event.scheduled_for]
            case _:
                return
        blank = {"project_id": recorded.project_id, "reason": None, "batch_job_id": None}
        for row in rows:
            changes.keep(self.keys, {**blank, **row})


def _decided(event: Event, occurrence: datetime) -> dict[str, Any]:
    late = (event.timestamp - occurrence).total_seconds()
    return {
        "schedule_id": event.originator_id,
        "scheduled_for": occurrence,
        "late_by_seconds": max(late, 0.0),
        "decided_at": event.timestamp,
    }


class ScheduleReads(Reader):
    """Schedules of the principal's project."""

    def list(
        self,
        principal: Principal,
        *,
        workflow_id: object | None = None,
        status: str | None = None,
        limit: int = 20,
        after: str | None = None,
    ) -> Page:
        """Newest first."""
        self.authorize(principal, "schedules.list")
        workflow = None if workflow_id is None else as_id(workflow_id, "workflow.not_found")
        return self.newest(
            principal, tables.schedules, "created_at", limit=limit, after=after, workflow_id=workflow, status=status
        )

    def get(self, principal: Principal, schedule_id: object) -> dict[str, Any]:
        self.authorize(principal, "schedules.get")
        return self.one(principal, tables.schedules, schedule_id, "schedule.not_found")

    def occurrences(
        self,
        principal: Principal,
        schedule_id: object,
        *,
        state: str | None = None,
        limit: int = 20,
        after: str | None = None,
    ) -> Page:
        """What became of a schedule's occurrences, the latest first."""
        self.authorize(principal, "schedules.occurrences")
        schedule = self.one(principal, tables.schedules, schedule_id, "schedule.not_found")
        table = tables.occurrences
        statement = mine(principal, table).where(table.c.schedule_id == schedule["id"])
        if state is not None:
            statement = statement.where(table.c.state == state)
        if after is not None:
            statement = statement.where(table.c.scheduled_for < decode_cursor(after, (datetime.fromisoformat,))[0])
        page = self.page(statement.order_by(table.c.scheduled_for.desc()), limit, ("scheduled_for",), table.name)
        told = [{**row, "reason": word_for_reader(principal, row["reason"])} for row in page.data]
        return replace(page, data=told)
