"""The budget: how many people a principal may reach in a rolling day, over all jobs, occurrences and manual runs.

What was asked for counts from the instant at which it was asked for, also while it is held. It is given back when the
job is rejected, or ends before anybody was enrolled.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

from aggregates.errors import DomainError
from aggregates.policy import Policy
from commands.context import Context

DAY = timedelta(days=1)


@dataclass(frozen=True)
class Spent:
    """People that a principal has asked to reach within a day: over everything, and by one workflow."""

    everything: int
    workflow: int


def within_budget(ctx: Context, workflow_id: UUID, people: int) -> str | None:
    """Why the caller's request to reach so many people by a workflow has to be held (None: it need not be).

    Refuses with `audience.over_budget`. Until the command has ended, nobody else spends this principal's budget, so a
    caller who passes calls `charge` in the same command.
    """
    spent = _spent_alone(ctx, ctx.meta.principal.id, workflow_id, ctx.meta.now)
    budget = ctx.policy.budget(guarded=ctx.meta.principal.guarded)
    if budget is not None and spent.everything + people > budget:
        raise _over_budget(people, budget, spent.everything)
    return ctx.policy.holds(spent.workflow + people)


def within_a_day(ctx: Context, people: int) -> None:
    """Refuse a schedule of which every occurrence would be over the budget by itself."""
    budget = ctx.policy.budget(guarded=ctx.meta.principal.guarded)
    if budget is not None and people > budget:
        raise _over_budget(people, budget, 0)


def occurrence_room(
    ctx: Context, policy: Policy, workflow_id: UUID, *, by: str, guarded: bool, at: datetime
) -> tuple[int | None, int | None]:
    """How many people an occurrence may reach for its approver `by`: within the budget, and without a second person.

    None is no limit. `policy` is the one that holds for the approver.
    """
    spent = _spent_alone(ctx, by, workflow_id, at)
    budget = policy.budget(guarded=guarded)
    over = policy.approval_over
    return (
        None if budget is None else max(0, budget - spent.everything),
        None if over is None else max(0, over - spent.workflow),
    )


def charge(
    ctx: Context, job_id: UUID, workflow_id: UUID, people: int, *, by: str | None = None, at: datetime | None = None
) -> None:
    """Count the people of a job that is requested in this command, for the caller unless `by` says for whom."""
    ctx.spending.add(
        ctx.meta.principal.project_id,
        by or ctx.meta.principal.id,
        workflow_id=workflow_id,
        job_id=job_id,
        people=people,
        at=at or ctx.meta.now,
    )


def left(ctx: Context, workflow_id: UUID, people: int) -> tuple[int | None, str | None]:
    """What is left of the caller's budget now (None: they have none), and why a job over so many would be held."""
    spent = _spent(ctx, ctx.meta.principal.id, workflow_id, ctx.meta.now)
    budget = ctx.policy.budget(guarded=ctx.meta.principal.guarded)
    rest = None if budget is None else max(0, budget - spent.everything)
    return rest, ctx.policy.holds(spent.workflow + people)


def _spent_alone(ctx: Context, by: str, workflow_id: UUID, at: datetime) -> Spent:
    ctx.spending.lock(ctx.meta.principal.project_id, by)
    return _spent(ctx, by, workflow_id, at)


def _spent(ctx: Context, by: str, workflow_id: UUID, at: datetime) -> Spent:
    return Spent(*ctx.spending.since(ctx.meta.principal.project_id, by, workflow_id, at - DAY))


def _over_budget(people: int, budget: int, spent: int) -> DomainError:
    return DomainError(
        "audience.over_budget",
        f"{people:,} people more than the {spent:,} of the last day; {budget:,} a day are allowed.",
        details={"affected": people, "budget": budget, "spent": spent, "budget_left": max(0, budget - spent)},
    )
