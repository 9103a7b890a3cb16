"""What can happen to a confirmation. Counts and ids only; `OUTSIDE` names what may be personal."""

from __future__ import annotations

from datetime import datetime
from typing import Any
from uuid import UUID

from aggregates.base import CreatedEvent, Event
from aggregates.outside import limits_parts


class ConfirmationRequested(CreatedEvent):
    """A guarded principal asked for a command that takes effect only when a human confirms it.

    `asks` is the command's name and `terms` its fields. `subject_id` is the schedule or batch job that it changes (None
    if it makes a new one) and `subject_digest` stands for how that was then. `count` and `fingerprint` are of
    the audience that was sized. `outcome` is what the command would answer. `limits` are those of the requester.
    """

    TOPIC = "confirmation.requested.v1"
    OUTSIDE = ("terms", "outcome", "request_digest", "subject_digest")
    PARTED = {"limits": limits_parts}
    asks: str
    workflow_id: UUID
    workflow_version: int
    subject_id: UUID | None
    subject_digest: str
    terms: dict[str, Any]
    count: int
    fingerprint: str
    send_mode: str
    outcome: dict[str, Any]
    limits: dict[str, Any]
    request_digest: str
    expires_at: datetime


class ConfirmationConfirmed(Event):
    """A human who did not ask for it confirmed the number; the command took effect in the same transaction."""

    TOPIC = "confirmation.confirmed.v1"
    OUTSIDE = ("note",)
    count: int
    note: str


class ConfirmationRejected(Event):
    """A human turned it down; nothing took effect."""

    TOPIC = "confirmation.rejected.v1"
    OUTSIDE = ("reason",)
    reason: str


class ConfirmationExpired(Event):
    """No human decided in time; nothing took effect."""

    TOPIC = "confirmation.expired.v1"
