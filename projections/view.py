"""A view: rows that events write, and nothing else.

A view believes every event and refuses none. It may be dropped and built again from the log at any time, so its
writer depends on nothing but the event and the view's own table.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import ClassVar, NamedTuple, Protocol
from uuid import UUID

from sqlalchemy import Connection, MetaData, Table

from aggregates.base import Event
from projections.changes import Changes


class Recorded(NamedTuple):
    """An event where it stands in the log."""

    position: int
    project_id: UUID
    event: Event


class Unreachable(Exception):
    """Something that a follower needs is away for now; it takes the same events again later."""


class Follower(Protocol):
    """Something that follows the log with a position of its own."""

    name: str

    def handle(self, connection: Connection, batch: Sequence[Recorded]) -> None:
        """Take some events, in order, in the transaction that moves the position."""


class View:
    """A follower that writes one table. Subclasses set `source` and write `apply`.

    `topics` are the beginnings of those that concern it; events of others are not even read for it. `keys` are what
    its rows are kept by, where that is not an id.
    """

    source: ClassVar[Table]
    topics: ClassVar[tuple[str, ...]]
    keys: ClassVar[tuple[str, ...]] = ()

    def __init__(self, table: Table | None = None) -> None:
        self.table = self.source if table is None else table
        self.name = self.source.name

    def handle(self, connection: Connection, batch: Iterable[Recorded]) -> None:
        changes = Changes(self.table)
        for recorded in batch:
            self.apply(connection, changes, recorded)
        changes.write(connection, self.keys)

    def apply(self, connection: Connection, changes: Changes, recorded: Recorded) -> None:
        """What one event does to the rows."""
        raise NotImplementedError

    def beside(self, name: str) -> View:
        """The same view over another table of the same shape."""
        return type(self)(self.source.to_metadata(MetaData(), name=name))
