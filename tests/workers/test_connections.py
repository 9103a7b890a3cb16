"""Connections that are kept, against a real server that counts them and hangs up when it is told to."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import httpcore2
import httpx2
import pytest

from workers.delivery.connections import Connections
from workers.delivery.outbound import GuardedBackend, Outbound

ANSWER = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"


class Server:
    """Answers each packet that it reads, and remembers who connected."""

    def __init__(self) -> None:
        self.answer = ANSWER
        self.packets: list[bytes] = []
        self.open: list[asyncio.StreamWriter] = []
        self.connected = 0
        self.ended = asyncio.Condition()

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connected += 1
        self.open.append(writer)
        while packet := await reader.read(65_536):
            self.packets.append(packet)
            writer.write(self.answer)
        writer.close()
        await writer.wait_closed()
        async with self.ended:
            self.open.remove(writer)
            self.ended.notify_all()

    async def left(self, many: int) -> None:
        """Wait until so many connections are open."""
        async with self.ended, asyncio.timeout(30):
            await self.ended.wait_for(lambda: len(self.open) == many)


@asynccontextmanager
async def listening() -> AsyncIterator[tuple[Server, str]]:
    made = Server()
    server = await asyncio.start_server(made.serve, "127.0.0.1", 0)
    try:
        yield made, f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/hook"
        await made.left(0)
    finally:
        server.close()


def kept(keep: int = 10, idle_seconds: float = 60) -> Connections:
    backend = GuardedBackend(Outbound(["127.0.0.1"]))
    return Connections(httpx2.create_ssl_context(trust_env=False), backend, keep, idle_seconds)


async def ask(connections: Connections, url: str) -> bytes:
    headers = [(b"host", b"here"), (b"content-length", b"4")]
    request = httpcore2.Request("POST", url, headers=headers, content=b"body")
    async with connections.exchange(request) as response:
        return await response.aread()


def test_one_request_after_the_other_takes_one_connection_and_one_packet_each() -> None:
    async def run() -> None:
        async with listening() as (server, url):
            connections = kept()
            assert [await ask(connections, url) for _ in range(5)] == [b"ok"] * 5
            assert server.connected == 1
            assert len(server.packets) == 5 and all(packet.endswith(b"\r\n\r\nbody") for packet in server.packets)
            await connections.aclose()

    asyncio.run(run())


def test_a_connection_at_which_the_other_side_hung_up_is_not_used_again() -> None:
    async def run() -> None:
        async with listening() as (server, url):
            connections = kept()
            await ask(connections, url)
            server.open[0].close()
            await server.open[0].wait_closed()
            # Whoever is next gets a new one, and no error.
            assert await ask(connections, url) == b"ok"
            assert server.connected == 2
            await connections.aclose()

    asyncio.run(run())


def test_no_more_are_kept_than_were_asked_for() -> None:
    async def run() -> None:
        async with listening() as (server, url):
            connections = kept(keep=2)
            await asyncio.gather(*(ask(connections, url) for _ in range(6)))
            assert server.connected == 6
            await server.left(2)
            await connections.aclose()

    asyncio.run(run())


def test_one_that_was_idle_for_too_long_is_closed_by_whoever_comes_next_to_any_place() -> None:
    async def run() -> None:
        async with listening() as (forgotten, first), listening() as (server, second):
            connections = kept(idle_seconds=-1)
            await ask(connections, first)
            await ask(connections, second)
            await forgotten.left(0)
            assert (forgotten.connected, server.connected) == (1, 1)

    asyncio.run(run())


def test_a_request_that_is_given_up_closes_its_connection() -> None:
    async def run() -> None:
        async with listening() as (server, url):
            connections = kept()
            request = httpcore2.Request("POST", url, headers=[(b"host", b"here"), (b"content-length", b"0")])
            async with connections.exchange(request):
                pass  # the answer is not read
            await server.left(0)
            assert await ask(connections, url) == b"ok"
            assert server.connected == 2
            await connections.aclose()

    asyncio.run(run())


@pytest.mark.parametrize(
    "surplus",
    [
        b"HTTP/1.1 204 No Content\r\n\r\nno body belongs here",
        b"HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok",
        b"HTTP/1.1 304 Not Modified\r\nContent-Length: 5\r\n\r\nextra",
        ANSWER + b"\r\n",
    ],
)
def test_what_comes_after_an_answer_is_nobody_elses_answer(surplus: bytes) -> None:
    async def run() -> None:
        async with listening() as (server, url):
            connections = kept()
            server.answer = surplus
            first = await ask(connections, url)
            await server.left(0)
            server.answer = b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nmine!"
            assert first != await ask(connections, url) == b"mine!"
            assert server.connected == 2
            await connections.aclose()

    asyncio.run(run())
