"""What the log and states of the past say of people: told only to who may read people."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from aggregates.base import Principal
from aggregates.people.events import COUNTS

TELLING = frozenset(
    {"person_id", "address", "members", "conditions_digest", "sha256", "cancelled_runs", "unknown_decided", *COUNTS}
)
"""Fields of events and states that depend on who exists, or that equal one another where they are of one person.

By their names alone, in every topic and kind: so it holds for events whose code is gone, too. Tenants' own names are
never looked at; they are deeper inside.
"""

NESTED = "facts"
"""Where a state keeps the fields of an event as they were recorded."""


def for_reader(principal: Principal, said: Mapping[str, Any]) -> dict[str, Any]:
    """What an event or a state says, with None for each of `TELLING` unless the principal has person:read."""
    if "person:read" in principal.scopes:
        return dict(said)
    shown = {name: None if name in TELLING else value for name, value in said.items()}
    if isinstance(said.get(NESTED), Mapping):
        shown[NESTED] = for_reader(principal, said[NESTED])
    return shown
