"""What can happen to a schedule."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from aggregates.base import CreatedEvent, Event


class ScheduleAttached(CreatedEvent):
    """A recurrence was attached to a batch workflow; the acknowledgement is its standing approval."""

    TOPIC = "schedule.attached.v1"
    workflow_id: UUID
    recurrence: dict[str, Any]
    variables: dict[str, Any]
    acknowledgement: dict[str, Any]


class SchedulePaused(Event):
    TOPIC = "schedule.paused.v1"
    note: str


class ScheduleResumed(Event):
    TOPIC = "schedule.resumed.v1"
    acknowledgement: dict[str, Any]


class ScheduleDetached(Event):
    TOPIC = "schedule.detached.v1"
    note: str
