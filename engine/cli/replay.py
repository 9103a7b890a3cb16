"""`tidegate replay`: states of the past, and whether everything folds to what is live."""

from __future__ import annotations

from dataclasses import asdict
from typing import Annotated

from cyclopts import App, Parameter

from engine.cli.admin import opened
from engine.cli.client import connect
from engine.cli.exits import Exit
from engine.cli.output import Column, Json, Output
from engine.replay import Mismatch
from engine.replay import check as fold_everything

app = App(name="replay", help="How things were; and whether the log adds up to how they are.")

CHANGES = (
    Column("field", "pointer"),
    Column("before", "before"),
    Column("after", "after"),
)
MISMATCHES = (
    Column("stream", "stream_id"),
    Column("kind", "kind"),
    Column("field", "field"),
    Column("live", "live"),
    Column("folded", "folded"),
)


@app.command(name="state-at")
def state_at(
    stream: str,
    *,
    position: Annotated[int | None, Parameter(help="As it was when the log stood here.")] = None,
    time: Annotated[str | None, Parameter(help="As it was at this instant: 2027-01-31T00:00:00Z.")] = None,
    json: Json = False,
) -> None:
    """A workflow, schedule, batch job, key, cohort or the project as it was; without a position or a time as it is."""
    found = connect().get(f"/streams/{stream}/state", position=position, time=time)
    Output(json).record(found if json else {**found, **found.pop("state")})


@app.command
def diff(
    stream: str,
    *,
    from_position: Annotated[int, Parameter(name="--from", help="Where the log stood before.")],
    to_position: Annotated[int | None, Parameter(name="--to", help="Where it stood afterwards; else now.")] = None,
    json: Json = False,
) -> None:
    """What is different between two positions of the log."""
    found = connect().get(f"/streams/{stream}/diff", from_position=from_position, to_position=to_position)
    out = Output(json)
    if json:
        out.document(found)
    else:
        out.rows(found["changes"], CHANGES)


@app.command
def check(*, json: Json = False) -> Exit:
    """Fold every stream with the code of today and compare with what is live; code 1 if anything differs."""
    out = Output(json)
    streams = events = 0
    found: list[Mismatch] = []
    with opened() as system:
        for checked in fold_everything(system.engine):
            streams, events = streams + checked.streams, events + checked.events
            found += checked.mismatches
    rows = [asdict(mismatch) for mismatch in found]
    if json:
        out.document({"streams": streams, "events": events, "mismatches": rows})
    elif rows:
        out.rows(rows, MISMATCHES)
    out.say(f"{streams:,} streams of {events:,} events; {len(rows):,} do not fold to what is live.")
    return Exit.FAILED if rows else Exit.DONE
