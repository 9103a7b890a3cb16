"""The view `workflows`: one row a workflow, its content as last saved."""

from __future__ import annotations

from typing import Any

from sqlalchemy import Connection, bindparam, case

from aggregates.base import Principal
from aggregates.workflow.events import (
    WorkflowActivated,
    WorkflowAgentRunsSet,
    WorkflowArchived,
    WorkflowCreated,
    WorkflowDisabled,
    WorkflowEdited,
    WorkflowRestored,
)
from projections import tables
from projections.changes import Changes
from projections.page import Page, Reader, shown
from projections.view import Recorded, View

_STATUS = {
    WorkflowActivated: "active",
    WorkflowDisabled: "draft",
    WorkflowArchived: "archived",
    WorkflowRestored: "draft",
}


SHOWN_SCHEDULES = 100
"""Most schedules shown with a workflow."""


_ATTACHED = (
    shown(tables.schedules)
    .where(
        tables.schedules.c.project_id == bindparam("of_project_id"),
        tables.schedules.c.workflow_id == bindparam("of_workflow_id"),
        tables.schedules.c.status != "detached",
    )
    .order_by(case((tables.schedules.c.status == "active", 0), else_=1), tables.schedules.c.created_at)
    .limit(SHOWN_SCHEDULES)
)


class WorkflowsView(View):
    source = tables.workflows
    topics = ("workflow.",)

    def apply(self, connection: Connection, changes: Changes, recorded: Recorded) -> None:
        event = recorded.event
        if isinstance(event, WorkflowCreated):
            changes.add(_row(recorded, event))
            return
        change = _change(event)
        if change is not None:
            stamp = {"revision": event.originator_version, "updated_at": event.timestamp}
            changes.change(connection, event.originator_id, {**change, **stamp, "updated_by": event.meta["actor"]})


class WorkflowReads(Reader):
    """Workflows of the principal's project."""

    def list(
        self, principal: Principal, *, status: str | None = None, limit: int = 20, after: str | None = None
    ) -> Page:
        """Newest first; metadata only, without content."""
        self.authorize(principal, "workflows.list")
        return self.newest(
            principal, tables.workflows, "created_at", limit=limit, after=after, without=["content"], status=status
        )

    def get(self, principal: Principal, workflow_id: object) -> dict[str, Any]:
        """One workflow with its content and its schedules."""
        self.authorize(principal, "workflows.get")
        data = self.one(principal, tables.workflows, workflow_id, "workflow.not_found")
        values = {"of_project_id": principal.project_id, "of_workflow_id": data["id"]}
        with self.engine.connect() as connection:
            data["schedules"] = [dict(row._mapping) for row in connection.execute(_ATTACHED, values)]
        content = data.pop("content")
        return {**data, **content}


def _change(event: object) -> dict[str, Any] | None:
    """What an event of a workflow changes in its row; None for events of others."""
    match event:
        case WorkflowEdited():
            named = {"name": event.name, "description": event.description, "version": event.version}
            return {**named, **_content(event.content)}
        case WorkflowAgentRunsSet():
            return {"agent_runs": event.agent_runs}
        case WorkflowActivated() | WorkflowDisabled() | WorkflowArchived() | WorkflowRestored():
            return {"status": _STATUS[type(event)]}
        case _:
            return None


def _row(recorded: Recorded, event: WorkflowCreated) -> dict[str, Any]:
    return {
        "id": event.originator_id,
        "project_id": recorded.project_id,
        "name": event.name,
        "description": event.description,
        "status": "draft",
        "version": 1,
        "revision": event.originator_version,
        **_content(event.content),
        "created_at": event.timestamp,
        "created_by": event.meta["actor"],
        "updated_at": event.timestamp,
        "updated_by": event.meta["actor"],
    }


def _content(content: dict[str, Any]) -> dict[str, Any]:
    trigger = content.get("trigger")
    kind = trigger.get("type") if isinstance(trigger, dict) else None
    return {"content": content, "trigger_type": kind if isinstance(kind, str) else ""}
