"""A proxy that sends each request to the next server, whatever connection it came on."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager

import httpx2
import uvicorn
from starlette.requests import Request
from starlette.responses import Response
from starlette.types import Message, Receive, Scope, Send

from tests.support.wait import until

HOP = {"connection", "keep-alive", "transfer-encoding", "content-length", "date", "server"}


class RoundRobin:
    """ASGI application. `taken` tells which server took each request, by its place in `servers`."""

    def __init__(self) -> None:
        self.servers: list[str] = []
        self.taken: list[int] = []
        self.url = ""
        self._next = 0

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        assert scope["type"] == "http"
        place, self._next = self._next % len(self.servers), self._next + 1
        self.taken.append(place)
        request = Request(scope, receive)
        target = httpx2.URL(self.servers[place]).copy_with(raw_path=_target(scope))
        headers = [(name, value) for name, value in request.headers.raw if name.decode() not in HOP]
        async with httpx2.AsyncClient(trust_env=False, verify=False, timeout=60) as client:  # plain HTTP
            sent = client.build_request(request.method, target, headers=headers, content=await request.body() or None)
            try:
                answer = await client.send(sent, stream=True)
            except httpx2.TransportError:
                await Response(status_code=502)(scope, receive, send)
                return
            await _passed_on(answer, send)


async def _passed_on(answer: httpx2.Response, send: Send) -> None:
    headers = [(name.lower(), value) for name, value in answer.headers.raw if name.lower().decode() not in HOP]
    await send({"type": "http.response.start", "status": answer.status_code, "headers": headers})
    async for chunk in answer.aiter_raw():
        part: Message = {"type": "http.response.body", "body": chunk, "more_body": True}
        await send(part)
    await send({"type": "http.response.body", "body": b""})
    await answer.aclose()


def _target(scope: Scope) -> bytes:
    query = scope["query_string"]
    return bytes(scope["raw_path"].partition(b"?")[0] + (b"?" + query if query else b""))


@contextmanager
def round_robin() -> Iterator[RoundRobin]:
    """A proxy that listens; its servers are named later."""
    proxy = RoundRobin()
    config = uvicorn.Config(proxy, port=0, log_config=None, lifespan="off", ws="none", timeout_graceful_shutdown=1)
    server = uvicorn.Server(config)
    thread = threading.Thread(target=server.run)
    thread.start()
    try:
        until(lambda: server.started, what="the proxy has started")
        proxy.url = f"http://127.0.0.1:{server.servers[0].sockets[0].getsockname()[1]}"
        yield proxy
    finally:
        server.should_exit = True
        thread.join()
