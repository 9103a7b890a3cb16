"""API keys: made with scopes, shown once, changed and revoked at once."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any

from aggregates.errors import DomainError, Problem, invalid
from aggregates.policy import Limits
from commands.context import Accepted, Context
from commands.key_terms import LIFTED, KeyTerms, problems_of


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
class ChangeKey:
    """Change what a key may do, from its next request on. What is left out stays.

    A limit, a rate or an end is given anew, or taken away by its name in `lifted`. The mark `agent` is only ever set.
    """

    key_id: str
    name: str | None = None
    scopes: tuple[str, ...] | None = None
    agent: bool | None = None
    limits: Limits = field(default_factory=Limits)
    rate_per_minute: int | None = None
    expires_at: datetime | None = None
    lifted: tuple[str, ...] = ()


@dataclass(frozen=True)
class RevokeKey:
    """Revoke a key; its next request is refused."""

    key_id: str


def create(command: CreateKey, ctx: Context) -> Accepted:
    _no_agent(ctx)
    terms = KeyTerms(
        command.name,
        command.scopes,
        command.agent,
        command.limits,
        command.rate_per_minute,
        command.expires_at,
    )
    problems = problems_of(terms, ctx.meta)
    if problems:
        raise invalid("key.invalid", problems)
    key_id, plain = ctx.keys.create(ctx.meta.principal.project_id, now=ctx.meta.now, **terms.as_columns())
    return Accepted(key_id, {"key_id": key_id, "scopes": sorted(set(command.scopes))}, once={"key": plain})


def change(command: ChangeKey, ctx: Context) -> Accepted:
    _no_agent(ctx)
    project_id = ctx.meta.principal.project_id
    found = ctx.keys.terms(project_id, command.key_id)
    if found is None:
        raise DomainError("key.not_found")
    if found["revoked_at"] is not None:
        raise DomainError("key.revoked")
    stands = KeyTerms.of(found)
    wanted = _changed(stands, command)
    problems = _lifted_problems(command) + problems_of(wanted, ctx.meta, stands)
    if problems:
        raise invalid("key.invalid", problems)
    columns = wanted.as_columns()
    if columns != stands.as_columns():
        ctx.keys.change(project_id, command.key_id, **columns)
    return Accepted(command.key_id, {"key_id": command.key_id, **wanted.as_data()})


def revoke(command: RevokeKey, ctx: Context) -> Accepted:
    _no_agent(ctx)
    if not ctx.keys.revoke(ctx.meta.principal.project_id, command.key_id, ctx.meta.now):
        raise DomainError("key.not_found")
    return Accepted(command.key_id, {"key_id": command.key_id, "revoked": True})


def _no_agent(ctx: Context) -> None:
    """An agent with a key of another kind could answer its own questions, whatever scopes it has."""
    if ctx.meta.principal.guarded:
        raise DomainError("key.not_for_agents")


def _changed(stands: KeyTerms, command: ChangeKey) -> KeyTerms:
    """What the key would be: what is given replaces, what is lifted is gone, the rest stays."""
    kept = {name: value for name, value in stands.limits.as_data().items() if name not in command.lifted}
    given: dict[str, Any] = {
        name: value
        for name in ("name", "scopes", "agent", "rate_per_minute", "expires_at")
        if (value := getattr(command, name)) is not None
    }
    gone: dict[str, Any] = {name: None for name in ("rate_per_minute", "expires_at") if name in command.lifted}
    return replace(stands, **{**gone, **given, "limits": Limits.of({**kept, **command.limits.as_data()})})


def _lifted_problems(command: ChangeKey) -> list[Problem]:
    """What cannot be taken away, because it is no limit, or because it is given in the same breath."""
    given = {**command.limits.as_data(), "rate_per_minute": command.rate_per_minute, "expires_at": command.expires_at}
    return [
        Problem("/lifted", "field.invalid", "A limit is taken away or given, not both.", None, list(LIFTED))
        for name in command.lifted
        if name not in LIFTED or given.get(name) is not None
    ]
