"""The schedule: a recurrence attached to a batch workflow.

| from                      | command                | to                                    |
|---------------------------|------------------------|---------------------------------------|
| -                         | attach                 | active                                |
| active, paused, completed | revise                 | as before; completed may be active    |
| active                    | pause                  | paused                                |
| paused                    | resume                 | active                                |
| active                    | fire, hold, skip, buffer | active, or completed after the last |
| active, paused, completed | detach                 | detached                              |

Detached is terminal. Attaching, resuming, and revising what is active carry an acknowledgement, because all of them
lead to people. What is decided about an occurrence is decided once: occurrences are taken in order, each fact says
which one is next, and it is later than all before, even if the clock has gone back. What is due or buffered when a
schedule is paused, detached or given another rule is skipped with that reason: no job is for an instant before it.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any, Self
from uuid import UUID

from aggregates.base import Aggregate, Event, Meta
from aggregates.errors import DomainError
from aggregates.pace import Pace
from aggregates.recurrence import Recurrence
from aggregates.schedule.events import (
    ScheduleAttached,
    ScheduleCompleted,
    ScheduleDetached,
    ScheduleFired,
    ScheduleOccurrenceBuffered,
    ScheduleOccurrenceHeld,
    ScheduleOccurrencesSkipped,
    SchedulePaused,
    ScheduleResumed,
    ScheduleRevised,
)
from aggregates.schedule.firing import Firing
from aggregates.schedule.seen import by_person, reviser
from aggregates.schedule.terms import Terms
from aggregates.values import Acknowledgement, StandingApproval

AT_ONCE = 100
"""Most occurrences that one decision is about."""

LATEST_JOBS = 100
"""Jobs that may be at work, those that were approved late among them."""


class Schedule(Aggregate):
    TOPIC = "schedule"
    KIND = "schedule"

    # -- commands

    @classmethod
    def attach(
        cls,
        id: UUID,
        *,
        workflow_id: UUID,
        terms: Terms,
        acknowledgement: Acknowledgement,
        approval: StandingApproval,
        request_digest: str,
        meta: Meta,
    ) -> Self:
        return cls.begin(
            ScheduleAttached,
            id,
            meta,
            workflow_id=workflow_id,
            acknowledgement=acknowledgement.as_data(),
            approval=approval.as_data(),
            request_digest=request_digest,
            next_occurrence=terms.recurrence.next_after(meta.now),
            **terms.as_data(),
        )

    def needs_acknowledgement(self, terms: Terms, *, approval_changes: bool) -> bool:
        """Whether revising to these terms leads to people who were not acknowledged for them."""
        if self.status == "completed":
            return terms.recurrence != self.terms.recurrence
        return self.status == "active" and (terms != self.terms or approval_changes)

    def revise(
        self,
        terms: Terms,
        *,
        acknowledgement: Acknowledgement | None = None,
        approval: StandingApproval | None = None,
        meta: Meta,
    ) -> None:
        """Change the terms. What needs an acknowledgement is refused without one."""
        self._not_ended()
        if acknowledgement is None or approval is None:
            if terms == self.terms:
                return
            if self.needs_acknowledgement(terms, approval_changes=False):
                raise DomainError("acknowledgement.missing", details={"status": self.status})
        if terms.recurrence != self.terms.recurrence:
            self._leave_behind("revised", meta)
        self.emit(
            ScheduleRevised,
            meta,
            acknowledgement=acknowledgement and acknowledgement.as_data(),
            approval=approval and approval.as_data(),
            next_occurrence=self._next_under(terms.recurrence, meta.now),
            **terms.as_data(),
        )
        self._complete_if_over(meta)

    def pause(self, *, note: str, meta: Meta) -> None:
        if self.status == "paused":
            return
        self._not_ended()
        if self.status == "completed":
            raise DomainError("schedule.not_active", details={"status": self.status})
        self._leave_behind("paused", meta)
        self.emit(SchedulePaused, meta, note=note)

    def resume(self, *, acknowledgement: Acknowledgement, approval: StandingApproval, meta: Meta) -> None:
        if self.status == "active":
            return
        self._not_ended()
        upcoming = self._upcoming(self.terms.recurrence, meta.now)
        if upcoming is None or self.status == "completed":
            raise DomainError("schedule.no_occurrence")
        self.emit(
            ScheduleResumed,
            meta,
            acknowledgement=acknowledgement.as_data(),
            approval=approval.as_data(),
            next_occurrence=upcoming,
        )

    def detach(self, *, note: str, meta: Meta) -> None:
        if self.status == "detached":
            return
        self._leave_behind("detached", meta)
        self.emit(ScheduleDetached, meta, note=note)

    def take_turn(self, *, busy: bool, seen_at: datetime, meta: Meta) -> datetime | None:
        """The occurrence that is to fire now, or None; records those that were missed or met the one before.

        `busy`: the batch job of an earlier occurrence is at work. How late an occurrence is counts until `seen_at`.
        """
        if self.status != "active":
            return None
        due = self._due(meta.now)
        missed = self.terms.firing.missed(due, seen_at)[:AT_ONCE]
        self.skip(missed, "missed", meta=meta)
        due = due[len(missed) : AT_ONCE]
        if not busy or self.terms.firing.overlap == "allow":
            return self.buffered or (due[0] if due else None)
        if due and self.terms.firing.overlap == "buffer_one" and self.buffered is None:
            self._decided(ScheduleOccurrenceBuffered, due.pop(0), meta)
        self.skip(due, "overlap", meta=meta)
        return None

    def fire(self, occurrence: datetime, batch_job_id: UUID, *, meta: Meta) -> None:
        """An occurrence becomes a batch job."""
        self._decided(ScheduleFired, occurrence, meta, batch_job_id=batch_job_id)

    def hold(self, occurrence: datetime, batch_job_id: UUID, *, reason: str, meta: Meta) -> None:
        """An occurrence becomes a batch job that a human has to approve."""
        self._decided(ScheduleOccurrenceHeld, occurrence, meta, batch_job_id=batch_job_id, reason=reason)

    def skip(self, occurrences: Sequence[datetime], reason: str, *, meta: Meta) -> None:
        """Occurrences that will not be made up: the next ones, oldest first, or the buffered one."""
        if occurrences:
            self._is_next(occurrences[0])
            self._skipped(occurrences, reason, meta)
            self._complete_if_over(meta)

    # -- guards

    def _not_ended(self) -> None:
        if self.status == "detached":
            raise DomainError("schedule.ended", details={"status": self.status})

    def _is_next(self, occurrence: datetime) -> None:
        """Refused unless it is to be decided now: each occurrence once, and in order."""
        if self.status != "active":
            raise DomainError("schedule.not_active", details={"status": self.status})
        assert occurrence in (self.buffered, self.next_occurrence), "occurrences are decided in order"

    def _due(self, now: datetime) -> list[datetime]:
        """Occurrences up to now that nothing was decided about; one more than AT_ONCE means that there are more."""
        first = self.next_occurrence
        if first is None or first > now:
            return []
        return [first, *self.terms.recurrence.between(first, now, AT_ONCE)]

    def _decided(self, event: type[Event], occurrence: datetime, meta: Meta, **facts: Any) -> None:
        self._is_next(occurrence)
        self.emit(event, meta, scheduled_for=occurrence, next_occurrence=self._after(occurrence), **facts)
        self._complete_if_over(meta)

    def _skipped(self, occurrences: Sequence[datetime], reason: str, meta: Meta) -> None:
        self.emit(
            ScheduleOccurrencesSkipped,
            meta,
            scheduled_for=list(occurrences),
            reason=reason,
            next_occurrence=self._after(occurrences[-1]),
        )

    def _leave_behind(self, reason: str, meta: Meta) -> None:
        """Skip what is due or buffered at this moment, because the schedule does not go on as it was."""
        while due := [*filter(None, [self.buffered]), *self._due(meta.now)[:AT_ONCE]]:
            self._skipped(due, reason, meta)

    def _next_under(self, recurrence: Recurrence, now: datetime) -> datetime | None:
        """What is next under a rule; nothing is while it is paused."""
        if self.status == "paused":
            return None
        kept = self.next_occurrence if recurrence == self.terms.recurrence else None
        return kept or self._upcoming(recurrence, now)

    def _upcoming(self, recurrence: Recurrence, now: datetime) -> datetime | None:
        """The first occurrence after now, and after all that were decided: the clock may have gone back."""
        return recurrence.next_after(max(now, self.decided_until or now))

    def _after(self, occurrence: datetime) -> datetime | None:
        """What is next when this one is decided; a buffered one was passed before."""
        return self.next_occurrence if occurrence == self.buffered else self.terms.recurrence.next_after(occurrence)

    def _complete_if_over(self, meta: Meta) -> None:
        if self.status == "active" and self.due_at is None:
            self.emit(ScheduleCompleted, meta)

    # -- facts

    def evolve(self, event: Event) -> None:
        match event:
            case ScheduleAttached():
                self.workflow_id = self.parent_id = event.workflow_id
                self.request_digest = event.request_digest
                self.approval: StandingApproval | None = None
                self.buffered: datetime | None = None
                self.decided_until: datetime | None = None
                self.job_ids: tuple[UUID, ...] = ()
                self.seen: Terms | None = None
                self._set_terms(event)
                self._approve(event.acknowledgement, event.approval)
            case ScheduleRevised():
                self._set_terms(event)
                if event.acknowledgement is not None:
                    self._approve(event.acknowledgement, event.approval)
                if self.status == "completed" and event.next_occurrence is not None:
                    self.status = "active"
            case SchedulePaused() | ScheduleDetached():
                self.next_occurrence: datetime | None = None
            case ScheduleResumed():
                self._approve(event.acknowledgement, event.approval)
            case ScheduleFired() | ScheduleOccurrenceHeld():
                self.job_ids = (*self.job_ids, event.batch_job_id)[-LATEST_JOBS:]
                self._set_decided(event.scheduled_for)
            case ScheduleOccurrenceBuffered():
                self._set_decided(event.scheduled_for)
                self.buffered = event.scheduled_for
            case ScheduleOccurrencesSkipped():
                self._set_decided(*event.scheduled_for)
        self.status = _STATUS.get(type(event), self.status)
        if hasattr(event, "next_occurrence"):
            self.next_occurrence = event.next_occurrence
        self.due_at = (self.buffered or self.next_occurrence) if self.status == "active" else None

    def _approve(self, acknowledgement: dict[str, Any], approval: dict[str, Any] | None) -> None:
        self.acknowledgement = acknowledgement
        self.approval = StandingApproval.of(approval) if approval else None
        if by_person(approval):
            self.seen, self.revisers = self.terms, list[str]()

    def _set_decided(self, *occurrences: datetime) -> None:
        self.buffered = None if self.buffered in occurrences else self.buffered
        self.decided_until = max(filter(None, [self.decided_until, *occurrences]))

    def _set_terms(self, event: ScheduleAttached | ScheduleRevised) -> None:
        pace = Pace.of(event.rate, event.breaker)
        self.terms = Terms(Recurrence.of(event.recurrence), event.variables, Firing.of(event.firing), pace)
        self.revisers = [*getattr(self, "revisers", []), reviser(event.meta)]


_STATUS: dict[type[Event], str] = {
    ScheduleAttached: "active",
    SchedulePaused: "paused",
    ScheduleResumed: "active",
    ScheduleCompleted: "completed",
    ScheduleDetached: "detached",
}
"""Where an event leads whatever was before."""
