"""The tree of commands, and what becomes of an error: words on stderr, or the problem document, and an exit code."""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence
from typing import Any

from cyclopts import App, CycloptsError

from aggregates.errors import DomainError
from engine.cli.exits import Exit, Refusal, usage
from engine.cli.front_page import COMMANDS, EPILOGUE, HELP, say_no_more
from engine.cli.words import next_steps
from engine.errors import StartupError


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
        say_no_more()
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
    return [*lines, *(f"next: {step}" for step in next_steps(problem))]


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
