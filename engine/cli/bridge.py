"""A bridge between the two ends of a pipe and a server's /mcp: JSON-RPC lines on one side, HTTP on the other.

Messages pass as they are. What HTTP says beside them is set from the message itself (the protocol that has no sessions)
or kept from the answer to `initialize` (the older ones). Whatever goes wrong is an error for the request it befell.
"""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import suppress
from typing import Any

import anyio
import httpx2
from anyio.abc import TaskGroup
from mcp.shared.inbound import NAME_BEARING_METHODS, encode_header_value
from mcp.types import INTERNAL_ERROR, INVALID_REQUEST, PARSE_ERROR
from mcp_types import PROTOCOL_VERSION_META_KEY

from engine.cli.exits import Refusal

Json = dict[str, Any]

SESSION, VERSION = "Mcp-Session-Id", "MCP-Protocol-Version"

TIMEOUT = httpx2.Timeout(60, connect=5)
"""A server that works on an answer sends a sign of life every 15 seconds."""

LAST_SECONDS = 30.0
"""How long requests in progress may take after the last message: longer than any tool waits."""

LARGEST_EVENT = 16 * 1024 * 1024

OPENING = ("initialize", "notifications/initialized")
"""What opens a session in the older protocols."""

SAID = {
    401: "The server does not accept the API key.",
    413: "The message is larger than the server takes.",
    421: "The server does not answer under this address; TIDEGATE_PUBLIC_URL tells it which others it has.",
}


class Bridge:
    """One client's way to the server. `where` is asked for address and key each time: a server may have moved."""

    def __init__(self, where: Callable[[], tuple[str, str]], write: Callable[[bytes], object]) -> None:
        self._where = where
        self._write = write
        self._client = httpx2.AsyncClient(timeout=TIMEOUT, trust_env=False)
        self._opening = anyio.Lock()
        self._in_progress: dict[str, anyio.CancelScope] = {}
        self._session: Mapping[str, str] = {}
        self._initialize = b""
        self._opened = anyio.Event()
        self._opened.set()

    async def run(self, lines: AsyncIterator[bytes]) -> None:
        """Carry messages until there are no more; what is in progress then may still be answered."""
        async with self._client:
            async with anyio.create_task_group() as tasks:
                async for line in lines:
                    if line.strip():
                        self._take(line, tasks)
                tasks.cancel_scope.deadline = anyio.current_time() + LAST_SECONDS
            if self._session:
                with suppress(httpx2.TransportError, Refusal):
                    url, headers = self._head(self._session)
                    await self._client.delete(url, headers=headers)

    def _take(self, line: bytes, tasks: TaskGroup) -> None:
        try:
            message = json.loads(line)
        except (ValueError, RecursionError):
            self._tell(_error(None, PARSE_ERROR, "Parse error"))
            return
        if not isinstance(message, dict):
            self._tell(_error(None, INVALID_REQUEST, "A message is one JSON object."))
            return
        before, opens = self._opened, message.get("method") in OPENING
        if opens:
            self._opened = anyio.Event()
        tasks.start_soon(self._carry, line, message, before, self._opened if opens else None)

    async def _carry(self, line: bytes, message: Json, before: anyio.Event, opened: anyio.Event | None) -> None:
        """Carry a message; what belongs to a session that is being opened waits `before`, for it or for its end."""
        try:
            modern = _modern(message)
            if not modern:
                await before.wait()
            if "method" in message and "id" in message:
                await self._request(line, message, modern)
            elif not self._cancelled(message) and self._session:
                await self._notify(line)
        finally:
            if opened is not None:
                opened.set()

    async def _request(self, line: bytes, message: Json, modern: Mapping[str, str]) -> None:
        """Carry a request, and whatever comes back for it."""
        id, scope = message["id"], anyio.CancelScope()
        if modern:
            self._in_progress[_key(id)] = scope
        with scope:
            try:
                await (self._exchange(line, message, modern) if modern else self._within(line, message))
            except Refusal as refusal:
                self._tell(_error(id, INTERNAL_ERROR, str(refusal), refusal.problem))
            except (httpx2.ConnectError, httpx2.ConnectTimeout):
                self._tell(_error(id, INTERNAL_ERROR, f"No server answers at {self._where()[0]}."))
            except (httpx2.TransportError, httpx2.SSEError, ValueError) as error:
                lost = f"The answer was lost ({type(error).__name__}); what became of the request is not known."
                self._tell(_error(id, INTERNAL_ERROR, lost))
        if self._in_progress.get(_key(id)) is scope:
            del self._in_progress[_key(id)]

    async def _within(self, line: bytes, message: Json) -> None:
        """Carry a request of the older protocols, in the session that is open."""
        if message["method"] == "initialize":
            self._session, self._initialize = {}, line
        session = self._session
        if not await self._exchange(line, message, session, retried=bool(session)):
            # Too old, or ended by somebody: who sits at the end of a pipe cannot open another one, so we do.
            async with self._opening:
                if self._session is session:
                    await self._open_again()
            await self._exchange(line, message, self._session)

    async def _open_again(self) -> None:
        url, headers = self._head({})
        answer = await self._client.post(url, content=self._initialize, headers=headers)
        self._session = {}
        async for told in _messages(answer):
            self._note_session(answer, told)
        await self._notify(json.dumps({"jsonrpc": "2.0", "method": "notifications/initialized"}).encode())

    async def _exchange(self, line: bytes, message: Json, extra: Mapping[str, str], *, retried: bool = False) -> bool:
        """Send a request and pass on what comes. False, with nothing passed on, if it is `retried` in a new session."""
        url, headers = self._head(extra)
        async with self._client.stream("POST", url, content=line, headers=headers) as answer:
            if retried and answer.status_code == httpx2.codes.NOT_FOUND:
                return False
            if not answer.is_success:
                self._tell(_refusal(message["id"], answer.status_code, await answer.aread()))
                return True
            async for told in _messages(answer):
                if message["method"] == "initialize":
                    self._note_session(answer, told)
                self._tell(told)
                if "method" not in told:
                    return True
        self._tell(_error(message["id"], INTERNAL_ERROR, "The server ended the answer before it was complete."))
        return True

    async def _notify(self, line: bytes) -> None:
        """Carry what has no answer; whether it arrives, nobody is told."""
        with suppress(httpx2.TransportError, Refusal):
            url, headers = self._head(self._session)
            await self._client.post(url, content=line, headers=headers)

    def _cancelled(self, message: Json) -> bool:
        """Give up a request as its client asks; over HTTP, hanging up is what says so to the server."""
        params = message.get("params")
        id = params.get("requestId") if isinstance(params, dict) else None
        scope = self._in_progress.get(_key(id)) if message.get("method") == "notifications/cancelled" else None
        if scope is not None:
            scope.cancel()
        return scope is not None

    def _note_session(self, answer: httpx2.Response, told: Json) -> None:
        if SESSION in answer.headers and isinstance(told.get("result"), dict):
            version = str(told["result"].get("protocolVersion", ""))
            self._session = {SESSION: answer.headers[SESSION], VERSION: version}

    def _head(self, extra: Mapping[str, str]) -> tuple[str, dict[str, str]]:
        """Where to send a message, and the headers beside it."""
        url, key = self._where()
        accept = {"Accept": "application/json, text/event-stream", "Content-Type": "application/json"}
        return url, {**accept, **extra, "Authorization": f"Bearer {key}"}

    def _tell(self, message: Json) -> None:
        self._write(json.dumps(message, separators=(",", ":")).encode() + b"\n")


