"""What the log holds of refused calls."""

from __future__ import annotations

from uuid import UUID

from sqlalchemy import Engine, func, select

from aggregates.base import decode
from aggregates.refusal.events import CallRefused
from projections.tables import log

TOPIC = CallRefused.TOPIC

FACTS = select(func.count()).select_from(log).where(log.c.topic != TOPIC)
"""How many events there are without them."""

Refused = tuple[str, str, UUID | None]
"""A command or a read, the code, what it was about."""

STATEMENT = select(log.c.originator_id, log.c.originator_version, log.c.topic, log.c.state).order_by(
    log.c.notification_id
)


def refusals(engine: Engine, after: int = 0) -> list[Refused]:
    """Those recorded after a position, oldest first."""
    return [(event.name, event.code, event.subject_id) for event in recorded(engine, after)]


def recorded(engine: Engine, after: int = 0) -> list[CallRefused]:
    """The same as events."""
    with engine.connect() as connection:
        rows = connection.execute(STATEMENT.where(log.c.topic == TOPIC, log.c.notification_id > after)).all()
    events = [decode(*row) for row in rows]
    return [event for event in events if isinstance(event, CallRefused)]
