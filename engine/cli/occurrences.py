"""`tidegate schedules preview`, `occurrences`: when a schedule fires next, and what became of the times before."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from cyclopts import Parameter

from engine.cli.client import connect
from engine.cli.exits import usage
from engine.cli.lists import After, Every, Limit
from engine.cli.output import Column, Json, Output
from engine.cli.refs import AnySchedule, ScheduleRef
from engine.cli.terms import Exdates, Timezone

UPCOMING = (
    Column("at", "at"),
    Column("local", "local"),
    Column("as the rule says", "nominal", eye=False),
    Column("note", "note"),
)
PAST = (
    Column("scheduled for", "scheduled_for"),
    Column("state", "state"),
    Column("reason", "reason"),
    Column("job", "batch_job_id"),
    Column("late by seconds", "late_by_seconds", right=True),
    Column("decided", "decided_at", eye=False),
)


def preview(
    schedule: AnySchedule = None,
    *,
    rrule: Annotated[str | None, Parameter(help="A rule to look at, with --starts-at.")] = None,
    starts_at: Annotated[str | None, Parameter(help="The first local time: 2027-03-01T09:00:00.")] = None,
    timezone: Timezone = None,
    exdate: Exdates = None,
    count: Annotated[int, Parameter(name=("--count", "-n"), help="How many.")] = 10,
    json: Json = False,
) -> None:
    """The next occurrences of a schedule, or of a recurrence that is nowhere yet. Contacts nobody.

    Each with its local time, and a note where the clocks change.
    """
    terms: dict[str, Any] = {"rrule": rrule, "starts_at": starts_at, "timezone": timezone}
    terms |= {"exdates": None if exdate is None else list(exdate)}
    told = {name: value for name, value in terms.items() if value is not None}
    if schedule is None and not (rrule and starts_at):
        raise usage("Name a schedule, or give --rrule and --starts-at.", then="tidegate schedules preview --help")
    if schedule is not None and told:
        raise usage("A schedule has its own recurrence: name one, or give --rrule, not both.")
    api, out = connect(), Output(json)
    if schedule is None:
        found = api.post("/schedules/preview", {**told, "count": count})
    else:
        found = api.get(f"/schedules/{schedule}/preview", count=count)
    if json:
        out.document(found)
    else:
        out.rows(found["occurrences"], UPCOMING)


def occurrences(
    schedule: ScheduleRef,
    *,
    state: Literal["fired", "held", "skipped", "buffered"] | None = None,
    limit: Limit = 20,
    after: After = None,
    every: Every = False,
    json: Json = False,
) -> None:
    """What became of a schedule's occurrences, the latest first."""
    path = f"/schedules/{schedule}/occurrences"
    Output(json).page(connect().pages(path, limit=limit, after=after, every=every, state=state), PAST)
