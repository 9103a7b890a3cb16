"""What a walk asks of the world."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from datetime import datetime
from typing import Any, Protocol
from uuid import UUID

from aggregates.audience import Audience

CHANGED = "address_changed"
"""Why a person is skipped whose address is not the one that was confirmed for them."""


class World(Protocol):
    """What a walk asks about people, and about what a human has answered."""

    def matching(self, audience: Audience, ids: Sequence[int]) -> set[int]: ...

    def people(self, ids: Sequence[int]) -> dict[int, dict[str, Any]]: ...

    def changed(self, job_id: UUID, shown: Mapping[int, Mapping[str, Any]]) -> Collection[int]:
        """Those of these people who are not shown with the address that was confirmed for them."""
        ...

    def values(self, key: str, ids: Sequence[int]) -> dict[str | None, list[int]]:
        """These people by what a property of theirs says, as text; each of them is somewhere."""
        ...

    def decision(self, job_id: UUID, step_id: str) -> str | None:
        """The answer to an approval step, if there is one. None stays true until the walk is recorded."""
        ...

    def asked(self, job_id: UUID, step_id: str, ids: Sequence[int]) -> dict[int, datetime]:
        """Until when those of these people who were asked about before wait for an answer."""
        ...
