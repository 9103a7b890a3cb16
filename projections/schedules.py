"""The view `schedules`: one row a schedule."""

from __future__ import annotations

from typing import Any

from sqlalchemy import Connection, update
from sqlalchemy.dialects.postgresql import insert

from aggregates.base import Principal
from aggregates.schedule.events import ScheduleAttached, ScheduleDetached, SchedulePaused, ScheduleResumed
from projections import tables
from projections.page import Page, Reader, as_id
from projections.view import Recorded, View


class SchedulesView(View):
    source = tables.schedules

    def apply(self, connection: Connection, recorded: Recorded) -> None:
        event = recorded.event
        match event:
            case ScheduleAttached():
                row = {
                    "id": event.originator_id,
                    "project_id": recorded.project_id,
                    "workflow_id": event.workflow_id,
                    "status": "active",
                    "revision": event.originator_version,
                    **event.recurrence,
                    "variables": event.variables,
                    "acknowledged_count": event.acknowledgement["count"],
                    "created_at": event.timestamp,
                    "created_by": event.meta["actor"],
                    "updated_at": event.timestamp,
                }
                connection.execute(insert(self.table).values(row).on_conflict_do_nothing())
                return
            case SchedulePaused():
                change: dict[str, Any] = {"status": "paused", "note": event.note}
            case ScheduleResumed():
                change = {"status": "active", "note": None, "acknowledged_count": event.acknowledgement["count"]}
            case ScheduleDetached():
                change = {"status": "detached", "note": event.note}
            case _:
                return
        connection.execute(
            update(self.table)
            .where(self.table.c.id == event.originator_id)
            .values(**change, revision=event.originator_version, updated_at=event.timestamp)
        )


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
