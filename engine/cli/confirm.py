"""The number of people that a human confirms: given as options, or typed on a terminal after it was shown."""

from __future__ import annotations

import json
import sys
from typing import Annotated, Any

from cyclopts import Parameter

from engine.cli.client import Api
from engine.cli.exits import usage
from engine.cli.output import Output
from engine.cli.workflows import show_sizing, sized

Confirm = Annotated[int | None, Parameter(help="The number of people that a human confirmed.")]
Token = Annotated[str | None, Parameter(help="The confirm token of the sizing that was shown.")]


def may_ask(out: Output) -> bool:
    """Whether there is a human to type something."""
    return sys.stdin.isatty() and sys.stderr.isatty() and not out.json


def acknowledged(count: int, token: str | None) -> dict[str, Any]:
    """What was given as --confirm and --token, as a part of a request."""
    return {"acknowledged_affected_count": count} | ({} if token is None else {"confirm_token": token})


def asked(api: Api, workflow: str, what: dict[str, Any], out: Output, *, to: str) -> dict[str, Any]:
    """Size the audience, show the number, and let a human type it; the count and the token that belong together.

    `what` it is sized for (variables, rate, breaker, schedule) is what the token buys; `to` says it in the question.
    """
    needs_a_human(out, workflow)
    sizing = sized(api, workflow, what)
    show_sizing(out, sizing)
    _say_terms(out, sizing.get("schedule") or {})
    let_type(out, sizing["affected"], sizing["send_mode"], to=to)
    return acknowledged(int(sizing["affected"]), str(sizing["confirm_token"]))


def _say_terms(out: Output, terms: dict[str, Any]) -> None:
    """The terms that the schedule has, for the number confirms them as well; what no person has confirmed is marked."""
    for name, value in terms.items():
        if name in {"changed", "revised_by"}:
            continue
        was = terms["changed"].get(name)
        since = f"  CHANGED by {', '.join(terms['revised_by'])}, was {json.dumps(was['before'])}" if was else ""
        out.say(f"{name}: {json.dumps(value)}{since}")


def needs_a_human(out: Output, workflow: str) -> None:
    """Refuse where nobody can type anything."""
    if not may_ask(out):
        raise usage(
            "--confirm N is needed: the number of people that a human confirmed.",
            then=f"Show somebody the number first: tidegate workflows size {workflow}",
        )


def let_type(out: Output, count: int, send_mode: str, *, to: str) -> None:
    """Let a human type a number that was shown; refuse every other one."""
    live = "REAL messages go out" if send_mode == "live" else "captured, nothing leaves"
    out.words.print(f"Type the number of people to {to} ({live}), or anything else to stop: ", end="")
    if sys.stdin.readline().strip().replace(",", "") != str(count):
        raise usage("That is not the number. Nothing was started.")
