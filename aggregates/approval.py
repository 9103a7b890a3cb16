"""Who may decide about what somebody asked for: one rule for held batch jobs and for confirmations."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

from aggregates.base import Event, Meta
from aggregates.errors import DomainError


def require_another_human(requesters: Collection[str], meta: Meta) -> None:
    """Refuse a guarded principal, and a principal that is among those who asked.

    Raises `approval.not_for_agents` and `approval.own_request`.
    """
    if meta.principal.guarded:
        raise DomainError("approval.not_for_agents")
    if {meta.principal.id, meta.principal.on_behalf_of} & set(requesters):
        raise DomainError("approval.own_request")


def requesters_of(event: Event) -> set[str]:
    """The principals who count as having asked, by the event that records the request."""
    named = (event.meta.get(fact) for fact in ("actor", "on_behalf_of"))
    return {name for name in named if name is not None}


def asked_of(event: Event) -> dict[str, Any]:
    """What a human has to know of the request: who asked, through which door and tool, from which program, and why."""
    facts = {name: event.meta.get(name) for name in ("source", "via", "client")}
    return {
        "by": event.meta["actor"],
        **facts,
        "why": event.meta.get("reason"),
        "at": event.timestamp.isoformat(),
    }
