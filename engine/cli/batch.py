"""`tidegate batch`: run a workflow over an audience that a human confirmed; watch, list, cancel."""

from __future__ import annotations

import sys
from typing import Annotated, Any

from cyclopts import App, Parameter

from engine.cli.client import Api, connect, new_idempotency_key
from engine.cli.exits import OF_JOB, Exit, usage
from engine.cli.inputs import json_object
from engine.cli.lists import After, Every, Limit
from engine.cli.output import Column, Json, Output
from engine.cli.watch import OPEN
from engine.cli.watch import watch as follow
from engine.cli.workflows import show_sizing, sized

app = App(name="batch", help="Run a workflow over an audience; watch, list and cancel jobs.")

COUNTS = ("enrolled", "delivered", "skipped", "failed", "exited", "waiting", "in_progress", "pending")
EYE = ("enrolled", "delivered", "failed")
COLUMNS = (
    Column("job", "id"),
    Column("workflow", "workflow_id", eye=False),
    Column("status", "status"),
    *(Column(name.replace("_", " "), name, right=True, eye=name in EYE) for name in COUNTS),
    Column("open", lambda job: sum(job[name] for name in OPEN), right=True, pipe=False),
    Column("requested", "requested_at"),
    Column("reason", "reason"),
)
RUNS = (
    Column("run", "run_id"),
    Column("person", "distinct_id"),
    Column("status", "status"),
    Column("reason", "reason"),
    Column("at step", "at_step"),
    Column("steps", lambda run: ", ".join(_step(step) for step in run["steps"])),
)
ANSWER = (
    Column("job", "batch_job_id"),
    Column("status", "status"),
    Column("acknowledged", "acknowledged"),
    Column("send mode", "send_mode"),
)

Variables = Annotated[str | None, Parameter(help="A JSON object that overlays the workflow's defaults.")]


@app.command
def run(
    workflow: str,
    *,
    confirm: Annotated[int | None, Parameter(help="The number of people that a human confirmed.")] = None,
    token: Annotated[str | None, Parameter(help="The confirm token of the sizing that was shown.")] = None,
    variables: Variables = None,
    watch: Annotated[bool, Parameter(negative="", help="Follow the job until it ends.")] = False,
    idempotency_key: Annotated[str | None, Parameter(help="Makes a repeated call the same call.")] = None,
    json: Json = False,
) -> int:
    """Run a workflow once for exactly the people who were confirmed. Real people are contacted.

    Without --confirm, and on a terminal, the audience is sized, the number is shown, and you type it.
    """
    out, values = Output(json), json_object(variables, "--variables")
    api = connect()
    if confirm is None:
        confirm, token = _ask(api, workflow, values, out)
    body: dict[str, Any] = {"acknowledged_affected_count": confirm, "variables": values}
    body |= {"confirm_token": token} if token else {}
    key = idempotency_key or new_idempotency_key()
    job = api.post(f"/workflows/{workflow}/run-batch", body, idempotency_key=key)
    out.record(job, ANSWER)
    if job["status"] == "held":
        out.say("Held until a human approves it. Nothing was sent. Do not repeat the call.")
        return Exit.HELD
    if watch:
        return follow(api, job["batch_job_id"], out, position=job.get("position"))
    out.say(f"watch it: tidegate batch watch {job['batch_job_id']}")
    return Exit.DONE


@app.command
def watch(
    job: str,
    *,
    timeout: Annotated[float | None, Parameter(help="Stop watching after so many seconds, with exit code 8.")] = None,
    json: Json = False,
) -> int:
    """Follow a job until it ends. Ctrl-C stops the watching, not the job."""
    return follow(connect(), job, Output(json), timeout=timeout)


@app.command(name="list")
def list_(
    *,
    workflow: str | None = None,
    status: str | None = None,
    limit: Limit = 20,
    after: After = None,
    every: Every = False,
    json: Json = False,
) -> None:
    """List batch jobs, the newest first."""
    pages = connect().pages("/batch-jobs", limit=limit, after=after, every=every, workflow_id=workflow, status=status)
    Output(json).page(pages, COLUMNS)


@app.command
def show(job: str, *, json: Json = False) -> None:
    """Show one job with its counts."""
    Output(json).record(connect().get(f"/batch-jobs/{job}"))


@app.command
def cancel(job: str, *, reason: str, json: Json = False) -> int:
    """Stop a job. What was sent stays sent; nobody else is reached."""
    out = Output(json)
    answer = connect().post(f"/batch-jobs/{job}/cancel", {"reason": reason})
    out.record(answer, ANSWER)
    if answer["status"] not in OF_JOB:
        out.say(f"Stopping. See who had been reached: tidegate batch watch {job}")
    return Exit.DONE


@app.command
def runs(
    job: str,
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


def _ask(api: Api, workflow: str, variables: dict[str, Any], out: Output) -> tuple[int, str]:
    """Size the audience, show the number, and let a human type it; the count and the token that belong together."""
    if not sys.stdin.isatty() or not sys.stderr.isatty() or out.json:
        raise usage(
            "--confirm N is needed: the number of people that a human confirmed.",
            then=f"Show somebody the number first: tidegate workflows size {workflow}",
        )
    sizing = sized(api, workflow, variables)
    show_sizing(out, sizing)
    live = "REAL messages go out" if sizing["send_mode"] == "live" else "captured, nothing leaves"
    out.words.print(f"Type the number of people to reach ({live}), or anything else to stop: ", end="")
    typed = sys.stdin.readline().strip().replace(",", "")
    if typed != str(sizing["affected"]):
        raise usage("That is not the number. Nothing was started.")
    return int(sizing["affected"]), str(sizing["confirm_token"])


def _step(step: dict[str, Any]) -> str:
    """One step of a trace, short: where, what came of it, and by which port."""
    port = f"({step['port']})" if step.get("port") else ""
    return f"{step['step']}:{step['outcome']}{port}"
