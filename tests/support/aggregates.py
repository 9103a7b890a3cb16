"""Given facts, when a command, then facts: aggregates without a database."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any, TypeVar
from uuid import UUID

from aggregates.base import Aggregate, Event, Meta, Principal
from aggregates.values import Acknowledgement, StandingApproval

A = TypeVar("A", bound=Aggregate)

NOW = datetime(2026, 11, 21, 12, 0, tzinfo=UTC)
PROJECT = UUID(int=1)
SOMEBODY = Principal(project_id=PROJECT, id="key1", scopes=frozenset(), source="api", name="somebody")
ANOTHER = Principal(project_id=PROJECT, id="key2", scopes=frozenset(), source="api", name="somebody else")


def meta(**facts: Any) -> Meta:
    """Somebody acting now, unless told otherwise."""
    return Meta(**{"now": NOW, "principal": SOMEBODY, "command_id": UUID(int=7), "request_id": "r1", **facts})


def acknowledged(count: int = 3, fingerprint: str = "f") -> Acknowledgement:
    return Acknowledgement(count=count, fingerprint=fingerprint, token_nonce=None, sized_at=None)


def approved(ceiling: int = 3, **facts: Any) -> StandingApproval:
    """What a human allowed a schedule until further notice."""
    return StandingApproval(**{"by": "key1", "workflow_version": 1, "max_growth": 0.1, "ceiling": ceiling, **facts})


def facts(aggregate: Aggregate) -> list[Event]:
    """What a command recorded, taken from the aggregate."""
    return [event for event in aggregate.collect_events() if isinstance(event, Event)]


def topics(aggregate: Aggregate) -> list[str]:
    return [event.TOPIC for event in facts(aggregate)]  # type: ignore[attr-defined]


def given(aggregate: A, *steps: Callable[[A], object]) -> A:
    """An aggregate after some commands, with nothing pending."""
    for step in steps:
        step(aggregate)
    aggregate.collect_events()
    return aggregate
