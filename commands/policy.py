"""The project's policy: what it narrows of the installation's."""

from __future__ import annotations

from dataclasses import dataclass

from aggregates.errors import DomainError, invalid
from aggregates.policy import Limits
from commands.context import Accepted, Context


@dataclass(frozen=True)
class SetPolicy:
    """Set what this project narrows of the installation's policy; what is left out is not narrowed."""

    limits: Limits


def set_policy(command: SetPolicy, ctx: Context) -> Accepted:
    if ctx.meta.principal.guarded:
        raise DomainError("policy.not_for_agents")
    problems = command.limits.problems() or command.limits.beyond(ctx.meta.principal.own_limits)
    if problems:
        raise invalid("policy.invalid", problems)
    project = ctx.meta.principal.project_id
    ctx.projects.narrow(project, command.limits)
    return Accepted(str(project), {"limits": command.limits.as_data()})
