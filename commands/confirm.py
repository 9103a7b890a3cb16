"""The one acknowledgement guard. Whatever leads to people passes through `acknowledge`, or through `covered`, which
asks a standing approval that came out of it.

Order of refusals: workflow.not_batch, workflow.not_active, variables.invalid, audience.drift, audience.empty,
audience.over_limit, confirm.*; scopes and the workflow's existence were checked before.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, Literal
from uuid import UUID

from aggregates.audience import Audience
from aggregates.errors import DomainError, invalid
from aggregates.policy import Policy
from aggregates.values import Acknowledgement, Sizing, StandingApproval, digest
from aggregates.workflow.aggregate import Workflow
from aggregates.workflow.definition import Definition
from commands.context import Context
from commands.drift import LARGEST_COUNT, refuse_drift, require_count

COUNT_LIMIT = LARGEST_COUNT

TOKEN_LIMIT = 4_096
"""Longest confirm token, in characters."""

ROUNDING = 1e-9
"""A tenth of ten people is one person, although binary floats make it a little less."""


@dataclass(frozen=True)
class Acknowledged:
    """The proof that a human confirmed this audience of this workflow, as it is now, under this policy."""

    definition: Definition
    variables: Mapping[str, Any]
    acknowledgement: Acknowledgement
    policy: Policy
    held_because: str | None
    frozen: bool = False


@dataclass(frozen=True)
class Kept:
    """People whose ids are known: how many, and which, as a fingerprint.

    They were kept when they were sized, or `failed` names the job in which their runs failed, `unfinished` the one in
    which they have no outcome yet; `inputs` is the digest of what a manual run would be started with.
    """

    count: int
    fingerprint: str
    failed: UUID | None = None
    unfinished: UUID | None = None
    inputs: str | None = None


def batch_definition(workflow: Workflow, *, active: bool = False) -> tuple[Definition, Audience]:
    """The content of a workflow that has an audience; refused otherwise, and when it has to be active and is not."""
    trigger = workflow.content.get("trigger")
    if not isinstance(trigger, dict) or trigger.get("type") != "batch":
        raise DomainError("workflow.not_batch")
    if active and workflow.status != "active":
        raise DomainError("workflow.not_active", details={"status": workflow.status})
    definition, problems = Definition.parse(workflow.content)
    if definition is None or definition.audience is None:
        raise invalid("workflow.invalid", problems)
    return definition, definition.audience


def merged(definition: Definition, variables: Mapping[str, Any]) -> dict[str, Any]:
    """Workflow defaults overlaid by what the caller gives; refused with every problem."""
    result, problems = definition.merge_variables(variables)
    if problems:
        raise invalid("variables.invalid", problems)
    return result


def size(ctx: Context, definition: Definition, audience: Audience, *, shown: bool) -> Sizing:
    """Ask the one sizing query, after the conditions have been checked against the cohorts of today.

    `shown` asks for what only a reader needs: the project's total, a sample, what people lack.
    """
    project = ctx.meta.principal.project_id
    problems = ctx.people.audience_problems(project, audience, "/trigger/filters/properties")
    if problems:
        raise invalid("audience.invalid", problems)
    return ctx.people.size(
        project, audience, sends_email=definition.sends_email, needs=definition.needs, shown=shown, now=ctx.meta.now
    )


def claims_for(
    ctx: Context, workflow: Workflow, audience: Audience | None, variables: Mapping[str, Any], sized: Kept
) -> dict[str, Any]:
    """What a confirm token of this sizing says. Times are seconds since 1970."""
    now = ctx.meta.now
    return {
        **_bound(ctx, workflow, _who(audience, sized), variables),
        "fingerprint": sized.fingerprint,
        "count": sized.count,
        "frozen": False,
        "sized_at": int(now.timestamp()),
        "expires_at": int((now + timedelta(minutes=ctx.policy.token_minutes)).timestamp()),
        "nonce": ctx.ids.nonce(),
    }


def bought_job(ctx: Context, token: str | None) -> UUID | None:
    """The only job that a genuine token can buy: its id comes from the token's nonce."""
    claims = ctx.tokens.open(token) if token else None
    return job_for(ctx, claims["nonce"]) if claims else None


def job_for(ctx: Context, nonce: str) -> UUID:
    """The id of the job that a token with this nonce buys."""
    return ctx.ids.derived("batch_job", ctx.meta.principal.project_id, nonce)


