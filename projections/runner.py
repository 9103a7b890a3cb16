"""Followers of the log: catch up in batches, follow by LISTEN and a poll, stop loudly.

A follower's rows and its position move in one transaction, and the row of its position is locked meanwhile, so
any number of runners may run at once and each event is taken exactly once. A NOTIFY can be lost; the poll makes
that harmless.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from sqlalchemy import Connection, Engine, update
from sqlalchemy.dialects.postgresql import insert

from projections import failpoints
from projections.outage import is_outage, reason
from projections.piece import EVERYTHING, read, topics_of
from projections.tables import view_positions
from projections.view import Follower, Recorded, Unreachable

logger = logging.getLogger(__name__)

BATCH = 500
"""Events in one transaction of a follower."""

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
        """Bring every follower to the end of the log; how many events were read, counted for each of them."""
        taken, arrived = self._catch_up_together()
        return taken + sum(self._catch_up(follower) for follower in self._followers if follower.name not in arrived)

    def follow(self, stopped: Callable[[], bool]) -> None:
        """Catch up whenever the log grows. Reconnects by itself when the database goes away."""
        self.register()
        while not stopped():
            try:
                self._follow(stopped)
            except Exception as error:
                if not _may_pass(error):
                    raise
                logger.warning("a server is not reachable; the followers wait for it: %s", reason(error))
                self._idle.wait(POLL_SECONDS)

    def _follow(self, stopped: Callable[[], bool]) -> None:
        connection = self._engine.raw_connection()
        driver = connection.driver_connection
        assert driver is not None
        try:
            driver.set_autocommit(True)
            driver.execute(f"LISTEN {CHANNEL}")
            while not stopped():
                # What is recorded while they catch up is announced to this connection too, and is not waited for.
                self.catch_up()
                list(driver.notifies(timeout=POLL_SECONDS, stop_after=1))
        finally:
            connection.invalidate()

    def _catch_up_together(self) -> tuple[int, frozenset[str]]:
        """Several take what is new in one transaction; how much that was, and which of them are at the end now.

        A commit costs more than a few events, and who is the last to take them waits for everybody's. When one of
        them cannot take an event, nothing is taken: they go on one by one.
        """
        taken, together = 0, len(self._followers) > 1
        while together:
            try:
                step = advance(self._engine, self._followers)
            except Exception as error:
                if _may_pass(error):
                    raise
                break
            taken += step.read * len(step.names)
            if step.read < BATCH:
                return taken, step.names
        return taken, frozenset()

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
        """An event that a follower cannot take stops that follower, visibly; the others go on.

        It is tried again all the time, because another process may bring code that can take it, and is logged once.
        """
        why = f"{type(error).__name__}: {error}"[:500]
        with self._engine.begin() as connection:
            mine = (view_positions.c.name == follower.name) & view_positions.c.stopped.is_distinct_from(why)
            news = connection.execute(update(view_positions).where(mine).values(stopped=why)).rowcount
        if news:
            logger.error("follower %s stands still: %s", follower.name, type(error).__name__, exc_info=error)


def step(engine: Engine, follower: Follower, limit: int = BATCH) -> int:
    """One batch of one follower; 0 when there is nothing to take or another runner has it."""
    return advance(engine, [follower], limit).read


@dataclass(frozen=True)
class Step:
    """What one transaction did: how many events were read, and the followers that took those which are theirs."""

    read: int
    names: frozenset[str]


def advance(engine: Engine, followers: Sequence[Follower], limit: int = BATCH) -> Step:
    """One batch of those followers that stand close together; one that another runner has is left to it."""
    with engine.begin() as connection:
        places = _places(connection, followers, limit)
        if not places:
            return Step(0, frozenset())
        mine = [follower for follower in followers if follower.name in places]
        topics = {topic for follower in mine for topic in topics_of(follower)}
        piece = read(connection, topics, after=min(places.values()), limit=limit)
        if piece.read:
            for follower in mine:
                events = list(piece.events(topics_of(follower), after=places[follower.name]))
                if events:
                    follower.handle(connection, events)
            failpoints.reach("rows_written")
            connection.exec_driver_sql(_MOVE, {"names": list(places), "position": piece.position})
        return Step(piece.read, frozenset(places))


_MINE = """
SELECT name, position, stopped FROM view_positions WHERE name = ANY (%(names)s::text[]) FOR UPDATE SKIP LOCKED
"""
_MOVE = """
UPDATE view_positions SET position = greatest(position, %(position)s), updated_at = now(), stopped = NULL
WHERE name = ANY (%(names)s::text[])
"""


def _places(connection: Connection, followers: Sequence[Follower], limit: int) -> dict[str, int]:
    """Where the followers stand, and nobody moves them meanwhile.

    Of several, those at the front: who is far behind, or stands still at an event, would hold the others up.
    """
    rows = connection.exec_driver_sql(_MINE, {"names": [follower.name for follower in followers]}).all()
    going = rows if len(followers) == 1 else [row for row in rows if row.stopped is None]
    front = max((row.position for row in going), default=0)
    return {row.name: row.position for row in going if row.position >= front - limit}


def read_log(connection: Connection, *, after: int, limit: int) -> list[Recorded]:
    """Events after a position, in order."""
    return list(read(connection, EVERYTHING, after=after, limit=limit).events(EVERYTHING))


def _may_pass(error: BaseException) -> bool:
    """Whether the same events may be taken later, without anybody's doing."""
    return isinstance(error, Unreachable) or is_outage(error)
