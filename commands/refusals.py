"""Which refused calls are recorded, and what they were about. Writing them down is the machine room's business."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Protocol
from uuid import UUID

from aggregates.base import Meta
from aggregates.errors import DomainError, Kind
from aggregates.key.events import stream_of

PASSING = frozenset({"stream.conflict", "idempotency.in_flight"})
"""Refusals that say nothing of the caller: the same request may be good in a moment."""


class Record(Protocol):
    """Writes a refused call down. Never raises: whoever was refused is told so in any case."""

    def __call__(self, refusal: DomainError, meta: Meta, name: str, subject_id: UUID | None) -> None: ...


def is_recorded(refusal: DomainError) -> bool:
    """Whether it is the caller who was told no, rather than the installation that could not."""
    return refusal.kind is not Kind.UNAVAILABLE and refusal.code not in PASSING


def subject_of(given: Mapping[str, Any]) -> UUID | None:
    """What a call names among the fields of a command, a path or a tool: a confirmation, batch job, schedule, workflow,
    key.
    """
    named = [given.get(name) for name in ("confirmation_id", "batch_job_id", "schedule_id", "workflow_id", "stream_id")]
    if isinstance(run := given.get("run_id"), str):
        named.insert(0, run.partition(".")[0])
    if isinstance(key_id := given.get("key_id"), str) and key_id:
        named.append(stream_of(key_id))
    return next((id for id in map(_id, named) if id is not None), None)


def _id(value: object) -> UUID | None:
    """An id that something may have; doors stand zero in for one that is malformed."""
    try:
        id = value if isinstance(value, UUID) else UUID(value) if isinstance(value, str) else None
    except ValueError:
        return None
    return id if id is not None and id.int else None
