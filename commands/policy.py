"""The project's policy: what it narrows of the installation's."""

from __future__ import annotations

from dataclasses import dataclass

from aggregates.errors import DomainError, invalid
from aggregates.policy import Limits
from aggregates.project.aggregate import Project
from commands.context import Accepted, Context
from commands.grants import SCOPES


@dataclass(frozen=True)
class SetPolicy:
    """Set what this project narrows of the installation's policy; what is left out is not narrowed.

    What leaves more room than before is for whoever has every scope: it holds for every key. What waits for an approval
    under the policy of before still waits.
    """

    limits: Limits


def set_policy(command: SetPolicy, ctx: Context) -> Accepted:
    if ctx.meta.principal.guarded:
        raise DomainError("policy.not_for_agents")
    problems = command.limits.problems() or command.limits.beyond(ctx.meta.principal.own_limits)
    if problems:
        raise invalid("policy.invalid", problems)
    id = ctx.meta.principal.project_id
    name, stands = ctx.projects.stands(id)
    widened = [problem.pointer for problem in command.limits.beyond(stands)]
    if widened:
        _may_lift(ctx)
    told = {"limits": command.limits.as_data()}
    project = ctx.store.find(Project, id, ctx.meta)
    if command.limits == stands:
        return Accepted(str(id), told, ctx.store.save(project) if project else 0)
    project = project or Project.found(name, stands.as_data(), meta=ctx.meta)
    project.set_policy(command.limits.as_data(), widened=widened, meta=ctx.meta)
    ctx.projects.narrow(id, command.limits)
    return Accepted(str(id), told, ctx.store.save(project))


def _may_lift(ctx: Context) -> None:
    """Who may not do a thing lets nobody else do more of it."""
    missing = sorted(SCOPES - ctx.meta.principal.scopes)
    if missing:
        message = f"Who widens the policy has every scope; {' and '.join(missing)} is missing."
        raise DomainError("scope.missing", message, details={"missing": missing})
