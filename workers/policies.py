"""The policies of projects as a process knows them: read again when they are a second old."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable
from uuid import UUID

from sqlalchemy import Connection, select

from aggregates.policy import Limits, Policy
from projections.tables import projects

FRESH_SECONDS = 1.0
"""How long a policy that was read is the policy."""

KEPT = 2_000
"""Projects that a process remembers."""


class Policies:
    """Used from any thread. `installation` is what every project narrows."""

    def __init__(self, installation: Policy, monotonic: Callable[[], float]) -> None:
        self._installation = installation
        self._now = monotonic
        self._known: OrderedDict[UUID, tuple[Policy, float]] = OrderedDict()

    def of(self, connection: Connection, project_id: UUID) -> Policy:
        """What the installation and the project come to."""
        known = self._known.get(project_id)
        if known is not None and self._now() - known[1] < FRESH_SECONDS:
            return known[0]
        found = read(connection, self._installation, project_id)
        self._known[project_id] = found, self._now()
        while len(self._known) > KEPT:
            self._known.popitem(last=False)
        return found


def read(connection: Connection, installation: Policy, project_id: UUID) -> Policy:
    """What the installation and the project come to at this moment."""
    limits = connection.execute(select(projects.c.limits).where(projects.c.id == project_id)).scalar()
    return installation.narrowed([Limits.of(limits)])
