"""A stream of any size into a temporary file, so that a slow sender holds no transaction open."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from tempfile import SpooledTemporaryFile
from typing import BinaryIO, cast

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request

from aggregates.errors import DomainError

IN_MEMORY = 1024 * 1024
"""Smaller uploads never touch the disk."""

BLOCK = 1024 * 1024
"""How much is collected before it is written."""

LIMIT = 8 * 1024**3
"""Largest upload, in bytes."""

IDLE_SECONDS = 60.0
"""How long a sender may be silent."""


@asynccontextmanager
async def spooled(request: Request) -> AsyncIterator[BinaryIO]:
    """The body as a file, at its beginning; gone after the block."""
    with SpooledTemporaryFile(max_size=IN_MEMORY) as file:
        async for block in _blocks(request):
            await run_in_threadpool(file.write, block)
        file.seek(0)
        yield cast("BinaryIO", file)


async def _blocks(request: Request) -> AsyncIterator[bytes]:
    """The body in pieces of about BLOCK."""
    stream = request.stream()
    pending = bytearray()
    size = 0
    while True:
        try:
            async with asyncio.timeout(IDLE_SECONDS):
                piece = await anext(stream, None)
        except TimeoutError as error:
            raise DomainError("request.too_slow") from error
        if piece is None:
            break
        size += len(piece)
        if size > LIMIT:
            raise DomainError("request.too_large", "The file is too large.", details={"limit": LIMIT})
        pending += piece
        if len(pending) >= BLOCK:
            yield bytes(pending)
            pending.clear()
    if pending:
        yield bytes(pending)
