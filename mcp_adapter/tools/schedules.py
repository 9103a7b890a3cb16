"""Schedules: attach a recurrence to a batch workflow, change, pause and resume it, look ahead.

A schedule contacts people when nobody looks, so its texts ask for the number and for the cadence.
"""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import Field

from aggregates.errors import Problem, invalid
from aggregates.schedule.firing import CATCH_UPS, OVERLAPS
from commands.context import Accepted
from commands.preview import PreviewSchedule
from commands.schedule import AttachSchedule, PauseSchedule, ResumeSchedule, ReviseSchedule
from mcp_adapter.schemas import Answer, Arguments, Row, Text
from mcp_adapter.tool import READS_ONLY, Call, Effect, Tool
from mcp_adapter.tools.fields import (
    BreakerGiven,
    Count,
    Exdates,
    IdempotencyKey,
    Lifted,
    Rate,
    Reason,
    ScheduleId,
    Term,
    Token,
    Values,
    WorkflowId,
)
from mcp_adapter.tools.jobs import UNCONFIRMED
from mcp_adapter.tools.schedule_rows import WAITING, ScheduleRow
from projections.page import as_id

NOTES = {
    "moved_forward": "moved_forward: the clock skips that local time, so it fires at the next instant that exists.",
    "first_of_two": "first_of_two: the clock shows that local time twice; it fires once, at the first.",
}

Rrule = Annotated[Term, Field(description="One RFC 5545 rule: FREQ=WEEKLY;BYDAY=MO;BYHOUR=9;BYMINUTE=0")]
StartsAt = Annotated[Term, Field(description="Local time in timezone: 2027-01-04T09:00:00")]
TimeZone = Annotated[Term, Field(description="IANA name.")]
# The schema names the words, the command judges them: one refusal for all that is wrong with a schedule.
Overlap = Annotated[
    Term, Field(description="If the batch before is still at work.", json_schema_extra={"enum": list(OVERLAPS)})
]
CatchUp = Annotated[
    Term, Field(description="Of occurrences missed in the window.", json_schema_extra={"enum": list(CATCH_UPS)})
]
Growth = Annotated[float, Field(description="Share by which the audience may grow before an occurrence is held.")]
Expires = Annotated[
    Term, Field(description="From this instant on (with offset) occurrences are held. Only a person moves it later.")
]


class Attach(Arguments):
    REQUIRED = ("confirm_token",)

    workflow_id: WorkflowId
    rrule: Rrule
    starts_at: StartsAt
    acknowledged_affected_count: Count
    confirm_token: Token | None = None
    timezone: TimeZone = "UTC"
    exdates: Exdates = []
    variables: Values = {}
    overlap: Overlap = "skip"
    catch_up: CatchUp = "latest"
    catch_up_window_minutes: int = 60
    max_growth: Growth | None = None
    approval_expires_at: Expires | None = None
    rate: Rate | None = None
    breaker: BreakerGiven | None = None
    idempotency_key: IdempotencyKey | None = None


class Revise(Arguments):
    schedule_id: ScheduleId
    rrule: Term | None = None
    starts_at: Term | None = None
    timezone: Term | None = None
    exdates: Exdates | None = None
    variables: dict[str, Any] | None = None
    overlap: Overlap | None = None
    catch_up: CatchUp | None = None
    catch_up_window_minutes: int | None = None
    max_growth: float | None = None
    approval_expires_at: Term | None = None
    rate: Term | None = None
    breaker: dict[str, Any] | None = None
    lifted: Lifted = []
    acknowledged_affected_count: Count | None = None
    confirm_token: Token | None = Field(None, description="Of the same workflows-blast-radius answer.")
    idempotency_key: IdempotencyKey | None = None


class Pause(Arguments):
    schedule_id: ScheduleId
    note: Reason
    idempotency_key: IdempotencyKey | None = None


class Resume(Arguments):
    REQUIRED = ("confirm_token",)

    schedule_id: ScheduleId
    acknowledged_affected_count: Count
    confirm_token: Token | None = None
    max_growth: float | None = None
    approval_expires_at: Term | None = None
    idempotency_key: IdempotencyKey | None = None


class Preview(Arguments):
    schedule_id: ScheduleId | None = Field(None, description="Either this, or rrule, starts_at, timezone, exdates.")
    rrule: Term | None = None
    starts_at: Term | None = None
    timezone: Term | None = None
    exdates: Exdates | None = None
    count: int = Field(5, ge=1, le=20)


class Scheduled(ScheduleRow, Answer):
    confirm_url: str | None = None
    confirmation_id: str | None = None
    confirm_until: str | None = None
    workflow_id: Text
    variables: dict[str, Any]


class OccurrenceRow(Row):
    """`at` is UTC, `local` the same in the zone, `nominal` the time as the rule says it."""

    at: Text
    local: str
    nominal: str
    note: str | None = None


class Previewed(Answer):
    rrule: str
    starts_at: str
    timezone: str
    exdates: list[str]
    occurrences: list[OccurrenceRow]


def attach(call: Call, given: Attach) -> Scheduled:
    fields = given.model_dump(exclude={"idempotency_key", "workflow_id"})
    command = AttachSchedule(as_id(given.workflow_id, "workflow.not_found"), **fields)
    return _answer(call.dispatch(command, idempotency_key=given.idempotency_key))


