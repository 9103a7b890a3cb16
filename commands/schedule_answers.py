"""What every command about a schedule tells of it."""

from __future__ import annotations

from typing import Any

from aggregates.schedule.aggregate import Schedule
from aggregates.schedule.seen import changed, flat
from commands.context import Accepted


def schedule_answer(schedule: Schedule, position: int) -> Accepted:
    """The answer to a command about a schedule."""
    return Accepted(str(schedule.id), schedule_data(schedule), position)


def terms_shown(schedule: Schedule) -> dict[str, Any]:
    """What a human reads beside the number: the terms as they are, and what of them no person has confirmed."""
    now = flat(schedule.terms)
    return {**now, "changed": changed(schedule.seen, now), "revised_by": list(dict.fromkeys(schedule.revisers))}


def schedule_data(schedule: Schedule) -> dict[str, Any]:
    """What such an answer says of it, and what a human reads before they confirm."""
    approval = schedule.approval
    upcoming = schedule.next_occurrence if schedule.status == "active" else None
    return {
        "schedule_id": str(schedule.id),
        "workflow_id": str(schedule.workflow_id),
        "status": schedule.status,
        **schedule.terms.recurrence.as_data(),
        **schedule.terms.firing.as_data(),
        **schedule.terms.pace.as_data(),
        "variables": dict(schedule.terms.variables),
        "acknowledged": schedule.acknowledgement["count"],
        "max_growth": approval.max_growth if approval else None,
        "ceiling": approval.ceiling if approval else None,
        "approval_expires_at": approval.as_data()["expires_at"] if approval else None,
        "next_occurrence": upcoming.isoformat() if upcoming else None,
    }
