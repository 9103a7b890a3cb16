"""No more requests in hand than are served in fair time; whoever comes beyond is told at once to come back.

A request has a turn. It is in hand from its coming to its end, but for the stretches in which it only waits for its
caller, to send or to take, or for something to happen: those hold nothing that another request needs. No project has
more than three quarters of what is in hand, so that one alone cannot keep the others out.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field
from threading import Lock
from uuid import UUID

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from aggregates.errors import DomainError

PROBES = "/health/"
"""Supervisors are answered also in a rush: who is busy is not dead."""


@dataclass
class _Counts:
    """What is in hand, and what waits beside it, by project; under None is what is nobody's yet."""

    most: int
    held: Counter[UUID | None] = field(default_factory=Counter)
    aside: Counter[UUID | None] = field(default_factory=Counter)
    lock: Lock = field(default_factory=Lock)

    @property
    def share(self) -> int:
        return max(1, self.most * 3 // 4)


class Turn:
    """The place of one request. Its tasks may wait at the same time; it is aside while any of them does."""

    def __init__(self, counts: _Counts) -> None:
        self._counts = counts
        self._project: UUID | None = None
        self._among: Counter[UUID | None] | None = None
        self._waits = 0
        with counts.lock:
            if counts.held.total() >= counts.most:
                raise _busy(counts.most)
            self._move(counts.held)

    def claim(self, project_id: UUID) -> None:
        """Say whose the request is. Raises `service.busy` when the project has its share in hand already."""
        counts = self._counts
        with counts.lock:
            if counts.held[project_id] >= counts.share:
                raise _busy(counts.share)
            among = self._among
            self._move(None)
            self._project = project_id
            self._move(among)

    @contextmanager
    def aside(self, *, bounded: bool = True) -> Iterator[None]:
        """Wait for something outside, and be in hand again afterwards.

        Raises `service.busy` when as many requests of the project wait already as are served at a time; not when
        it is not `bounded`, because an answer that has begun cannot be refused any more.
        """
        counts = self._counts
        with counts.lock:
            if bounded and self._waits == 0 and counts.aside[self._project] >= counts.most:
                raise _busy(counts.most)
            self._waits += 1
            self._settle()
        try:
            yield
        finally:
            with counts.lock:
                self._waits -= 1
                self._settle()

    def end(self) -> None:
        """It has no place any more, although a task of it may go on for a moment."""
        with self._counts.lock:
            self._move(None)

    def _settle(self) -> None:
        if self._among is not None:
            self._move(self._counts.aside if self._waits else self._counts.held)

    def _move(self, among: Counter[UUID | None] | None) -> None:
        if self._among is not None:
            self._among[self._project] -= 1
            if not self._among[self._project]:
                del self._among[self._project]  # projects come and go
        self._among = among
        if among is not None:
            among[self._project] += 1


_present: ContextVar[Turn | None] = ContextVar("turn", default=None)


def claim(project_id: UUID) -> None:
    """Say whose the present request is; nothing outside of one."""
    turn = _present.get()
    if turn is not None:
        turn.claim(project_id)


@contextmanager
def aside() -> Iterator[None]:
    """The present request waits for something outside."""
    turn = _present.get()
    if turn is None:
        yield
        return
    with turn.aside():
        yield


class Pressure:
    """ASGI middleware inside the envelope, around every door."""

    def __init__(self, app: ASGIApp, *, most: int) -> None:
        self._app = app
        self._counts = _Counts(most)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or scope["path"].startswith(PROBES):
            await self._app(scope, receive, send)
            return
        turn = Turn(self._counts)
        whole = False

        async def take() -> Message:
            nonlocal whole
            if whole:  # whoever asks now only looks whether the caller is still there
                return await receive()
            with turn.aside():
                message = await receive()
            whole = not message.get("more_body")
            return message

        async def give(message: Message) -> None:
            with turn.aside(bounded=False):
                await send(message)

        token = _present.set(turn)
        try:
            await self._app(scope, take, give)
        finally:
            _present.reset(token)
            turn.end()


def _busy(limit: int) -> DomainError:
    return DomainError("service.busy", details={"limit": limit})