def _modern(message: Json) -> dict[str, str]:
    """The headers that mirror a request of the protocol without sessions; none for the older ones."""
    params = message.get("params")
    meta = params.get("_meta") if isinstance(params, dict) else None
    version = meta.get(PROTOCOL_VERSION_META_KEY) if isinstance(meta, dict) else None
    if not isinstance(version, str) or not isinstance(params, dict):
        return {}
    method = str(message.get("method"))
    headers = {VERSION: version, "Mcp-Method": method}
    name = params.get(NAME_BEARING_METHODS.get(method, ""))
    if isinstance(name, str):
        headers["Mcp-Name"] = name
    return {header: encode_header_value(value) for header, value in headers.items()}


async def _messages(answer: httpx2.Response) -> AsyncIterator[Json]:
    """The messages of an answer, one by one; ValueError for what is none."""
    if answer.headers.get("Content-Type", "").startswith("text/event-stream"):
        async for event in httpx2.EventSource(answer, max_event_size=LARGEST_EVENT):
            if event.data:
                yield _object(event.data)
    elif content := await answer.aread():
        yield _object(content)


def _object(text: str | bytes) -> Json:
    message = json.loads(text)
    if not isinstance(message, dict):
        raise ValueError("not a message")  # noqa: TRY004  # the caller asks for what can be read
    return message


def _refusal(id: Any, status: int, body: bytes) -> Json:
    """What a server that did not take a request said, as an error for it."""
    try:
        said = json.loads(body)
    except ValueError:
        said = None
    if isinstance(said, dict) and isinstance(said.get("error"), dict):
        return {"jsonrpc": "2.0", "id": id, "error": said["error"]}
    problem = said if isinstance(said, dict) and "code" in said else {}
    text = SAID.get(status) or problem.get("detail") or f"The server answered {status}."
    code = INTERNAL_ERROR if status >= httpx2.codes.INTERNAL_SERVER_ERROR else INVALID_REQUEST
    return _error(id, code, str(text), {"status": status, **problem})


def _error(id: Any, code: int, message: str, data: Mapping[str, Any] | None = None) -> Json:
    error = {"code": code, "message": message}
    return {"jsonrpc": "2.0", "id": id, "error": error | ({"data": dict(data)} if data else {})}


def _key(id: Any) -> str:
    """An id as a key: 1 and "1" are two."""
    return json.dumps(id)
