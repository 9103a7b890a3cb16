"""`tidegate batch`: run a workflow over an audience that a human confirmed; watch, list, cancel."""

from __future__ import annotations

from typing import Annotated, Any

from cyclopts import App, Parameter

from engine.cli.approval import ANSWER, approve, decide, reject
from engine.cli.client import connect, new_idempotency_key
from engine.cli.confirm import Confirm, Token, acknowledged, asked
from engine.cli.exits import OF_JOB, Exit
from engine.cli.inputs import Variables, json_object
from engine.cli.lists import UNSAID, After, Every, Limit, Reason
from engine.cli.output import Column, Json, Output
from engine.cli.refs import AnySchedule, AnyWorkflow, JobRef, WorkflowRef, with_names
from engine.cli.retry import failed, retry_failed, unfinished
from engine.cli.terms import AS_FAST_AS_IT_GOES, PaceOptions
from engine.cli.waiting import waits
from engine.cli.watch import OPEN
from engine.cli.watch import watch as follow

app = App(name="batch", help="Run a workflow over an audience; approve, watch and cancel jobs.")
for _command in (approve, reject, decide, failed, retry_failed, unfinished):
    app.command(_command)

COUNTS = ("enrolled", "delivered", "skipped", "failed", "exited", "waiting", "in_progress", "pending", "reached")
EYE = ("enrolled", "delivered", "failed")
COLUMNS = (
    Column("job", "id"),
    Column("workflow", lambda job: job.get("workflow_name", job["workflow_id"]), pipe=False),
    Column("workflow", "workflow_id", eye=False),
    Column("status", "status"),
    *(Column(name.replace("_", " "), name, right=True, eye=name in EYE) for name in COUNTS),
    Column("open", lambda job: sum(job[name] for name in OPEN), right=True, pipe=False),
    Column("requested", "requested_at"),
    Column("reason", "reason"),
    Column("schedule", "schedule_id", eye=False),
)
RUNS = (
    Column("run", "run_id"),
    Column("person", "distinct_id"),
    Column("status", "status"),
    Column("reached", "reached"),
    Column("reason", "reason"),
    Column("at step", "at_step"),
    Column("steps", lambda run: ", ".join(_step(step) for step in run["steps"])),
)
FAILURES = (
    Column("step", "step_id"),
    Column("reason", "reason"),
    Column("host", "host"),
    Column("failed", "failed", right=True),
    Column("went on", "went_on", right=True),
    Column("retried", "retried", right=True),
    Column("meaning", "meaning"),
)
UNKNOWN = (
    Column("run", "run_id"),
    Column("person", "distinct_id"),
    Column("step", "step_id"),
    Column("attempts", "attempts", right=True),
    Column("known", "reason"),
    Column("since", "since"),
)


@app.command
def run(
    workflow: WorkflowRef,
    *,
    confirm: Confirm = None,
    token: Token = None,
    variables: Variables = None,
    pace: PaceOptions = AS_FAST_AS_IT_GOES,
    watch: Annotated[bool, Parameter(negative="", help="Follow the job until it ends.")] = False,
    idempotency_key: Annotated[str | None, Parameter(help="Makes a repeated call the same call.")] = None,
    json: Json = False,
) -> int:
    """Run a workflow once for exactly the people who were confirmed. Real people are contacted.

    Without --confirm, and on a terminal, the audience is sized, the number is shown, and you type it.
    """
    out, what = Output(json), {"variables": json_object(variables, "--variables"), **pace.given()}
    api = connect()
    proof = acknowledged(confirm, token) if confirm is not None else asked(api, workflow, what, out, to="reach")
    key = idempotency_key or new_idempotency_key()
    job = api.post(f"/workflows/{workflow}/run-batch", what | proof, idempotency_key=key)
    out.record(job, ANSWER)
    if job["status"] == "held":
        waits(out, job)
        out.say("Held until a human approves it. Nothing was sent. Do not repeat the call.")
        out.say(f"given up if nobody does: {job['held_until']}")
        out.say(f"somebody else approves it: tidegate batch approve {job['batch_job_id']}")
        return Exit.HELD
    if watch:
        return follow(api, job["batch_job_id"], out, position=job.get("position"))
    out.say(f"watch it: tidegate batch watch {job['batch_job_id']}")
    return Exit.DONE


