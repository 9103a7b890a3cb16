"""Standing approvals: what an acknowledgement allows a schedule until further notice, and what of it is used."""

from __future__ import annotations

import math
from collections.abc import Mapping
from datetime import datetime
from typing import Any
from uuid import UUID

from aggregates.audience import Audience
from aggregates.errors import DomainError
from aggregates.policy import Limits
from aggregates.reach import Reach
from aggregates.schedule.aggregate import Schedule
from aggregates.values import Acknowledgement, StandingApproval
from aggregates.workflow.aggregate import Workflow
from commands.budget import occurrence_room
from commands.confirm import Acknowledged, merged, sendable_definition, sized_now
from commands.context import Context
from commands.reach import reach_of

ROUNDING = 1e-9
"""A tenth of ten people is one person, although binary floats make it a little less."""


def standing(
    ctx: Context, workflow: Workflow, proof: Acknowledged, *, max_growth: float, expires_at: datetime | None
) -> StandingApproval:
    """What an acknowledgement allows a schedule until further notice; `max_growth` was checked against the policy.

    A human who confirms what an agent asked for looked once: at each occurrence the approval is an agent's, within
    what both of them may do, and it is the agent that asks for the occurrence, with everybody who stands behind it.
    """
    count = proof.acknowledgement.count
    principal, confirming = ctx.meta.principal, ctx.confirming
    guarded = confirming is not None or principal.guarded
    asked: Mapping[str, Any] = confirming.asked if confirming else {"owner": principal.owner, "chain": principal.chain}
    return StandingApproval(
        by=principal.id,
        workflow_version=workflow.content_version,
        max_growth=max_growth,
        ceiling=min(count + math.floor(count * max_growth + ROUNDING), ctx.policy.max_audience),
        expires_at=expires_at,
        limits=principal.own_limits.beside(confirming.limits) if confirming else principal.own_limits,
        guarded=guarded,
        max_churn=ctx.policy.churn(guarded=guarded),
        send_mode=ctx.policy.send_mode,
        asked_by=asked["by"] if confirming else None,
        owner=asked["owner"],
        chain=tuple(asked["chain"]),
    )


def covered(
    ctx: Context, workflow: Workflow, schedule: Schedule, approval: StandingApproval, *, at: datetime
) -> Acknowledged:
    """What a standing approval allows an occurrence that counts as of `at`; what goes beyond it is held."""
    variables = schedule.terms.variables
    definition, audience = sendable_definition(ctx, workflow)
    merged_variables = merged(definition, variables)
    policy = ctx.policy.narrowed([approval.limits])
    sized = sized_now(ctx, definition, audience, policy)
    if sized.count == 0:
        raise DomainError("audience.empty")
    budget, alone = occurrence_room(
        ctx, policy, workflow.id, by=approval.asker, chain=approval.chain, guarded=approval.guarded, at=at
    )
    churn = policy.narrowed([Limits(max_churn=approval.max_churn)]).max_churn
    held_because = (
        _beyond("over_limit", sized.count, policy.max_audience)
        or _beyond("approval_over", sized.count, alone)
        or approval.exceeded(sized.count, ctx.meta.now)
        or _beyond("over_budget", sized.count, budget)
        or _churn(ctx, reach_of(definition, policy), schedule, definition.audience, share=churn, count=sized.count)
        or ("send_mode" if approval.send_mode == "capture" and policy.send_mode == "live" else None)
    )
    acknowledgement = Acknowledgement(
        count=sized.count,
        fingerprint=sized.fingerprint,
        token_nonce=None,
        sized_at=ctx.meta.now,
        per_person=policy.per_person,
        ceiling=min(room for room in (approval.ceiling, policy.max_audience, alone, budget) if room is not None),
    )
    return Acknowledged(definition, merged_variables, acknowledgement, policy, held_because)


def keep_people(ctx: Context, schedule_id: UUID, proof: Acknowledged, approval: StandingApproval) -> None:
    """Keep the people who were confirmed for a schedule, if its approval limits how many others there may be."""
    ctx.people.forget_confirmed(schedule_id)
    audience, sized = proof.definition.audience, proof.acknowledgement
    if approval.max_churn is None or audience is None:
        return
    kept = ctx.people.keep_confirmed(
        ctx.meta.principal.project_id,
        schedule_id,
        audience,
        reach=reach_of(proof.definition, proof.policy),
        about=sized.count,
        now=ctx.meta.now,
    )
    if kept != (sized.count, sized.fingerprint):
        raise DomainError("audience.drift", details={"now": kept[0], "acknowledged": sized.count})


def _churn(
    ctx: Context, reach: Reach, schedule: Schedule, audience: Audience | None, *, share: float | None, count: int
) -> str | None:
    """Why an occurrence is held for the people who were not confirmed; None when it is not."""
    if share is None or audience is None:
        return None
    project_id = ctx.meta.principal.project_id
    strangers = ctx.people.strangers(project_id, schedule.id, audience, reach=reach, now=ctx.meta.now)
    return "beyond_churn" if strangers is not None and strangers > share * count + ROUNDING else None


def _beyond(reason: str, count: int, room: int | None) -> str | None:
    return reason if room is not None and count > room else None
