"""What the queries about an audience need to know of a workflow and of the policy, beside its conditions."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

REASONS = ("opted_out", "suppressed", "no_address", "invalid_address", "duplicate_address", "capped")
"""Why a person who matches is not reached, in the order in which one of them is chosen."""

OF_EMAIL = ("no_address", "invalid_address", "duplicate_address")
"""The reasons that only a workflow which sends email has."""


MOST_MESSAGES = 1_000
MOST_DAYS = 366


@dataclass(frozen=True)
class PerPerson:
    """At most so many messages to one person in so many days."""

    messages: int
    days: int

    @classmethod
    def of(cls, data: Mapping[str, Any] | None) -> PerPerson | None:
        return cls(int(data["messages"]), int(data["days"])) if data else None

    @classmethod
    def parse(cls, text: str) -> PerPerson:
        """From `MESSAGES/DAYS`; ValueError with the end of a sentence for anything else."""
        messages, _, days = text.partition("/")
        if not (messages.isdecimal() and days.isdecimal()):
            raise ValueError("takes MESSAGES/DAYS, such as 3/7")
        found = cls(int(messages), int(days))
        if not found.is_fair:
            raise ValueError(f"takes 1 to {MOST_MESSAGES} messages in 1 to {MOST_DAYS} days")
        return found

    @property
    def is_fair(self) -> bool:
        """Whether both numbers are within what a cap may be."""
        return 1 <= self.messages <= MOST_MESSAGES and 1 <= self.days <= MOST_DAYS

    def as_data(self) -> dict[str, int]:
        return {"messages": self.messages, "days": self.days}


@dataclass(frozen=True)
class Reach:
    """Whom a workflow may reach, whatever its conditions say.

    `topic` is "" for a workflow without one; a `transactional` one ignores that people left its topic. `cap` is the
    policy's `per_person`, None without one. `tells_address` says that what leaves may carry the person's address.
    """

    sends_email: bool = False
    topic: str = ""
    transactional: bool = False
    cap: PerPerson | None = None
    tells_address: bool = False

    @property
    def confirms_address(self) -> bool:
        """Whether people are confirmed with their addresses: where it sends to them, or tells them to somebody."""
        return self.sends_email or self.tells_address

    @property
    def topics(self) -> tuple[str, ...]:
        """The topics that a person must not have left; "" stands for all of them."""
        return ("",) if self.transactional or not self.topic else ("", self.topic)

    @property
    def reasons(self) -> tuple[str, ...]:
        """The exclusions that are counted, in their order."""
        return tuple(reason for reason in REASONS if self.sends_email or reason not in OF_EMAIL)


def strictest(first: PerPerson | None, second: PerPerson | None) -> PerPerson | None:
    """A cap under which nobody gets more than under either: the fewer messages, in the longer time."""
    if first is None or second is None:
        return first or second
    return PerPerson(min(first.messages, second.messages), max(first.days, second.days))
