"""The fence: a copy of the database, or one that was restored, sends nothing before a human says that it may.

What is recorded in `installation` is compared with what is there: the location (identifiers of the server and of the
database, and the directory of an embedded server; a restore, a clone and a template copy have others than the
original), the name that the operator gave, and the tidemark. The tidemark is how far the log had come a minute ago,
remembered outside the database: a log without that event was restored in place, under processes that run on. A failover
keeps location and log, whatever its timeline; an emptied broker remembers nothing, so it says nothing either.

`MAY_LEAVE` is a condition for the statements that allow something to leave.
"""

from __future__ import annotations

import json
import logging
import threading
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal, Protocol
from uuid import UUID

from sqlalchemy import Connection, text

from engine.clock import Clock

logger = logging.getLogger(__name__)

SETTLED_SECONDS = 60.0
"""How old an event is before it is a tidemark. A failover may lose the last seconds of a log, and is no restore."""

LOOK_SECONDS = 15.0
"""How often a process looks how far the log is, and what others remember of it."""

Because = Literal["location", "log", "name"]

_TIDE_IS_IN = (
    "(CAST(:tide_settled_at AS timestamptz) IS NULL OR CAST(:tide_settled_at AS timestamptz) < i.settled_at "
    "OR (CAST(:tide_settled_at AS timestamptz) = i.settled_at AND EXISTS (SELECT 1 FROM log tide "
    "WHERE tide.notification_id = :tide_position AND tide.command_id = CAST(:tide_command_id AS uuid))))"
)

MAY_LEAVE = (
    "EXISTS (SELECT 1 FROM installation i WHERE i.fenced_since IS NULL AND i.name = :installation "  # noqa: S608
    f"AND i.location = tidegate_location() AND {_TIDE_IS_IN})"
)
"""Holds while the fence is down; its parameters are `Fence.parameters`. A statement's own look is never out of date."""

_MAY_LEAVE_NOW = text(f"SELECT {MAY_LEAVE}")
# Another name is a matter of this process, and no reason to stop the others.
_RAISE = text(
    "UPDATE installation i SET fenced_since = now(), "  # noqa: S608  # our own words
    "fenced_because = CASE WHEN i.location = tidegate_location() THEN 'log' ELSE 'location' END "
    f"WHERE i.fenced_since IS NULL AND NOT (i.location = tidegate_location() AND {_TIDE_IS_IN}) RETURNING 1"
)
_STANDS = text(
    "SELECT location, name, settled_at, fenced_since, fenced_because, tidegate_location() AS here FROM installation"
)
_TIDE = text(
    "SELECT tidegate_location() AS location, i.settled_at, l.notification_id, l.command_id FROM installation i, "
    "LATERAL (SELECT notification_id, command_id FROM log ORDER BY notification_id DESC LIMIT 1) l"
)


@dataclass(frozen=True)
class Tidemark:
    """An event of the log: its position and its command; and since when its installation had its location."""

    settled_at: datetime
    position: int
    command_id: UUID

    def as_json(self) -> str:
        return json.dumps([self.settled_at.isoformat(), self.position, str(self.command_id)])

    @classmethod
    def of(cls, kept: str | bytes) -> Tidemark:
        """Raises ValueError for what is none."""
        settled_at, position, command_id = json.loads(kept)
        return cls(datetime.fromisoformat(settled_at), int(position), UUID(command_id))


class Memory(Protocol):
    """What remembers tidemarks outside the database, by the database's location. It may forget at any time.

    Raises an OSError when it does not answer.
    """

    def recall(self, location: str) -> Tidemark | None: ...

    def remember(self, location: str, tidemark: Tidemark) -> None: ...


@dataclass(frozen=True)
class Standing:
    """How the fence stands: `because` says why it is up, None when it is down. Nobody records `since` for a name."""

    because: Because | None
    since: datetime | None
    location: str
    location_recorded: str
    name: str
    name_recorded: str
    settled_at: datetime | None

    @property
    def is_up(self) -> bool:
        return self.because is not None

    @property
    def sentence(self) -> str:
        """What is the matter, for a log and the doctor."""
        match self.because:
            case "location":
                return f"the database is at {self.location}, and the installation was at {self.location_recorded}"
            case "log":
                return "the log lacks events that it had: the database was restored in place"
            case "name":
                return f"TIDEGATE_INSTALLATION is {self.name!r}, and the database belongs to {self.name_recorded!r}"
        return f"down; this is the installation, at {self.location}"


