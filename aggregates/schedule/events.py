"""What can happen to a schedule. Instants are UTC; `next_occurrence` is the one to be decided after this fact."""

from __future__ import annotations

from datetime import datetime
from typing import Any
from uuid import UUID

from aggregates.base import CreatedEvent, Event


class ScheduleAttached(CreatedEvent):
    """A recurrence was attached to a batch workflow; `approval` is what it may do until further notice.

    `rate` and `breaker` are those of each job that it starts.
    """

    TOPIC = "schedule.attached.v1"
    OUTSIDE = ("variables", "request_digest")
    class_version = 3
    workflow_id: UUID
    recurrence: dict[str, Any]
    variables: dict[str, Any]
    acknowledgement: dict[str, Any]
    approval: dict[str, Any] | None
    firing: dict[str, Any] | None
    request_digest: str
    next_occurrence: datetime | None
    rate: str | None
    breaker: dict[str, Any] | None

    @staticmethod
    def upcast_v1_v2(state: dict[str, Any]) -> None:
        """Such a schedule was never fired, and has nobody's word for it: it waits to be revised or resumed."""
        state |= {"approval": None, "firing": None, "request_digest": "", "next_occurrence": None}

    @staticmethod
    def upcast_v2_v3(state: dict[str, Any]) -> None:
        state |= {"rate": None, "breaker": None}


class ScheduleRevised(Event):
    """Any of its terms changed. While it is paused nobody acknowledges it; resuming does."""

    TOPIC = "schedule.revised.v1"
    OUTSIDE = ("variables",)
    class_version = 2
    recurrence: dict[str, Any]
    variables: dict[str, Any]
    firing: dict[str, Any]
    acknowledgement: dict[str, Any] | None
    approval: dict[str, Any] | None
    next_occurrence: datetime | None
    rate: str | None
    breaker: dict[str, Any] | None

    @staticmethod
    def upcast_v1_v2(state: dict[str, Any]) -> None:
        state |= {"rate": None, "breaker": None}


class SchedulePaused(Event):
    TOPIC = "schedule.paused.v1"
    OUTSIDE = ("note",)
    note: str


class ScheduleResumed(Event):
    """It goes on from now: what was due while it was paused is not made up."""

    TOPIC = "schedule.resumed.v1"
    class_version = 2
    acknowledgement: dict[str, Any]
    approval: dict[str, Any] | None
    next_occurrence: datetime | None

    @staticmethod
    def upcast_v1_v2(state: dict[str, Any]) -> None:
        state |= {"approval": None, "next_occurrence": None}


class ScheduleFired(Event):
    """An occurrence became a batch job."""

    TOPIC = "schedule.fired.v1"
    scheduled_for: datetime
    batch_job_id: UUID
    next_occurrence: datetime | None


class ScheduleOccurrenceHeld(Event):
    """An occurrence went beyond what was approved: its batch job waits for a human."""

    TOPIC = "schedule.occurrence_held.v1"
    scheduled_for: datetime
    batch_job_id: UUID
    reason: str
    next_occurrence: datetime | None


class ScheduleOccurrenceBuffered(Event):
    """An occurrence waits for the batch job of an earlier one to end."""

    TOPIC = "schedule.occurrence_buffered.v1"
    scheduled_for: datetime
    next_occurrence: datetime | None


class ScheduleOccurrencesSkipped(Event):
    """Occurrences that will never become batch jobs, oldest first, and why."""

    TOPIC = "schedule.occurrences_skipped.v1"
    scheduled_for: list[datetime]
    reason: str
    next_occurrence: datetime | None


class ScheduleCompleted(Event):
    """Its recurrence has no more occurrences."""

    TOPIC = "schedule.completed.v1"


class ScheduleDetached(Event):
    TOPIC = "schedule.detached.v1"
    OUTSIDE = ("note",)
    note: str
