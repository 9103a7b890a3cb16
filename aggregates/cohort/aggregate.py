"""The cohort: made once.

| from | command | to     |
|------|---------|--------|
| -    | create  | active |
"""

from __future__ import annotations

from typing import Self
from uuid import UUID

from aggregates.base import Aggregate, Event, Meta
from aggregates.cohort.events import CohortCreated


class Cohort(Aggregate):
    TOPIC = "cohort"
    KIND = "cohort"

    # -- commands

    @classmethod
    def create(
        cls, id: UUID, *, name: str, kind: str, members: int | None, conditions_digest: str | None, meta: Meta
    ) -> Self:
        """What is known of a new cohort without saying whom it means."""
        return cls.begin(
            CohortCreated, id, meta, name=name, kind=kind, members=members, conditions_digest=conditions_digest
        )

    # -- facts

    def evolve(self, event: Event) -> None:
        match event:
            case CohortCreated():
                self.name = event.name
                self.kind = event.kind
                self.members = event.members
                self.conditions_digest = event.conditions_digest
                self.status = "active"
