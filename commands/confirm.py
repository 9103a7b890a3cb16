"""The one acknowledgement guard. Whatever leads to people passes through `acknowledge`, or through `covered` of
`commands.standing`, which asks a standing approval that came out of it.

Order of refusals: workflow.not_batch, workflow.not_active, variables.invalid, audience.drift, audience.empty,
audience.over_limit, audience.over_budget, confirm.*; scopes and the workflow's existence were checked before.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Literal
from uuid import UUID

from aggregates.audience import Audience
from aggregates.errors import DomainError, Problem, invalid
from aggregates.policy import Policy
from aggregates.values import Acknowledgement, Sizing, digest
from aggregates.workflow.aggregate import Workflow
from aggregates.workflow.definition import Definition
from commands.binding import Purpose, bought_job, bound_to, claims_of, differences, nonce_of
from commands.budget import within_a_day, within_budget
from commands.context import Context
from commands.reach import reach_of
from commands.sends import refuse_elsewhere

COUNT_LIMIT = 2**31 - 1

BATCH = Purpose()
"""A batch that is sent as fast as it goes."""

ASKED_OF_PEOPLE = ("project", "workflow", "conditions")
"""A sizing with these was about the same people, if nobody has come or gone."""


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


def sendable_definition(ctx: Context, workflow: Workflow, *, active: bool = False) -> tuple[Definition, Audience]:
    """The same, refused also when the policy does not allow what it sends."""
    definition, audience = batch_definition(workflow, active=active)
    refuse_elsewhere(ctx, definition)
    return definition, audience


def merged(definition: Definition, variables: Mapping[str, Any]) -> dict[str, Any]:
    """Workflow defaults overlaid by what the caller gives; refused with every problem."""
    result, problems = definition.merge_variables(variables)
    if problems:
        raise invalid("variables.invalid", problems)
    return result


def size(ctx: Context, definition: Definition, audience: Audience, policy: Policy, *, shown: bool) -> Sizing:
    """Ask the one sizing query, after the conditions have been checked against the cohorts of today.

    `shown` asks for what only a reader needs: the project's total, a sample, what people lack.
    """
    project = ctx.meta.principal.project_id
    if problems := ctx.people.audience_problems(project, audience, "/trigger/filters/properties"):
        raise invalid("audience.invalid", problems)
    reach = reach_of(definition, policy)
    return ctx.people.size(project, audience, reach=reach, needs=definition.needs, shown=shown, now=ctx.meta.now)


def acknowledge(
    ctx: Context,
    workflow: Workflow,
    *,
    count: Any,
    token: str | None,
    variables: Mapping[str, Any],
    spent: bool,
    purpose: Purpose = BATCH,
    buys: Literal["job", "schedule"] | None = None,
    kept: Kept | None = None,
    asked: Kept | None = None,
) -> Acknowledged:
    """Pass, or refuse. `spent` says that the token has bought something other than what is asked for now.

    `purpose` is what is asked for. What the token `buys` gets its id; where it buys no stream of its own, it is spent
    here. `kept` are people who are known already, asked for instead of whoever matches now; a token that buys a job may
    have kept its own. `asked` are the people of a job that is there already: it goes on over those or not at all.
    """
    definition, audience = sendable_definition(ctx, workflow, active=True)
    merged_variables = merged(definition, variables)
    _is_count(count)
    claims = claims_of(ctx, token)
    if buys == "job" and not spent:
        kept = _kept_for(ctx, token, claims)
    sized = kept or sized_now(ctx, definition, audience, ctx.policy)
    bound = bound_to(ctx, workflow, who(audience, sized), merged_variables, purpose)
    _no_drift(sized, count, _expected(claims, bound, kept), kept)
    _no_others(sized, Kept(count, ctx.confirming.fingerprint) if ctx.confirming else asked)
    held_because = _allowed(ctx, workflow, sized.count, purpose)
    _confirmed(ctx, token, claims, bound, count, spent=spent, kept=kept is not None)
    if buys is None:
        _spend(ctx, token)
    acknowledgement = _acknowledgement(sized, token, claims, ctx.policy)
    return Acknowledged(definition, merged_variables, acknowledgement, ctx.policy, held_because, kept is not None)


def _acknowledgement(
    sized: Kept, token: str | None, claims: Mapping[str, Any] | None, policy: Policy
) -> Acknowledgement:
    return Acknowledgement(
        count=sized.count,
        fingerprint=sized.fingerprint,
        token_nonce=nonce_of(token) if claims and token else None,
        sized_at=datetime.fromtimestamp(claims["sized_at"], UTC) if claims else None,
        per_person=policy.per_person,
    )


def _spend(ctx: Context, token: str | None) -> None:
    """Use up a token for something that is no stream of its own."""
    bought = bought_job(ctx, token)
    if bought is not None:
        ctx.store.spend(bought, ctx.meta)


def acknowledge_run(
    ctx: Context, workflow: Workflow, asked: Kept, *, count: Any, token: str | None, variables: Any, spent: bool
) -> None:
    """Pass a manual run, an audience of one, or refuse."""
    _is_count(count)
    _no_drift(asked, count, None, asked)
    bound = bound_to(ctx, workflow, who(None, asked), variables, BATCH)
    _confirmed(ctx, token, claims_of(ctx, token), bound, count, spent=spent, kept=False)


def _kept_for(ctx: Context, token: str | None, claims: Mapping[str, Any] | None) -> Kept | None:
    """The people whom a token's sizing kept, if it is a frozen one; refused when they are kept no more."""
    if not claims or not claims.get("frozen"):
        return None
    bought = bought_job(ctx, token)
    kept = ctx.people.kept(ctx.meta.principal.project_id, bought) if bought else None
    if kept is None:
        raise DomainError("confirm.expired")
    return Kept(*kept)


