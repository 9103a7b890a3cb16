"""The first page, `tidegate --help`. Drawn without the library that draws all others.

To load that library takes longer than all that this page says; a test holds the two against each other.
"""

from __future__ import annotations

import os
import shutil
import sys
import textwrap
from collections.abc import Iterable, Iterator, Sequence

HELP = """Size an audience, have a human confirm it, run a workflow over exactly those people.

`tidegate up` starts everything on this machine; `tidegate demo` tells the whole story once."""

EPILOGUE = (
    "Tables on a terminal, TSV in a pipe, --json for programs. Exit codes: 0 done, 1 failed, 2 usage, 3 not found, "
    "4 not allowed, 5 conflict or drift, 6 held, 7 refused by policy, 8 still running, 9 finished with failures."
)

# Help shows them in the order of their names.
PRODUCT, RUNNING, SETUP = "Product", "Running it", "Setting up"

# Name -> (where it is, what it is for, its group). Nothing here is imported before it is called for.
COMMANDS = {
    "workflows": ("engine.cli.workflows:app", "Create, enable, size, try out and run workflows.", PRODUCT),
    "batch": ("engine.cli.batch:app", "Run a workflow over an audience; approve, watch and cancel jobs.", PRODUCT),
    "confirm": ("engine.cli.confirmations:app", "What agents asked for: read it, confirm it, turn it down.", PRODUCT),
    "runs": ("engine.cli.runs:app", "Find runs, follow one, read what it came to, cancel it.", PRODUCT),
    "schedules": ("engine.cli.schedules:app", "Repeat a workflow; preview, list, pause and end schedules.", PRODUCT),
    "people": ("engine.cli.people:app", "Import and look up people.", PRODUCT),
    "components": ("engine.cli.components:app", "The step types that workflows are made of.", PRODUCT),
    "cohorts": ("engine.cli.cohorts:app", "Named sets of people.", PRODUCT),
    "views": ("engine.cli.views:app", "How far the views have come; rebuild one.", PRODUCT),
    "log": ("engine.cli.log:app", "What was done and what was refused, by whom.", PRODUCT),
    "replay": ("engine.cli.replay:app", "How things were; and whether the log adds up to how they are.", PRODUCT),
    "mcp": ("engine.cli.mcp:app", "Speak MCP on stdin and stdout, for agents.", PRODUCT),
    "up": ("engine.cli.up:up", "Start everything on this machine and keep it running.", RUNNING),
    "demo": ("engine.cli.demo:demo", "Run the whole story once, on servers of its own, and check the books.", RUNNING),
    "serve": ("engine.cli.processes:serve", "Run the HTTP and MCP server.", RUNNING),
    "worker": ("engine.cli.processes:worker", "Run a worker process.", RUNNING),
    "projector": ("engine.cli.processes:projector", "Run the process that keeps the views.", RUNNING),
    "scheduler": ("engine.cli.processes:scheduler", "Run the scheduler and sweep.", RUNNING),
    "migrate": ("engine.cli.processes:migrate", "Bring the database schema up to date.", RUNNING),
    "fence": ("engine.cli.fence:app", "Whether a copy of the database may send; say that it may.", RUNNING),
    "doctor": ("engine.cli.doctor:doctor", "Check this installation and say what to do.", RUNNING),
    "projects": ("engine.cli.projects:app", "Projects, the tenants of an installation.", SETUP),
    "policy": ("engine.cli.policy:app", "Limits: what may be done, and what the project narrows of it.", SETUP),
    "keys": ("engine.cli.keys:app", "API keys.", SETUP),
    "mcp-config": ("engine.cli.mcp_config:mcp_config", "Print what connects an agent's client to the server.", SETUP),
    "config": ("engine.cli.config:app", "Every setting, its value and where it came from.", SETUP),
}

OPTIONS = (("--help (-h)", "Display this message and exit."), ("--version", "Display application version."))


def show() -> int:
    """Print the page; the exit code."""
    try:
        sys.stdout.write("\n".join(page(shutil.get_terminal_size().columns)) + "\n")
        sys.stdout.flush()
    except BrokenPipeError:
        say_no_more()
    return 0


def say_no_more() -> None:
    """Whoever read us has seen enough. Python would complain once more when it flushes at exit."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def page(width: int) -> Iterator[str]:
    """The lines of the page, for a terminal of some width."""
    yield "Usage: tidegate COMMAND"
    yield ""
    for paragraph in HELP.split("\n\n"):
        yield from _wrapped(paragraph, width)
        yield ""
    yield from _panel("Commands", OPTIONS, width)
    for group in (PRODUCT, RUNNING, SETUP):
        rows = [(name, text) for name, (_, text, of) in sorted(COMMANDS.items()) if of == group]
        yield from _panel(group, rows, width)
    yield ""
    yield from _wrapped(EPILOGUE, width)


def _panel(title: str, rows: Sequence[tuple[str, str]], width: int) -> Iterator[str]:
    inner = width - 4
    names = max(len(name) for name, _ in rows)
    yield f"╭─ {title} " + "─" * (width - len(title) - 5) + "╮"
    for name, text in rows:
        for place, line in enumerate(_wrapped(text, inner - names - 2)):
            yield f"│ {('' if place else name):<{names}}  {line:<{inner - names - 2}} │"
    yield "╰" + "─" * (width - 2) + "╯"


def _wrapped(text: str, width: int) -> Iterable[str]:
    return textwrap.wrap(text, max(width, 20), break_on_hyphens=False, break_long_words=False)
