"""A piece of the log as followers read it: what concerns nobody who reads is passed over, and not even sent."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, cast
from uuid import UUID

import psycopg
from sqlalchemy import Connection

from aggregates.base import decode
from projections.outside import NONE, values_of
from projections.view import Follower, Recorded

EVERYTHING = ("",)
"""The beginning of every topic."""

Stored = tuple[int, UUID, UUID, int, str, bytes | None]

# A statement of the driver's own: a rebuild reads so many rows that what is put between costs as much as they do.
_READ = """
SELECT notification_id, project_id, originator_id, originator_version, topic,
       CASE WHEN topic ^@ ANY (%(topics)s::text[]) THEN state END
FROM log WHERE notification_id > %(after)s ORDER BY notification_id LIMIT %(limit)s
"""


@dataclass(frozen=True)
class Piece:
    """Events in order; `position` is that of the last, or where the piece was to begin if there is none.

    `values` are those that the events keep outside the log.
    """

    rows: Sequence[Stored]
    position: int
    values: Mapping[str, Any] = field(default_factory=lambda: NONE, repr=False)

    @property
    def read(self) -> int:
        return len(self.rows)

    def events(
        self, topics: tuple[str, ...], after: int = 0, passed: frozenset[int] = frozenset()
    ) -> Iterator[Recorded]:
        """Those that begin so, after a position, each decoded when it is asked for: no follower holds them all.

        Those at the positions `passed` are left out.
        """
        for position, project_id, id, version, topic, state in self.rows:
            if position > after and state is not None and topic.startswith(topics) and position not in passed:
                yield Recorded(position, project_id, decode(id, version, topic, state, self.values))


def read(connection: Connection, topics: Collection[str], *, after: int, limit: int) -> Piece:
    """The events after a position. Of those that begin otherwise only the place is read."""
    driver = cast("psycopg.Connection[Any]", connection.connection.driver_connection)
    parameters = {"topics": list(topics), "after": after, "limit": limit}
    with driver.cursor(binary=True) as cursor:
        rows: list[Stored] = cursor.execute(_READ, parameters).fetchall()
    values = values_of(connection, ((project_id, state) for _, project_id, _, _, _, state in rows))
    return Piece(rows, rows[-1][0] if rows else after, values)


def topics_of(follower: Follower) -> tuple[str, ...]:
    """What concerns a follower; one that does not say is given everything."""
    return cast("tuple[str, ...]", getattr(follower, "topics", EVERYTHING))
