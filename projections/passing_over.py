"""Passing over the one event at which a follower stands still: on record, by somebody, with a reason.

A view that passed over an event lacks what it said. A rebuild tries all events again, and only if one of them still
cannot be taken does it pass over those on record.
"""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sqlalchemy import Connection, Engine, delete, insert, select, update

from aggregates.errors import DomainError
from projections.tables import log, passed_over, view_positions


def pass_over(engine: Engine, name: str, *, reason: str, now: datetime) -> dict[str, Any]:
    """Let a follower go on behind the event at which it stands still: `{view, position, topic, because}`.

    Raises `follower.not_found`, and `follower.not_stopped` for one that goes on by itself.
    """
    with engine.begin() as connection:
        mine = view_positions.c.name == name
        row = connection.execute(select(view_positions).where(mine).with_for_update()).first()
        if row is None:
            raise DomainError("follower.not_found")
        following = select(log.c.notification_id, log.c.topic).where(log.c.notification_id > row.position)
        event = connection.execute(following.order_by(log.c.notification_id).limit(1)).first()
        if row.stopped is None or event is None:
            raise DomainError("follower.not_stopped", details={"position": row.position})
        told = {"position": event.notification_id, "topic": event.topic, "because": row.stopped}
        connection.execute(insert(passed_over).values(name=name, at=now, reason=reason, **told))
        moved = {"position": event.notification_id, "stopped": None, "updated_at": now}
        connection.execute(update(view_positions).where(mine).values(moved))
    return {"view": name, **told}


def positions(connection: Connection, name: str) -> frozenset[int]:
    """What a follower has passed over and not taken since."""
    found = select(passed_over.c.position).where(passed_over.c.name == name)
    return frozenset(connection.execute(found).scalars())


def forget(connection: Connection, name: str) -> None:
    """A rebuild has taken every event."""
    connection.execute(delete(passed_over).where(passed_over.c.name == name))