class Fence:
    """The fence as one process sees it, with the tidemark that it knows."""

    def __init__(self, name: str, clock: Clock) -> None:
        self._name = name
        self._clock = clock
        self._memory: Memory | None = None
        self._lock = threading.Lock()
        self._looked_at: float | None = None
        self._known: Tidemark | None = None
        self._coming: tuple[float, Tidemark] | None = None

    @property
    def parameters(self) -> Mapping[str, Any]:
        """The parameters of `MAY_LEAVE`."""
        known = self._known
        return {
            "installation": self._name,
            "tide_settled_at": known and known.settled_at,
            "tide_position": known and known.position,
            "tide_command_id": known and known.command_id,
        }

    def remember_in(self, memory: Memory) -> None:
        """Where tidemarks are kept beyond this process."""
        self._memory, self._looked_at = memory, None

    def is_up(self, connection: Connection) -> bool:
        """Whether nothing may leave."""
        return not connection.execute(_MAY_LEAVE_NOW, self.parameters).scalar()

    def watch(self, connection: Connection) -> bool:
        """Whether the fence is up; records that it is, so that every process has it up until it is released.

        In transactions of its own. Raises as `follow` does.
        """
        self.follow(connection)
        with connection.begin():
            if not self.is_up(connection):
                return False
            raised = connection.execute(_RAISE, self.parameters).first() is not None
            standing = self.standing(connection) if raised else None
        if standing is not None:
            logger.error("the fence is up, nothing is sent: %s. See `tidegate fence`.", standing.sentence)
        return True

    def standing(self, connection: Connection) -> Standing:
        """How it stands, with why and since when."""
        row = connection.execute(_STANDS).first()
        if row is None:
            return Standing(None, None, "", "", self._name, self._name, None)
        because: Because | None = row.fenced_because
        if because is None and row.location != row.here:
            because = "location"
        elif because is None and (row.name or "") != self._name:
            because = "name"
        elif because is None and self.is_up(connection):
            because = "log"
        since = row.fenced_since
        return Standing(because, since, row.here, row.location or "", self._name, row.name or "", row.settled_at)

    def follow(self, connection: Connection) -> None:
        """Look now and then how far the log is, and what is remembered of it; in transactions of its own.

        Raises ConnectionError when it is the first time and what remembers does not answer.
        """
        with self._lock:
            now = self._clock.monotonic()
            if self._looked_at is not None and 0 <= now - self._looked_at < LOOK_SECONDS:
                return
            with connection.begin():
                row = connection.execute(_TIDE).first()
            if row is None:
                return  # Nothing was ever decided here.
            self._recall(row.location)
            rises = self._rise(Tidemark(row.settled_at, row.notification_id, row.command_id), now)
            with connection.begin():
                may_leave = not self.is_up(connection)
            if not may_leave:
                self._coming = None
            elif rises:
                self._remember(row.location)
            self._looked_at = now

    def _rise(self, newest: Tidemark, now: float) -> bool:
        """Take an event that came long enough ago for the tidemark; the newest one is the next to come."""
        rises = self._coming is not None and not 0 <= now - self._coming[0] < SETTLED_SECONDS
        if self._coming is not None and rises:
            self._known = _later(self._known, self._coming[1])
        if self._coming is None or rises:
            self._coming = now, newest
        return rises

    def _recall(self, location: str) -> None:
        try:
            kept = self._memory.recall(location) if self._memory else None
        except OSError:
            if self._looked_at is None:
                raise
            return
        if kept is not None:
            self._known = _later(self._known, kept)

    def _remember(self, location: str) -> None:
        if self._memory is None or self._known is None:
            return
        with suppress(OSError):  # the next tidemark is as good
            self._memory.remember(location, self._known)


def _later(known: Tidemark | None, other: Tidemark) -> Tidemark:
    return other if known is None or (other.settled_at, other.position) > (known.settled_at, known.position) else known
