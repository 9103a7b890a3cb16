"""The addresses for agents: each path has a table of tools and a protocol server of its own, behind the same checks."""

from __future__ import annotations

import logging
from collections.abc import AsyncIterator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from importlib.metadata import version
from typing import Any

from mcp.server.lowlevel import Server
from mcp.server.transport_security import RequestBodyLimitMiddleware
from starlette.applications import Starlette
from starlette.requests import ClientDisconnect
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from aggregates.errors import DomainError
from engine.bootstrap import System
from engine.http import problems
from engine.http.body import in_time
from mcp_adapter import texts
from mcp_adapter.auth import PATH, STUDIO_PATH, Address, KeyVerifier
from mcp_adapter.server import Toolsets, build
from mcp_adapter.sessions import SessionDoor
from mcp_adapter.texts import Texts
from mcp_adapter.tools import TOOLSETS
from mcp_adapter.tools.studio import STUDIO
from projections.outage import is_outage

logger = logging.getLogger(__name__)

BODY_LIMIT = 1024 * 1024
"""Largest request, in bytes; the same as over HTTP."""

METADATA = "/.well-known/oauth-protected-resource"
"""Where the metadata of a path is: before the path (RFC 9728)."""

TABLES: Mapping[str, Toolsets] = {PATH: TOOLSETS, STUDIO_PATH: STUDIO}

TEXTS: Mapping[str, Texts] = {PATH: texts.BATCH, STUDIO_PATH: texts.STUDIO}


class Endpoints:
    """ASGI application over all paths; `running` has to be entered as long as it serves."""

    def __init__(self, system: System, address: Address) -> None:
        self._servers = {
            path: build(system, table, texts=TEXTS[path], version=version("tidegate")) for path, table in TABLES.items()
        }
        apps = {path: _behind_checks(server, path, system, address) for path, server in self._servers.items()}
        self._apps: dict[str, ASGIApp] = {**apps, **{METADATA + path: app for path, app in apps.items()}}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        await self._apps.get(scope["path"], self._apps[PATH])(scope, receive, send)

    @asynccontextmanager
    async def running(self, _app: object) -> AsyncIterator[None]:
        """What the transports need while they serve; the lifespan of the application that hosts us."""
        async with AsyncExitStack() as stack:
            for server in self._servers.values():
                await stack.enter_async_context(server.session_manager.run())
            yield


def _behind_checks(server: Server[Any], path: str, system: System, address: Address) -> Starlette:
    app = server.streamable_http_app(
        streamable_http_path=path,
        stateless_http=True,
        max_request_body_size=BODY_LIMIT,
        transport_security=address.security,
        auth=address.auth(path),
        token_verifier=KeyVerifier(system),
    )
    manager = server.session_manager
    sessions = SessionDoor(manager.asgi_app, system, address.security)
    # The outer limit is for what the sessions read themselves.
    manager.asgi_app = RequestBodyLimitMiddleware(sessions, BODY_LIMIT)
    app.add_middleware(BodyInTime)
    app.add_middleware(LastResort)
    return app


class BodyInTime:
    """ASGI middleware around whatever reads a body: it has as long to arrive as over HTTP."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        await self._app(scope, in_time(receive) if scope["type"] == "http" else receive, send)


class LastResort:
    """ASGI middleware inside the SDK's application, which would answer a failure with a bare 500."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        started = False

        async def watched(message: Message) -> None:
            nonlocal started
            started = True
            await send(message)

        try:
            await self._app(scope, receive, watched)
        except ClientDisconnect:
            logger.debug("the caller of an MCP request went away")
        except Exception as error:
            if started or scope["type"] != "http":
                raise
            request_id = scope["state"]["request_id"]
            if isinstance(error, DomainError):
                answer = problems.respond(error, request_id)
            elif is_outage(error):
                logger.warning("an MCP request met an outage: %s", type(error).__name__)
                answer = problems.respond(DomainError("service.unavailable"), request_id)
            else:
                logger.exception("an MCP request failed", extra={"request_id": request_id})
                answer = problems.internal(request_id)
            await answer(scope, receive, send)
