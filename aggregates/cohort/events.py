"""What can happen to a cohort. Neither members nor values of conditions ever appear here."""

from __future__ import annotations

from aggregates.base import CreatedEvent


class CohortCreated(CreatedEvent):
    """Somebody named a set of people: `members` counts those of a frozen list, `conditions_digest` stands for rules."""

    TOPIC = "cohort.created.v1"
    OUTSIDE = ("name", "conditions_digest")
    name: str
    kind: str
    members: int | None
    conditions_digest: str | None
