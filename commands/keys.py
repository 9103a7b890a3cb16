"""API keys: made with scopes, shown once, changed and revoked at once."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any

from aggregates.errors import DomainError, Problem, invalid
from aggregates.key.aggregate import Key
from aggregates.key.events import stream_of
from aggregates.policy import Limits
from aggregates.values import NAME_LIMIT
from commands.context import Accepted, Context
from commands.grants import ENGINE
from commands.key_terms import LIFTED, KeyTerms, problems_of, widened


@dataclass(frozen=True)
class CreateKey:
    """Make an API key of this project. Its plain text is in the answer and nowhere else, ever.

    The `owner` is the user who answers for it: the maker's. Only at the machine itself another is named.
    """

    name: str
    scopes: tuple[str, ...]
    agent: bool = False
    limits: Limits = field(default_factory=Limits)
    rate_per_minute: int | None = None
    expires_at: datetime | None = None
    owner: str | None = None


@dataclass(frozen=True)
class ChangeKey:
    """Change what a key may do, from its next request on. What is left out stays.

    What gives it more room is for whoever has all its scopes and is not one with it: neither itself, nor a key that
    made it, nor one that it made, nor one of the same owner.

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
    problems = [*problems_of(terms, ctx.meta), *_owner_problems(command, ctx)]
    if problems:
        raise invalid("key.invalid", problems)
    maker = ctx.meta.principal
    # Whoever sits at the machine is no key: what they make begins a chain.
    root = at_the_machine(ctx)
    owner, chain = (command.owner, ()) if root else (maker.owner, (*maker.chain, maker.id))
    made = {"owner": owner, "chain": list(chain), "made_by": maker.id, "made_via": ctx.meta.via}
    key_id, plain = ctx.keys.create(maker.project_id, now=ctx.meta.now, **terms.as_columns(), **made)
    key = Key.create(key_id, terms.as_data(), owner=owner, chain=chain, meta=ctx.meta)
    told = {"key_id": key_id, "scopes": key.scopes, "owner": owner, "chain": list(chain)}
    return Accepted(key_id, told, ctx.store.save(key), once={"key": plain})


def change(command: ChangeKey, ctx: Context) -> Accepted:
    _no_agent(ctx)
    stored, key = _found(command.key_id, ctx)
    if stored["revoked_at"] is not None:
        raise DomainError("key.revoked")
    stands = KeyTerms.of(stored)
    wanted = _changed(stands, command)
    problems = _lifted_problems(command) + problems_of(wanted, ctx.meta, stands)
    if problems:
        raise invalid("key.invalid", problems)
    lineage = {"owner": stored["owner"], "chain": list(stored["chain"])}
    told = {"key_id": command.key_id, **wanted.as_data(), **lineage}
    if wanted.as_columns() == stands.as_columns():
        return Accepted(command.key_id, told, ctx.store.save(key) if key else 0)
    key = key or _from_before(command.key_id, stored, ctx)
    key.change(wanted.as_data(), widened=widened(wanted, stands, ctx.policy), meta=ctx.meta)
    by = {"changed_at": ctx.meta.now, "changed_by": ctx.meta.principal.id}
    ctx.keys.change(ctx.meta.principal.project_id, command.key_id, **wanted.as_columns(), **by)
    return Accepted(command.key_id, told, ctx.store.save(key))


def revoke(command: RevokeKey, ctx: Context) -> Accepted:
    _no_agent(ctx)
    stored, key = _found(command.key_id, ctx)
    told = {"key_id": command.key_id, "revoked": True}
    if stored["revoked_at"] is not None:
        return Accepted(command.key_id, told, ctx.store.save(key) if key else 0)
    key = key or _from_before(command.key_id, stored, ctx)
    key.revoke(meta=ctx.meta)
    by = {"revoked_at": ctx.meta.now, "revoked_by": ctx.meta.principal.id}
    ctx.keys.change(ctx.meta.principal.project_id, command.key_id, **by)
    return Accepted(command.key_id, told, ctx.store.save(key))


def _found(key_id: str, ctx: Context) -> tuple[Mapping[str, Any], Key | None]:
    """A key as it is stored, and its stream; None if it is from before keys were recorded."""
    stored = ctx.keys.terms(ctx.meta.principal.project_id, key_id)
    if stored is None:
        raise DomainError("key.not_found")
    return stored, ctx.store.find(Key, stream_of(key_id), ctx.meta)


def _from_before(key_id: str, stored: Mapping[str, Any], ctx: Context) -> Key:
    terms = KeyTerms.of(stored).as_data()
    return Key.found(key_id, terms, owner=stored["owner"], chain=stored["chain"], meta=ctx.meta)


def _owner_problems(command: CreateKey, ctx: Context) -> list[Problem]:
    owner = command.owner
    if owner is None:
        return []
    if not at_the_machine(ctx):
        message = "A key has the owner of the key that makes it; another is named at the machine only."
        return [Problem("/owner", "owner.inherited", message)]
    if 0 < len(owner) <= NAME_LIMIT and owner.isprintable() and owner.strip() == owner:
        return []
    message = f"An owner is 1 to {NAME_LIMIT} printable characters."
    return [Problem("/owner", "field.invalid", message, None, "string", "ada@example.com")]


def at_the_machine(ctx: Context) -> bool:
    """Whether the engine itself asks, for somebody at its console: no key can be given that scope."""
    return ENGINE in ctx.meta.principal.scopes


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
