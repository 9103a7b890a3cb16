"""Standing approvals: what an acknowledgement allows a schedule until further notice, and what of it is used."""

from __future__ import annotations

import math
from collections.abc import Mapping
from datetime import datetime
from typing import Any

from aggregates.errors import DomainError
from aggregates.values import Acknowledgement, StandingApproval
from aggregates.workflow.aggregate import Workflow
from commands.budget import occurrence_room
from commands.confirm import Acknowledged, batch_definition, merged, sized_now
from commands.context import Context

ROUNDING = 1e-9
"""A tenth of ten people is one person, although binary floats make it a little less."""


def standing(
    ctx: Context, workflow: Workflow, proof: Acknowledged, *, max_growth: float, expires_at: datetime | None
) -> StandingApproval:
    """What an acknowledgement allows a schedule until further notice; `max_growth` was checked against the policy."""
    count = proof.acknowledgement.count
    return StandingApproval(
        by=ctx.meta.principal.id,
        workflow_version=workflow.content_version,
        max_growth=max_growth,
        ceiling=min(count + math.floor(count * max_growth + ROUNDING), ctx.policy.max_audience),
        expires_at=expires_at,
        limits=ctx.meta.principal.own_limits,
        guarded=ctx.meta.principal.guarded,
        max_churn=ctx.policy.churn(guarded=ctx.meta.principal.guarded),
        send_mode=ctx.policy.send_mode,
    )


def covered(
    ctx: Context, workflow: Workflow, approval: StandingApproval, variables: Mapping[str, Any], *, at: datetime
) -> Acknowledged:
    """What a standing approval allows an occurrence that counts as of `at`; what goes beyond it is held."""
    definition, audience = batch_definition(workflow)
    merged_variables = merged(definition, variables)
    sized = sized_now(ctx, definition, audience)
    if sized.count == 0:
        raise DomainError("audience.empty")
    policy = ctx.policy.narrowed([approval.limits])
    budget, alone = occurrence_room(ctx, policy, workflow.id, by=approval.by, guarded=approval.guarded, at=at)
    held_because = (
        _beyond("over_limit", sized.count, policy.max_audience)
        or _beyond("approval_over", sized.count, alone)
        or approval.exceeded(sized.count, ctx.meta.now)
        or _beyond("over_budget", sized.count, budget)
        or ("send_mode" if approval.send_mode == "capture" and policy.send_mode == "live" else None)
    )
    acknowledgement = Acknowledgement(
        count=sized.count,
        fingerprint=sized.fingerprint,
        token_nonce=None,
        sized_at=ctx.meta.now,
        ceiling=min(room for room in (approval.ceiling, policy.max_audience, alone, budget) if room is not None),
    )
    return Acknowledged(definition, merged_variables, acknowledgement, policy, held_because)


def _beyond(reason: str, count: int, room: int | None) -> str | None:
    return reason if room is not None and count > room else None
