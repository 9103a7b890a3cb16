"""How many requests a key may make: a token bucket for each key.

The buckets live in this process: an installation of N servers lets a key make up to N times its rate. That is enough
to keep one caller from crowding out the others, and costs no round trip.
"""

from __future__ import annotations

import math
import threading
from dataclasses import dataclass

from aggregates.base import Principal
from aggregates.errors import DomainError
from engine.clock import Clock

MOST_BUCKETS = 10_000
"""From so many buckets on, those that are full again are dropped."""


@dataclass
class _Bucket:
    tokens: float
    filled_at: float


class Rates:
    """The buckets of all keys that have a rate. A bucket holds a minute's worth and fills steadily."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._lock = threading.Lock()
        self._buckets: dict[str, _Bucket] = {}

    def take(self, principal: Principal) -> None:
        """Count one request. Raises `rate.limited` with the whole seconds to wait."""
        rate = principal.rate_per_minute
        if rate is None:
            return
        with self._lock:
            now = self._clock.monotonic()
            bucket = self._buckets.get(principal.id)
            if bucket is None:
                self._make_room(now)
                bucket = self._buckets[principal.id] = _Bucket(float(rate), now)
            bucket.tokens = min(rate, bucket.tokens + (now - bucket.filled_at) * rate / 60)
            bucket.filled_at = now
            if bucket.tokens < 1:
                wait = math.ceil((1 - bucket.tokens) * 60 / rate)
                raise DomainError("rate.limited", details={"rate_per_minute": rate, "retry_after": wait})
            bucket.tokens -= 1

    def _make_room(self, now: float) -> None:
        """A bucket that was not used for a minute is full again, so forgetting it changes nothing."""
        if len(self._buckets) >= MOST_BUCKETS:
            self._buckets = {key: bucket for key, bucket in self._buckets.items() if now - bucket.filled_at < 60}
