"""What is sent back of a schedule: by the commands about it, and by a look ahead."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any
from uuid import UUID

from pydantic import BaseModel, Field

from engine.http.answers import Accepted
from engine.http.confirmation_rows import Confirmable


class ScheduleAccepted(Confirmable, Accepted):
    schedule_id: UUID
    workflow_id: UUID
    status: str
    rrule: str
    starts_at: str
    timezone: str
    exdates: list[str]
    overlap: str
    catch_up: str
    catch_up_window_minutes: int
    rate: str | None
    breaker: dict[str, Any] | None
    variables: dict[str, Any]
    acknowledged: int
    max_growth: Annotated[float | None, Field(description="Null if it was attached before approvals had a ceiling.")]
    ceiling: Annotated[int | None, Field(description="An occurrence that would reach more people is held.")]
    approval_expires_at: datetime | None
    next_occurrence: Annotated[datetime | None, Field(description="Null while it is not active.")]


class UpcomingAnswer(BaseModel):
    """One occurrence that is to come."""

    at: Annotated[datetime, Field(description="The instant, in UTC.")]
    local: Annotated[datetime, Field(description="The same instant on the wall of the zone, with its offset.")]
    nominal: Annotated[str, Field(description="The wall time that the rule names; in spring it may not exist.")]
    note: Annotated[str | None, Field(description="What a change of the clocks makes of it.")]


class PreviewAnswer(BaseModel):
    """The next occurrences of a recurrence. Fewer than were asked for, if it ends."""

    schedule_id: UUID | None = None
    rrule: str
    starts_at: str
    timezone: str
    exdates: list[str]
    occurrences: list[UpcomingAnswer]
