"""What a sizing is for, as options: a batch at a pace, or a schedule."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Any

from cyclopts import Parameter

from engine.cli.inputs import share
from engine.cli.refs import AnySchedule
from engine.cli.terms import Exdates, Growth, Lift, Timezone

RECURRENCE = ("rrule", "starts_at", "timezone", "exdates", "max_growth", "lifted")
PACE = ("rate", "breaker")
"""What of a schedule's terms its confirm token is bound to; the pace is told as that of a batch is."""


@Parameter(name="*")
@dataclass(frozen=True, kw_only=True)
class ScheduleSized:
    """The schedule that a sizing is for; without any of these it is for a batch."""

    schedule: AnySchedule = None
    rrule: Annotated[str | None, Parameter(help="The rule that it will have.")] = None
    starts_at: Annotated[str | None, Parameter(help="The first local time that it will have.")] = None
    timezone: Timezone = None
    exdate: Exdates = None
    max_growth: Growth = None
    lift: Lift = ()

    def given(self) -> dict[str, Any]:
        """What was told, as the server names it."""
        terms = {
            "schedule_id": self.schedule,
            "rrule": self.rrule,
            "starts_at": self.starts_at,
            "timezone": self.timezone,
            "exdates": None if self.exdate is None else list(self.exdate),
            "max_growth": share(self.max_growth, "--max-growth"),
            "lifted": list(self.lift) or None,
        }
        told = {name: value for name, value in terms.items() if value is not None}
        return {"schedule": told} if told else {}


NO_SCHEDULE = ScheduleSized()


def for_schedule(terms: dict[str, Any], schedule: str | None = None) -> dict[str, Any]:
    """What to size for a schedule with these terms, as a command of ours will send them."""
    recurrence = {name: terms[name] for name in RECURRENCE if name in terms}
    named = {} if schedule is None else {"schedule_id": schedule}
    pace = {name: terms[name] for name in PACE if name in terms}
    return {"variables": terms.get("variables"), **pace, "schedule": named | recurrence}
