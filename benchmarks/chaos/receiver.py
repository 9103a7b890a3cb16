"""The world outside, in a process of its own: an HTTP endpoint that writes every request into a book before it answers.

`python receiver.py PORT BOOK`. `POST /mode` with `ok`, `500`, `slow` or `reset` says how it answers from then on. A
line of the book is JSON: `id` (the webhook-id), `run`, `person`, `at` (when the request began to arrive), `answer`.
"""

from __future__ import annotations

import asyncio
import json
import os
import sys
import time

SLOW_SECONDS = 2.0


class Receiver:
    def __init__(self, book: str) -> None:
        self.mode = "ok"
        self._book = os.open(book, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while await self._one(reader, writer):
                pass
        except (OSError, asyncio.IncompleteReadError, ValueError):
            pass
        finally:
            writer.close()

    async def _one(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bool:
        """One request; whether the connection goes on."""
        request = (await reader.readline()).decode("latin-1")
        at = time.time()
        if not request:
            return False
        headers = {}
        while (line := (await reader.readline()).decode("latin-1").strip()) != "":
            name, _, value = line.partition(":")
            headers[name.strip().lower()] = value.strip()
        body = await reader.readexactly(int(headers.get("content-length", "0")))
        if request.startswith("POST /mode"):
            self.mode = body.decode()
            return await _answer(writer, 200)
        return await self._take(writer, headers.get("webhook-id", ""), json.loads(body), at)

    async def _take(self, writer: asyncio.StreamWriter, key: str, body: dict[str, str], at: float) -> bool:
        mode = self.mode
        answer = {"500": 500, "reset": 0}.get(mode, 200)
        line = {"id": key, "run": body["run"], "person": body["person"], "at": at, "answer": answer}
        os.write(self._book, json.dumps(line).encode() + b"\n")
        if mode == "slow":
            await asyncio.sleep(SLOW_SECONDS)
        if mode == "reset":
            writer.transport.abort()
            return False
        return await _answer(writer, answer)


async def _answer(writer: asyncio.StreamWriter, status: int) -> bool:
    writer.write(f"HTTP/1.1 {status} x\r\ncontent-length: 0\r\n\r\n".encode())
    await writer.drain()
    return True


async def main(port: int, book: str) -> None:
    server = await asyncio.start_server(Receiver(book).serve, "127.0.0.1", port, backlog=1024)
    print("listening", flush=True)
    async with server:
        await server.serve_forever()


if __name__ == "__main__":
    asyncio.run(main(int(sys.argv[1]), sys.argv[2]))
