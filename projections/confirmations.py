"""The view `confirmations`: what waits for a human, held batch jobs and confirmations alike, with who asked for it."""

from __future__ import annotations

from typing import Any

from sqlalchemy import Connection, case

from aggregates.base import Event, Principal
from aggregates.batch_job.events import (
    BatchJobApproved,
    BatchJobCancelled,
    BatchJobFailed,
    BatchJobRejected,
    BatchJobRequested,
)
from aggregates.confirmation.events import (
    ConfirmationConfirmed,
    ConfirmationExpired,
    ConfirmationRejected,
    ConfirmationRequested,
)
from projections import tables
from projections.changes import Changes
from projections.page import Page, Reader
from projections.view import Recorded, View

WAITING = "waiting"


class ConfirmationsView(View):
    source = tables.confirmations
    topics = ("confirmation.", "batch_job.")

    def apply(self, connection: Connection, changes: Changes, recorded: Recorded) -> None:
        event = recorded.event
        match event:
            case BatchJobRequested() if event.held_because is not None:
                changes.add(_row(recorded, event, _of_job(event)))
            case ConfirmationRequested():
                changes.add(_row(recorded, event, _of_confirmation(event)))
            case BatchJobCancelled() | BatchJobFailed():
                withdrawn = case((self.table.c.status == WAITING, "withdrawn"), else_=self.table.c.status)
                changes.change(connection, event.originator_id, {"status": withdrawn})
            case _:
                status = _STATUS.get(type(event)) or _ended(event)
                if status is not None:
                    decided = {"status": status, "decided_by": event.meta["actor"], "decided_at": event.timestamp}
                    changes.change(connection, event.originator_id, decided)


class ConfirmationReads(Reader):
    """What waits for a human in the principal's project."""

    def list(
        self, principal: Principal, *, status: str | None = WAITING, limit: int = 20, after: str | None = None
    ) -> Page:
        """Newest first; only what waits, unless another status is asked for."""
        self.authorize(principal, "confirmations.list")
        return self.newest(principal, tables.confirmations, "requested_at", limit=limit, after=after, status=status)


_STATUS: dict[type[Event], str] = {
    BatchJobApproved: "confirmed",
    ConfirmationConfirmed: "confirmed",
    ConfirmationRejected: "rejected",
    ConfirmationExpired: "expired",
}


def _ended(event: Event) -> str | None:
    """How a held job ended that no human let run; None for an event that decides nothing."""
    if isinstance(event, BatchJobRejected):
        return "expired" if event.code == "approval.expired" else "rejected"
    return None


def _row(recorded: Recorded, event: BatchJobRequested | ConfirmationRequested, told: dict[str, Any]) -> dict[str, Any]:
    return {
        "id": event.originator_id,
        "project_id": recorded.project_id,
        "status": WAITING,
        "workflow_id": event.workflow_id,
        "workflow_version": event.workflow_version,
        "send_mode": event.send_mode,
        "requested_by": event.meta["actor"],
        "source": event.meta["source"],
        "via": event.meta.get("via"),
        "client": event.meta.get("client"),
        "why": event.meta.get("reason"),
        "requested_at": event.timestamp,
        **told,
    }


def _of_job(event: BatchJobRequested) -> dict[str, Any]:
    by_hand = "RunWorkflow" if event.manual else "RetryFailed" if event.retry_of else "RunBatch"
    return {
        "asks": "FireSchedule" if event.schedule_id else by_hand,
        "held_because": event.held_because,
        "acknowledged": event.acknowledgement["count"],
        "batch_job_id": event.originator_id,
        "schedule_id": event.schedule_id,
        "expires_at": event.held_until,
    }


def _of_confirmation(event: ConfirmationRequested) -> dict[str, Any]:
    is_job = event.asks == "ResumeBatchJob"
    return {
        "asks": event.asks,
        "held_because": "witnessed",
        "acknowledged": event.count,
        "batch_job_id": event.subject_id if is_job else None,
        "schedule_id": None if is_job else event.subject_id,
        "expires_at": event.expires_at,
    }
