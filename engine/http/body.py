"""Bodies: counted while they arrive, JSON only, parsed strictly."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from email import message
from typing import Any

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.types import Message, Receive

from aggregates.errors import DomainError, Problem, invalid
from engine.http.strict_json import parse

LIMIT = 1024 * 1024
"""Largest JSON body, in bytes."""

SECONDS = 20.0
"""How long a JSON body may take to arrive; whoever sends slower holds a connection for nothing."""

SMALL = 16 * 1024
"""A body up to this size is parsed at once; a larger one would hold up the other requests, so a thread does it."""


class ParsedRequest(Request):
    """A request whose body has been read and parsed already."""

    def __init__(self, request: Request, raw: bytes, data: Any) -> None:
        super().__init__(request.scope, request.receive)
        self._raw = raw
        self._data = data

    async def body(self) -> bytes:
        return self._raw

    async def json(self) -> Any:
        return self._data


async def parsed(request: Request, *, taken: bool) -> Request:
    """The request with its body as strict JSON. `taken` says whether the endpoint has any use for one."""
    raw = await _read(request)
    if not raw:
        return ParsedRequest(request, raw, None)
    if not taken:
        raise invalid("request.invalid", [Problem("", "body.unexpected", "This takes no body.", None, "no body")])
    media_type(request, ("application/json",))
    data = parse(raw) if len(raw) <= SMALL else await run_in_threadpool(parse, raw)
    # Only whether it is empty is looked at from here on.
    return ParsedRequest(request, b"null" if data is None else raw, data)


def media_type(request: Request, allowed: tuple[str, ...]) -> str:
    """The content type, without parameters; refused unless it is one of `allowed`, in UTF-8, not compressed."""
    header = message.Message()
    header["content-type"] = request.headers.get("content-type", "none/none")
    charset = header.get_content_charset() or "utf-8"
    encoding = request.headers.get("content-encoding", "identity")
    problems = []
    if header.get_content_type() not in allowed:
        problems.append(
            Problem("/Content-Type", "header.invalid", "This content type is not taken here.", None, list(allowed))
        )
    if charset not in {"utf-8", "utf8", "us-ascii"}:
        problems.append(Problem("/Content-Type", "header.invalid", "Only UTF-8 is read.", None, "utf-8"))
    if encoding.lower() != "identity":
        problems.append(
            Problem("/Content-Encoding", "header.invalid", "Compressed bodies are not read.", None, "identity")
        )
    if problems:
        raise invalid("request.unsupported", problems)
    return header.get_content_type()


def in_time(receive: Receive) -> Receive:
    """A way to take a body, from now on, which raises `request.too_slow` when it does not arrive in time."""
    latest, whole = asyncio.get_running_loop().time() + SECONDS, False

    async def take() -> Message:
        nonlocal whole
        if whole:  # whoever asks now only looks whether the caller is still there
            return await receive()
        try:
            async with asyncio.timeout_at(latest):
                message = await receive()
        except TimeoutError as error:
            raise DomainError("request.too_slow") from error
        whole = not message.get("more_body")
        return message

    return take


async def _read(request: Request) -> bytes:
    declared = request.headers.get("content-length", "0")
    if declared.isdecimal() and int(declared[:20]) > LIMIT:
        raise DomainError("request.too_large", details={"limit": LIMIT})
    return b"".join([block async for block in _bounded(Request(request.scope, in_time(request.receive)))])


async def _bounded(request: Request) -> AsyncIterator[bytes]:
    size = 0
    async for block in request.stream():
        size += len(block)
        if size > LIMIT:
            raise DomainError("request.too_large", details={"limit": LIMIT})
        yield block
