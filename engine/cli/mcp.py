"""`tidegate mcp`: for agents whose client starts a program instead of calling an address."""

from __future__ import annotations

import asyncio
import math
import sys
import threading
from collections.abc import AsyncIterator
from contextlib import suppress
from functools import partial
from typing import Annotated
from urllib.parse import urlencode

import anyio
from cyclopts import App, Parameter

from engine.cli.bridge import Bridge
from engine.cli.client import located
from engine.cli.front_page import say_no_more
from engine.settings import Settings, load_settings

app = App(name="mcp", help="For agents whose client starts a program.")

PATH = "/mcp"


@app.command
def stdio(
    *,
    toolsets: Annotated[str | None, Parameter(help="Only these, separated by commas: workflows,batch.")] = None,
    readonly: Annotated[bool, Parameter(negative="", help="Only the tools that change nothing.")] = False,
) -> None:
    """Speak MCP on stdin and stdout for the server that runs: that of TIDEGATE_URL, or of the data directory.

    A server that is not there, or goes away, is an error for the requests that it befalls; this program goes on.
    """
    query = {"toolsets": toolsets, "readonly": "1" if readonly else None}
    narrowed = urlencode({name: value for name, value in query.items() if value is not None})
    bridge = Bridge(partial(_where, load_settings(), f"{PATH}?{narrowed}" if narrowed else PATH), _write)
    try:
        anyio.run(bridge.run, _lines())
    except* BrokenPipeError:
        say_no_more()  # whoever started us has gone


def _where(settings: Settings, path: str) -> tuple[str, str]:
    url, key = located(settings)
    return url + path, key


async def _lines() -> AsyncIterator[bytes]:
    """The lines of stdin. The thread that waits for them keeps nobody from ending the program."""
    put, get = anyio.create_memory_object_stream[bytes](math.inf)
    loop = asyncio.get_running_loop()

    def read() -> None:
        # A file of its own: at the end of the program Python would wait for whoever reads its stdin.
        with suppress(RuntimeError), open(sys.stdin.fileno(), "rb", closefd=False) as stdin:
            for line in stdin:
                loop.call_soon_threadsafe(put.send_nowait, line)
            loop.call_soon_threadsafe(put.close)

    threading.Thread(target=read, name="stdin", daemon=True).start()
    async with get:
        async for line in get:
            yield line


def _write(line: bytes) -> None:
    sys.stdout.buffer.write(line)
    sys.stdout.buffer.flush()
