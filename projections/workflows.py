"""The view `workflows`: one row a workflow, its content as last saved."""

from __future__ import annotations

from typing import Any

from sqlalchemy import Connection, select, update
from sqlalchemy.dialects.postgresql import insert

from aggregates.base import Principal
from aggregates.errors import DomainError
from aggregates.workflow.events import (
    WorkflowActivated,
    WorkflowArchived,
    WorkflowCreated,
    WorkflowDisabled,
    WorkflowEdited,
    WorkflowRestored,
)
from projections import tables
from projections.page import Page, Reader, as_id, paged
from projections.view import Recorded, View

_STATUS = {
    WorkflowActivated: "active",
    WorkflowDisabled: "draft",
    WorkflowArchived: "archived",
    WorkflowRestored: "draft",
}


class WorkflowsView(View):
    source = tables.workflows

    def apply(self, connection: Connection, recorded: Recorded) -> None:
        event = recorded.event
        if isinstance(event, WorkflowCreated):
            connection.execute(insert(self.table).values(_row(recorded, event)).on_conflict_do_nothing())
            return
        change = _change(event)
        if change is not None:
            change |= {"revision": event.originator_version, "updated_at": event.timestamp}
            connection.execute(
                update(self.table)
                .where(self.table.c.id == event.originator_id)
                .values(**change, updated_by=event.meta["actor"])
            )


class WorkflowReads(Reader):
    """Workflows of the principal's project."""

    def list(
        self, principal: Principal, *, status: str | None = None, limit: int = 20, after: str | None = None
    ) -> Page:
        """Newest first; metadata only, without content."""
        self.authorize(principal, "workflows.list")
        table = tables.workflows
        statement = select(*(c for c in table.c if c.name not in {"content", "project_id"})).where(
            table.c.project_id == principal.project_id
        )
        if status is not None:
            statement = statement.where(table.c.status == status)
        return self.page(
            paged(statement, table.c.created_at, table.c.id, after), limit, ("created_at", "id"), "workflows"
        )

    def get(self, principal: Principal, workflow_id: object) -> dict[str, Any]:
        """One workflow with its content and its schedules."""
        self.authorize(principal, "workflows.get")
        table, schedules = tables.workflows, tables.schedules
        with self.engine.connect() as connection:
            row = connection.execute(
                select(table).where(
                    table.c.id == as_id(workflow_id, "workflow.not_found"), table.c.project_id == principal.project_id
                )
            ).first()
            if row is None:
                raise DomainError("workflow.not_found")
            attached = connection.execute(
                select(schedules)
                .where(schedules.c.workflow_id == row.id, schedules.c.status != "detached")
                .order_by(schedules.c.created_at)
                .limit(100)
            )
            data = dict(row._mapping)
            del data["project_id"]
            data |= data.pop("content")
            data["schedules"] = [
                {name: value for name, value in schedule._mapping.items() if name != "project_id"}
                for schedule in attached
            ]
            return data


def _change(event: object) -> dict[str, Any] | None:
    """What an event of a workflow changes in its row; None for events of others."""
    match event:
        case WorkflowEdited():
            named = {"name": event.name, "description": event.description, "version": event.version}
            return {**named, **_content(event.content)}
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
