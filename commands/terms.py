"""The terms of a schedule as somebody asks for them: recurrence, how it fires, how far its approval reaches."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

from aggregates.errors import DomainError, Problem, invalid
from aggregates.recurrence import Recurrence
from aggregates.schedule.terms import Terms
from aggregates.values import StandingApproval, kind_of
from commands.context import Context

DEFAULT_GROWTH = 0.1
"""How much the audience of a schedule may grow, as a share, unless the caller or the policy says otherwise."""

TERM_LIMIT = 1_000
"""Longest term that a door lets in: characters of a text, or members of a list. What is shorter is judged here."""

NEVER = "never"
"""What takes the end of a standing approval away."""

NEARER = "An end that an approval has is moved to later, or taken away, by a person; an agent brings it nearer."

APPROVED_LATER = "It is not active: max_growth and approval_expires_at are given with the acknowledgement."

PERSONS = "A person confirmed this schedule: a person revises it while it is paused. You may pause it."


def recurrence_of(
    ctx: Context, rrule: Any, starts_at: Any, timezone: Any, exdates: Any
) -> tuple[Recurrence | None, list[Problem]]:
    """The recurrence of these fields, as far apart as the policy asks, or every problem with them."""
    return Recurrence.parse(
        rrule, starts_at, timezone, exdates, now=ctx.meta.now, minimum_interval=ctx.policy.minimum_interval
    )


def revised(ctx: Context, terms: Terms, asked: Mapping[str, Any], problems: list[Problem]) -> Terms:
    """The terms with what is asked for and not None; refused with every problem, those found before among them."""
    before = terms.recurrence.as_data()
    given = {name: asked[name] for name in before}
    recurrence: Recurrence | None = terms.recurrence
    if any(value is not None and value != before[name] for name, value in given.items()):
        wanted = {name: before[name] if value is None else value for name, value in given.items()}
        recurrence, found = recurrence_of(ctx, **wanted)
        problems = [*problems, *found]
    changes = {name: asked[name] for name in terms.firing.as_data() if asked[name] is not None}
    firing = replace(terms.firing, **changes)
    pace, found = terms.pace.revised(asked["rate"], asked["breaker"], asked["lifted"])
    problems = [*problems, *firing.problems(), *found]
    if recurrence is None or problems:
        raise invalid("schedule.invalid", problems)
    variables = terms.variables if asked["variables"] is None else asked["variables"]
    return Terms(recurrence, variables, firing, pace)


def refuse_agents(ctx: Context, approval: StandingApproval | None) -> None:
    """Refuse that an agent rewrites what a person asked for, where no human confirms the change."""
    if ctx.meta.principal.guarded and approval is not None and not approval.guarded:
        raise DomainError("schedule.not_for_agents", PERSONS)


def envelope(
    ctx: Context, max_growth: float | None, expires_at: str | None, before: StandingApproval | None
) -> tuple[float, datetime | None, list[Problem]]:
    """How far a standing approval reaches: growth, end (None: it has none), and what is wrong with them.

    What is None stays; the word NEVER takes an end away.
    """
    problems = []
    growth = before.max_growth if before and max_growth is None else max_growth
    if growth is None:
        growth = min(DEFAULT_GROWTH, ctx.policy.max_growth)
    if kind_of(growth) != "number" or not 0 <= growth <= ctx.policy.max_growth:
        message = f"A share from 0 to {ctx.policy.max_growth:g}, which is what policy allows."
        problems.append(Problem("/max_growth", "limit.beyond", message, None, "number", 0.1))
    ends = before.expires_at if before and expires_at is None else _instant(expires_at)
    later = before and before.expires_at and (expires_at == NEVER or (ends and ends > before.expires_at))
    if later and ctx.meta.principal.guarded:
        raise DomainError("schedule.not_for_agents", NEARER)
    if (expires_at not in {None, NEVER} and ends is None) or (ends is not None and ends <= ctx.meta.now):
        message = f"An instant in the future, with its offset; or {NEVER}."
        problems.append(Problem("/approval_expires_at", "field.invalid", message, None, "date-time"))
    return growth, ends, problems


def _instant(text: str | None) -> datetime | None:
    """The instant in UTC; None if the text is none, or names no offset."""
    try:
        found = datetime.fromisoformat(text) if isinstance(text, str) else None
        return found.astimezone(UTC) if found is not None and found.tzinfo is not None else None
    except (ValueError, OverflowError):
        return None
