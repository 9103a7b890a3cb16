"""The tree of commands, and what becomes of an error: words on stderr, or the problem document, and an exit code."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Sequence
from typing import Any, NoReturn

from cyclopts import App, CycloptsError

from aggregates.errors import DomainError
from engine.cli.exits import Exit, Refusal, usage
from engine.errors import StartupError

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
    "demo": (
        "engine.cli.demo:demo",
        "Run the whole story once, on servers of its own, and check the books.",
        "Running it",
    ),
    "serve": ("engine.cli.processes:serve", "Run the HTTP and MCP server.", RUNNING),
    "worker": ("engine.cli.processes:worker", "Run a worker process.", RUNNING),
    "projector": ("engine.cli.processes:projector", "Run the process that keeps the views.", RUNNING),
    "scheduler": ("engine.cli.processes:scheduler", "Run the scheduler and sweep.", RUNNING),
    "migrate": ("engine.cli.processes:migrate", "Bring the database schema up to date.", RUNNING),
    "doctor": ("engine.cli.doctor:doctor", "Check this installation and say what to do.", RUNNING),
    "projects": ("engine.cli.projects:app", "Projects, the tenants of an installation.", SETUP),
    "policy": ("engine.cli.policy:app", "Limits: what may be done, and what the project narrows of it.", SETUP),
    "keys": ("engine.cli.keys:app", "API keys.", SETUP),
    "mcp-config": ("engine.cli.mcp_config:mcp_config", "Print what connects an agent's client to the server.", SETUP),
    "config": ("engine.cli.config:app", "Every setting, its value and where it came from.", SETUP),
}


def build() -> App:
    """The application; cheap, because every command is a name until it is called."""
    app = App(
        name="tidegate",
        help=HELP,
        help_epilogue=EPILOGUE,
        help_format="plaintext",
        version=_version,
        suppress_keyboard_interrupt=False,
    )
    for name, (path, text, group) in COMMANDS.items():
        app.command(path, name=name, help=text, group=group)
    return app


def main() -> NoReturn:
    """The console script."""
    sys.exit(run(sys.argv[1:]))


def run(arguments: Sequence[str]) -> int:
    """Run one command line; its exit code. Never raises for what a user can cause."""
    as_json = "--json" in arguments
    try:
        code = build()(
            list(arguments), exit_on_error=False, print_error=False, result_action="return_int_as_exit_code_else_zero"
        )
        sys.stdout.flush()
        return int(code)
    except Refusal as refusal:
        return _tell(refusal, as_json)
    except CycloptsError as error:
        return _tell(usage(str(error), then=_help_for(error)), as_json)
    except DomainError as error:
        return _tell(Refusal.from_domain(error), as_json)
    except StartupError as error:
        return _tell(Refusal.of("startup", str(error)), as_json)
    except KeyboardInterrupt:
        return Exit.INTERRUPTED
    except BrokenPipeError:
        # Whoever read us has seen enough. Python would complain once more when it flushes at exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return Exit.DONE


def _tell(refusal: Refusal, as_json: bool) -> int:
    problem = refusal.problem
    if as_json:
        print(json.dumps(problem, ensure_ascii=False, default=str), file=sys.stdout)  # noqa: T201
    else:
        print("\n".join(_lines(problem)), file=sys.stderr)  # noqa: T201
    return refusal.exit


def _lines(problem: dict[str, Any]) -> list[str]:
    """Code and sentence, each problem with its pointer, the next step."""
    sentence = problem.get("detail") or problem.get("title") or ""
    code = problem.get("code")
    lines = [f"{code}: {sentence}" if code not in {None, "usage", "startup"} else str(sentence)]
    for error in problem.get("errors") or ():
        got = f" (got {json.dumps(error['got'], ensure_ascii=False)})" if error.get("got") is not None else ""
        lines.append(f"  {error.get('pointer') or '/'}  {error.get('code')}: {error.get('message')}{got}")
        if error.get("expected") is not None:
            lines.append(f"      expected: {_short(error['expected'])}")
        if error.get("example") is not None:
            lines.append(f"      example:  {_short(error['example'])}")
    steps = problem.get("next") or ()
    lines += [f"next: {step}" for step in ([steps] if isinstance(steps, str) else steps)]
    return lines


def _short(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)


def _help_for(error: CycloptsError) -> str:
    chain = " ".join(error.command_chain or ())
    return f"tidegate {chain} --help".replace("  ", " ")


def _version() -> str:
    from importlib.metadata import PackageNotFoundError, version  # noqa: PLC0415  # costs --help a quarter

    try:
        return version("tidegate")
    except PackageNotFoundError:
        return "0+unknown"
