"""What a handler receives: ports, each a Protocol. The machine room supplies them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, BinaryIO, Protocol, TypeVar
from uuid import UUID

from aggregates.audience import Audience
from aggregates.base import Aggregate, Meta
from aggregates.errors import Problem
from aggregates.values import Sizing

A = TypeVar("A", bound=Aggregate)


@dataclass(frozen=True)
class Accepted:
    """A command's answer: what it was about, what to tell the caller, and the log's position (0: unchanged).

    `once` is told with this answer and kept nowhere: a repeated request gets the answer without it.
    """

    id: str
    data: Mapping[str, Any] = field(default_factory=dict)
    position: int = 0
    once: Mapping[str, Any] = field(default_factory=dict)


class Store(Protocol):
    """Streams in and out, inside the command's transaction."""

    def load(self, kind: type[A], id: UUID, meta: Meta) -> A:
        """The aggregate; an unknown id and a foreign project's id raise the same `<kind>.not_found`."""

    def find(self, kind: type[A], id: UUID, meta: Meta) -> A | None:
        """The aggregate, or None."""

    def save(self, *aggregates: Aggregate) -> int:
        """Append what is pending; the position of the last event, or where the stream already stands."""

    def taken(self, id: UUID | None) -> bool:
        """Whether any stream of any kind has this id; a confirm token buys one id, once."""

    def schedules_of(self, workflow_id: UUID, meta: Meta) -> Sequence[UUID]:
        """The ids of a workflow's schedules that are not detached."""


class People(Protocol):
    """Audience questions and people's state, inside the command's transaction."""

    def audience_problems(self, project_id: UUID, audience: Audience, pointer: str) -> list[Problem]: ...

    def size(
        self,
        project_id: UUID,
        audience: Audience,
        *,
        sends_email: bool,
        needs: Sequence[str],
        shown: bool,
        now: datetime,
    ) -> Sizing:
        """Counts and fingerprint of one snapshot; only if `shown` also the total, a sample and what people lack."""

    def explain(
        self, project_id: UUID, audience: Audience, *, sends_email: bool, limit: int, now: datetime
    ) -> Sequence[Mapping[str, Any]]:
        """People who match and are excluded: `{person_id, distinct_id, reason}`."""

    def import_people(
        self,
        project_id: UUID,
        stream: BinaryIO,
        *,
        format: str,
        mapping: Mapping[str, str],
        dry_run: bool,
        now: datetime,
    ) -> Mapping[str, Any]: ...

    def create_cohort(self, project_id: UUID, id: UUID, **fields: Any) -> Mapping[str, Any]: ...


class Keys(Protocol):
    """API keys, inside the command's transaction."""

    def create(self, project_id: UUID, **fields: Any) -> tuple[str, str]:
        """The key's id and, for this one time, its plain text."""

    def revoke(self, project_id: UUID, id: str, now: datetime) -> bool: ...


@dataclass(frozen=True)
class Policy:
    """The one object that the guard, the enroller and every answer read."""

    max_audience: int
    approval_over: int | None
    send_mode: str
    token_minutes: int

    def limit_for(self, max_audience: int | None) -> int:
        """The largest audience for a key with its own cap."""
        return self.max_audience if max_audience is None else min(max_audience, self.max_audience)

    def as_data(self) -> dict[str, Any]:
        return {
            "max_audience": self.max_audience,
            "approval_over": self.approval_over,
            "send_mode": self.send_mode,
            "token_minutes": self.token_minutes,
        }


class Tokens(Protocol):
    """Signs and opens confirm tokens."""

    def sign(self, claims: Mapping[str, Any]) -> str: ...

    def open(self, token: str) -> Mapping[str, Any] | None:
        """The claims, or None when we did not sign it."""


class Ids(Protocol):
    """Chance, at the door: new ids, and ids derived from what they identify."""

    def new(self) -> UUID: ...

    def derived(self, *parts: object) -> UUID: ...

    def nonce(self) -> str: ...


@dataclass(frozen=True)
class Context:
    """All that a handler may touch."""

    meta: Meta
    store: Store
    people: People
    keys: Keys
    policy: Policy
    tokens: Tokens
    ids: Ids
