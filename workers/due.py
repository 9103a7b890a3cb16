"""What is due: occurrences of schedules, and held jobs and confirmations whose time is over.

Each is asked for as a command, in a transaction of its own, so one that fails is logged, counted, and tried again with
the next pass, and the others go on. Any number of processes may do so at once.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

from sqlalchemy import Row, text

from aggregates.policy import Limits
from aggregates.schedule.firing import ON_TIME
from commands.confirmation import ExpireConfirmation
from commands.due import ExpireApproval, FireSchedule
from engine.bootstrap import System, system_principal
from engine.ids import share
from projections import failpoints

logger = logging.getLogger(__name__)

# Keyset by time and id: a row that fails is not met again in the same pass, so it stands in nobody's way.
_DUE = text(
    "SELECT h.id, h.project_id, h.kind, h.due_at, p.limits FROM stream_heads h JOIN projects p ON p.id = h.project_id "
    "WHERE h.due_at <= :now AND (h.due_at, h.id) > (CAST(:after AS timestamptz), CAST(:id AS uuid)) "
    "ORDER BY h.due_at, h.id LIMIT :limit"
)
FIRST = datetime(1, 1, 1, tzinfo=UTC)

DUE_AT_ONCE = 100
"""Due rows that are read at a time. Each is then claimed and decided in a transaction of its own."""


@dataclass(frozen=True)
class Pass:
    """What one look at everything that is due came to."""

    processed: int
    failed: int


@dataclass(frozen=True)
class Seen:
    """When a late schedule was first seen to be due, on the clock and on the line that never steps."""

    at: datetime
    tick: float


def is_held(system: System) -> bool:
    """Whether time stands still, because the fence is up and what is due might send."""
    with system.engine.connect() as connection:
        return system.fence.watch(connection) and system.settings.send_mode == "live"


class Due:
    """Decides about what is due, for one process."""

    def __init__(self, system: System) -> None:
        self._system = system
        self._waiting: dict[tuple[UUID, datetime], Seen] = {}

    def decide(self) -> Pass:
        """Decide about everything that is due at this moment; about nothing while the fence is up.

        After an outage everything is late at once, so what was missed is made up spread over a while.
        """
        if is_held(self._system):
            self._waiting = {}
            return Pass(0, 0)
        now, after = self._system.clock.now(), (FIRST, UUID(int=0))
        waited, self._waiting = self._waiting, {}
        processed = failed = 0
        while rows := self._due(now, after):
            after = (rows[-1].due_at, rows[-1].id)
            for row in rows:
                try:
                    processed += self._decide(row, now, waited.get((row.id, row.due_at)))
                except Exception:
                    failed += 1
                    logger.exception("%s %s is due and could not be decided; it is tried again", row.kind, row.id)
        return Pass(processed, failed)

    def _due(self, now: datetime, after: tuple[datetime, UUID]) -> Sequence[Row[Any]]:
        with self._system.engine.connect() as connection:
            parameters = {"now": now, "after": after[0], "id": after[1], "limit": DUE_AT_ONCE}
            return connection.execute(_DUE, parameters).all()

    def _decide(self, row: Row[Any], now: datetime, seen: Seen | None) -> bool:
        """Decide about one stream until it is due no more; whether there was anything to decide."""
        seen = seen or Seen(now, self._system.clock.monotonic())
        if row.kind == "schedule" and now - row.due_at > ON_TIME and not self._has_its_turn(row.id, seen):
            self._waiting[row.id, row.due_at] = seen
            return False
        any_decided = False
        while self._ask(row, seen.at):
            any_decided = True
        return any_decided

    def _has_its_turn(self, id: UUID, seen: Seen) -> bool:
        spread = self._system.settings.catch_up_spread_seconds
        return self._system.clock.monotonic() >= seen.tick + spread * share(id)

    def _ask(self, row: Row[Any], seen_at: datetime) -> bool:
        limits = (Limits.of(row.limits),)
        principal = system_principal(row.project_id, source="scheduler", name="scheduler", limits=limits)
        meta = self._system.meta(principal, via="workers.scheduler", correlation_id=str(row.id))
        # A turn longer than this was none: the process was frozen, or the clock was set.
        longest = ON_TIME + timedelta(seconds=self._system.settings.catch_up_spread_seconds)
        if not seen_at <= meta.now <= seen_at + longest:
            seen_at = meta.now
        ended = ExpireConfirmation if row.kind == "confirmation" else ExpireApproval
        command = FireSchedule(row.id, seen_at) if row.kind == "schedule" else ended(row.id)
        decided = bool(self._system.bus.dispatch(command, meta).data["decided"])
        if decided:
            failpoints.reach("job_made")
        return decided
