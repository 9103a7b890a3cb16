"""Schedules: attach a recurrence to a batch workflow, pause, resume, detach.

Attaching and resuming lead to people later, so both pass the acknowledgement guard.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

from aggregates.errors import Problem, invalid
from aggregates.recurrence import Recurrence
from aggregates.schedule.aggregate import Schedule
from aggregates.workflow.aggregate import Workflow
from commands.confirm import acknowledge, bought_job
from commands.context import Accepted, Context

NOTE_LIMIT = 1_000


@dataclass(frozen=True)
class AttachSchedule:
    """Repeat a batch workflow; needs the acknowledged count of a fresh sizing, as run-batch does."""

    workflow_id: UUID
    rrule: str
    starts_at: str
    acknowledged_affected_count: int
    confirm_token: str | None = None
    timezone: str = "UTC"
    variables: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class PauseSchedule:
    """Stop a schedule from firing until it is resumed; the note says why."""

    schedule_id: UUID
    note: str


@dataclass(frozen=True)
class ResumeSchedule:
    """Let a paused schedule fire again; needs a fresh acknowledged count."""

    schedule_id: UUID
    acknowledged_affected_count: int
    confirm_token: str | None = None


@dataclass(frozen=True)
class DetachSchedule:
    """End a schedule for good."""

    schedule_id: UUID
    note: str = ""


def attach(command: AttachSchedule, ctx: Context) -> Accepted:
    workflow = ctx.store.load(Workflow, command.workflow_id, ctx.meta)
    recurrence, problems = Recurrence.parse(command.rrule, command.starts_at, command.timezone, now=ctx.meta.now)
    if recurrence is None:
        raise invalid("schedule.invalid", problems)
    schedule_id = bought_job(ctx, command.confirm_token)
    proof = acknowledge(
        ctx,
        workflow,
        count=command.acknowledged_affected_count,
        token=command.confirm_token,
        variables=command.variables,
        spent=ctx.store.taken(schedule_id),
    )
    schedule = Schedule.attach(
        schedule_id or ctx.ids.new(),
        workflow_id=workflow.id,
        recurrence=recurrence,
        variables=proof.variables,
        acknowledgement=proof.acknowledgement,
        meta=ctx.meta,
    )
    return _answer(schedule, ctx.store.save(schedule))


def pause(command: PauseSchedule, ctx: Context) -> Accepted:
    schedule = ctx.store.load(Schedule, command.schedule_id, ctx.meta)
    schedule.pause(note=_note(command.note, required=True), meta=ctx.meta)
    return _answer(schedule, ctx.store.save(schedule))


def resume(command: ResumeSchedule, ctx: Context) -> Accepted:
    schedule = ctx.store.load(Schedule, command.schedule_id, ctx.meta)
    workflow = ctx.store.load(Workflow, schedule.workflow_id, ctx.meta)
    proof = acknowledge(
        ctx,
        workflow,
        count=command.acknowledged_affected_count,
        token=command.confirm_token,
        variables=schedule.variables,
        spent=ctx.store.taken(bought_job(ctx, command.confirm_token)),
    )
    schedule.resume(proof.acknowledgement, meta=ctx.meta)
    return _answer(schedule, ctx.store.save(schedule))


def detach(command: DetachSchedule, ctx: Context) -> Accepted:
    schedule = ctx.store.load(Schedule, command.schedule_id, ctx.meta)
    schedule.detach(note=_note(command.note, required=False), meta=ctx.meta)
    return _answer(schedule, ctx.store.save(schedule))


def _note(note: str, *, required: bool) -> str:
    if len(note) > NOTE_LIMIT or "\0" in note or (required and not note.strip()):
        raise invalid(
            "schedule.invalid",
            [Problem("/note", "field.invalid", f"Say why, in at most {NOTE_LIMIT} characters.", None, "string")],
        )
    return note


def _answer(schedule: Schedule, position: int) -> Accepted:
    data = {
        "schedule_id": str(schedule.id),
        "workflow_id": str(schedule.workflow_id),
        "status": schedule.status,
        **schedule.recurrence,
    }
    return Accepted(str(schedule.id), data, position)
