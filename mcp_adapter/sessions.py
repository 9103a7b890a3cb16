"""Sessions of the older protocols, in front of the SDK's stateless transport: every process knows every session.

A session is opened by a successful `initialize`, and each later request is checked against its id, which the client
sends back (`engine.sessions`). It gives no rights: the key is looked up on each request, and its scopes of that moment
count. Requests of the protocol that has no sessions pass through untouched.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import anyio
import pydantic_core
from anyio import to_thread
from mcp.server.streamable_http import check_accept_headers
from mcp.server.transport_security import TransportSecurityMiddleware, TransportSecuritySettings
from mcp.shared.inbound import MCP_PROTOCOL_VERSION_HEADER
from mcp.types import INVALID_REQUEST, ErrorData, JSONRPCError, JSONRPCRequest, jsonrpc_message_adapter
from mcp_types.version import HANDSHAKE_PROTOCOL_VERSIONS
from starlette.datastructures import MutableHeaders
from starlette.requests import Request
from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from aggregates.base import Principal
from engine.bootstrap import System
from engine.sessions import Session
from mcp_adapter.auth import present_principal
from mcp_adapter.clients import name_of

HEADER = "mcp-session-id"

ALLOWED = "POST, DELETE"
"""There is no stream of the server's own: nothing is ever sent that a client did not ask for, and GET is 405."""


class SessionDoor:
    """ASGI middleware around the transport of one path, inside authentication and the limit of a body."""

    def __init__(self, app: ASGIApp, system: System, security: TransportSecuritySettings) -> None:
        self._app = app
        self._sessions = system.sessions
        self._security = TransportSecurityMiddleware(security)
        self._threads = anyio.CapacityLimiter(system.settings.pool_size)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        request = Request(scope, receive)
        principal = present_principal()
        if principal is None or not _is_handshake(request):
            await self._app(scope, receive, send)
            return
        refusal = await self._security.validate_request(request, is_post=request.method == "POST")
        if refusal is not None:
            await refusal(scope, receive, send)
        elif HEADER in request.headers:
            await self._within(request, principal, send)
        elif request.method == "POST":
            await self._opening(request, principal, send)
        elif request.method in {"GET", "DELETE"}:
            await _error("Bad Request: Missing session ID", 400)(scope, receive, send)
        else:
            await self._app(scope, receive, send)

    async def _within(self, request: Request, principal: Principal, send: Send) -> None:
        """A request of a session: refused unless the session is open and the principal's."""
        scope, receive = request.scope, request.receive
        given = request.headers[HEADER]
        session = await to_thread.run_sync(self._sessions.find, given, principal, limiter=self._threads)
        if session is None:
            answer: ASGIApp = _error("Session not found", 404)
        elif request.method == "GET":
            answer = _error("Method Not Allowed", 405, {"Allow": ALLOWED, HEADER: session.id})
        elif request.method == "DELETE":
            await to_thread.run_sync(self._sessions.end, session, limiter=self._threads)
            answer = Response(media_type="application/json", headers={HEADER: session.id})
        else:
            answer, scope, send = self._app, _of_session(scope, session), _naming(send, session.id)
        await answer(scope, receive, send)

    async def _opening(self, request: Request, principal: Principal, send: Send) -> None:
        """A message without a session: `initialize` may open one, and nothing else is taken."""
        body = await request.body()
        receive = _again(body, request.receive)
        try:
            message = jsonrpc_message_adapter.validate_python(pydantic_core.from_json(body), by_name=False)
        except ValueError:
            message = None
        opens = isinstance(message, JSONRPCRequest) and message.method == "initialize"
        # What is wrong in itself, the transport refuses in its own words.
        if message is None or not all(check_accept_headers(request)):
            await self._app(request.scope, receive, send)
        elif not opens:
            await _error("Bad Request: Missing session ID", 400)(request.scope, receive, send)
        else:
            assert isinstance(message, JSONRPCRequest)
            client = name_of((message.params or {}).get("clientInfo"))

            def issue(version: str) -> str:
                return self._sessions.open(principal, version=version, client=client)

            await self._app(request.scope, receive, _Opened(send, issue))


class _Opened:
    """Sends the answer to `initialize`; if it is a success, with the id of a new session."""

    def __init__(self, send: Send, issue: Callable[[str], str]) -> None:
        self._send = send
        self._issue = issue
        self._held: list[Message] = []
        self._sent = False

    async def __call__(self, message: Message) -> None:
        if self._sent:
            await self._send(message)
            return
        self._held.append(message)
        result = _result(b"".join(held.get("body", b"") for held in self._held))
        if result is None and (message["type"] == "http.response.start" or message.get("more_body")):
            return  # the head waits until it is known what it says
        if result is not None and "protocolVersion" in result:
            headers = MutableHeaders(raw=self._held[0].setdefault("headers", []))
            headers[HEADER] = self._issue(str(result["protocolVersion"]))
        self._sent = True
        for held in self._held:
            await self._send(held)


def _result(answer: bytes) -> dict[str, Any] | None:
    """The result in the first event of a stream, when it has come; an error is the empty one."""
    for line in answer.splitlines(keepends=True):
        if line.startswith(b"data:") and line.endswith((b"\r", b"\n")):
            result = json.loads(line.removeprefix(b"data:")).get("result")
            return result if isinstance(result, dict) else {}
    return None


def _is_handshake(request: Request) -> bool:
    """The same rule by which the SDK tells the two eras apart."""
    version = request.headers.get(MCP_PROTOCOL_VERSION_HEADER)
    return version is None or version in HANDSHAKE_PROTOCOL_VERSIONS


def _of_session(scope: Scope, session: Session) -> Scope:
    """The request with what its session says: the version that was agreed, and the client's name."""
    name = MCP_PROTOCOL_VERSION_HEADER.encode()
    headers = [(key, value) for key, value in scope["headers"] if key != name]
    state = {**scope.get("state", {}), "mcp_client": session.client}
    return {**scope, "headers": [*headers, (name, session.version.encode())], "state": state}


def _naming(send: Send, session_id: str) -> Send:
    async def named(message: Message) -> None:
        if message["type"] == "http.response.start":
            MutableHeaders(raw=message.setdefault("headers", []))[HEADER] = session_id
        await send(message)

    return named


def _again(body: bytes, receive: Receive) -> Receive:
    """What was read is there to be read once more."""
    left = [body]

    async def replay() -> Message:
        return {"type": "http.request", "body": left.pop(), "more_body": False} if left else await receive()

    return replay


def _error(message: str, status: int, headers: dict[str, str] | None = None) -> Response:
    """A refusal in the SDK's own form."""
    body = JSONRPCError(jsonrpc="2.0", id=None, error=ErrorData(code=INVALID_REQUEST, message=message))
    text = body.model_dump_json(by_alias=True, exclude_unset=True)
    return Response(text, status_code=status, media_type="application/json", headers=headers)
