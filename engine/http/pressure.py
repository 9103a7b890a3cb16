"""No more requests in hand than are served in fair time; whoever comes beyond is told at once to come back."""

from __future__ import annotations

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from aggregates.errors import DomainError

PROBES = "/health/"
"""Supervisors are answered also in a rush: who is busy is not dead."""


class Pressure:
    """ASGI middleware inside the envelope, around every door. A request is in hand until its answer begins.

    Without a bound everybody waits for everybody else, and answers come when their callers have gone. What is only
    open, such as a stream, is not in hand.
    """

    def __init__(self, app: ASGIApp, *, most: int) -> None:
        self._app = app
        self._most = most
        self._in_hand = 0

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or scope["path"].startswith(PROBES):
            await self._app(scope, receive, send)
            return
        if self._in_hand >= self._most:
            raise DomainError("service.busy", details={"limit": self._most})
        self._in_hand += 1
        begun = False

        async def send_on(message: Message) -> None:
            nonlocal begun
            if not begun:
                begun = True
                self._in_hand -= 1
            await send(message)

        try:
            await self._app(scope, receive, send_on)
        finally:
            if not begun:
                self._in_hand -= 1
