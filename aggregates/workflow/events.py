"""What can happen to a workflow. What its authors write is kept outside the log, which has the skeleton."""

from __future__ import annotations

from typing import Any

from aggregates.base import CreatedEvent, Event
from aggregates.outside import content_parts


class WorkflowCreated(CreatedEvent):
    TOPIC = "workflow.created.v1"
    OUTSIDE = ("name", "description")
    PARTED = {"content": content_parts}
    name: str
    description: str
    content: dict[str, Any]


class WorkflowEdited(Event):
    """A draft got new content or a new name; `version` counts contents and moves only with them."""

    TOPIC = "workflow.edited.v1"
    OUTSIDE = ("name", "description")
    PARTED = {"content": content_parts}
    name: str
    description: str
    content: dict[str, Any]
    version: int


class WorkflowActivated(Event):
    TOPIC = "workflow.activated.v1"


class WorkflowDisabled(Event):
    TOPIC = "workflow.disabled.v1"


class WorkflowAgentRunsSet(Event):
    """Whether agents run it by hand: `never`, `confirmed` (a human confirms each run) or `free`."""

    TOPIC = "workflow.agent_runs_set.v1"
    agent_runs: str


class WorkflowArchived(Event):
    TOPIC = "workflow.archived.v1"


class WorkflowRestored(Event):
    """An archived workflow is a draft again."""

    TOPIC = "workflow.restored.v1"