def revise(call: Call, given: Revise) -> Scheduled:
    fields = given.model_dump(exclude={"idempotency_key", "schedule_id"})
    command = ReviseSchedule(_schedule(given.schedule_id), **fields)
    return _answer(call.dispatch(command, idempotency_key=given.idempotency_key))


def pause(call: Call, given: Pause) -> Scheduled:
    command = PauseSchedule(_schedule(given.schedule_id), given.note)
    return _answer(call.dispatch(command, idempotency_key=given.idempotency_key, reason=given.note))


def resume(call: Call, given: Resume) -> Scheduled:
    fields = given.model_dump(exclude={"idempotency_key", "schedule_id"})
    command = ResumeSchedule(_schedule(given.schedule_id), **fields)
    return _answer(call.dispatch(command, idempotency_key=given.idempotency_key))


def preview(call: Call, given: Preview) -> Previewed:
    fields = given.model_dump(exclude={"schedule_id"}, exclude_none=True)
    if given.schedule_id is not None:
        beside = [name for name in fields if name != "count"]
        if beside:
            message = "Either schedule_id, or a recurrence."
            raise invalid("request.invalid", [Problem(f"/{name}", "field.invalid", message) for name in beside])
        fields["schedule_id"] = _schedule(given.schedule_id)
    data = call.dispatch(PreviewSchedule(**fields)).data
    found = len(data["occurrences"])
    last = "" if found == given.count else " and no more"
    notes = {row["note"] for row in data["occurrences"] if row["note"]}
    told = " ".join(
        [f"{found} occurrence{'' if found == 1 else 's'}{last}, as of now.", *(NOTES[note] for note in sorted(notes))]
    )
    return Previewed(summary=told, **data)


def _schedule(text: str) -> Any:
    return as_id(text, "schedule.not_found")


def _answer(accepted: Accepted) -> Scheduled:
    data = accepted.data
    if data.get("confirmation_id"):
        return Scheduled(summary=UNCONFIRMED, **data)
    told = f"The schedule is {data['status']}: "
    if data["next_occurrence"]:
        ceiling = "" if data["ceiling"] is None else f" Beyond {data['ceiling']:,} people an occurrence is held."
        told += (
            f"it fires next at {data['next_occurrence']}, then as its rule says, each time for whoever matches at that "
            f"instant.{ceiling}"
        )
    elif data["status"] == "paused":
        told += "nothing fires until workflows-resume-schedule, which needs a fresh count and token."
    else:
        told += f"{WAITING}." if data["status"] == "active" else "nothing fires any more."
    return Scheduled(summary=told, **data)


TOOLS: tuple[Tool[Any, Any], ...] = (
    Tool(
        "workflows-schedule-create",
        "Repeat a batch over real people",
        "Repeat an active batch workflow. CONTACTS REAL PEOPLE at every occurrence, unasked. Size with "
        "workflows-blast-radius (same variables, rate, breaker; rrule, starts_at, timezone, exdates, max_growth in "
        "`schedule`) and call schedules-preview in an earlier turn: show the user the number and the cadence in local "
        "time, stop, and wait for an explicit yes in the user's own turn. Their yes holds until further notice: an "
        "occurrence beyond max_growth waits for a person.",
        "AttachSchedule",
        Attach,
        Scheduled,
        Effect(destroys=True, reaches_out=True),
        attach,
    ),
    Tool(
        "workflows-update-schedule",
        "Change a schedule",
        "Change a schedule: what is given is replaced whole, the rest stays. An active one needs the count and token "
        "of a fresh workflows-blast-radius with schedule_id and what changes of the recurrence in `schedule`, and the "
        "variables, rate, breaker if they change: show the user the number and the new cadence (schedules-preview), "
        "stop, and wait for an explicit yes in the user's own turn. A paused one needs neither; resuming it does.",
        "ReviseSchedule",
        Revise,
        Scheduled,
        Effect(destroys=True, reaches_out=True),
        revise,
    ),
    Tool(
        "workflows-pause-schedule",
        "Pause a schedule",
        "Stop a schedule from firing until it is resumed; the note tells others why. Batches that it has started go "
        "on: see batch-jobs-pause. Use it at once when the user has doubts.",
        "PauseSchedule",
        Pause,
        Scheduled,
        Effect(),
        pause,
    ),
    Tool(
        "workflows-resume-schedule",
        "Resume a schedule",
        "Let a paused schedule fire again, from its next occurrence on. CONTACTS REAL PEOPLE. Needs the count and "
        "token of a fresh workflows-blast-radius with schedule_id (and max_growth) in `schedule`: show the user the "
        "number and the cadence, stop, and wait for an explicit yes in the user's own turn.",
        "ResumeSchedule",
        Resume,
        Scheduled,
        Effect(destroys=True, reaches_out=True),
        resume,
    ),
    Tool(
        "schedules-preview",
        "Look ahead",
        "Show the next instants of a schedule, or of a recurrence that is saved nowhere, in UTC and in local time, "
        "with notes where the clock changes. Contacts nobody, saves nothing.",
        "PreviewSchedule",
        Preview,
        Previewed,
        READS_ONLY,
        preview,
    ),
)
