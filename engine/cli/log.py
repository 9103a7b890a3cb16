"""`tidegate log`: what was done and what was refused, by whom."""

from __future__ import annotations

import threading
from collections.abc import Mapping
from typing import Annotated, Any

from cyclopts import App, Parameter

from engine.cli.client import Api, connect
from engine.cli.exits import Exit
from engine.cli.lists import After, Every, Limit
from engine.cli.output import Column, Json, Output
from engine.clock import SystemClock

app = App(name="log", help="What was done and what was refused, by whom.")

POLL_SECONDS = 0.5
SHOWN = 100
"""Characters of an event that a terminal shows."""

Stream = Annotated[
    str | None, Parameter(help="Of this workflow, schedule, batch job, key or cohort; also what was refused about it.")
]
Topic = Annotated[str | None, Parameter(help="How the topic begins: schedule.")]
Actor = Annotated[str | None, Parameter(help="Only by this key.")]
Source = Annotated[str | None, Parameter(help="web, api, mcp, cli, scheduler or system.")]
Refused = Annotated[bool, Parameter(negative="", help="Only calls that were refused.")]
Since = Annotated[str | None, Parameter(help="Recorded at or after this instant: 2027-01-31T00:00:00Z.")]
Until = Annotated[str | None, Parameter(help="Recorded before this instant.")]


def _about(row: Mapping[str, Any]) -> str:
    """The subject of a refused call, which is what one looks for; else the stream."""
    return str(row["data"].get("subject_id") or "") if row["kind"] == "refusal" else str(row["stream_id"])


def _brief(row: Mapping[str, Any]) -> str:
    text = " ".join(f"{name}={value}" for name, value in row["data"].items() if name != "subject_id")
    return text if len(text) <= SHOWN else f"{text[: SHOWN - 1]}…"


COLUMNS = (
    Column("position", "position", right=True),
    Column("recorded", "recorded_at"),
    Column("topic", "topic"),
    Column("about", _about),
    Column("actor", "actor"),
    Column("source", "source"),
    Column("via", "via", eye=False),
    Column("request", "request_id", eye=False),
    Column("what", _brief, pipe=False),
    Column("data", "data", eye=False),
)


@app.command
def show(
    position: int | None = None,
    *,
    stream: Stream = None,
    topic: Topic = None,
    actor: Actor = None,
    source: Source = None,
    refused: Refused = False,
    since: Since = None,
    until: Until = None,
    from_position: Annotated[int | None, Parameter(name="--from", help="Oldest first, from this position on.")] = None,
    limit: Limit = 20,
    after: After = None,
    every: Every = False,
    json: Json = False,
) -> None:
    """Events, the newest first; or with a position that one event, whole."""
    if position is not None:
        Output(json).record(connect().get(f"/log/{position}"))
        return
    filters: dict[str, Any] = {"stream_id": stream, "topic": topic, "actor": actor, "source": source}
    filters |= {"since": since, "until": until}
    filters |= {"refused": "true" if refused else None, "from_position": from_position}
    Output(json).page(connect().pages("/log", limit=limit, after=after, every=every, **filters), COLUMNS)


@app.command
def tail(
    *,
    stream: Stream = None,
    topic: Topic = None,
    actor: Actor = None,
    source: Source = None,
    refused: Refused = False,
    timeout: Annotated[float | None, Parameter(help="Stop after so many seconds.")] = None,
    json: Json = False,
) -> Exit:
    """Events as they come, until Ctrl-C: a line each, or an object a line."""
    filters = {"stream_id": stream, "topic": topic, "actor": actor, "source": source}
    api, out = connect(), Output(json)
    try:
        _follow(api, out, {**filters, "refused": "true" if refused else None}, timeout)
    except KeyboardInterrupt:
        return Exit.INTERRUPTED
    return Exit.DONE


def _follow(api: Api, out: Output, filters: Mapping[str, Any], timeout: float | None) -> None:
    """From the end of the log on. Positions are in the order of commits, so what has been passed never grows."""
    clock = SystemClock()
    began = clock.monotonic()
    newest = api.get("/log", limit=1)["data"]
    reached = newest[0]["position"] if newest else 0
    out.say("Events as they come; Ctrl-C ends it.")
    pause = threading.Event()
    while timeout is None or clock.monotonic() - began < timeout:
        for page in api.pages("/log", limit=1, every=True, from_position=reached + 1, **filters):
            for row in page["data"]:
                reached = row["position"]
                out.line(row, COLUMNS)
        pause.wait(POLL_SECONDS)
