"""A mail relay that writes every message into the receiver's book before it says that it has it.

The subject of a message is its run, its text the person. A silent relay accepts connections and says nothing, to
nobody, until it is well again; a slow one takes longer over DATA than a step of a conversation may.
"""

from __future__ import annotations

import asyncio
import email
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from email import policy

SLOW_SECONDS = 12.0
LOOK_SECONDS = 0.2

Write = Callable[[str, str, str, float, int], None]
"""Called with the Message-ID, the run, the person, the instant and the answer."""


@contextmanager
def until_gone(writer: asyncio.StreamWriter) -> Iterator[None]:
    """Talk as long as the other side does, which may go away or say what is no word of ours."""
    try:
        yield
    except (OSError, asyncio.IncompleteReadError, ValueError):
        pass
    finally:
        writer.close()


class Relay:
    def __init__(self, write: Write) -> None:
        self.mode = "ok"
        self._write = write

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with until_gone(writer):
            await self._say(writer, "220 relay")
            while await self._one(reader, writer):
                pass

    async def _one(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bool:
        """One command; whether the conversation goes on."""
        verb = (await reader.readline()).decode("latin-1").strip().upper()[:4]
        if verb == "DATA":
            await self._say(writer, "354 go on")
            at = time.time()
            self._note((await reader.readuntil(b"\r\n.\r\n")), at)
            if self.mode == "slow":
                await asyncio.sleep(SLOW_SECONDS)
        await self._say(writer, "221 bye" if verb == "QUIT" else "250 ok")
        return verb not in {"QUIT", ""}

    def _note(self, data: bytes, at: float) -> None:
        message = email.message_from_bytes(data.removesuffix(b".\r\n"), policy=policy.default)
        body = message.get_body()
        person = "" if body is None else str(body.get_content()).strip()
        self._write(str(message["message-id"]), str(message["subject"]), person, at, 200)

    async def _say(self, writer: asyncio.StreamWriter, line: str) -> None:
        while self.mode == "silent":
            await asyncio.sleep(LOOK_SECONDS)
        writer.write(f"{line}\r\n".encode())
        await writer.drain()
