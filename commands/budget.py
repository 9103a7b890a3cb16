"""The budget: how many people a principal may reach in a rolling day, over all jobs, occurrences and manual runs.

What a key asks for counts for itself and for every key in the chain that made it, each within its own limits: a key
that makes others shares its day with them. It counts from the instant at which it was asked for, also while it is
held, and is given back when the job is rejected, or ends before anybody was enrolled.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

from aggregates.errors import DomainError
from aggregates.policy import Policy
from commands.context import Context, Payer

DAY = timedelta(days=1)


@dataclass(frozen=True)
class Room:
    """What one payer has spent within a day, in people: over everything, and by one workflow; and what it may."""

    payer: Payer
    everything: int
    workflow: int

    @property
    def left(self) -> int | None:
        """People who may be reached more today; None is no limit."""
        return None if self.payer.budget is None else max(0, self.payer.budget - self.everything)

    @property
    def alone(self) -> int | None:
        """People whom the workflow may reach more today without a second person; None is no limit."""
        over = self.payer.policy.approval_over
        return None if over is None else max(0, over - self.workflow)

    def holds(self, people: int) -> str | None:
        """Why so many more have to be approved; None when they need not be."""
        return self.payer.policy.holds(self.workflow + people)


def within_budget(ctx: Context, workflow_id: UUID, people: int) -> str | None:
    """Why the caller's request to reach so many people by a workflow has to be held (None: it need not be).

    Refuses with `audience.over_budget`. Until the command has ended, no other request spends the budgets that it was
    measured by, so a caller who passes calls `charge` in the same command.
    """
    rooms = _rooms_alone(ctx, _callers(ctx), workflow_id, ctx.meta.now)
    for room in rooms:
        if room.left is not None and people > room.left:
            raise _over_budget(ctx, people, room.payer, room.everything)
    return _held(rooms, people)


def within_a_day(ctx: Context, people: int) -> None:
    """Refuse a schedule of which every occurrence would be over the budget by itself."""
    for payer in _callers(ctx):
        if payer.budget is not None and people > payer.budget:
            raise _over_budget(ctx, people, payer, 0)


def a_day(ctx: Context) -> int | None:
    """The most people whom the caller may reach in a day on which its chain has asked for nothing; None: any."""
    return _least([payer.budget for payer in _callers(ctx)])


def occurrence_room(
    ctx: Context, policy: Policy, workflow_id: UUID, *, by: str, chain: Sequence[str], guarded: bool, at: datetime
) -> tuple[int | None, int | None]:
    """How many people an occurrence may reach for `by`, made by `chain`: within budgets, without a second person.

    None is no limit. `policy` is the one that holds for `by`.
    """
    payers = _payers(ctx, Payer(by, policy, guarded), chain)
    rooms = _rooms_alone(ctx, payers, workflow_id, at)
    return _least([room.left for room in rooms]), _least([room.alone for room in rooms])


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
    rooms = _rooms(ctx, _callers(ctx), workflow_id, ctx.meta.now)
    return _least([room.left for room in rooms]), _held(rooms, people)


def _callers(ctx: Context) -> list[Payer]:
    principal = ctx.meta.principal
    return _payers(ctx, Payer(principal.id, ctx.policy, principal.guarded), principal.chain)


def _payers(ctx: Context, last: Payer, chain: Sequence[str]) -> list[Payer]:
    """The makers that are limited, oldest first, and then the one who asks: everybody locks in this order."""
    makers = ctx.spending.makers(ctx.meta.principal.project_id, chain) if chain else []
    return [*(maker for maker in makers if maker.limited), last]


def _rooms_alone(ctx: Context, payers: Sequence[Payer], workflow_id: UUID, at: datetime) -> list[Room]:
    for payer in payers:
        ctx.spending.lock(ctx.meta.principal.project_id, payer.id)
    return _rooms(ctx, payers, workflow_id, at)


def _rooms(ctx: Context, payers: Sequence[Payer], workflow_id: UUID, at: datetime) -> list[Room]:
    project = ctx.meta.principal.project_id
    return [Room(payer, *ctx.spending.since(project, payer.id, workflow_id, at - DAY)) for payer in payers]


def _held(rooms: Sequence[Room], people: int) -> str | None:
    return next(filter(None, (room.holds(people) for room in rooms)), None)


def _least(limits: Sequence[int | None]) -> int | None:
    return min((limit for limit in limits if limit is not None), default=None)


def _over_budget(ctx: Context, people: int, payer: Payer, spent: int) -> DomainError:
    budget = payer.budget or 0
    of = "" if payer.id == ctx.meta.principal.id else " of a key that made this one"
    return DomainError(
        "audience.over_budget",
        f"{people:,} people more than the {spent:,} of the last day{of}; {budget:,} a day are allowed.",
        details={"affected": people, "budget": budget, "spent": spent, "budget_left": max(0, budget - spent)},
    )
