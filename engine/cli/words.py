"""Hints in the words of the command line: commands and options, where the server names routes and headers.

The server's hints are for HTTP. Here each route becomes the command that asks for it, and what is only true of HTTP is
said anew.
"""

from __future__ import annotations

import re
import shlex
import shutil
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from aggregates.errors import CODES

COMMANDS: Mapping[str, str] = {
    "GET /workflows": "workflows list",
    "POST /workflows/{id}/disable": "workflows disable WORKFLOW",
    "PUT /workflows/{id}/agent-runs": "workflows agent-runs WORKFLOW ALLOWED",
    "GET /schedules": "schedules list",
    "GET /batch-jobs": "batch list",
    "GET /batch-jobs/{id}/runs": "batch runs JOB",
    "POST /batch-jobs/{id}/unfinished": "batch unfinished JOB",
    "GET /components": "components list",
    "GET /cohorts": "cohorts list",
    "GET /people": "people list",
    "GET /keys": "keys list",
    "POST /keys": "keys create NAME --owner OWNER",
    "GET /log": "log show",
    "GET /confirmations": "confirm list",
}
"""Route -> the command that asks for it."""

ROUTE = re.compile(r"(GET|POST|PUT|PATCH|DELETE) /api/v1(/[a-z{}/-]*[a-z}])")

OF_HTTP = re.compile(r"/api/|/docs|\b(GET|POST|PUT|PATCH|DELETE) /|Retry-After|Authorization|Idempotency-Key|API ref")
"""What means nothing at the command line."""

SAID_ANEW: Mapping[str, str] = {
    "request.unsupported": "Is the server of another version? `tidegate doctor` looks.",
    "request.unknown_route": "Is the server of another version? `tidegate doctor` looks.",
    "request.method_not_allowed": "Is the server of another version? `tidegate doctor` looks.",
    "service.busy": "Repeat it in a moment.",
    "position.not_reached": "Repeat it in a moment; `tidegate views list` says how far they are.",
    "auth.missing": "Set TIDEGATE_API_KEY. `tidegate keys create` makes a key.",
    "rate.limited": "Repeat it in a minute.",
    "idempotency.missing": "Give --idempotency-key, and the same one with each repetition.",
    "idempotency.mismatch": "Give another --idempotency-key for another request.",
    "batch_job.just_started": "Look at that job first: `tidegate batch show`. To send it once more, size again and "
    "give --token, or give an --idempotency-key.",
    "confirm.missing": "Show somebody the number, `tidegate workflows size WORKFLOW`, and give its --token.",
    "confirm.frozen": "Size the audience without --freeze.",
    "sizing.too_many_kept": "Size without --freeze, or wait until a token has expired.",
}


def typed(command: str) -> str:
    """A command line that can be typed here: with the way to the program, if the shell does not know it."""
    words = command.removeprefix("tidegate ")
    beside = Path(sys.executable).with_name("tidegate")
    found = shutil.which("tidegate")
    if found is not None and Path(found).resolve() == beside.resolve():
        return f"tidegate {words}"
    if not beside.exists():
        return f"{shlex.quote(sys.executable)} -m engine.cli {words}"
    here = Path.cwd()
    return f"{shlex.quote(str(beside.relative_to(here) if beside.is_relative_to(here) else beside))} {words}"


def next_steps(problem: Mapping[str, Any]) -> list[str]:
    """The hints of a problem document, as commands."""
    said = problem.get("next") or ()
    return [_in_words(problem.get("code"), step) for step in ([said] if isinstance(said, str) else said)]


def _in_words(code: Any, step: str) -> str:
    entry = CODES.get(code)
    if code in SAID_ANEW and entry is not None and step == entry.next:
        return SAID_ANEW[code]
    told = ROUTE.sub(_command, step)
    return SAID_ANEW.get(code, told) if OF_HTTP.search(told) else told


def _command(route: re.Match[str]) -> str:
    command = COMMANDS.get(f"{route[1]} {route[2]}")
    return f"`tidegate {command}`" if command else route[0]
