"""`tidegate runs`: find runs, follow one, read what it came to, cancel it."""

from __future__ import annotations

import threading
from typing import Annotated, Any, Literal

from cyclopts import App, Parameter

from engine.cli.client import Api, connect
from engine.cli.exits import Exit
from engine.cli.lists import UNSAID, After, Every, Limit, Reason
from engine.cli.output import Column, Json, Output
from engine.cli.refs import AnyJob, AnyWorkflow, RunRef
from engine.clock import SystemClock

app = App(name="runs", help="Find runs, follow one, read what it came to, cancel it.")

POLL_SECONDS = 0.25
OF_RUN = {"delivered": Exit.DONE, "exited": Exit.DONE, "skipped": Exit.FAILED, "failed": Exit.FAILED}
"""What the end of a run means as an exit code."""

STOPPED = frozenset({"job_cancelled", "run_cancelled"})
"""Why a run exits that was reached before it was stopped."""

ANSWER = (
    Column("run", "run_id"),
    Column("job", "batch_job_id"),
    Column("workflow", "workflow_id"),
    Column("version", "workflow_version"),
    Column("status", "status"),
    Column("send mode", "send_mode"),
)
COLUMNS = (
    Column("run", "run_id"),
    Column("workflow", "workflow_id", eye=False),
    Column("person", "distinct_id"),
    Column("status", "status"),
    Column("reached", "reached"),
    Column("reason", "reason"),
    Column("at step", "at_step"),
    Column("asked for", "requested_at"),
    Column("updated", "updated_at", eye=False),
)
TOLD = ("number", "step", "outcome", "at")
TRACE = (
    Column("number", "number", right=True),
    Column("step", "step"),
    Column("outcome", "outcome"),
    Column("at", lambda note: note.get("at")),
    Column("more", lambda note: {name: value for name, value in note.items() if name not in TOLD} or None),
)
Timeout = Annotated[float | None, Parameter(help="Stop waiting after so many seconds, with exit code 8.")]


@app.command(name="list")
def list_(
    *,
    job: AnyJob = None,
    workflow: AnyWorkflow = None,
    person: int | None = None,
    status: str | None = None,
    since: Annotated[str | None, Parameter(help="Asked for from this instant on: 2027-01-31T00:00:00Z.")] = None,
    until: Annotated[str | None, Parameter(help="Asked for before this instant.")] = None,
    limit: Limit = 20,
    after: After = None,
    every: Every = False,
    json: Json = False,
) -> None:
    """List runs, those of the newest job first; of all jobs, or of one job, workflow or person."""
    filters = {"batch_job_id": job, "workflow_id": workflow, "person_id": person, "status": status}
    pages = connect().pages("/runs", limit=limit, after=after, every=every, since=since, until=until, **filters)
    Output(json).page(pages, COLUMNS)


@app.command
def show(run: RunRef, *, json: Json = False) -> None:
    """Show one run."""
    Output(json).record(connect().get(f"/runs/{run}"))


@app.command
def result(
    run: RunRef,
    *,
    wait: Annotated[bool, Parameter(negative="", help="Wait until the run has ended.")] = False,
    timeout: Timeout = None,
    json: Json = False,
) -> int:
    """Show what a run came to. Without --wait a run that has not finished is told as such, with exit code 8."""
    out = Output(json)
    return ended(connect(), run, out, timeout=timeout if wait else 0.0)


@app.command
def trace(
    run: RunRef,
    *,
    step: str | None = None,
    outcome: str | None = None,
    limit: Limit = 50,
    after: After = None,
    every: Every = False,
    json: Json = False,
) -> None:
    """Show what a run went through, in order."""
    pages = connect().pages(f"/runs/{run}/trace", limit=limit, after=after, every=every, step=step, outcome=outcome)
    Output(json).page(pages, TRACE)


@app.command
def cancel(run: RunRef, *, reason: Reason = None, json: Json = False) -> None:
    """Do nothing more for one run. What was sent stays sent; the others of its batch job go on."""
    Output(json).record(connect().post(f"/runs/{run}/cancel", {"reason": reason or UNSAID}), ANSWER)


@app.command
def decide(
    run: RunRef,
    decision: Literal["delivered", "retry", "failed"],
    *,
    note: Annotated[str | None, Parameter(help="Kept with the decision.")] = None,
    json: Json = False,
) -> None:
    """Say what became of an effect of which nobody knows whether it arrived. `retry` sends it again, with its key."""
    out = Output(json)
    answer = connect().post(f"/runs/{run}/decide-unknown", {"decision": decision} | ({"note": note} if note else {}))
    out.record(answer, (*ANSWER, Column("decision", "decision"), Column("left", "unknown_left", right=True)))


def ended(api: Api, run: str, out: Output, *, timeout: float | None, position: int | None = None) -> Exit:
    """Print a run's result once it has ended, or how it stands when `timeout` seconds are over."""
    clock, pause = SystemClock(), threading.Event()
    began = clock.monotonic()
    while True:
        found: dict[str, Any] = api.get(f"/runs/{run}/result", min_position=position)
        if found["finished"] or (timeout is not None and clock.monotonic() - began >= timeout):
            break
        pause.wait(POLL_SECONDS)
    out.record(found)
    if not found["finished"]:
        out.say(f"Still {found['status']}. Wait for it: tidegate runs result {run} --wait")
    if found["status"] == "exited" and found.get("reason") in STOPPED:
        return Exit.FAILED
    return OF_RUN.get(found["status"], Exit.RUNNING)
