"""What can happen to a project. Its stream has the project's own id."""

from __future__ import annotations

from typing import Any

from aggregates.base import CreatedEvent, Event
from aggregates.outside import changes_parts, limits_parts


class ProjectCreated(CreatedEvent):
    """A project was made; it narrows nothing."""

    TOPIC = "project.created.v1"
    name: str


class ProjectFound(CreatedEvent):
    """A project from before projects were recorded, as it stood when its policy was first set again."""

    TOPIC = "project.found.v1"
    PARTED = {"limits": limits_parts}
    name: str
    limits: dict[str, Any]


class PolicySet(Event):
    """The project narrows something else of the installation's policy than before.

    `changes` is leaf by leaf: `{pointer, before, after}`, None for what is not narrowed. `widened` has the pointers of
    those that leave more room than before. What was held under the policy before stays held.
    """

    TOPIC = "policy.set.v1"
    PARTED = {"changes": changes_parts}
    changes: list[dict[str, Any]]
    widened: list[str]


class FenceReleased(Event):
    """An operator has said that this database is the installation now, so that it sends again.

    `location` and `name` are where and what it is, `location_before` and `name_before` what was recorded. `because` is
    what had raised the fence: `location`, `log` or `name`.
    """

    TOPIC = "project.fence_released.v1"
    OUTSIDE = ("reason",)
    because: str
    location: str
    location_before: str
    name: str
    name_before: str
    reason: str
