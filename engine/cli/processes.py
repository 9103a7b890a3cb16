"""The single processes of an installation, for whoever supervises them: `serve`, `worker`, `projector`, `scheduler`.

Each becomes its process and keeps its pid. They need a database that is there already: one that the settings name,
or the embedded one of an `up` in the same data directory. `migrate` comes before them.
"""

from __future__ import annotations

import os
import sys
from typing import Annotated, NoReturn

from cyclopts import Parameter

from engine.cli.admin import resolved, running_services, with_services
from engine.cli.client import KEY_FILE
from engine.cli.output import Json, Output
from engine.cli.tree import environment_of, prepare
from engine.errors import StartupError
from engine.settings import Settings, load_settings


def serve(
    *,
    host: Annotated[str | None, Parameter(help="Address to listen on.")] = None,
    port: Annotated[int | None, Parameter(help="Port to listen on; 0 takes a free one.")] = None,
) -> NoReturn:
    """Run the HTTP and MCP server."""
    _become(load_settings(http_host=host, http_port=port), "mcp_adapter")


def worker() -> NoReturn:
    """Run a worker process. Run as many as you like, on as many machines as you like."""
    _become(load_settings(), "workers", "worker")


def projector() -> NoReturn:
    """Run the process that keeps the views. A second one stands by."""
    _become(load_settings(), "workers", "projector")


def scheduler() -> NoReturn:
    """Run the scheduler: due occurrences, due waits, the sweep for lost work. A second one is harmless."""
    _become(load_settings(), "workers", "scheduler")


def migrate(*, json: Json = False) -> None:
    """Bring the database schema up to date; on a fresh database make the project `default` and its owner key."""
    out = Output(json)
    with with_services(load_settings()) as settings:
        key = prepare(settings)
    out.record({"migrated": True, "owner_key": key})
    if key:
        out.say(f"The owner key is shown this once; it is kept in {settings.data_dir / KEY_FILE}.")


def _become(settings: Settings, *module: str) -> NoReturn:
    if not (settings.database_url and settings.redis_url):
        services = running_services(settings.data_dir)
        if services is None:
            raise StartupError(
                "This process needs servers that run already. Set TIDEGATE_DATABASE_URL and TIDEGATE_REDIS_URL, "
                "or run `tidegate up`, which starts everything."
            )
        settings = resolved(settings, services)
    sys.stdout.flush()
    os.execve(sys.executable, [sys.executable, "-P", "-m", *module], environment_of(settings))  # noqa: S606
