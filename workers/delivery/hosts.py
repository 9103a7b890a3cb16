"""What one process asks of each host at a time, and which hosts have asked to be left alone."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from weakref import WeakValueDictionary

REST_LIMIT_SECONDS = 60.0
"""Longest that a host is left alone because of one answer: it may have meant only one of those who send to it."""


class Hosts:
    """Used on one event loop. At most `per_host` requests to a host, and `total` to all of them, at a time."""

    def __init__(self, per_host: int, total: int, chance: Callable[[float], float]) -> None:
        self._per_host = per_host
        self._chance = chance
        self._all = asyncio.Semaphore(total)
        self._slots: WeakValueDictionary[str, asyncio.Semaphore] = WeakValueDictionary()
        self._resting: dict[str, float] = {}

    @asynccontextmanager
    async def slot(self, host: str, deadline: float) -> AsyncIterator[None]:
        """A place among the requests to a host. Raises TimeoutError when none is free by then."""
        slots = self._slots.setdefault(host, asyncio.Semaphore(self._per_host))
        async with asyncio.timeout_at(deadline):
            await slots.acquire()
            try:
                await self._all.acquire()
            except BaseException:
                slots.release()
                raise
        try:
            yield
        finally:
            self._all.release()
            slots.release()

    def rest(self, host: str, seconds: float) -> None:
        """Leave a host alone for so long, as it has asked."""
        until = asyncio.get_running_loop().time() + min(seconds, REST_LIMIT_SECONDS)
        self._resting[host] = max(until, self._resting.get(host, until))

    def rests(self, host: str) -> float | None:
        """Seconds after which to come again, to a host that wants to be left alone; not for everybody at once."""
        until = self._resting.get(host)
        if until is None:
            return None
        left = until - asyncio.get_running_loop().time()
        if left <= 0:
            del self._resting[host]
            return None
        return left + self._chance(left)