def sized_now(ctx: Context, definition: Definition, audience: Audience, policy: Policy) -> Kept:
    """The people whom an audience reaches at this instant under a policy."""
    sizing = size(ctx, definition, audience, policy, shown=False)
    return Kept(sizing.affected, sizing.fingerprint)


def who(audience: Audience | None, sized: Kept) -> str:
    """What stands in a token for the question that was asked about people."""
    for name in ("failed", "unfinished", "inputs"):
        if (known := getattr(sized, name)) is not None:
            return digest([name, str(known)])
    return audience.digest() if audience else ""


def _expected(claims: Mapping[str, Any] | None, bound: Mapping[str, Any], kept: Kept | None) -> str | None:
    """The fingerprint that a token was made with, if its sizing asked the same question about people."""
    if claims is None or (claims["frozen"] and kept is None):
        return None
    return claims["fingerprint"] if all(claims.get(name) == bound[name] for name in ASKED_OF_PEOPLE) else None


def _is_count(count: Any) -> None:
    if isinstance(count, bool) or not isinstance(count, int) or not 0 <= count <= COUNT_LIMIT:
        at, message = "/acknowledged_affected_count", "The count that a human confirmed."
        raise invalid("request.invalid", [Problem(at, "field.invalid", message, None, "integer", 1234)])


def _no_drift(sized: Kept, count: int, fingerprint: str | None, kept: Kept | None) -> None:
    if sized.count != count:
        stands = f"The audience is {sized.count:,} people now"
        if kept:
            known = "people were kept" if kept.unfinished is None else "people have no outcome"
            stands = f"{sized.count:,} {'runs failed' if kept.failed else known}"
        raise DomainError(
            "audience.drift",
            f"{stands}; {count:,} were acknowledged. Nothing was started.",
            details={"now": sized.count, "acknowledged": count},
        )
    if fingerprint is not None and fingerprint != sized.fingerprint:
        raise DomainError(
            "audience.drift",
            f"The audience is still {count:,} people, but not the same ones. Nothing was started.",
            details={"now": sized.count, "acknowledged": count, "same_people": False},
        )


def _no_others(sized: Kept, asked: Kept | None) -> None:
    """Refuse a job whose people are not those who were asked for."""
    if asked is None or asked.fingerprint == sized.fingerprint:
        return
    raise DomainError(
        "audience.drift",
        f"The job was asked for {asked.count:,} people; these {sized.count:,} are not the same. Nothing was started.",
        details={"now": sized.count, "acknowledged": asked.count, "same_people": False},
        next="Reject it and ask for a new job; for an occurrence of a schedule, send the token of a fresh sizing.",
    )


def _allowed(ctx: Context, workflow: Workflow, count: int, purpose: Purpose) -> str | None:
    """Refuse more people than policy or budget allow; else why a second person has to approve them, or None."""
    if count == 0:
        raise DomainError("audience.empty")
    limit = ctx.policy.max_audience
    if count > limit:
        raise DomainError(
            "audience.over_limit",
            f"{count:,} people match; policy allows {limit:,}.",
            details={"affected": count, "limit": limit},
        )
    match purpose.kind:
        case "batch":
            return must_wait(ctx, within_budget(ctx, workflow.id, count))
        case "schedule":
            within_a_day(ctx, count)
    return None


def must_wait(ctx: Context, over: str | None) -> str | None:
    """Why a batch waits for a human, None if it need not; `over` is what the policy says of its size."""
    return "witnessed" if ctx.witnessed else over


def _confirmed(
    ctx: Context,
    token: str | None,
    claims: Mapping[str, Any] | None,
    bound: Mapping[str, Any],
    count: int,
    *,
    spent: bool,
    kept: bool,
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
    if claims.get("frozen") and not kept:
        raise DomainError("confirm.frozen")
    changed = differences(bound, claims)
    if claims["count"] != count:
        changed.append("count")
    if changed:
        made = f"The confirm token was made with another {', '.join(changed)}."
        raise DomainError("confirm.changed", made, details={"changed": changed})
