"""Connections that are kept for the next request to the same place.

The client's own pool looks at all of its connections twice for each request, and asks the system about each that is
idle. How many there may be is decided before anybody comes here, so what is left to do is to keep the idle ones.
"""

from __future__ import annotations

import ssl
import time
from collections import deque
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import httpcore2

Place = tuple[bytes, bytes, int]
"""Scheme, host and port."""


class Connections:
    """Used on one event loop. Keeps at most `keep` connections that are idle, and none for more than `idle_seconds`."""

    def __init__(
        self, ssl_context: ssl.SSLContext, backend: httpcore2.AsyncNetworkBackend, keep: int, idle_seconds: float
    ) -> None:
        self._ssl_context = ssl_context
        self._backend = backend
        self._keep = keep
        self._idle_seconds = idle_seconds
        self._idle: dict[Place, deque[httpcore2.AsyncHTTPConnection]] = {}
        # All idle ones with the instant after which they are closed; who is idle for longest comes first.
        self._line: dict[httpcore2.AsyncHTTPConnection, tuple[Place, float]] = {}

    @asynccontextmanager
    async def exchange(self, request: httpcore2.Request) -> AsyncIterator[httpcore2.Response]:
        """Send a request. Its connection is kept if the answer was read to its end, and closed if it was not."""
        origin = request.url.origin
        place = (origin.scheme, origin.host, origin.port)
        connection = await self._kept(place) or httpcore2.AsyncHTTPConnection(
            origin, ssl_context=self._ssl_context, network_backend=self._backend
        )
        try:
            response = await connection.handle_async_request(request)
            try:
                yield response
            finally:
                await response.aclose()
        finally:
            if connection.is_closed():
                pass
            elif connection.is_idle() and not _has_surplus(connection):
                await self._keep_idle(place, connection)
            else:
                await connection.aclose()

    async def aclose(self) -> None:
        while self._line:
            await self._close_first()

    async def _kept(self, place: Place) -> httpcore2.AsyncHTTPConnection | None:
        """The one that was used last, if the other side has not hung up."""
        while idle := self._idle.get(place):
            connection = idle.pop()
            del self._line[connection]
            if not connection.has_expired():
                return connection
            await connection.aclose()
        return None

    async def _keep_idle(self, place: Place, connection: httpcore2.AsyncHTTPConnection) -> None:
        now = time.monotonic()
        self._idle.setdefault(place, deque()).append(connection)
        self._line[connection] = (place, now + self._idle_seconds)
        while len(self._line) > self._keep or (self._line and next(iter(self._line.values()))[1] < now):
            await self._close_first()

    async def _close_first(self) -> None:
        connection, (place, _) = next(iter(self._line.items()))
        del self._line[connection]
        # Those of one place are in the same order.
        self._idle[place].popleft()
        if not self._idle[place]:
            del self._idle[place]
        await connection.aclose()


def _has_surplus(connection: httpcore2.AsyncHTTPConnection) -> bool:
    """Whether the other side has sent more than its answer: the next request would take that for its own.

    The client keeps such bytes where only it looks. What arrives later makes the connection readable, so it has
    expired when the next request comes.
    """
    spoken = getattr(getattr(connection, "_connection", None), "_h11_state", None)
    return spoken is None or bool(spoken.trailing_data[0])
