"""`tidegate policy`: what may be done, and what the project narrows of it."""

from __future__ import annotations

from typing import Annotated

from cyclopts import App, Parameter

from engine.cli.client import connect
from engine.cli.exits import usage
from engine.cli.limits import NO_LIMITS, LimitOptions
from engine.cli.output import Json, Output

app = App(name="policy", help="Limits: what may be done, and what the project narrows of it.")


@app.command
def show(*, json: Json = False) -> None:
    """Show the policy for this key: the installation's, narrowed by the project and the key."""
    Output(json).record(connect().get("/policy"))


@app.command(name="set")
def set_(
    *,
    limits: LimitOptions = NO_LIMITS,
    send_rate: Annotated[
        str | None, Parameter(help="The most that all jobs of the project send together: 100/minute.")
    ] = None,
    clear: Annotated[bool, Parameter(negative="", help="Narrow nothing any more.")] = False,
    json: Json = False,
) -> None:
    """Set all that the project narrows of the installation's policy; what is left out is not narrowed any more."""
    body = limits.given() | ({} if send_rate is None else {"send_rate": send_rate})
    if bool(body) == clear:
        raise usage("Name the limits that hold from now on, or --clear.", then="tidegate policy set --help")
    answer = connect().put("/policy", body)
    out = Output(json)
    if json:
        out.document(answer)
        return
    out.record(answer["limits"])
    out.say("The project narrows this and nothing else." if body else "The project narrows nothing.")
