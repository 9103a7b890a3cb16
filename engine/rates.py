"""How many requests a key may make: a bucket for each key that has a rate, shared by all server processes.

A bucket holds a minute's worth and fills steadily. What is kept of it is one instant, the one at which it will be full
again; each request moves that by one request's share of a minute, in one statement that is a round trip of its own.
Keys without a rate cost nothing.
"""

from __future__ import annotations

import math
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import Connection, Engine, func, literal, select, update
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.sql.dml import ReturningInsert

from aggregates.base import Principal
from aggregates.errors import DomainError
from engine.clock import Clock
from projections.tables import Instant, key_rates

WINDOW = timedelta(minutes=1)
"""What a bucket holds."""

ROUNDING = timedelta(milliseconds=1)
"""A share of a minute is a whole number of microseconds, so a whole bucket may come out a little over a minute."""


SKEW = timedelta(minutes=1)
"""How far the clocks of servers may be apart. Less only makes the rate that of the fastest clock."""


class Rates:
    """The buckets of all keys that have a rate."""

    def __init__(self, engine: Engine, clock: Clock) -> None:
        self._engine = engine
        self._clock = clock

    def take(self, principal: Principal) -> None:
        """Count one request. Raises `rate.limited` with the whole seconds to wait."""
        rate = principal.rate_per_minute
        if rate is None:
            return
        now, share = self._clock.now(), WINDOW / rate
        with self._engine.connect() as connection:
            if connection.execute(_taking(principal.id, now, share)).first() is not None:
                return
            full_at = self._seen(connection, principal.id, now)
        wait = max(1, math.ceil((full_at + share - now - WINDOW) / timedelta(seconds=1)))
        raise DomainError("rate.limited", details={"rate_per_minute": rate, "retry_after": wait})

    def _seen(self, connection: Connection, key_id: str, now: datetime) -> datetime:
        """When a bucket that has run dry is full again: in a minute at most, as far as clocks agree."""
        found = connection.execute(select(key_rates.c.full_at).where(key_rates.c.key_id == key_id)).scalar()
        full_at: datetime = found or now
        if full_at > now + WINDOW + SKEW:
            # Some clock was far ahead, or ours was set back: without this the key would wait until we are there.
            is_it = (key_rates.c.key_id == key_id, key_rates.c.full_at == full_at)
            connection.execute(update(key_rates).where(*is_it).values(full_at=now + WINDOW))
        return min(full_at, now + WINDOW)


def _taking(key_id: str, now: datetime, share: timedelta) -> ReturningInsert[Any]:
    """Move the instant by one share, if the bucket holds one; a row comes back only then."""
    moved = func.greatest(key_rates.c.full_at, now, type_=Instant) + literal(share)
    return (
        insert(key_rates)
        .values(key_id=key_id, full_at=now + share)
        .on_conflict_do_update(
            index_elements=[key_rates.c.key_id], set_={"full_at": moved}, where=moved <= now + WINDOW + ROUNDING
        )
        .returning(key_rates.c.key_id)
    )
