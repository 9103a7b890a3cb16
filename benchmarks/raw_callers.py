"""Callers that cost next to nothing: a connection each, the bytes of a request, the status and length of its answer."""

from __future__ import annotations

import asyncio
import json
import re
import time
from collections import defaultdict
from contextlib import suppress
from typing import Any, cast
from urllib.parse import SplitResult, urlsplit

UNANSWERED = "none"

_LENGTH = re.compile(rb"\r\ncontent-length: *([0-9]+)\r\n", re.IGNORECASE)


class _Caller(asyncio.Protocol):
    """One connection and one request in flight. It reads a status and a length, no more: a client that does all that
    a client may do costs as much as the server, and runs on the server's cores."""

    def __init__(self) -> None:
        self._transport: asyncio.Transport | None = None
        self._answered: asyncio.Future[str] | None = None
        self._seen = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)

    def data_received(self, data: bytes) -> None:
        self._seen += data
        end = self._seen.find(b"\r\n\r\n")
        if end < 0:
            return
        # An answer without a length would never end here: it is counted as none.
        length = _LENGTH.search(self._seen, 0, end + 2)
        if length is None:
            self._settle(UNANSWERED)
        elif len(self._seen) >= end + 4 + int(length[1]):
            self._settle(self._seen[9:12].decode("ascii", "replace"))

    def connection_lost(self, exc: Exception | None) -> None:
        self._transport = None
        self._settle(UNANSWERED)

    async def ask(self, request: bytes) -> str:
        """The status of the answer."""
        if self._transport is None:
            return UNANSWERED
        self._seen = b""
        self._answered = asyncio.get_running_loop().create_future()
        self._transport.write(request)
        status = await self._answered
        if status == UNANSWERED:
            self.close()
        return status

    def close(self) -> None:
        if self._transport is not None:
            self._transport.close()
            self._transport = None

    def _settle(self, status: str) -> None:
        if self._answered is not None and not self._answered.done():
            self._answered.set_result(status)


async def call_raw(task: dict[str, Any]) -> dict[str, Any]:
    """What `benchmarks.callers` does with a client, without one."""
    seconds: dict[str, list[float]] = defaultdict(list)
    places = [urlsplit(url) for url in task["urls"]]
    requests = [_request(place, task) for place in places]
    used = time.process_time()

    every: float = task.get("every", 0)

    async def ask(due: float) -> None:
        open_to: dict[str, _Caller] = {}
        for number in range(task["requests"]):
            place, request = places[number % len(places)], requests[number % len(places)]
            started = time.perf_counter()
            if every:
                # From when it was due: who is answered late and asks late has waited all that time.
                await asyncio.sleep(due - started)
                started, due = due, due + every
            caller = open_to.get(place.netloc)
            status = UNANSWERED
            with suppress(OSError):
                if caller is None:
                    loop = asyncio.get_running_loop()
                    _, caller = await loop.create_connection(_Caller, place.hostname, place.port)
                status = await caller.ask(request)
            seconds[status].append(time.perf_counter() - started)
            if caller is not None and status != UNANSWERED:
                open_to[place.netloc] = caller
            else:
                open_to.pop(place.netloc, None)
        for caller in open_to.values():
            caller.close()

    started = time.perf_counter()
    callers: int = task["callers"]
    await asyncio.gather(*(ask(started + every * place / callers) for place in range(callers)))
    took = time.perf_counter() - started
    return {"took": took, "seconds": seconds, "cpu": time.process_time() - used}


def _request(url: SplitResult, task: dict[str, Any]) -> bytes:
    """The bytes of a request, written once and sent again and again."""
    body = b"" if task.get("body") is None else json.dumps(task["body"]).encode()
    path = url.path + (f"?{url.query}" if url.query else "")
    lines = [f"{'POST' if body else 'GET'} {path} HTTP/1.1", f"Host: {url.netloc}"]
    lines += [f"{name}: {value}" for name, value in task.get("headers", {}).items()]
    lines += [f"Content-Length: {len(body)}"] if body else []
    return "\r\n".join([*lines, "", ""]).encode() + body
