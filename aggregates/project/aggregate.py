"""The project: made once; its policy is set as often as somebody wants it otherwise.

| from   | command    | to     |
|--------|------------|--------|
| -      | create     | active |
| active | set_policy | active |
| active | release    | active |
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any, Self

from aggregates.base import Aggregate, Event, Meta
from aggregates.project.events import FenceReleased, PolicySet, ProjectCreated, ProjectFound
from aggregates.shape import changes

Change = tuple[str, str]
"""What was before, and what is now."""


class Project(Aggregate):
    TOPIC = "project"
    KIND = "project"

    # -- commands

    @classmethod
    def create(cls, name: str, *, meta: Meta) -> Self:
        """A new project; its stream is the project that the command is in."""
        return cls.begin(ProjectCreated, meta.principal.project_id, meta, name=name)

    @classmethod
    def found(cls, name: str, limits: Mapping[str, Any], *, meta: Meta) -> Self:
        """A project from before projects were recorded, as it stands."""
        return cls.begin(ProjectFound, meta.principal.project_id, meta, name=name, limits=dict(limits))

    def set_policy(self, limits: Mapping[str, Any], *, widened: Collection[str], meta: Meta) -> None:
        """Narrow this of the installation's policy and nothing else; the same again records nothing."""
        found = list(changes("", self.limits, dict(limits)))
        if found:
            self.emit(PolicySet, meta, changes=found, widened=sorted(widened))

    def release(self, because: str, *, location: Change, name: Change, reason: str, meta: Meta) -> None:
        """This database is the installation now, and sends for this project: `location` and `name`, before and now."""
        self.emit(
            FenceReleased,
            meta,
            because=because,
            location_before=location[0],
            location=location[1],
            name_before=name[0],
            name=name[1],
            reason=reason,
        )

    # -- facts

    def evolve(self, event: Event) -> None:
        match event:
            case ProjectCreated():
                self.name = event.name
                self.limits: dict[str, Any] = {}
                self.status = "active"
            case ProjectFound():
                self.name = event.name
                self.limits = event.limits
                self.status = "active"
            case PolicySet():
                after = {change["pointer"].removeprefix("/"): change["after"] for change in event.changes}
                both = {**self.limits, **after}
                self.limits = {name: limit for name, limit in both.items() if limit is not None}
            case FenceReleased():
                pass  # it is the installation's, which no project decides by
