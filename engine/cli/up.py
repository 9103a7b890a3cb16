"""`tidegate up`: everything on this machine, until Ctrl-C."""

from __future__ import annotations

from contextlib import suppress
from typing import Annotated

from cyclopts import Parameter

from engine.cli.client import KEY_FILE
from engine.cli.exits import Exit, usage
from engine.cli.mcp_config import MAKE_KEY, PRINT_CONFIG
from engine.cli.output import Json, Output
from engine.cli.signals import orderly, wait_for_end
from engine.cli.tree import Running, running
from engine.settings import load_settings


def up(
    *,
    port: Annotated[int | None, Parameter(help="Port of the HTTP and MCP server; 0 takes a free one.")] = None,
    workers: Annotated[int | None, Parameter(help="How many worker processes.")] = None,
    json: Json = False,
) -> int:
    """Start everything on this machine and keep it running: PostgreSQL, Valkey, server, workers, scheduler.

    With TIDEGATE_DATABASE_URL and TIDEGATE_REDIS_URL set, those servers are used instead of the embedded ones.
    Ctrl-C stops everything; data stays in the data directory.
    """
    out = Output(json)
    if workers is not None and workers < 1:
        raise usage("--workers is at least 1.")
    settings = load_settings(http_port=port)
    with orderly(), running(settings, workers=workers or settings.worker_processes, report=out.say) as tree:
        with suppress(KeyboardInterrupt):
            _greet(out, tree)
            wait_for_end()
        out.say("Stopping.")
    return Exit.DONE


def _greet(out: Output, tree: Running) -> None:
    data_dir = tree.settings.data_dir
    if out.json:
        out.document({"url": tree.url, "mcp_url": f"{tree.url}/mcp", "data_dir": str(data_dir)})
        return
    out.say(f"Tidegate runs at {tree.url}")
    out.say(f"  API reference   {tree.url}/docs")
    out.say(f"  data and logs   {data_dir}")
    out.say(f"  sends           {tree.settings.send_mode}")
    if tree.made_key:
        out.say(f"  owner key       {tree.owner_key}   (shown this once; kept in {data_dir / KEY_FILE})")
    out.say(f"\nConnect an agent, with a key of its own:\n  {MAKE_KEY}\n  {PRINT_CONFIG}")
    out.say("\nCtrl-C stops everything.")
