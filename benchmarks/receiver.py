"""`python -m benchmarks.receiver`: a local HTTP endpoint in a process of its own that answers everything with 200.

It reads no more of a request than it must, so that what is measured is the sender. It prints its port, and counts
what it was sent: a GET answers the count.
"""

from __future__ import annotations

import asyncio
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from urllib.request import urlopen

ANSWER = b"HTTP/1.1 200 OK\r\ncontent-length: %d\r\n\r\n%s"


class Endpoint(asyncio.Protocol):
    """One connection."""

    received = 0

    def __init__(self) -> None:
        self._buffer = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport

    def data_received(self, data: bytes) -> None:
        self._buffer += data
        while (end := self._buffer.find(b"\r\n\r\n")) >= 0:
            head = self._buffer[:end].lower()
            place = head.find(b"content-length:")
            length = int(head[place + 15 :].split(b"\r\n", 1)[0]) if place >= 0 else 0
            if len(self._buffer) < end + 4 + length:
                return
            self._buffer = self._buffer[end + 4 + length :]
            asked = head.startswith(b"get")
            Endpoint.received += not asked
            body = str(Endpoint.received).encode() if asked else b"ok"
            self._transport.write(ANSWER % (len(body), body))


@contextmanager
def receiving() -> Iterator[str]:
    """The URL of an endpoint, as long as the block runs."""
    process = subprocess.Popen([sys.executable, "-m", "benchmarks.receiver"], stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    try:
        yield f"http://127.0.0.1:{int(process.stdout.readline())}"
    finally:
        process.terminate()
        process.wait()


def received(url: str) -> int:
    """How many requests the endpoint has taken."""
    with urlopen(url, timeout=10) as answer:
        return int(answer.read())


async def _main() -> None:
    server = await asyncio.get_running_loop().create_server(Endpoint, "127.0.0.1", 0)
    print(server.sockets[0].getsockname()[1], flush=True)
    await server.serve_forever()


if __name__ == "__main__":
    asyncio.run(_main())