def acknowledge(
    ctx: Context,
    workflow: Workflow,
    *,
    count: Any,
    token: str | None,
    variables: Mapping[str, Any],
    spent: bool,
    buys: Literal["job", "schedule"] | None = None,
    kept: Kept | None = None,
) -> Acknowledged:
    """Pass, or refuse. `spent` says that the token has bought something other than what is asked for now.

    What the token `buys` gets its id; where it buys no stream of its own, it is spent here. `kept` are people who are
    known already, asked for instead of whoever matches now; a token that buys a job may have kept its own.
    """
    definition, audience = batch_definition(workflow, active=True)
    merged_variables = merged(definition, variables)
    require_count(count)
    claims = ctx.tokens.open(token) if token else None
    if buys == "job" and not spent:
        kept = _kept_for(ctx, claims)
    sized = kept or _sized_now(ctx, definition, audience)
    bound = _bound(ctx, workflow, _who(audience, sized), merged_variables)
    asked_for = _expected(ctx, claims, bound)
    refuse_drift(sized.count, count, same=asked_for in {None, sized.fingerprint}, what=_stand(kept))
    _allowed(ctx, sized.count)
    _confirmed(ctx, token, claims, bound, count, spent=spent)
    if claims and claims.get("frozen") and kept is None:
        raise DomainError("confirm.frozen")
    if claims and buys is None:
        ctx.store.spend(job_for(ctx, claims["nonce"]), ctx.meta)
    acknowledgement = Acknowledgement(
        count=sized.count,
        fingerprint=sized.fingerprint,
        token_nonce=claims["nonce"] if claims else None,
        sized_at=datetime.fromtimestamp(claims["sized_at"], UTC) if claims else None,
    )
    held_because = "witnessed" if ctx.witnessed else ctx.policy.holds(sized.count)
    return Acknowledged(definition, merged_variables, acknowledgement, ctx.policy, held_because, kept is not None)


def acknowledge_run(
    ctx: Context, workflow: Workflow, asked: Kept, *, count: Any, token: str | None, variables: Any, spent: bool
) -> None:
    """Pass a manual run, an audience of one, or refuse."""
    require_count(count)
    refuse_drift(asked.count, count, same=True, what="run was asked for")
    claims = ctx.tokens.open(token) if token else None
    _confirmed(ctx, token, claims, _bound(ctx, workflow, _who(None, asked), variables), count, spent=spent)


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
    )


def covered(ctx: Context, workflow: Workflow, approval: StandingApproval, variables: Mapping[str, Any]) -> Acknowledged:
    """What a standing approval allows at this instant; what goes beyond it, or beyond the policy, is held."""
    definition, audience = batch_definition(workflow)
    merged_variables = merged(definition, variables)
    sized = _sized_now(ctx, definition, audience)
    if sized.count == 0:
        raise DomainError("audience.empty")
    policy = ctx.policy.narrowed([approval.limits])
    held_because = policy.exceeded(sized.count) or approval.exceeded(sized.count, ctx.meta.now)
    acknowledgement = Acknowledgement(
        count=sized.count,
        fingerprint=sized.fingerprint,
        token_nonce=None,
        sized_at=ctx.meta.now,
        ceiling=policy.ceiling(approval.ceiling),
    )
    return Acknowledged(definition, merged_variables, acknowledgement, policy, held_because)


def _kept_for(ctx: Context, claims: Mapping[str, Any] | None) -> Kept | None:
    """The people whom a token's sizing kept, if it is a frozen one; refused when they are kept no more."""
    if not claims or not claims.get("frozen"):
        return None
    kept = ctx.people.kept(ctx.meta.principal.project_id, job_for(ctx, claims["nonce"]))
    if kept is None:
        raise DomainError("confirm.expired")
    return Kept(*kept)


def _sized_now(ctx: Context, definition: Definition, audience: Audience) -> Kept:
    sizing = size(ctx, definition, audience, shown=False)
    return Kept(sizing.affected, sizing.fingerprint)


def _who(audience: Audience | None, sized: Kept) -> str:
    """What stands in a token for the question that was asked about people."""
    for name in ("failed", "unfinished", "inputs"):
        if (known := getattr(sized, name)) is not None:
            return digest([name, str(known)])
    return audience.digest() if audience else ""


def _bound(ctx: Context, workflow: Workflow, conditions: str, variables: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "project": str(ctx.meta.principal.project_id),
        "principal": ctx.meta.principal.id,
        "workflow": str(workflow.id),
        "version": workflow.content_version,
        "conditions": conditions,
        "variables": digest(dict(variables)),
    }


def _expected(ctx: Context, claims: Mapping[str, Any] | None, bound: Mapping[str, Any]) -> str | None:
    """The fingerprint that was asked for: by the confirmation, or by a token for the same thing."""
    if ctx.confirming:
        return ctx.confirming.fingerprint
    ours = claims is not None and all(claims.get(name) == value for name, value in bound.items())
    return claims["fingerprint"] if ours and claims else None


def _stand(kept: Kept | None) -> str:
    """What a count counts, in the words of a refusal."""
    if kept is None:
        return "people match"
    return "runs failed" if kept.failed else "people have no outcome" if kept.unfinished else "people were kept"


def _allowed(ctx: Context, count: int) -> None:
    if count == 0:
        raise DomainError("audience.empty")
    limit = ctx.policy.max_audience
    if count > limit:
        raise DomainError(
            "audience.over_limit",
            f"{count:,} people match; policy allows {limit:,}.",
            details={"affected": count, "limit": limit},
        )


def _confirmed(
    ctx: Context,
    token: str | None,
    claims: Mapping[str, Any] | None,
    bound: Mapping[str, Any],
    count: int,
    *,
    spent: bool,
) -> None:
    if token is None:
        if ctx.meta.principal.guarded:
            raise DomainError("confirm.missing")
        return
    if claims is None:
        raise DomainError("confirm.invalid")
    if spent:
        raise DomainError("confirm.used")
    if claims["expires_at"] <= ctx.meta.now.timestamp():
        raise DomainError("confirm.expired")
    changed = [name for name, value in bound.items() if claims.get(name) != value]
    if claims["count"] != count:
        changed.append("count")
    if changed:
        raise DomainError("confirm.changed", details={"changed": changed})