@app.command
def watch(
    job: JobRef,
    *,
    timeout: Annotated[float | None, Parameter(help="Stop watching after so many seconds, with exit code 8.")] = None,
    json: Json = False,
) -> int:
    """Follow a job until it ends. Ctrl-C stops the watching, not the job."""
    return follow(connect(), job, Output(json), timeout=timeout)


@app.command(name="list")
def list_(
    *,
    workflow: AnyWorkflow = None,
    schedule: AnySchedule = None,
    status: str | None = None,
    limit: Limit = 20,
    after: After = None,
    every: Every = False,
    json: Json = False,
) -> None:
    """List batch jobs, the newest first."""
    filters = {"workflow_id": workflow, "schedule_id": schedule, "status": status}
    out, api = Output(json), connect()
    pages = api.pages("/batch-jobs", limit=limit, after=after, every=every, **filters)
    out.page(with_names(api, pages) if out.terminal else pages, COLUMNS)


@app.command
def show(job: JobRef, *, json: Json = False) -> None:
    """Show one job with its counts."""
    Output(json).record(connect().get(f"/batch-jobs/{job}"))


@app.command
def pause(job: JobRef, *, reason: Reason = None, json: Json = False) -> None:
    """Stop a job for a while: nobody else is reached until it is resumed."""
    Output(json).record(connect().post(f"/batch-jobs/{job}/pause", {"reason": reason or UNSAID}), ANSWER)


@app.command
def resume(job: JobRef, *, confirm: Confirm = None, token: Token = None, json: Json = False) -> int:
    """Let a paused job go on, over the people who were confirmed for it and nobody else.

    An agent needs --confirm and --token of `batch unfinished` for what a human or the breaker paused.
    """
    out = Output(json)
    proof = {} if confirm is None else acknowledged(confirm, token)
    answer = connect().post(f"/batch-jobs/{job}/resume", proof)
    out.record(answer, ANSWER)
    return Exit.HELD if waits(out, answer) else Exit.DONE


@app.command
def cancel(job: JobRef, *, reason: Reason = None, json: Json = False) -> int:
    """Stop a job. What was sent stays sent; nobody else is reached."""
    out = Output(json)
    answer = connect().post(f"/batch-jobs/{job}/cancel", {"reason": reason or UNSAID})
    out.record(answer, (*ANSWER, Column("reached so far", "reached", right=True)))
    if answer["status"] not in OF_JOB:
        out.say(f"Stopping. See who had been reached: tidegate batch watch {job}")
    return Exit.DONE


@app.command
def runs(
    job: JobRef,
    *,
    status: str | None = None,
    limit: Limit = 20,
    after: After = None,
    every: Every = False,
    json: Json = False,
) -> None:
    """The ledger of a job: each person, what happened, and why."""
    pages = connect().pages(f"/batch-jobs/{job}/runs", limit=limit, after=after, every=every, status=status)
    Output(json).page(pages, RUNS)


@app.command
def failures(job: JobRef, *, json: Json = False) -> None:
    """What failed in a job: how many runs, by step, reason and host."""
    out, found = Output(json), connect().get(f"/batch-jobs/{job}/failures")
    if json:
        out.record(found)
        return
    out.rows(found["failures"], FAILURES)
    if found["unaccounted"]:
        out.say(f"{found['unaccounted']} more failed before failures were counted: tidegate batch runs {job}")
    if found["left_out"]:
        out.say(f"{found['left_out']} more combinations are not shown.")


@app.command
def unknown(job: JobRef, *, limit: Limit = 20, after: After = None, every: Every = False, json: Json = False) -> None:
    """Runs that wait for a person: an effect was begun, and nobody knows whether it arrived. See `runs decide`."""
    Output(json).page(connect().pages(f"/batch-jobs/{job}/unknown", limit=limit, after=after, every=every), UNKNOWN)


def _step(step: dict[str, Any]) -> str:
    """One step of a trace, short: where, what came of it, and by which port."""
    port = f"({step['port']})" if step.get("port") else ""
    return f"{step['step']}:{step['outcome']}{port}"
