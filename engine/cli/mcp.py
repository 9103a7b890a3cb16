"""`tidegate mcp`: for agents whose client starts a program instead of calling an address."""

from __future__ import annotations

import sys
from collections.abc import AsyncIterator
from functools import partial
from typing import Annotated
from urllib.parse import urlencode

import anyio
from anyio import to_thread
from cyclopts import App, Parameter

from engine.cli.bridge import Bridge
from engine.cli.client import located
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
    anyio.run(bridge.run, _lines())


def _where(settings: Settings, path: str) -> tuple[str, str]:
    url, key = located(settings)
    return url.rstrip("/") + path, key


async def _lines() -> AsyncIterator[bytes]:
    # A thread that waits for a line must not keep the program from ending.
    while line := await to_thread.run_sync(sys.stdin.buffer.readline, abandon_on_cancel=True):
        yield line


def _write(line: bytes) -> None:
    sys.stdout.buffer.write(line)
    sys.stdout.buffer.flush()
