"""The schedule: a recurrence attached to a batch workflow.

| from           | command | to       |
|----------------|---------|----------|
| -              | attach  | active   |
| active         | pause   | paused   |
| paused         | resume  | active   |
| active, paused | detach  | detached |

Detached is terminal. Attaching and resuming carry an acknowledgement, because both lead to people.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Self
from uuid import UUID

from aggregates.base import Aggregate, Event, Meta
from aggregates.errors import DomainError
from aggregates.recurrence import Recurrence
from aggregates.schedule.events import ScheduleAttached, ScheduleDetached, SchedulePaused, ScheduleResumed
from aggregates.values import Acknowledgement


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
        recurrence: Recurrence,
        variables: Mapping[str, Any],
        acknowledgement: Acknowledgement,
        meta: Meta,
    ) -> Self:
        return cls.begin(
            ScheduleAttached,
            id,
            meta,
            workflow_id=workflow_id,
            recurrence=recurrence.as_data(),
            variables=dict(variables),
            acknowledgement=acknowledgement.as_data(),
        )

    def pause(self, *, note: str, meta: Meta) -> None:
        if self.status == "paused":
            return
        self._not_ended()
        self.emit(SchedulePaused, meta, note=note)

    def resume(self, acknowledgement: Acknowledgement, *, meta: Meta) -> None:
        if self.status == "active":
            return
        self._not_ended()
        self.emit(ScheduleResumed, meta, acknowledgement=acknowledgement.as_data())

    def detach(self, *, note: str, meta: Meta) -> None:
        if self.status == "detached":
            return
        self.emit(ScheduleDetached, meta, note=note)

    def _not_ended(self) -> None:
        if self.status == "detached":
            raise DomainError("schedule.ended", details={"status": self.status})

    # -- facts

    def evolve(self, event: Event) -> None:
        match event:
            case ScheduleAttached():
                self.workflow_id = event.workflow_id
                self.recurrence = event.recurrence
                self.variables = event.variables
                self.acknowledgement = event.acknowledgement
                self.status = "active"
            case SchedulePaused():
                self.status = "paused"
            case ScheduleResumed():
                self.acknowledgement = event.acknowledgement
                self.status = "active"
            case ScheduleDetached():
                self.status = "detached"
