"""Which terms of a schedule a person has seen: those that one confirmed, and who has changed them since."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from aggregates.base import Meta
from aggregates.errors import DomainError
from aggregates.schedule.terms import Terms


def by_person(approval: Mapping[str, Any] | None) -> bool:
    """Whether a recorded approval is of a person: one who asked, or one who confirmed what an agent asked for."""
    return approval is not None and (not approval.get("guarded") or approval.get("asked_by") is not None)


def reviser(meta: Mapping[str, str]) -> str:
    """Who changes something, by a metadata; what comes through MCP is not the person who holds the same key."""
    return _named(meta["actor"], meta["source"])


def others(revisers: Sequence[str], meta: Meta) -> list[str]:
    """Those among revisers, each once, that are not the one who acts now."""
    me = _named(meta.principal.id, meta.principal.source)
    return [name for name in dict.fromkeys(revisers) if name != me]


def refuse_unseen(seen: Terms | None, terms: Terms, revisers: Sequence[str], meta: Meta) -> None:
    """Refuse a number for terms that others have changed since a person confirmed them: `schedule.unseen`."""
    names, now = others(revisers, meta), changed(seen, flat(terms))
    if names and now:
        raise DomainError("schedule.unseen", details={"revised_by": names, "changed": list(now)})


def changed(seen: Terms | None, now: Mapping[str, Any]) -> dict[str, Any]:
    """What of `now`, as `flat` has it, differs from the terms that were seen: before and after, by name."""
    before = flat(seen) if seen else {}
    return {
        name: {"before": before.get(name), "after": value} for name, value in now.items() if before.get(name) != value
    }


def flat(terms: Terms) -> dict[str, Any]:
    """Terms as one object, as answers have them."""
    rest = {**terms.recurrence.as_data(), **terms.firing.as_data(), **terms.pace.as_data()}
    return {**rest, "variables": dict(terms.variables)}


def _named(actor: str, source: str) -> str:
    return f"{actor} over mcp" if source == "mcp" else actor
