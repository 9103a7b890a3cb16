"""The one acknowledgement guard. Whatever leads to people passes through `acknowledge`.

Order of refusals: workflow.not_batch, workflow.not_active, variables.invalid, audience.drift, audience.empty,
audience.over_limit, confirm.*; scopes and the workflow's existence were checked before.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

from aggregates.audience import Audience
from aggregates.errors import DomainError, Problem, invalid
from aggregates.values import Acknowledgement, Sizing, digest
from aggregates.workflow.aggregate import Workflow
from aggregates.workflow.definition import Definition
from commands.context import Context

COUNT_LIMIT = 2**31 - 1


@dataclass(frozen=True)
class Acknowledged:
    """The proof that a human confirmed this audience of this workflow, as it is now."""

    definition: Definition
    variables: Mapping[str, Any]
    acknowledgement: Acknowledgement


def batch_definition(workflow: Workflow) -> tuple[Definition, Audience]:
    """The content of a workflow that has an audience; refused otherwise."""
    if workflow.content.get("trigger", {}).get("type") != "batch":
        raise DomainError("workflow.not_batch")
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
    ctx: Context, workflow: Workflow, audience: Audience, variables: Mapping[str, Any], sizing: Sizing
) -> dict[str, Any]:
    """What a confirm token of this sizing says. Times are seconds since 1970."""
    now = ctx.meta.now
    return {
        **_bound(ctx, workflow, audience, variables),
        "fingerprint": sizing.fingerprint,
        "count": sizing.affected,
        "sized_at": int(now.timestamp()),
        "expires_at": int((now + timedelta(minutes=ctx.policy.token_minutes)).timestamp()),
        "nonce": ctx.ids.nonce(),
    }


def bought_job(ctx: Context, token: str | None) -> UUID | None:
    """The only job that a genuine token can buy: its id comes from the token's nonce."""
    claims = ctx.tokens.open(token) if token else None
    return ctx.ids.derived("batch_job", ctx.meta.principal.project_id, claims["nonce"]) if claims else None


def acknowledge(
    ctx: Context, workflow: Workflow, *, count: Any, token: str | None, variables: Mapping[str, Any], spent: bool
) -> Acknowledged:
    """Pass, or refuse. `spent` says that the token has bought something other than what is asked for now."""
    definition, audience = batch_definition(workflow)
    if workflow.status != "active":
        raise DomainError("workflow.not_active", details={"status": workflow.status})
    merged_variables = merged(definition, variables)
    _is_count(count)
    sizing = size(ctx, definition, audience, shown=False)
    claims = ctx.tokens.open(token) if token else None
    bound = _bound(ctx, workflow, audience, merged_variables)
    ours = claims is not None and all(claims.get(name) == value for name, value in bound.items())
    _no_drift(sizing, count, claims["fingerprint"] if ours and claims else None)
    if sizing.affected == 0:
        raise DomainError("audience.empty", details={"matched": sizing.matched, "excluded": dict(sizing.excluded)})
    limit = ctx.policy.limit_for(ctx.meta.principal.max_audience)
    if sizing.affected > limit:
        raise DomainError(
            "audience.over_limit",
            f"{sizing.affected:,} people match; policy allows {limit:,}.",
            details={"affected": sizing.affected, "limit": limit},
        )
    _confirmed(ctx, token, claims, bound, count, spent=spent)
    return Acknowledged(
        definition,
        merged_variables,
        Acknowledgement(
            count=sizing.affected,
            fingerprint=sizing.fingerprint,
            token_nonce=claims["nonce"] if claims else None,
            sized_at=datetime.fromtimestamp(claims["sized_at"], UTC) if claims else None,
        ),
    )


def _bound(ctx: Context, workflow: Workflow, audience: Audience, variables: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "project": str(ctx.meta.principal.project_id),
        "principal": ctx.meta.principal.id,
        "workflow": str(workflow.id),
        "version": workflow.content_version,
        "conditions": audience.digest(),
        "variables": digest(dict(variables)),
    }


def _is_count(count: Any) -> None:
    if isinstance(count, bool) or not isinstance(count, int) or not 0 <= count <= COUNT_LIMIT:
        raise invalid(
            "request.invalid",
            [
                Problem(
                    "/acknowledged_affected_count",
                    "field.invalid",
                    "The count that a human confirmed.",
                    None,
                    "integer",
                    1234,
                )
            ],
        )


def _no_drift(sizing: Sizing, count: int, fingerprint: str | None) -> None:
    if sizing.affected != count:
        raise DomainError(
            "audience.drift",
            f"The audience is {sizing.affected:,} people now; {count:,} were acknowledged. Nothing was started.",
            details={"now": sizing.affected, "acknowledged": count},
        )
    if fingerprint is not None and fingerprint != sizing.fingerprint:
        raise DomainError(
            "audience.drift",
            f"The audience is still {count:,} people, but not the same ones. Nothing was started.",
            details={"now": sizing.affected, "acknowledged": count, "same_people": False},
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
