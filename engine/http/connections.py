"""Connections of a server process: no more than it has room for, and none that says nothing for long."""

from __future__ import annotations

import asyncio
import resource
from typing import cast

from uvicorn.protocols.http.h11_impl import H11Protocol

HEAD_SECONDS = 10.0
"""How long the head of a request may take to arrive, from the connection or from its first byte on."""

OURS = 256
"""Files that a process keeps for itself: sessions of the database, temporary files, its own code."""

MOST = 16_384
"""Connections of a process, where the system would let it have more."""


class BoundedProtocol(H11Protocol):
    """Uvicorn's protocol, which by itself waits for ever for the head of a request."""

    head_seconds = HEAD_SECONDS
    most = MOST

    _head: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        if len(self.connections) > self.most:
            # A file more, and the loop could accept nobody, and would say so thousands of times a second.
            transport.abort()
        else:
            self._await_head()

    def data_received(self, data: bytes) -> None:
        if self._idle and self._head is None:
            self._await_head()
        super().data_received(data)
        if not self._idle:
            self._stop_waiting()

    def connection_lost(self, exc: Exception | None) -> None:
        self._stop_waiting()
        super().connection_lost(exc)

    @property
    def _idle(self) -> bool:
        """Whether no request is being answered."""
        # Uvicorn's type does not say that there is none in the beginning.
        return self.cycle is None or self.cycle.response_complete  # type: ignore[redundant-expr]

    def _await_head(self) -> None:
        self._head = self.loop.call_later(self.head_seconds, self._give_up)

    def _stop_waiting(self) -> None:
        if self._head is not None:
            self._head.cancel()
            self._head = None

    def _give_up(self) -> None:
        self._head = None
        if self._idle:
            self.transport.close()


def protocol(*, head_seconds: float = HEAD_SECONDS, most: int | None = None) -> type[BoundedProtocol]:
    """The protocol of a server; `most` is by default what the process may have open, which is raised before."""
    bounds = {"head_seconds": head_seconds, "most": _room() if most is None else most}
    return cast("type[BoundedProtocol]", type("Bounded", (BoundedProtocol,), bounds))


def _room() -> int:
    """How many connections fit into the files that this process may have open."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = MOST + OURS
    room = wanted if hard == resource.RLIM_INFINITY else min(hard, wanted)
    if soft < room and soft != resource.RLIM_INFINITY:
        resource.setrlimit(resource.RLIMIT_NOFILE, (room, hard))
    return max(1, min(MOST, max(soft, room) - OURS))
