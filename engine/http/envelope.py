"""Around every request: its id, the size of its head, HEAD, and the last resort when something fails."""

from __future__ import annotations

import logging
import re
import traceback

from starlette.datastructures import Headers, MutableHeaders
from starlette.requests import ClientDisconnect
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from aggregates.errors import DomainError, Problem, invalid
from engine.http import problems
from engine.ids import new_id
from projections.outage import is_outage

logger = logging.getLogger(__name__)

TARGET_LIMIT = 8 * 1024
"""Longest path with query, in bytes."""

HEADERS_LIMIT = 32 * 1024
"""Largest head, in bytes."""

OURS = ("/api", "/confirm", "/health", "/docs", "/openapi.json", "/metrics")
"""Where this door answers; all other paths belong to what is mounted."""

_TWO_LENGTHS = invalid(
    "request.invalid",
    [Problem("/Content-Length", "header.invalid", "A body in chunks has no Content-Length.", None, "one of both")],
)

_REQUEST_ID = re.compile(r"[A-Za-z0-9._-]{1,100}")


def is_ours(path: str) -> bool:
    """Whether a path belongs to this door."""
    return any(path == prefix or path.startswith(prefix + "/") for prefix in OURS)


class Envelope:
    """ASGI middleware. Gives a request an id, which every response carries and every event of its command records."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        given = Headers(scope=scope).get("x-request-id", "")
        request_id = given if _REQUEST_ID.fullmatch(given) else str(new_id())
        ours = is_ours(scope["path"])
        bodiless = ours and scope["method"] == "HEAD"
        started = False

        async def send_out(message: Message) -> None:
            nonlocal started
            if message["type"] == "http.response.start":
                started = True
                headers = MutableHeaders(raw=message.setdefault("headers", []))
                headers["X-Request-Id"] = request_id
                if ours:
                    headers["X-Content-Type-Options"] = "nosniff"
                    headers.setdefault("Cache-Control", "no-store")
            elif bodiless and message["type"] == "http.response.body":
                message = {**message, "body": b""}
            await send(message)

        scope = {**scope, "state": {**scope.get("state", {}), "request_id": request_id}}
        if bodiless:
            scope["method"] = "GET"
        try:
            _small_enough(scope)
            if _framed_twice(scope):
                # What stands in front may have read it otherwise: nothing that follows on this connection is a request.
                answer = problems.respond(_TWO_LENGTHS, request_id, status=400)
                answer.headers["Connection"] = "close"
                await answer(scope, receive, send_out)
            else:
                await self._app(scope, receive, send_out)
        except ClientDisconnect:
            logger.debug("the caller went away", extra={"request_id": request_id})
        except Exception as error:
            if started:
                raise
            await _last_resort(error, request_id)(scope, receive, send_out)


def _last_resort(error: Exception, request_id: str) -> ASGIApp:
    """The response to what no handler took."""
    if isinstance(error, DomainError):
        return problems.respond(error, request_id)
    if is_outage(error):
        logger.warning("request %s met an outage: %s", request_id, type(error).__name__)
        return problems.respond(DomainError("service.unavailable"), request_id)
    # Where it happened, without the message: what a database or a validator says may quote people.
    frames = "".join(traceback.format_tb(error.__traceback__))
    logger.error("request %s failed: %s\n%s", request_id, type(error).__name__, frames)
    logger.debug("request %s failed", request_id, exc_info=error)
    return problems.internal(request_id)


def _framed_twice(scope: Scope) -> bool:
    return {b"content-length", b"transfer-encoding"} <= {name for name, _ in scope["headers"]}


def _small_enough(scope: Scope) -> None:
    target = len(scope.get("raw_path") or b"") + len(scope["query_string"])
    head = sum(len(name) + len(value) for name, value in scope["headers"])
    if target > TARGET_LIMIT:
        raise DomainError("request.too_large", "The address is too long.", details={"limit": TARGET_LIMIT})
    if head > HEADERS_LIMIT:
        raise DomainError("request.too_large", "The headers are too large.", details={"limit": HEADERS_LIMIT})
