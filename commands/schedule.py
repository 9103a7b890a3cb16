"""Schedules: attach a recurrence to a batch workflow, revise, pause, resume, detach.

Attaching, resuming, and revising what is active lead to people later, so they pass the acknowledgement guard.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any
from uuid import UUID

from aggregates.errors import DomainError, invalid
from aggregates.pace import LIFTED, Pace
from aggregates.schedule.aggregate import Schedule
from aggregates.schedule.firing import Firing
from aggregates.schedule.terms import Terms
from aggregates.values import digest
from aggregates.workflow.aggregate import Workflow
from commands.binding import Purpose, asked_job, bought_job
from commands.confirm import Acknowledged, acknowledge, batch_definition, merged
from commands.context import Accepted, Context
from commands.crowding import require_room
from commands.notes import checked_note
from commands.schedule_answers import schedule_answer, schedule_data
from commands.standing import keep_people, standing
from commands.terms import APPROVED_LATER, envelope, recurrence_of, refuse_agents, revised
from commands.witness import ask_human, asked_before, made_by, require_seen, state_of


@dataclass(frozen=True)
class AttachSchedule:
    """Repeat a batch workflow; needs the acknowledged count of a fresh sizing, as run-batch does.

    The count is a standing approval: an occurrence that would reach more than `max_growth` (a share) beyond it, or
    comes after `approval_expires_at`, is held for a human. `starts_at` and `exdates` are local times of `timezone`.
    Each job that it starts has its `rate` and `breaker`, as run-batch takes them.
    """

    workflow_id: UUID
    rrule: str
    starts_at: str
    acknowledged_affected_count: int
    confirm_token: str | None = None
    timezone: str = "UTC"
    exdates: list[str] = field(default_factory=list)
    variables: dict[str, Any] = field(default_factory=dict)
    overlap: str = "skip"
    catch_up: str = "latest"
    catch_up_window_minutes: int = 60
    max_growth: float | None = None
    approval_expires_at: str | None = None
    rate: str | None = None
    breaker: dict[str, Any] | None = None


@dataclass(frozen=True)
class ReviseSchedule:
    """Change a schedule; what is None stays. One that is active needs the acknowledged count of a fresh sizing.

    A count that is given is checked in any case, and renews the standing approval. `rate` and `breaker` are taken away
    by their names in `lifted`. They hold for the jobs that it starts from then on.
    """

    schedule_id: UUID
    rrule: str | None = None
    starts_at: str | None = None
    timezone: str | None = None
    exdates: list[str] | None = None
    variables: dict[str, Any] | None = None
    overlap: str | None = None
    catch_up: str | None = None
    catch_up_window_minutes: int | None = None
    max_growth: float | None = None
    approval_expires_at: str | None = None
    acknowledged_affected_count: int | None = None
    confirm_token: str | None = None
    rate: str | None = None
    breaker: dict[str, Any] | None = None
    lifted: Sequence[str] = ()


@dataclass(frozen=True)
class PauseSchedule:
    """Stop a schedule from firing until it is resumed; the note says why."""

    schedule_id: UUID
    note: str


@dataclass(frozen=True)
class ResumeSchedule:
    """Let a paused schedule fire again, from now on; needs the acknowledged count of a fresh sizing."""

    schedule_id: UUID
    acknowledged_affected_count: int
    confirm_token: str | None = None
    max_growth: float | None = None
    approval_expires_at: str | None = None


@dataclass(frozen=True)
class DetachSchedule:
    """End a schedule for good."""

    schedule_id: UUID
    note: str = ""


def attach(command: AttachSchedule, ctx: Context) -> Accepted:
    # A workflow that is being archived at this moment ends its schedules; whoever comes second sees the other.
    ctx.store.lock(command.workflow_id, shared=True)
    workflow = ctx.store.load(Workflow, command.workflow_id, ctx.meta)
    recurrence, problems = recurrence_of(ctx, command.rrule, command.starts_at, command.timezone, command.exdates)
    firing = Firing(command.overlap, command.catch_up, command.catch_up_window_minutes)
    growth, expires_at, more = envelope(ctx, command.max_growth, command.approval_expires_at, None)
    problems += [*firing.problems(), *more, *Pace.problems(command.rate, command.breaker)]
    if recurrence is None or problems:
        raise invalid("schedule.invalid", problems)
    schedule_id = asked_job(ctx, command.confirm_token, "AttachSchedule")
    existing = ctx.store.find(Schedule, schedule_id, ctx.meta) if schedule_id else None
    if existing and existing.request_digest == _digest(command, ctx):
        return schedule_answer(existing, ctx.store.save(existing))
    if existing and bought_job(ctx, command.confirm_token) is None:
        raise DomainError("idempotency.mismatch")
    if earlier := asked_before(ctx, command):
        return earlier
    pace = Pace.of(command.rate, command.breaker)
    purpose = Purpose("schedule", pace=pace, recurrence=recurrence, max_growth=growth)
    proof = _acknowledged(ctx, workflow, command, command.variables, purpose)
    require_room(ctx, workflow.id, recurrence)
    schedule = Schedule.attach(
        _new_id(ctx, schedule_id),
        workflow_id=workflow.id,
        request_digest=_digest(command, ctx),
        terms=Terms(recurrence, command.variables, firing, pace),
        acknowledgement=proof.acknowledgement,
        approval=standing(ctx, workflow, proof, max_growth=growth, expires_at=expires_at),
        meta=ctx.meta,
    )
    return _settled(ctx, command, workflow, schedule, proof)


def revise(command: ReviseSchedule, ctx: Context) -> Accepted:
    schedule = ctx.store.load(Schedule, command.schedule_id, ctx.meta)
    ctx.store.lock(schedule.workflow_id, shared=True)
    workflow = ctx.store.load(Workflow, schedule.workflow_id, ctx.meta)
    before = schedule.approval
    growth, expires_at, problems = envelope(ctx, command.max_growth, command.approval_expires_at, before)
    asked = (command.max_growth, command.approval_expires_at) != (None, None)
    terms = revised(ctx, schedule.terms, asdict(command), problems if asked else [])
    approval_changes = before is None or (growth, expires_at) != (before.max_growth, before.expires_at)
    needs = schedule.needs_acknowledgement(terms, approval_changes=approval_changes)
    if schedule.status == "detached" or (not needs and command.acknowledged_affected_count is None):
        if asked and approval_changes and schedule.status != "detached":
            raise DomainError("schedule.not_active", APPROVED_LATER, details={"status": schedule.status})
        if schedule.status != "detached":
            refuse_agents(ctx, before)
        merged(batch_definition(workflow)[0], terms.variables)
        schedule.revise(terms, meta=ctx.meta)
        return schedule_answer(schedule, ctx.store.save(schedule))
    if command.acknowledged_affected_count is None:
        raise DomainError("acknowledgement.missing", details={"status": schedule.status})
    if problems:
        raise invalid("schedule.invalid", problems)
    if earlier := asked_before(ctx, command):
        return earlier
    require_seen(ctx, schedule, command.confirm_token)
    purpose = Purpose("schedule", pace=terms.pace, recurrence=terms.recurrence, max_growth=growth)
    proof = _acknowledged(ctx, workflow, command, terms.variables, purpose)
    stood = state_of(schedule)
    if schedule.status != "paused" and terms.recurrence != schedule.terms.recurrence:
        require_room(ctx, workflow.id, terms.recurrence, schedule_id=schedule.id)
    approval = standing(ctx, workflow, proof, max_growth=growth, expires_at=expires_at)
    schedule.revise(terms, acknowledgement=proof.acknowledgement, approval=approval, meta=ctx.meta)
    return _settled(ctx, command, workflow, schedule, proof, stood=stood)


def pause(command: PauseSchedule, ctx: Context) -> Accepted:
    schedule = ctx.store.load(Schedule, command.schedule_id, ctx.meta)
    schedule.pause(note=checked_note(command.note, required=True), meta=ctx.meta)
    return schedule_answer(schedule, ctx.store.save(schedule))


def resume(command: ResumeSchedule, ctx: Context) -> Accepted:
    schedule = ctx.store.load(Schedule, command.schedule_id, ctx.meta)
    ctx.store.lock(schedule.workflow_id, shared=True)
    workflow = ctx.store.load(Workflow, schedule.workflow_id, ctx.meta)
    if schedule.status == "active":
        return schedule_answer(schedule, ctx.store.save(schedule))
    growth, expires_at, problems = envelope(ctx, command.max_growth, command.approval_expires_at, schedule.approval)
    _, found = recurrence_of(ctx, **schedule.terms.recurrence.as_data())
    problems += [problem for problem in found if problem.code == "rrule.too_frequent"]
    if problems:
        raise invalid("schedule.invalid", problems)
    if earlier := asked_before(ctx, command):
        return earlier
    require_seen(ctx, schedule, command.confirm_token)
    terms = schedule.terms
    purpose = Purpose("schedule", pace=terms.pace, recurrence=terms.recurrence, max_growth=growth)
    proof = _acknowledged(ctx, workflow, command, terms.variables, purpose)
    stood = state_of(schedule)
    if schedule.status == "paused":
        require_room(ctx, workflow.id, terms.recurrence, schedule_id=schedule.id)
    schedule.resume(
        acknowledgement=proof.acknowledgement,
        approval=standing(ctx, workflow, proof, max_growth=growth, expires_at=expires_at),
        meta=ctx.meta,
    )
    return _settled(ctx, command, workflow, schedule, proof, stood=stood)


def detach(command: DetachSchedule, ctx: Context) -> Accepted:
    # What is live ends by a person's hand; an agent pauses it.
    if ctx.meta.principal.guarded:
        raise DomainError("schedule.not_for_agents")
    schedule = ctx.store.load(Schedule, command.schedule_id, ctx.meta)
    schedule.detach(note=checked_note(command.note), meta=ctx.meta)
    ctx.people.forget_confirmed(schedule.id)
    return schedule_answer(schedule, ctx.store.save(schedule))


def _acknowledged(
    ctx: Context,
    workflow: Workflow,
    command: AttachSchedule | ReviseSchedule | ResumeSchedule,
    variables: Mapping[str, Any],
    purpose: Purpose,
) -> Acknowledged:
    """The one guard, for whatever lets a schedule fire."""
    return acknowledge(
        ctx,
        workflow,
        count=command.acknowledged_affected_count,
        token=command.confirm_token,
        variables=variables,
        spent=ctx.store.taken(bought_job(ctx, command.confirm_token)),
        purpose=purpose,
        # What waits for a human is a stream that the token buys, whatever it would change.
        buys="schedule" if isinstance(command, AttachSchedule) or ctx.witnessed else None,
    )


def _settled(
    ctx: Context, command: Any, workflow: Workflow, schedule: Schedule, proof: Acknowledged, *, stood: str = ""
) -> Accepted:
    """Ask a human, if one has to confirm it; else keep who was confirmed where that limits the occurrences, and save.

    `stood` is what the schedule was before; empty for a new one.
    """
    if ctx.witnessed:
        subject, outcome = schedule.id if stood else None, schedule_data(schedule)
        return ask_human(ctx, command, workflow, proof, subject_id=subject, stood=stood, outcome=outcome)
    if schedule.approval is not None:
        keep_people(ctx, schedule.id, proof, schedule.approval)
    return schedule_answer(schedule, ctx.store.save(schedule))


def _digest(command: AttachSchedule, ctx: Context) -> str:
    """What makes two requests the same one; the token is the same anyway."""
    asked = asdict(command)
    # One without a pace has the digest that it had before there was one.
    told = {name: value for name, value in asked.items() if value is not None or name not in LIFTED}
    return digest([told, ctx.meta.principal.id])


def _new_id(ctx: Context, bought: UUID | None) -> UUID:
    """The id of a schedule to come: what a human confirms has another one than the confirmation."""
    if ctx.confirming:
        return ctx.confirming.makes
    if bought and ctx.witnessed:
        return made_by(ctx, bought)
    return bought or ctx.ids.new()
