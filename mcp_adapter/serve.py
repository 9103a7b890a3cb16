"""Both doors in one process: the HTTP API and MCP, on one port."""

from __future__ import annotations

import logging
import os
import signal
import socket
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from types import FrameType
from typing import Any

import uvicorn
from fastapi import FastAPI

from engine.bootstrap import System
from engine.bootstrap import build as build_system
from engine.errors import StartupError
from engine.health import joined
from engine.http.app import create_app
from engine.http.connections import protocol
from engine.logs import configure
from engine.presence import present
from engine.settings import load_settings
from mcp_adapter.auth import Address
from mcp_adapter.endpoints import Endpoints

logger = logging.getLogger(__name__)

URL_FILE = "url"
"""Where the CLI finds a running server, in the data directory."""

BACKLOG = 2048

SWITCH_SECONDS = 0.0005
"""How long one thread may keep the others from running. Each request waits for the database several times, and after
each wait for its turn; at the interpreter's own 5 ms those waits are most of what a caller sees."""

DRAIN_SECONDS = 5
"""How long requests in progress may take after we were told to stop; streams would never end by themselves."""

KEEP_SECONDS = 75
"""How long an idle connection is kept: longer than the 60 of what usually stands in front (proxies, load balancers,
clients' pools), which would otherwise send a request, perhaps a POST that nobody repeats, into one that we close."""


def create(system: System, *, port: int | None = None) -> FastAPI:
    """The application of one process. `port` is the one that it really listens on, if the setting says 0."""
    address = Address.of(system.settings, system.settings.http_port if port is None else port)
    agents = Endpoints(system, address)
    return create_app(system, mount=agents, lifespan=agents.running)


def main() -> None:
    """Serve until SIGTERM or SIGINT."""
    sys.setswitchinterval(SWITCH_SECONDS)
    # Uvicorn raises the signal again when it has drained; then, as during the start, it only unwinds us.
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, _stop)
    settings = load_settings()
    configure(settings, process="server")
    with listening(settings.http_host, settings.http_port) as listener:
        port = listener.getsockname()[1]
        # Links that it answers with name the port that it really listens on.
        system = build_system(settings.model_copy(update={"http_port": port}))
        try:
            # While the database is away it says so to whoever asks; and a stranger's secret lets nobody in.
            joined(system)
            here = announced(settings.data_dir / URL_FILE, _local_url(settings.http_host, port))
            with here, present(system, "server"):
                uvicorn.Server(config(create(system, port=port))).run(sockets=[listener])
        finally:
            system.close()


@contextmanager
def listening(host: str, port: int) -> Iterator[socket.socket]:
    """A socket that takes connections already; port 0 takes a free one."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        listener = socket.create_server((host, port), family=family, backlog=BACKLOG)
    except OSError as error:
        raise StartupError(f"Cannot listen on {host} port {port}: {error.strerror or error}.") from error
    with listener:
        # Connections inherit it. asyncio sets it only on sockets that were made with a `proto`; without it an answer
        # of two writes waits 40 ms for an acknowledgement.
        listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        yield listener


@contextmanager
def announced(path: Path, url: str) -> Iterator[None]:
    """Keep the server's URL in a file while it runs; a later server's announcement is left alone.

    Only commands on the same machine read it, so a file system that cannot be written to is no reason not to serve.
    """
    try:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        draft = path.with_name(f".{path.name}.{os.getpid()}")
        draft.write_text(f"{url}\n", encoding="ascii")
        draft.replace(path)
    except OSError as error:
        logger.warning("the URL is not kept in %s: %s. Commands need TIDEGATE_URL.", path, error.strerror or error)
    try:
        yield
    finally:
        with suppress(OSError):
            if path.exists() and path.read_text(encoding="ascii").strip() == url:
                path.unlink(missing_ok=True)


def config(app: FastAPI, **changes: Any) -> uvicorn.Config:
    """How an application is served."""
    settings: dict[str, Any] = {
        "http": protocol(),
        "ws": "none",
        "log_config": None,
        "access_log": False,
        "server_header": False,
        "timeout_graceful_shutdown": DRAIN_SECONDS,
        "timeout_keep_alive": KEEP_SECONDS,
    }
    return uvicorn.Config(app, **settings | changes)


def _local_url(host: str, port: int) -> str:
    """How this machine reaches us; the public URL may lead through a proxy that is not there yet."""
    reachable = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(host, host)  # noqa: S104
    return f"http://[{reachable}]:{port}" if ":" in reachable else f"http://{reachable}:{port}"


def _stop(_number: int, _frame: FrameType | None) -> None:
    sys.exit(0)
