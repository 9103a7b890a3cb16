"""How many active schedules a workflow may have, and how close they may come to each other."""

from __future__ import annotations

from uuid import UUID

from aggregates.errors import DomainError, Problem, invalid
from aggregates.recurrence import Recurrence
from aggregates.recurrence.together import clash
from aggregates.schedule.aggregate import Schedule
from commands.context import Context

MOST_ACTIVE = 20
"""Active schedules that a workflow may have."""


def require_room(ctx: Context, workflow_id: UUID, recurrence: Recurrence, *, schedule_id: UUID | None = None) -> None:
    """Refuse one more active schedule of a workflow that has enough, or whose others it would come too close to.

    `schedule_id` is the schedule that is to have this recurrence, if there is one already. Whoever asks for another
    one of the workflow at this moment waits until this command has ended.
    """
    active = ctx.store.siblings(Schedule, workflow_id, ctx.meta, "active")
    others = [schedule for schedule in active if schedule.id != schedule_id]
    if len(others) >= MOST_ACTIVE:
        raise DomainError("schedule.too_many", details={"active": len(others), "most": MOST_ACTIVE})
    least = ctx.policy.minimum_interval
    for other in others:
        if other.terms.recurrence == recurrence:
            raise DomainError("schedule.already_attached", details={"schedule_id": str(other.id)})
        met = clash(recurrence, other.terms.recurrence, now=ctx.meta.now, least=least)
        if met is not None:
            minutes = f"{least.total_seconds() / 60:g}"
            message = (
                f"Schedule {other.id} of this workflow occurs less than {minutes} minutes apart, around "
                f"{met.isoformat()}."
            )
            raise invalid("schedule.invalid", [Problem("/rrule", "rrule.too_close", message)])
