"""Servers and followers in threads of this process, as long as a block runs."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import uvicorn
from sqlalchemy import func, select

from engine.bootstrap import System
from mcp_adapter.serve import config, create, listening
from projections.reads import VIEWS
from projections.runner import CHANNEL, Runner
from tests.support.wait import until


@contextmanager
def following(system: System) -> Iterator[None]:
    """Views that follow the log."""
    stopped = threading.Event()
    runner = Runner(system.engine, [view() for view in VIEWS])
    runner.register()
    follower = threading.Thread(target=runner.follow, args=(stopped.is_set,))
    follower.start()
    try:
        yield
    finally:
        stopped.set()
        with system.engine.begin() as connection:
            connection.execute(select(func.pg_notify(CHANNEL, "")))  # it need not wait for its next look
        follower.join()


@contextmanager
def serving(system: System, **changes: Any) -> Iterator[str]:
    """The URL of a server with every door that listens, on a free port; `changes` are to how it is served."""
    with listening("127.0.0.1", 0) as listener:
        port = listener.getsockname()[1]
        server = uvicorn.Server(config(create(system, port=port), timeout_graceful_shutdown=1, **changes))
        thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]})
        thread.start()
        try:
            until(lambda: server.started, what="the server has started")
            yield f"http://127.0.0.1:{port}"
        finally:
            server.should_exit = True
            thread.join()
