"""What is shown of a schedule, and what may be said of it in a sentence."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

from mcp_adapter.schemas import Row, Text

BUDGET = 6_000
"""Characters of schedules that workflows-get shows; the others are counted."""

LARGE = 1_500
"""Characters from which a schedule comes without its variables and exdates, unless it is asked for by its id."""

LIVE_FIRST = ("active", "paused", "completed")

WAITING = "its last occurrence waits for the batch before it"


class ScheduleRow(Row):
    """A schedule. `next_occurrence` is an instant in UTC, and is there only while the schedule is active."""

    schedule_id: Text
    status: str
    rrule: str
    starts_at: str
    timezone: str
    exdates: list[str] | None = None
    overlap: str
    catch_up: str
    catch_up_window_minutes: int
    rate: str | None = None
    breaker: dict[str, Any] | None = None
    acknowledged: int
    max_growth: float | None = None
    ceiling: int | None = None
    approval_expires_at: Text | None = None
    next_occurrence: Text | None = None


class AttachedSchedule(ScheduleRow):
    """A schedule as workflows-get shows it."""

    variables: dict[str, Any] | None = None
    note: str | None = None
    last_occurrence: Text | None = None
    details_omitted: bool | None = None


def attached(row: Mapping[str, Any]) -> AttachedSchedule:
    """A row of the view, whole."""
    upcoming = row["next_occurrence"] if row["status"] == "active" else None
    named = {"schedule_id": row["id"], "acknowledged": row["acknowledged_count"], "next_occurrence": upcoming}
    return AttachedSchedule(**{**row, **named})


def within_budget(rows: Sequence[Mapping[str, Any]]) -> list[AttachedSchedule]:
    """What fits of a workflow's schedules, those that are active first."""
    shown: list[AttachedSchedule] = []
    left = BUDGET
    for row in sorted(rows, key=lambda row: LIVE_FIRST.index(row["status"])):
        schedule = attached(row)
        if _length(schedule) > LARGE:
            schedule = schedule.model_copy(update={"variables": None, "exdates": None, "details_omitted": True})
        left -= _length(schedule)
        if left < 0 and shown:
            break
        shown.append(schedule)
    return shown


def liveness(workflow_status: str, rows: Sequence[Mapping[str, Any]]) -> str:
    """Whether anything will fire by itself, and when."""
    live = [row for row in rows if row["status"] == "active"]
    if not live:
        return f"It has {_schedules(len(rows))}, none active: nothing fires by itself."
    if workflow_status != "active":
        return f"It has {_schedules(len(live), 'active ')}, skipping every occurrence while it is {workflow_status}."
    soonest = min((row["next_occurrence"] for row in live if row["next_occurrence"]), default=None)
    then = f"next at {soonest.isoformat()}" if soonest else WAITING
    return f"It is live: {len(live)} of {_schedules(len(rows))} active, {then}."


def _schedules(count: int, which: str = "") -> str:
    return f"{count} {which}schedule{'' if count == 1 else 's'}"


def _length(schedule: AttachedSchedule) -> int:
    return len(json.dumps(schedule.model_dump(mode="json", exclude_none=True), ensure_ascii=False))
