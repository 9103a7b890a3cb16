"""Who may decide about what somebody asked for: one rule for held batch jobs and for confirmations."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

from aggregates.base import Event, Meta
from aggregates.errors import DomainError
from aggregates.lineage import heads_of, one_head


def require_another_human(requesters: Collection[str], meta: Meta) -> None:
    """Refuse a guarded principal, and a principal that counts as one with those who asked.

    Raises `approval.not_for_agents` and `approval.own_request`.
    """
    if meta.principal.guarded:
        raise DomainError("approval.not_for_agents")
    if one_head(heads_of(meta.principal), requesters):
        raise DomainError("approval.own_request")


def asked_of(event: Event) -> dict[str, Any]:
    """What a human has to know of the request: who asked, through which door and tool, from which program, and why.

    `owner` and `chain` are who else stands behind the key that asked.
    """
    facts = {name: event.meta.get(name) for name in ("source", "via", "client")}
    return {
        "by": event.meta["actor"],
        "owner": event.meta.get("owner"),
        "chain": event.meta.get("chain", "").split(),
        **facts,
        "why": event.meta.get("reason"),
        "at": event.timestamp.isoformat(),
    }
