"""Followers of the log: catch up in batches, follow by LISTEN and a poll, stop loudly, rebuild beside.

A follower's rows and its position move in one transaction, and the row of its position is locked meanwhile, so
any number of runners may run at once and each event is taken exactly once. A NOTIFY can be lost; the poll makes
that harmless.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, Engine, select, text, update
from sqlalchemy.dialects.postgresql import insert

from aggregates.base import decode
from projections import failpoints
from projections.outage import is_outage
from projections.tables import log, view_positions
from projections.view import Follower, Recorded, Unreachable, View

logger = logging.getLogger(__name__)

BATCH = 500
"""Events in one transaction of a follower."""

REBUILD_BATCH = 5_000
"""Events in one transaction of a rebuild: nobody waits for its rows, and a row that changes often is written once."""

POLL_SECONDS = 0.5
"""How long a lost NOTIFY can delay a follower."""

CHANNEL = "tidegate_log"
"""NOTIFY channel of the log."""


class Runner:
    """Drives some followers until told to stop."""

    def __init__(self, engine: Engine, followers: Sequence[Follower]) -> None:
        self._engine = engine
        self._followers = followers
        self._idle = threading.Event()

    def register(self) -> None:
        """Give every follower a position to start from."""
        with self._engine.begin() as connection:
            for follower in self._followers:
                connection.execute(
                    insert(view_positions).values(name=follower.name, position=0).on_conflict_do_nothing()
                )

    def catch_up(self) -> int:
        """Bring every follower to the end of the log; how many events were taken."""
        return sum(self._catch_up(follower) for follower in self._followers)

    def follow(self, stopped: Callable[[], bool]) -> None:
        """Catch up whenever the log grows. Reconnects by itself when the database goes away."""
        self.register()
        while not stopped():
            try:
                self._follow(stopped)
            except Exception as error:
                if not _may_pass(error):
                    raise
                logger.warning("a server is not reachable; the followers wait for it: %s", type(error).__name__)
                self._idle.wait(POLL_SECONDS)

    def _follow(self, stopped: Callable[[], bool]) -> None:
        connection = self._engine.raw_connection()
        driver = connection.driver_connection
        assert driver is not None
        try:
            driver.set_autocommit(True)
            driver.execute(f"LISTEN {CHANNEL}")
            while not stopped():
                if self.catch_up() == 0:
                    list(driver.notifies(timeout=POLL_SECONDS, stop_after=1))
        finally:
            connection.invalidate()

    def _catch_up(self, follower: Follower) -> int:
        taken = 0
        limit = BATCH
        while True:
            try:
                count = step(self._engine, follower, limit)
            except Exception as error:
                if _may_pass(error):
                    raise
                if limit == 1:
                    self._stop(follower, error)
                    return taken
                limit = 1
                continue
            taken += count
            if count < limit:
                return taken

    def _stop(self, follower: Follower, error: Exception) -> None:
        """An event that a follower cannot take stops that follower, visibly; the others go on."""
        logger.error("follower %s stands still: %s", follower.name, type(error).__name__, exc_info=error)
        with self._engine.begin() as connection:
            connection.execute(
                update(view_positions)
                .where(view_positions.c.name == follower.name)
                .values(stopped=f"{type(error).__name__}: {error}"[:500])
            )


def step(engine: Engine, follower: Follower, limit: int = BATCH) -> int:
    """One batch of one follower; 0 when there is nothing to take or another runner has it."""
    with engine.begin() as connection:
        mine = connection.execute(
            select(view_positions.c.position)
            .where(view_positions.c.name == follower.name)
            .with_for_update(skip_locked=True)
        ).first()
        if mine is None:
            return 0
        found = _read(connection, follower, after=mine.position, limit=limit)
        if not found.read:
            return 0
        if found.events:
            follower.handle(connection, found.events)
        failpoints.reach("rows_written")
        connection.execute(
            update(view_positions)
            .where(view_positions.c.name == follower.name)
            .values(position=found.position, updated_at=text("now()"), stopped=None)
        )
        return found.read


@dataclass(frozen=True)
class Read:
    """A piece of the log: those of its events that concern a follower, how many were read, and up to where."""

    events: list[Recorded]
    read: int
    position: int


def read_log(connection: Connection, *, after: int, limit: int) -> list[Recorded]:
    """Events after a position, in order."""
    return [_recorded(row) for row in _stored(connection, after, limit)]


def _read(connection: Connection, follower: Follower, *, after: int, limit: int) -> Read:
    """Events after a position, of which only those are decoded that concern the follower."""
    rows = _stored(connection, after, limit)
    topics = getattr(follower, "topics", ("",))
    events = [_recorded(row) for row in rows if row.topic.startswith(topics)]
    return Read(events, len(rows), rows[-1].notification_id if rows else after)


def _recorded(row: Any) -> Recorded:
    event = decode(row.originator_id, row.originator_version, row.topic, row.state)
    return Recorded(row.notification_id, row.project_id, event)


def _stored(connection: Connection, after: int, limit: int) -> Sequence[Any]:
    statement = (
        select(
            log.c.notification_id,
            log.c.project_id,
            log.c.originator_id,
            log.c.originator_version,
            log.c.topic,
            log.c.state,
        )
        .where(log.c.notification_id > after)
        .order_by(log.c.notification_id)
        .limit(limit)
    )
    return connection.execute(statement).all()


def rebuild(engine: Engine, view: View) -> int:
    """Build a view again beside the live one and swap; readers never wait. Answers the events folded."""
    name = f"{view.name}__next"
    with engine.begin() as connection:
        connection.execute(text(f"DROP TABLE IF EXISTS {name}"))
        connection.execute(text(f"CREATE TABLE {name} (LIKE {view.name} INCLUDING ALL)"))
    shadow = view.beside(name)
    position = folded = 0
    while True:
        with engine.begin() as connection:
            found = _read(connection, shadow, after=position, limit=REBUILD_BATCH)
            shadow.handle(connection, found.events)
        folded += found.read
        position = found.position
        if found.read < REBUILD_BATCH:
            break
    return folded + _swap(engine, view, shadow, position)


def _swap(engine: Engine, view: View, shadow: View, position: int) -> int:
    """Fold what has come meanwhile with the live view held still, then let the new table take its name."""
    folded = 0
    with engine.begin() as connection:
        held = select(view_positions.c.position).where(view_positions.c.name == view.name).with_for_update()
        connection.execute(held)
        while (found := _read(connection, shadow, after=position, limit=BATCH)).read:
            shadow.handle(connection, found.events)
            position = found.position
            folded += found.read
        failpoints.reach("rebuild_ready")
        connection.execute(text(f"DROP TABLE {view.name}"))
        connection.execute(text(f"ALTER TABLE {shadow.table.name} RENAME TO {view.name}"))
        connection.execute(
            update(view_positions)
            .where(view_positions.c.name == view.name)
            .values(position=position, updated_at=text("now()"), stopped=None)
        )
    return folded


def _may_pass(error: BaseException) -> bool:
    """Whether the same events may be taken later, without anybody's doing."""
    return isinstance(error, Unreachable) or is_outage(error)
