"""The workflow: versioned content and the status that decides who may use it.

| from     | command | to       |
|----------|---------|----------|
| -        | create  | draft    |
| draft    | edit    | draft    |
| draft    | enable  | active   |
| active   | disable | draft    |
| draft    | archive | archived |
| active   | archive | archived |
| archived | restore | draft    |
| any      | set_agent_runs | as before |
"""

from __future__ import annotations

from typing import Any, Self
from uuid import UUID

from aggregates.base import Aggregate, Event, Meta
from aggregates.errors import DomainError, Problem, invalid
from aggregates.workflow.definition import Definition
from aggregates.workflow.events import (
    WorkflowActivated,
    WorkflowAgentRunsSet,
    WorkflowArchived,
    WorkflowCreated,
    WorkflowDisabled,
    WorkflowEdited,
    WorkflowRestored,
)

WAS_STOPPED = "It was active before it was disabled: a person enables it."
WAS_LIVE = "It was active before it was archived: a person restores it."
AGENT_RUNS = ("never", "confirmed", "free")
"""Whether agents start runs of a manual workflow that can send: not at all, confirmed by a human, or by themselves."""


class Workflow(Aggregate):
    TOPIC = "workflow"
    KIND = "workflow"

    # -- commands

    @classmethod
    def create(cls, id: UUID, *, name: str, description: str, content: dict[str, Any], meta: Meta) -> Self:
        """A draft. Content is plain data that the caller has validated as strictly as its source asks."""
        return cls.begin(WorkflowCreated, id, meta, name=name, description=description, content=content)

    def edit(
        self, *, name: str, description: str, content: dict[str, Any], made_against: int | None, meta: Meta
    ) -> None:
        """Replace a draft's name, description and content.

        `made_against` is the version that the editor saw; None trusts the caller to have the latest.
        """
        if made_against is not None and made_against != self.content_version:
            raise DomainError("workflow.stale", details={"made_against": made_against, "version": self.content_version})
        if self.status == "archived":
            raise DomainError("workflow.archived")
        if self.status != "draft":
            raise DomainError("workflow.not_draft", details={"status": self.status})
        if (name, description, content) == (self.name, self.description, self.content):
            return
        version = self.content_version + (content != self.content)
        if meta.principal.guarded and self.agent_runs == "free":
            # A human let agents run what they had seen, and not what an agent makes of it.
            self.emit(WorkflowAgentRunsSet, meta, agent_runs="confirmed")
        self.emit(WorkflowEdited, meta, name=name, description=description, content=content, version=version)

    def enable(self, definition: Definition | None, *, meta: Meta) -> None:
        """Go active; a Definition is the proof that the stored content is valid as a whole.

        What was active before was stopped by a human; its schedules and jobs would go on, so a human enables it again.
        """
        if self.status == "active":
            return
        self._require("draft", move="enable")
        if self.published and meta.principal.guarded:
            raise DomainError("workflow.not_for_agents", WAS_STOPPED)
        if definition is None:
            raise DomainError("workflow.invalid")
        self.emit(WorkflowActivated, meta)

    def disable(self, *, meta: Meta) -> None:
        if self.status == "draft":
            return
        self._require("active", move="disable")
        self.emit(WorkflowDisabled, meta)

    def archive(self, *, meta: Meta) -> None:
        if self.status == "archived":
            return
        self.emit(WorkflowArchived, meta)

    def restore(self, *, meta: Meta) -> None:
        """Back to draft. What was ever active has been in front of people: an agent does not bring it back."""
        if self.status == "draft":
            return
        self._require("archived", move="restore")
        if self.published and meta.principal.guarded:
            raise DomainError("workflow.not_for_agents", WAS_LIVE)
        self.emit(WorkflowRestored, meta)

    def set_agent_runs(self, agent_runs: str, *, meta: Meta) -> None:
        """Say whether agents run it by hand; only a human says it."""
        if meta.principal.guarded:
            raise DomainError("policy.not_for_agents")
        if agent_runs not in AGENT_RUNS:
            message = "never, confirmed or free."
            problem = Problem("/agent_runs", "field.invalid", message, None, list(AGENT_RUNS), "confirmed")
            raise invalid("request.invalid", [problem])
        if agent_runs != self.agent_runs:
            self.emit(WorkflowAgentRunsSet, meta, agent_runs=agent_runs)

    def published_content(self, version: int | None) -> tuple[int, dict[str, Any]]:
        """A version that has been active, the present one unless another is named; refused when it never was."""
        wanted = self.content_version if version is None else version
        if wanted not in self.published:
            raise DomainError("workflow.version_unknown", details={"version": wanted, "known": sorted(self.published)})
        return wanted, self.published[wanted]

    def _require(self, status: str, *, move: str) -> None:
        if self.status != status:
            code = "workflow.archived" if self.status == "archived" else "workflow.illegal_move"
            raise DomainError(code, details={"status": self.status, "move": move})

    # -- facts

    def evolve(self, event: Event) -> None:
        match event:
            case WorkflowCreated():
                self.name = event.name
                self.description = event.description
                self.content = event.content
                self.content_version = 1
                self.agent_runs = "confirmed"
                self.published: dict[int, dict[str, Any]] = {}
                self.stops: tuple[str, ...] = ()
                self.status = "draft"
            case WorkflowEdited():
                self.name = event.name
                self.description = event.description
                self.content = event.content
                self.content_version = event.version
            case WorkflowAgentRunsSet():
                self.agent_runs = event.agent_runs
            case WorkflowActivated():
                self.published = {**self.published, self.content_version: self.content}
                self.status = "active"
            case WorkflowDisabled():
                self._stopped(event)
                self.status = "draft"
            case WorkflowRestored():
                self.status = "draft"
            case WorkflowArchived():
                self._stopped(event)
                self.status = "archived"

    def _stopped(self, event: Event) -> None:
        """Keep which commands took it out of use: they paused its jobs, and nothing else of a job says so."""
        self.stops = (*self.stops, event.meta["command_id"])
