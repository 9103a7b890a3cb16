"""A proxy that adds the key, for clients that have no way to send one."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from urllib.parse import urlsplit

from tests.support.wait import until

HEAD_LIMIT = 64 * 1024


@contextmanager
def bearing(url: str, key: str) -> Iterator[str]:
    """The URL of a proxy in front of `url` whose requests carry the key; it serves as long as the block runs."""
    proxy = _Proxy(url, key)
    thread = threading.Thread(target=lambda: asyncio.run(proxy.serve()))
    thread.start()
    try:
        until(lambda: proxy.port, what="the proxy listens")
        yield f"http://127.0.0.1:{proxy.port}"
    finally:
        proxy.stop()
        thread.join()


class _Proxy:
    """One request for each connection; behind its head, bytes go both ways as they are."""

    def __init__(self, url: str, key: str) -> None:
        target = urlsplit(url)
        assert target.hostname and target.port
        self._target = (target.hostname, target.port)
        self._key = key
        self.port = 0

    async def serve(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._ended = asyncio.Event()
        self._calls: set[asyncio.Task[None]] = set()
        server = await asyncio.start_server(self._take, "127.0.0.1", 0, limit=HEAD_LIMIT)
        async with server:
            self.port = server.sockets[0].getsockname()[1]
            await self._ended.wait()
            for call in self._calls:  # streams would never end by themselves
                call.cancel()

    def stop(self) -> None:
        self._loop.call_soon_threadsafe(self._ended.set)

    async def _take(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        call = asyncio.current_task()
        assert call is not None
        self._calls.add(call)
        try:
            with suppress(OSError, asyncio.IncompleteReadError, asyncio.CancelledError):
                await self._relay(reader, writer)
        finally:
            self._calls.discard(call)
            writer.close()

    async def _relay(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = await reader.readuntil(b"\r\n\r\n")
        answers, asks = await asyncio.open_connection(*self._target)
        try:
            asks.write(self._with_key(head))
            sending = asyncio.ensure_future(_pour(reader, asks))
            try:
                await _pour(answers, writer)
            finally:
                sending.cancel()
        finally:
            asks.close()

    def _with_key(self, head: bytes) -> bytes:
        """The head for the server: our own address becomes the server's, and any other host stays what it was."""
        first, *fields = head.removesuffix(b"\r\n\r\n").split(b"\r\n")
        kept = [field for field in fields if not field.lower().startswith((b"authorization:", b"connection:"))]
        for name in (b"127.0.0.1", b"localhost"):
            ours, theirs = (b"%s:%d" % (name, port) for port in (self.port, self._target[1]))
            kept = [_replaced(field, ours, theirs) for field in kept]
        added = [b"Authorization: Bearer " + self._key.encode(), b"Connection: close"]
        return b"\r\n".join([first, *kept, *added]) + b"\r\n\r\n"


def _replaced(field: bytes, ours: bytes, theirs: bytes) -> bytes:
    named = field.lower().startswith((b"host:", b"origin:")) and field.endswith(ours)
    return field.removesuffix(ours) + theirs if named else field


async def _pour(source: asyncio.StreamReader, sink: asyncio.StreamWriter) -> None:
    while block := await source.read(HEAD_LIMIT):
        sink.write(block)
        await sink.drain()
