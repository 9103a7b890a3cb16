"""Look ahead: when a schedule, or a recurrence that nobody has attached, comes next."""

from __future__ import annotations

from dataclasses import dataclass, field
from uuid import UUID
from zoneinfo import ZoneInfo

from aggregates.errors import Problem, invalid
from aggregates.recurrence import Recurrence
from aggregates.schedule.aggregate import Schedule
from commands.context import Accepted, Context
from commands.terms import recurrence_of

PREVIEWED_AT_ONCE = 100


@dataclass(frozen=True)
class PreviewSchedule:
    """The next instants of a recurrence, or of a schedule that is there. Records nothing, contacts nobody."""

    schedule_id: UUID | None = None
    rrule: str | None = None
    starts_at: str | None = None
    timezone: str = "UTC"
    exdates: list[str] = field(default_factory=list)
    count: int = 10


def preview(command: PreviewSchedule, ctx: Context) -> Accepted:
    if command.schedule_id is not None:
        schedule = ctx.store.load(Schedule, command.schedule_id, ctx.meta)
        recurrence: Recurrence | None = schedule.terms.recurrence
        problems: list[Problem] = []
    else:
        recurrence, problems = recurrence_of(ctx, command.rrule, command.starts_at, command.timezone, command.exdates)
    if not 1 <= command.count <= PREVIEWED_AT_ONCE:
        message = f"1 to {PREVIEWED_AT_ONCE} occurrences."
        problems.append(Problem("/count", "field.invalid", message, None, "integer", 10))
    if recurrence is None or problems:
        raise invalid("schedule.invalid", problems)
    occurrences = [
        {
            "at": found.instant.isoformat(),
            "local": found.instant.astimezone(ZoneInfo(recurrence.timezone)).isoformat(),
            "nominal": found.nominal.isoformat(),
            "note": found.note,
        }
        for found in recurrence.upcoming(ctx.meta.now, command.count)
    ]
    subject = str(command.schedule_id) if command.schedule_id else ""
    return Accepted(subject, {**recurrence.as_data(), "occurrences": occurrences})
