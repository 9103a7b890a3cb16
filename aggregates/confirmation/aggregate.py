"""The confirmation: a command of a guarded principal that waits for a human.

| from      | command | to        |
|-----------|---------|-----------|
| -         | request | requested |
| requested | confirm | confirmed |
| requested | reject  | rejected  |
| requested | expire  | expired   |

Confirmed, rejected and expired never change. The human who confirms is not guarded and is none of those who asked.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any, Self
from uuid import UUID

from aggregates.approval import asked_of, require_another_human
from aggregates.base import Aggregate, Event, Meta
from aggregates.confirmation.events import (
    ConfirmationConfirmed,
    ConfirmationExpired,
    ConfirmationRejected,
    ConfirmationRequested,
)
from aggregates.errors import DomainError
from aggregates.lineage import recorded_heads
from aggregates.policy import Limits
from aggregates.values import Acknowledgement


class Confirmation(Aggregate):
    TOPIC = "confirmation"
    KIND = "confirmation"

    # -- commands

    @classmethod
    def request(
        cls,
        id: UUID,
        *,
        asks: str,
        workflow_id: UUID,
        workflow_version: int,
        subject_id: UUID | None,
        subject_digest: str,
        terms: Mapping[str, Any],
        acknowledgement: Acknowledgement,
        send_mode: str,
        outcome: Mapping[str, Any],
        request_digest: str,
        expires_at: datetime,
        meta: Meta,
    ) -> Self:
        """Keep what was asked over the people of an acknowledgement until `expires_at`; nothing takes effect."""
        return cls.begin(
            ConfirmationRequested,
            id,
            meta,
            asks=asks,
            workflow_id=workflow_id,
            workflow_version=workflow_version,
            subject_id=subject_id,
            subject_digest=subject_digest,
            terms=dict(terms),
            count=acknowledgement.count,
            fingerprint=acknowledgement.fingerprint,
            send_mode=send_mode,
            outcome=dict(outcome),
            limits=meta.principal.own_limits.as_data(),
            request_digest=request_digest,
            expires_at=expires_at,
        )

    def confirm(self, count: int, *, note: str, meta: Meta) -> None:
        """Record that a human confirmed the number; the caller does the command in the same transaction."""
        self.may_decide(meta)
        self.refuse_decided(meta)
        self.emit(ConfirmationConfirmed, meta, count=count, note=note)

    def reject(self, *, reason: str, meta: Meta) -> None:
        """Turn it down; the human may be the one who had it asked."""
        if meta.principal.guarded:
            raise DomainError("approval.not_for_agents")
        if self.status == "rejected":
            return
        self.refuse_decided(meta)
        self.emit(ConfirmationRejected, meta, reason=reason)

    def expire(self, *, meta: Meta) -> None:
        """End it when no human has decided in time."""
        if self.due_at is not None and self.due_at <= meta.now:
            self.emit(ConfirmationExpired, meta)

    # -- guards

    def may_decide(self, meta: Meta) -> None:
        """A human decides, and none of those who asked."""
        require_another_human(self.requesters, meta)

    def refuse_decided(self, meta: Meta) -> None:
        """Refused when it was decided, or when its time is over."""
        if self.status == "expired" or (self.due_at is not None and self.due_at <= meta.now):
            raise DomainError("approval.expired")
        if self.status != "requested":
            raise DomainError("confirmation.decided", details={"status": self.status})

    # -- facts

    def _requested(self, event: ConfirmationRequested) -> None:
        self.asks = event.asks
        self.workflow_id = self.parent_id = event.workflow_id
        self.workflow_version = event.workflow_version
        self.subject_id = event.subject_id
        self.subject_digest = event.subject_digest
        self.terms = event.terms
        self.count = event.count
        self.fingerprint = event.fingerprint
        self.send_mode = event.send_mode
        self.outcome = event.outcome
        self.limits = Limits.of(event.limits)
        self.request_digest = event.request_digest
        self.requesters = recorded_heads(event.meta)
        self.asked = asked_of(event)
        self.decided_by: str | None = None
        self.due_at = event.expires_at
        self.status = "requested"

    def evolve(self, event: Event) -> None:
        match event:
            case ConfirmationRequested():
                self._requested(event)
            case ConfirmationConfirmed():
                self.decided_by = event.meta["actor"]
                self.status = "confirmed"
            case ConfirmationRejected():
                self.decided_by = event.meta["actor"]
                self.status = "rejected"
            case ConfirmationExpired():
                self.status = "expired"
        if self.status != "requested":
            self.due_at = None
