"""The refusal: recorded once, and nothing ever happens to it.

| from | command | to      |
|------|---------|---------|
| -    | record  | refused |
"""

from __future__ import annotations

from dataclasses import replace
from typing import Self
from uuid import UUID

from aggregates.base import Aggregate, Event, Meta
from aggregates.errors import DomainError
from aggregates.refusal.events import CallRefused


class Refusal(Aggregate):
    TOPIC = "refusal"
    KIND = "refusal"

    # -- commands

    @classmethod
    def record(cls, id: UUID, refusal: DomainError, *, name: str, subject_id: UUID | None, meta: Meta) -> Self:
        """What is known of a refused call without what was sent: its reason is an argument like any other."""
        return cls.begin(
            CallRefused,
            id,
            replace(meta, reason=None),
            name=name,
            code=refusal.code,
            kind=refusal.kind.value,
            subject_id=subject_id,
        )

    # -- facts

    def evolve(self, event: Event) -> None:
        match event:
            case CallRefused():
                self.name = event.name
                self.code = event.code
                self.kind = event.kind
                self.subject_id = self.parent_id = event.subject_id
                self.status = "refused"
