"""`tidegate schedules`: repeat a batch workflow; revise, pause, resume, end, list."""

from __future__ import annotations

from typing import Annotated, Any

from cyclopts import App, Parameter

from engine.cli.client import Api, connect, new_idempotency_key
from engine.cli.confirm import Confirm, Token, acknowledged, asked, may_ask
from engine.cli.exits import Exit, Refusal, usage
from engine.cli.lists import UNSAID, After, Every, Limit
from engine.cli.occurrences import occurrences, preview
from engine.cli.output import Column, Json, Output
from engine.cli.refs import AnyWorkflow, ScheduleRef, WorkflowRef
from engine.cli.sized_for import for_schedule
from engine.cli.terms import (
    AS_FAST_AS_IT_GOES,
    AS_IT_IS,
    ApprovalExpires,
    Growth,
    Lift,
    Options,
    PaceOptions,
    approval,
)
from engine.cli.waiting import waits

app = App(name="schedules", help="Repeat a batch workflow; preview, list, pause and end schedules.")
for _look in (preview, occurrences):
    app.command(_look)

COLUMNS = (
    Column("schedule", "id"),
    Column("workflow", "workflow_id", eye=False),
    Column("status", "status"),
    Column("rrule", "rrule"),
    Column("timezone", "timezone"),
    Column("next", "next_occurrence"),
    Column("last", "last_occurrence", eye=False),
    Column("acknowledged", "acknowledged_count", right=True, eye=False),
    Column("ceiling", "ceiling", right=True),
    Column("note", "note"),
)
ANSWER = (
    Column("schedule", "schedule_id"),
    Column("status", "status"),
    Column("rrule", "rrule"),
    Column("timezone", "timezone"),
    Column("next", "next_occurrence"),
    Column("acknowledged", "acknowledged"),
    Column("ceiling", "ceiling"),
    Column("rate", "rate"),
    Column("approval expires", "approval_expires_at"),
)
Note = Annotated[str | None, Parameter(name=("--note", "--reason"), help="Why; it goes into the log.")]
REPEATEDLY = "reach at each occurrence"


@app.command
def attach(
    workflow: WorkflowRef,
    *,
    rrule: Annotated[str, Parameter(help="An RFC 5545 rule: FREQ=WEEKLY;BYDAY=MO.")],
    starts_at: Annotated[str, Parameter(help="The first local time: 2027-03-01T09:00:00.")],
    options: Options = AS_IT_IS,
    pace: PaceOptions = AS_FAST_AS_IT_GOES,
    confirm: Confirm = None,
    token: Token = None,
    idempotency_key: Annotated[str | None, Parameter(help="Makes a repeated call the same call.")] = None,
    json: Json = False,
) -> int:
    """Repeat a workflow for the people who were confirmed. Real people are contacted at every occurrence.

    The number is a standing approval: an occurrence that would reach --max-growth more than that is held for a human.
    Without --confirm, and on a terminal, the audience is sized, the number is shown, and you type it.
    """
    out, terms = Output(json), {"rrule": rrule, "starts_at": starts_at, **options.given(), **pace.given()}
    api = connect()
    what = for_schedule(terms)
    proof = acknowledged(confirm, token) if confirm is not None else asked(api, workflow, what, out, to=REPEATEDLY)
    key = idempotency_key or new_idempotency_key()
    schedule = api.post(f"/workflows/{workflow}/schedules", {**terms, **proof}, idempotency_key=key)
    out.record(schedule, ANSWER)
    if waits(out, schedule):
        return Exit.HELD
    out.say(f"when it fires: tidegate schedules preview {schedule['schedule_id']}")
    return Exit.DONE


@app.command
def revise(
    schedule: ScheduleRef,
    *,
    rrule: Annotated[str | None, Parameter(help="Another rule.")] = None,
    starts_at: Annotated[str | None, Parameter(help="Another first local time.")] = None,
    options: Options = AS_IT_IS,
    pace: PaceOptions = AS_FAST_AS_IT_GOES,
    lift: Lift = (),
    confirm: Confirm = None,
    token: Token = None,
    json: Json = False,
) -> int:
    """Change a schedule; what is not named stays. One that is active needs a number that a human confirmed.

    Without --confirm, and on a terminal, you are asked for the number where one is needed.
    """
    first = {"rrule": rrule, "starts_at": starts_at, "lifted": list(lift) or None}
    told = {name: value for name, value in first.items() if value is not None}
    out, terms = Output(json), {**told, **options.given(), **pace.given()}
    if not terms and confirm is None:
        raise usage("Nothing to revise: name what changes.", then="tidegate schedules revise --help")
    api = connect()
    proof = acknowledged(confirm, token) if confirm is not None else {}
    try:
        answer = api.patch(f"/schedules/{schedule}", {**terms, **proof})
    except Refusal as refusal:
        if refusal.problem.get("code") != "acknowledgement.missing" or not may_ask(out):
            raise
        proof = _asked(api, schedule, out, terms)
        answer = api.patch(f"/schedules/{schedule}", {**terms, **proof})
    out.record(answer, ANSWER)
    return Exit.HELD if waits(out, answer) else Exit.DONE


@app.command
def pause(schedule: ScheduleRef, *, note: Note = None, json: Json = False) -> None:
    """Stop a schedule from firing until it is resumed; the note says why."""
    Output(json).record(connect().post(f"/schedules/{schedule}/pause", {"note": note or UNSAID}), ANSWER)


@app.command
def resume(
    schedule: ScheduleRef,
    *,
    confirm: Confirm = None,
    token: Token = None,
    max_growth: Growth = None,
    approval_expires: ApprovalExpires = None,
    json: Json = False,
) -> int:
    """Let a paused schedule fire again, from now on. Real people are contacted at every occurrence.

    Without --confirm, and on a terminal, the audience is sized, the number is shown, and you type it.
    """
    out, terms = Output(json), approval(max_growth, approval_expires)
    api = connect()
    proof = acknowledged(confirm, token) if confirm is not None else _asked(api, schedule, out, terms)
    answer = api.post(f"/schedules/{schedule}/resume", {**terms, **proof})
    out.record(answer, ANSWER)
    return Exit.HELD if waits(out, answer) else Exit.DONE


@app.command
def detach(schedule: ScheduleRef, *, note: Note = None, json: Json = False) -> None:
    """End a schedule for good. Jobs that it has started go on."""
    body = {"note": note} if note else None
    Output(json).record(connect().post(f"/schedules/{schedule}/detach", body), ANSWER)


@app.command(name="list")
def list_(
    *,
    workflow: AnyWorkflow = None,
    status: str | None = None,
    limit: Limit = 20,
    after: After = None,
    every: Every = False,
    json: Json = False,
) -> None:
    """List schedules, the newest first."""
    pages = connect().pages("/schedules", limit=limit, after=after, every=every, workflow_id=workflow, status=status)
    Output(json).page(pages, COLUMNS)


@app.command
def show(schedule: ScheduleRef, *, json: Json = False) -> None:
    """Show one schedule with its terms and its standing approval."""
    Output(json).record(connect().get(f"/schedules/{schedule}"))


def _asked(api: Api, schedule_id: str, out: Output, terms: dict[str, Any]) -> dict[str, Any]:
    """Let a human type the number of people whom a schedule reaches now, with these terms of it changed."""
    schedule = api.get(f"/schedules/{schedule_id}")
    return asked(api, schedule["workflow_id"], for_schedule(terms, schedule_id), out, to=REPEATEDLY)
