"""The world outside, in a process of its own: an HTTP endpoint that writes every request into a book before it answers.

`python -m benchmarks.chaos.receiver PORT MAIL_PORT BOOK`; MAIL_PORT is that of a mail relay. `POST /mode` with a mode
says how it answers from then on: `ok`, `500`, `429`, `slow`, `reset` or `silent`, and `mail ok`, `mail slow` or
`mail silent` for the relay. A line of the book is JSON: `id` (the webhook-id or Message-ID), `run`, `person`, `at`
(when the request began to arrive), `answer` (0: none).
"""

from __future__ import annotations

import asyncio
import json
import os
import sys
import time

from benchmarks.chaos.relay import Relay, until_gone

SLOW_SECONDS = 2.0
LOOK_SECONDS = 0.2


class Receiver:
    def __init__(self, book: str) -> None:
        self.mode = "ok"
        self._book = os.open(book, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
        self.relay = Relay(self.write)

    def write(self, key: str, run: str, person: str, at: float, answer: int) -> None:
        line = {"id": key, "run": run, "person": person, "at": at, "answer": answer}
        os.write(self._book, json.dumps(line).encode() + b"\n")

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with until_gone(writer):
            while await self._one(reader, writer):
                pass

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
            mode = body.decode()
            if mode.startswith("mail "):
                self.relay.mode = mode.removeprefix("mail ")
            else:
                self.mode = mode
            return await _answer(writer, 200)
        return await self._take(writer, headers.get("webhook-id", ""), json.loads(body), at)

    async def _take(self, writer: asyncio.StreamWriter, key: str, body: dict[str, str], at: float) -> bool:
        mode = self.mode
        answer = {"500": 500, "429": 429, "reset": 0, "silent": 0}.get(mode, 200)
        self.write(key, body["run"], body["person"], at, answer)
        if mode == "slow":
            await asyncio.sleep(SLOW_SECONDS)
        while mode == self.mode == "silent":
            await asyncio.sleep(LOOK_SECONDS)
        if mode in {"reset", "silent"}:
            writer.transport.abort()
            return False
        return await _answer(writer, answer)


async def _answer(writer: asyncio.StreamWriter, status: int) -> bool:
    writer.write(f"HTTP/1.1 {status} x\r\ncontent-length: 0\r\n\r\n".encode())
    await writer.drain()
    return True


async def main(port: int, mail_port: int, book: str) -> None:
    receiver = Receiver(book)
    server = await asyncio.start_server(receiver.serve, "127.0.0.1", port, backlog=1024)
    mail = await asyncio.start_server(receiver.relay.serve, "127.0.0.1", mail_port, backlog=1024)
    print("listening", flush=True)
    async with server, mail:
        await server.serve_forever()


if __name__ == "__main__":
    asyncio.run(main(int(sys.argv[1]), int(sys.argv[2]), sys.argv[3]))
