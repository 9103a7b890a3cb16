"""The change of people: recorded once, and nothing ever happens to it.

| from | command    | to           |
|------|------------|--------------|
| -    | imported   | imported     |
| -    | opted_out  | opted_out    |
| -    | opted_in   | opted_in     |
| -    | suppress   | suppressed   |
| -    | unsuppress | unsuppressed |
"""

from __future__ import annotations

from typing import Any, Self
from uuid import UUID

from aggregates.base import Aggregate, Event, Meta
from aggregates.errors import DomainError
from aggregates.people.events import (
    AddressSuppressed,
    AddressUnsuppressed,
    PeopleImported,
    PersonOptedIn,
    PersonOptedOut,
)

STATUSES: dict[type[Event], str] = {
    PeopleImported: "imported",
    PersonOptedOut: "opted_out",
    PersonOptedIn: "opted_in",
    AddressSuppressed: "suppressed",
    AddressUnsuppressed: "unsuppressed",
}


class PeopleChange(Aggregate):
    TOPIC = "people"
    KIND = "people"

    # -- commands

    @classmethod
    def imported(cls, id: UUID, *, meta: Meta, **facts: Any) -> Self:
        return cls.begin(PeopleImported, id, meta, **facts)

    @classmethod
    def opted_out(cls, id: UUID, *, meta: Meta, **facts: Any) -> Self:
        return cls.begin(PersonOptedOut, id, meta, **facts)

    @classmethod
    def opted_in(cls, id: UUID, *, meta: Meta, **facts: Any) -> Self:
        """Refused to a guarded principal: only a human says that a person wants to be written to again."""
        may_widen(meta)
        return cls.begin(PersonOptedIn, id, meta, **facts)

    @classmethod
    def suppress(cls, id: UUID, *, meta: Meta, **facts: Any) -> Self:
        return cls.begin(AddressSuppressed, id, meta, **facts)

    @classmethod
    def unsuppress(cls, id: UUID, *, meta: Meta, **facts: Any) -> Self:
        """Refused to a guarded principal."""
        may_widen(meta)
        return cls.begin(AddressUnsuppressed, id, meta, **facts)

    # -- facts

    def evolve(self, event: Event) -> None:
        self.status = STATUSES[type(event)]
        self.facts = {name: value for name, value in vars(event).items() if name in type(event).__annotations__}


def may_widen(meta: Meta) -> None:
    """Refused to a guarded principal: what lets more people be reached is for a human to say."""
    if meta.principal.guarded:
        raise DomainError("consent.not_for_agents")
