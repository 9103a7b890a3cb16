"""What can happen to a workflow. Personal data never appears here."""

from __future__ import annotations

from typing import Any

from aggregates.base import CreatedEvent, Event


class WorkflowCreated(CreatedEvent):
    TOPIC = "workflow.created.v1"
    name: str
    description: str
    content: dict[str, Any]


class WorkflowEdited(Event):
    """A draft got new content or a new name; `version` counts contents and moves only with them."""

    TOPIC = "workflow.edited.v1"
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
