"""What a sizing is for, as its caller says it: a batch, or a schedule with its recurrence, each at a pace."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any
from uuid import UUID

from aggregates.errors import DomainError, Problem, invalid
from aggregates.pace import UNHINDERED, Pace
from aggregates.recurrence import Recurrence
from aggregates.schedule.aggregate import Schedule
from commands.binding import Purpose
from commands.context import Context
from commands.terms import envelope, recurrence_of


def purpose_of(
    ctx: Context,
    workflow_id: UUID,
    paced: Mapping[str, Any],
    schedule: Mapping[str, Any] | None,
    *,
    freeze: bool,
) -> tuple[Purpose, dict[str, Any] | None]:
    """The purpose of a sizing, and the variables of the schedule that it names (None if it names none)."""
    if schedule is None:
        return Purpose(pace=Pace.parse(paced["rate"], paced["breaker"])), None
    if freeze:
        raise DomainError("confirm.frozen")
    return _of_schedule(ctx, workflow_id, paced, schedule)


def _of_schedule(
    ctx: Context, workflow_id: UUID, paced: Mapping[str, Any], asked: Mapping[str, Any]
) -> tuple[Purpose, dict[str, Any] | None]:
    existing = _existing(ctx, workflow_id, asked.get("schedule_id"))
    before = existing.terms.recurrence.as_data() if existing else {"timezone": "UTC", "exdates": []}
    given = {name: asked[name] for name in ("rrule", "starts_at", "timezone", "exdates") if asked.get(name) is not None}
    recurrence: Recurrence | None
    problems: list[Problem]
    if existing and all(before[name] == value for name, value in given.items()):
        recurrence, problems = existing.terms.recurrence, []
    else:
        wanted: dict[str, Any] = {"rrule": None, "starts_at": None, **before, **given}
        recurrence, problems = recurrence_of(ctx, **wanted)
    growth, _, more = envelope(ctx, asked.get("max_growth"), None, existing.approval if existing else None)
    # An end that has passed is told at the command that would renew it.
    problems = [*problems, *(problem for problem in more if problem.pointer == "/max_growth")]
    within = [replace(problem, pointer=f"/schedule{problem.pointer}") for problem in problems]
    stood = existing.terms.pace if existing else UNHINDERED
    pace, found = stood.revised(paced["rate"], paced["breaker"], asked.get("lifted") or ())
    # Rate and breaker stand beside the schedule, as in a sizing for a batch.
    within += [replace(each, pointer="/schedule/lifted") if each.pointer == "/lifted" else each for each in found]
    if recurrence is None or within:
        raise invalid("schedule.invalid", within)
    purpose = Purpose("schedule", pace=pace, recurrence=recurrence, max_growth=growth, stands=existing)
    return purpose, dict(existing.terms.variables) if existing else None


def _existing(ctx: Context, workflow_id: UUID, schedule_id: UUID | None) -> Schedule | None:
    """The schedule that is to be changed or resumed; that of another workflow is as unknown as any."""
    if schedule_id is None:
        return None
    schedule = ctx.store.load(Schedule, schedule_id, ctx.meta)
    if schedule.workflow_id != workflow_id:
        raise DomainError("schedule.not_found")
    return schedule
