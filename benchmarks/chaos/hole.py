"""A way to PostgreSQL that can go silent: connections stay open, and nothing comes through any more.

Those that were caught stay silent for ever, as behind a NAT that forgot them. New ones get through again afterwards.
"""

from __future__ import annotations

import asyncio
import tempfile
import threading
from contextlib import suppress
from pathlib import Path
from urllib.parse import parse_qs, quote, urlsplit

SOCKET = ".s.PGSQL.5432"
CHUNK = 65536


class Hole:
    """A proxy over unix sockets, in a thread of its own."""

    def __init__(self, database_url: str) -> None:
        self._server = Path(parse_qs(urlsplit(database_url).query)["host"][0]) / SOCKET
        self._folder = tempfile.TemporaryDirectory(prefix="tg")
        self.database_url = f"postgresql+psycopg://postgres@/postgres?host={quote(self._folder.name)}"
        self._silent = False
        self._caught = 0
        """How often it went silent: a connection is caught if that has happened since it began."""
        # Kept here: a task that waits for what nobody holds is collected, and its connection closed.
        self._never = asyncio.Event()
        self._listener: asyncio.Server | None = None
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="hole", daemon=True)

    def open(self) -> None:
        self._thread.start()
        path = str(Path(self._folder.name) / SOCKET)
        listening = asyncio.start_unix_server(self._serve, path)
        self._listener = asyncio.run_coroutine_threadsafe(listening, self._loop).result()

    def close(self) -> None:
        """Break off whatever is left."""
        asyncio.run_coroutine_threadsafe(self._end(), self._loop).result()
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()
        self._folder.cleanup()

    async def _end(self) -> None:
        if self._listener is not None:
            self._listener.close()
        left = asyncio.all_tasks() - {asyncio.current_task()}
        for task in left:
            task.cancel()
        await asyncio.gather(*left, return_exceptions=True)

    def swallow(self) -> None:
        """Nothing comes through from now on."""
        self._silent = True
        self._caught += 1

    def mend(self) -> None:
        """New connections come through again."""
        self._silent = False

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            if self._silent:
                await self._never.wait()
            caught = self._caught
            with suppress(OSError):
                server_reader, server_writer = await asyncio.open_unix_connection(str(self._server))
                ways = (self._pass_on(reader, server_writer, caught), self._pass_on(server_reader, writer, caught))
                try:
                    await asyncio.gather(*ways)
                finally:
                    server_writer.close()
        finally:
            writer.close()

    async def _pass_on(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, caught: int) -> None:
        """Until one side ends. What ends after it was caught, nobody hears of."""
        with suppress(OSError):
            while data := await reader.read(CHUNK):
                if caught == self._caught:
                    writer.write(data)
                    await writer.drain()
        if caught == self._caught:
            writer.close()
