"""API keys: made with scopes, shown once, revoked at once."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, datetime

from aggregates.errors import DomainError, Problem, invalid
from aggregates.policy import LARGEST, Limits
from aggregates.values import NAME_LIMIT
from commands.context import Accepted, Context
from commands.grants import SCOPES


@dataclass(frozen=True)
class CreateKey:
    """Make an API key of this project. Its plain text is in the answer and nowhere else, ever."""

    name: str
    scopes: tuple[str, ...]
    agent: bool = False
    limits: Limits = field(default_factory=Limits)
    rate_per_minute: int | None = None
    expires_at: datetime | None = None


@dataclass(frozen=True)
class RevokeKey:
    """Revoke a key; its next request is refused."""

    key_id: str


def create(command: CreateKey, ctx: Context) -> Accepted:
    _no_agent(ctx)
    problems = _problems(command, ctx)
    if problems:
        raise invalid("key.invalid", problems)
    key_id, plain = ctx.keys.create(
        ctx.meta.principal.project_id,
        name=command.name,
        scopes=sorted(set(command.scopes)),
        agent=command.agent,
        limits=command.limits.as_data(),
        rate_per_minute=command.rate_per_minute,
        expires_at=command.expires_at and command.expires_at.astimezone(UTC),
        now=ctx.meta.now,
    )
    return Accepted(key_id, {"key_id": key_id, "scopes": sorted(set(command.scopes))}, once={"key": plain})


def revoke(command: RevokeKey, ctx: Context) -> Accepted:
    _no_agent(ctx)
    if not ctx.keys.revoke(ctx.meta.principal.project_id, command.key_id, ctx.meta.now):
        raise DomainError("key.not_found")
    return Accepted(command.key_id, {"key_id": command.key_id, "revoked": True})


def _no_agent(ctx: Context) -> None:
    """An agent with a key of another kind could answer its own questions, whatever scopes it has."""
    if ctx.meta.principal.guarded:
        raise DomainError("key.not_for_agents")


def _problems(command: CreateKey, ctx: Context) -> list[Problem]:
    problems = []
    if not 0 < len(command.name) <= NAME_LIMIT or not command.name.isprintable():
        problems.append(
            Problem(
                "/name", "field.invalid", f"A name is 1 to {NAME_LIMIT} printable characters.", None, "string", "ci"
            )
        )
    unknown = [scope for scope in command.scopes if scope not in SCOPES]
    if unknown or not command.scopes:
        problems.append(
            Problem("/scopes", "scope.unknown", "A key has one or more of the known scopes.", None, sorted(SCOPES))
        )
    # A key hands on what its maker may do, never more.
    beyond = [scope for scope in command.scopes if scope in SCOPES and scope not in ctx.meta.principal.scopes]
    if beyond:
        problems.append(Problem("/scopes", "scope.beyond", "You cannot give scopes that you lack.", beyond))
    problems += command.limits.problems() or command.limits.beyond(ctx.meta.principal.own_limits)
    if command.agent and "batch:approve" in command.scopes:
        problems.append(Problem("/scopes", "scope.agent", "A key marked agent can never approve.", "batch:approve"))
    if command.rate_per_minute is not None and not 1 <= command.rate_per_minute <= LARGEST:
        problems.append(Problem("/rate_per_minute", "field.invalid", "A positive number.", None, "integer", 1000))
    own_rate = ctx.meta.principal.rate_per_minute
    if own_rate is not None and (command.rate_per_minute is None or command.rate_per_minute > own_rate):
        message = "You cannot give more than your own limit."
        problems.append(Problem("/rate_per_minute", "limit.beyond", message, None, own_rate))
    if command.expires_at is not None and not _in_future(command.expires_at, ctx.meta.now):
        problems.append(
            Problem("/expires_at", "field.invalid", "An instant in the future with its offset.", None, "date-time")
        )
    return problems


def _in_future(instant: datetime, now: datetime) -> bool:
    """Whether it is one, with an offset, that a calendar in UTC has as well."""
    try:
        return instant.tzinfo is not None and instant.astimezone(UTC) > now
    except OverflowError:
        return False
