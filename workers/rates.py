"""Rates that several jobs share: of the project, of a host, of the mail relay. All workers keep them together.

One row of each says when its next message is due. A worker that is about to record attempts looks at the rows, takes
the turns that there are and moves the rows on, in the transaction of the attempts: a turn without an attempt is not
taken. No worker waits for a row that another transaction holds, because the holder may be frozen.

What a process has learned keeps its threads away until a turn is due: a place that is at its rate rests.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Collection
from typing import NamedTuple
from uuid import UUID

from sqlalchemy import Connection, text

from aggregates.pace import AHEAD_SECONDS, gap_of
from engine.settings import Settings
from workers.delivery.places import Place
from workers.policies import Policies

TAKEN_SECONDS = 0.02
"""After how long it is worth looking again at a row that another transaction had."""

LEARNED_SECONDS = 10.0
"""How long a process goes by what it has learned at most: a rate may be another one by then."""

KEPT = 2_000
"""Of how many projects and places a process remembers when a turn is due."""

_LOOK = text(
    "SELECT name, CAST(extract(epoch FROM free_at - clock_timestamp()) AS float) AS ahead FROM shared_rates "
    "WHERE name = ANY (:names) FOR UPDATE SKIP LOCKED"
)
# Only what is not there, because an insert would wait for a transaction that moves the same row on. In the order of
# the names, so that two transactions which begin the same rows do not wait for each other.
_BEGIN = text(
    "INSERT INTO shared_rates (name, free_at) SELECT t.name, clock_timestamp() "
    "FROM unnest(CAST(:names AS text[])) AS t (name) "
    "WHERE NOT EXISTS (SELECT 1 FROM shared_rates r WHERE r.name = t.name) "
    "ORDER BY t.name ON CONFLICT DO NOTHING RETURNING name"
)
_MOVE = text(
    "UPDATE shared_rates r SET free_at = greatest(r.free_at, clock_timestamp()) + make_interval(secs => t.seconds) "
    "FROM unnest(CAST(:names AS text[]), CAST(:seconds AS float[])) AS t (name, seconds) WHERE r.name = t.name"
)


class Rated(NamedTuple):
    """Something with a rate: what its row is called, and the seconds between two messages."""

    name: str
    gap: float


class Turns:
    """The turns of one sub-batch; those that are taken are moved on by `Rates.settle`."""

    def __init__(self, rated: Callable[[Place], Collection[Rated]], ahead: dict[str, float]) -> None:
        self._rated = rated
        self._ahead = ahead
        self.taken: Counter[Rated] = Counter()

    def may_go(self, place: Place) -> bool:
        """Whether one more message may go there now."""
        return all(self._ahead_of(rated) <= AHEAD_SECONDS for rated in self._rated(place))

    def take(self, place: Place) -> None:
        """One goes."""
        self.taken.update(self._rated(place))

    def waits(self) -> dict[str, float]:
        """Seconds until the next turn of each that was looked at; 0 or less where there is one now."""
        ahead = dict(self._ahead)
        for rated in self.taken:
            ahead[rated.name] = self._ahead_of(rated)
        return {name: seconds - AHEAD_SECONDS for name, seconds in ahead.items()}

    def _ahead_of(self, rated: Rated) -> float:
        """How far ahead the next message is due, after those that were taken."""
        return max(0.0, self._ahead[rated.name]) + self.taken[rated] * rated.gap


class Rates:
    """Of one process; used from any thread."""

    def __init__(self, settings: Settings, policies: Policies, monotonic: Callable[[], float]) -> None:
        self._of_each = {"webhook": settings.outbound_host_rate, "email": settings.smtp_rate}
        self._policies = policies
        self._now = monotonic
        self._due: dict[str, float] = {}

    def look(self, connection: Connection, project_id: UUID, places: Collection[Place]) -> Turns:
        """The turns that there are for a project at these places, held until the transaction ends."""
        of_project = self._policies.of(connection, project_id).send_rate
        wanted = {rated.name for place in places for rated in self._rated(project_id, of_project, place)}
        found = {row.name: row.ahead for row in connection.execute(_LOOK, {"names": list(wanted)})} if wanted else {}
        if missing := wanted - found.keys():
            begun = connection.execute(_BEGIN, {"names": list(missing)}).scalars()
            found |= dict.fromkeys(begun, 0.0)
            # Somebody else has them at this moment.
            found |= dict.fromkeys(wanted - found.keys(), TAKEN_SECONDS + AHEAD_SECONDS)
        return Turns(lambda place: self._rated(project_id, of_project, place), found)

    def settle(self, connection: Connection, turns: Turns) -> None:
        """Move on what was taken, and remember until when nobody needs to come again."""
        if turns.taken:
            names = [rated.name for rated in turns.taken]
            seconds = [rated.gap * count for rated, count in turns.taken.items()]
            connection.execute(_MOVE, {"names": names, "seconds": seconds})
        for name, wait in turns.waits().items():
            if wait > 0:
                self._due[name] = self._now() + min(wait, LEARNED_SECONDS)
            else:
                self._due.pop(name, None)
        while len(self._due) > KEPT:
            self._due.pop(next(iter(list(self._due))), None)

    def wait(self, project_id: UUID, place: Place) -> float:
        """Seconds until it is worth looking for a turn, by what this process has learned; 0 if it is now."""
        now = self._now()
        due = (self._due.get(name, now) for name in (_of_project(project_id), _of_place(place)))
        return max(0.0, max(due) - now)

    def _rated(self, project_id: UUID, of_project: str | None, place: Place) -> list[Rated]:
        of_place = self._of_each.get(place.channel)
        both = ((_of_project(project_id), of_project), (_of_place(place), of_place))
        return [Rated(name, gap_of(rate)) for name, rate in both if rate is not None]


def _of_project(project_id: UUID) -> str:
    return f"project {project_id}"


def _of_place(place: Place) -> str:
    return f"{place.channel} {place.host}".strip()
