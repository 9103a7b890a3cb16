"""`tidegate workflows`: create, edit, enable, size, try out, run."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any, Literal

from cyclopts import App, Parameter

from engine.cli import runs
from engine.cli.client import Api, connect, new_idempotency_key
from engine.cli.exits import Exit
from engine.cli.inputs import Variables, json_file, json_object
from engine.cli.lists import After, Every, Limit
from engine.cli.output import Column, Json, Output
from engine.cli.refs import WorkflowRef
from engine.cli.sized_for import NO_SCHEDULE, ScheduleSized
from engine.cli.terms import AS_FAST_AS_IT_GOES, PaceOptions
from engine.cli.waiting import waits

app = App(name="workflows", help="Create, enable, size, try out and run workflows.")

CONTENT = ("name", "description", "trigger", "steps", "edges", "variables", "purpose", "topic")
COLUMNS = (
    Column("workflow", "id"),
    Column("name", "name"),
    Column("status", "status"),
    Column("version", "version", right=True),
    Column("trigger", "trigger_type"),
    Column("updated", "updated_at"),
)
ANSWER = (
    Column("workflow", "workflow_id"),
    Column("status", "status"),
    Column("version", "version"),
    Column("revision", "revision"),
)


@app.command(name="list")
def list_(
    *, status: str | None = None, limit: Limit = 20, after: After = None, every: Every = False, json: Json = False
) -> None:
    """List workflows, the newest first."""
    Output(json).page(connect().pages("/workflows", limit=limit, after=after, every=every, status=status), COLUMNS)


@app.command
def show(workflow: WorkflowRef, *, json: Json = False) -> None:
    """Show one workflow with its content and its schedules."""
    Output(json).record(connect().get(f"/workflows/{workflow}"))


@app.command
def create(file: Path, *, json: Json = False) -> None:
    """Create a draft from a JSON file. Nobody is contacted by a draft.

    Parameters
    ----------
    file
        A JSON object with name, trigger, steps, edges, variables: see examples/workflow.json.
    """
    content = json_file(file)
    answer = connect().post("/workflows", content)
    _answered(Output(json), answer, then=f"tidegate workflows enable {answer['workflow_id']}")


@app.command
def update(workflow: WorkflowRef, file: Path, *, version: int | None = None, json: Json = False) -> None:
    """Replace the parts of a draft that the file has.

    Parameters
    ----------
    version
        The version that the edit was made against; a stale one is refused. Unset: the version of this moment.
    """
    content = json_file(file)
    api = connect()
    made_against = version if version is not None else api.get(f"/workflows/{workflow}")["version"]
    _answered(Output(json), api.patch(f"/workflows/{workflow}", {"version": made_against, **content}))


@app.command
def enable(workflow: WorkflowRef, *, json: Json = False) -> None:
    """Make a draft active; its content is validated once more, in full."""
    out, api = Output(json), connect()
    answer = api.post(f"/workflows/{workflow}/activate")
    _answered(out, answer, then=f"tidegate workflows size {workflow}")
    say_paused(out, answer, "stays paused; it goes on with")


@app.command
def disable(workflow: WorkflowRef, *, reason: str | None = None, json: Json = False) -> None:
    """Take an active workflow back to draft; its running jobs are paused."""
    out = Output(json)
    answer = connect().post(f"/workflows/{workflow}/disable", _reason(reason))
    _answered(out, answer)
    say_paused(out, answer, PAUSED)


@app.command
def archive(workflow: WorkflowRef, *, reason: str | None = None, json: Json = False) -> None:
    """Archive a workflow; it refuses new jobs and its schedules stop."""
    out = Output(json)
    answer = connect().post(f"/workflows/{workflow}/archive", _reason(reason))
    _answered(out, answer)
    say_paused(out, answer, PAUSED)


@app.command
def size(
    workflow: WorkflowRef,
    *,
    variables: Variables = None,
    freeze: Annotated[
        bool, Parameter(negative="", help="Keep these very people for the one batch that the token starts.")
    ] = False,
    inputs: Annotated[str | None, Parameter(help="A JSON object: one run of a manual workflow with these.")] = None,
    pace: PaceOptions = AS_FAST_AS_IT_GOES,
    sized_for: ScheduleSized = NO_SCHEDULE,
    json: Json = False,
) -> None:
    """Count whom the workflow would reach now, and who is left out and why. Contacts nobody.

    The token is for exactly what is said here: a batch with these variables at this pace, or with --schedule or --rrule
    that change of a schedule.
    """
    out, what = Output(json), pace.given() | sized_for.given()
    what |= {} if variables is None else {"variables": json_object(variables, "--variables")}
    what |= {"freeze": True} if freeze else {}
    what |= {} if inputs is None else {"inputs": json_object(inputs, "--inputs")}
    sizing = sized(connect(), workflow, what)
    show_sizing(out, sizing)
    if out.terminal and (pace, sized_for) == (AS_FAST_AS_IT_GOES, NO_SCHEDULE):
        out.say(f"next: tidegate batch run {workflow} --confirm {sizing['affected']} --token {sizing['confirm_token']}")


@app.command
def run(
    workflow: WorkflowRef,
    *,
    inputs: Annotated[str | None, Parameter(help="A JSON object with the inputs that the workflow declares.")] = None,
    version: Annotated[int | None, Parameter(help="A version that has been active; unset, the present one.")] = None,
    confirm: Annotated[int | None, Parameter(help="1, as a human confirmed it; asked of agents.")] = None,
    token: Annotated[str | None, Parameter(help="The confirm token of a sizing with these inputs.")] = None,
    wait: Annotated[bool, Parameter(negative="", help="Wait until the run has ended, and print its result.")] = False,
    idempotency_key: Annotated[str | None, Parameter(help="Makes a repeated call the same call.")] = None,
    json: Json = False,
) -> int:
    """Start one run of an active manual workflow. Its effects are real. For an audience: tidegate batch run."""
    out, api = Output(json), connect()
    body: dict[str, Any] = {"inputs": json_object(inputs, "--inputs")}
    given = {"version": version, "acknowledged_affected_count": confirm, "confirm_token": token}
    body |= {name: value for name, value in given.items() if value is not None}
    key = idempotency_key or new_idempotency_key()
    answer = api.post(f"/workflows/{workflow}/run", body, idempotency_key=key)
    if wait and answer["batch_job_status"] != "held":
        return runs.ended(api, answer["run_id"], out, timeout=None, position=answer["position"])
    out.record(answer, runs.ANSWER)
    if waits(out, answer):
        return Exit.HELD
    out.say(f"its result: tidegate runs result {answer['run_id']} --wait")
    return Exit.DONE


@app.command(name="agent-runs")
def agent_runs(workflow: WorkflowRef, allowed: Literal["never", "confirmed", "free"], *, json: Json = False) -> None:
    """Say whether agents start runs of a manual workflow that can send: never, confirmed by a human, or free."""
    out = Output(json)
    out.record(connect().put(f"/workflows/{workflow}/agent-runs", {"agent_runs": allowed}))


@app.command
def simulate(
    workflow: WorkflowRef,
    *,
    sample: Annotated[int, Parameter(help="So many people of the audience.")] = 10,
    person: Annotated[list[str] | None, Parameter(negative="", help="A distinct id, instead of a sample.")] = None,
    variables: Variables = None,
    inputs: Annotated[str | None, Parameter(help="A JSON object: the inputs of a manual workflow.")] = None,
    decisions: Annotated[
        str | None, Parameter(help='Answers of approval steps: {"step": "approved", "rejected" or "expired"}.')
    ] = None,
    json: Json = False,
) -> None:
    """Walk some people through the workflow: waits are skipped, nothing is sent, nothing is recorded."""
    out = Output(json)
    body = {
        "sample": sample,
        "people": person or [],
        "variables": json_object(variables, "--variables"),
        "inputs": json_object(inputs, "--inputs"),
        "decisions": json_object(decisions, "--decisions"),
    }
    found = connect().post(f"/workflows/{workflow}/simulate", body)
    if json:
        out.document(found)
        return
    out.rows(found["steps"], SIMULATED)
    for name, count in found["missing_fields"].items():
        out.say(f"{count} of {found['people']} lack {name}")
    told = ", ".join(f"{count} {outcome}" for outcome, count in found["outcomes"].items())
    out.say(f"{told}. Nothing was sent. Everybody's path, with what they would get: --json")


def sized(api: Api, workflow: str, what: dict[str, Any]) -> dict[str, Any]:
    """The sizing of a workflow for what is given, as the server says it."""
    return api.post(f"/workflows/{workflow}/blast-radius", {name: v for name, v in what.items() if v is not None})


def show_sizing(out: Output, sizing: dict[str, Any]) -> None:
    """The counts first; each exclusion and each missing field on a line of its own."""
    excluded = (Column(f"excluded: {reason}", _constant(n)) for reason, n in sizing["excluded"].items())
    missing = (Column(f"lack {name}", _constant(n)) for name, n in sizing["missing_variables"].items())
    names = (
        "reaches",
        "reached_before",
        "budget_left",
        "held_because",
        "next",
        "everyone",
        "frozen",
        "send_mode",
        "workflow_version",
        "expires_at",
    )
    plain = {name: Column(name.replace("_", " "), name) for name in ("total", "matched", "affected", "limit", *names)}
    shown = [plain["total"], plain["matched"], *excluded, plain["affected"], plain["limit"], *missing]
    shown += [plain[name] for name in names]
    out.record(sizing, [*shown, Column("confirm token", "confirm_token", eye=False)])
    say_findings(out, sizing)


def say_findings(out: Output, answer: dict[str, Any]) -> None:
    """What is worth a second look, each with what was probably meant."""
    for finding in answer.get("findings") or ():
        # A stored name may hold control characters.
        name = "".join(letter for letter in str(finding.get("example") or "") if letter.isprintable())
        meant = f" Did you mean {name}?" if name else ""
        out.say(f"  {finding['pointer']}  {finding['code']}: {finding['message']}{meant}")


SIMULATED = (
    Column("step", "id"),
    Column("type", "type"),
    Column("passed", "passed", right=True),
    Column("ways", lambda step: ", ".join(f"{name} {count}" for name, count in step["ways"].items())),
)


def _constant(value: Any) -> Any:
    return lambda _row: value


def _reason(reason: str | None) -> dict[str, Any] | None:
    return {"reason": reason} if reason else None


PAUSED = "was paused by that; once the workflow is active again, it goes on with"


def say_paused(out: Output, answer: dict[str, Any], how: str) -> None:
    """The jobs that stand still because the workflow was stopped, each with the command that lets it go on."""
    for job in answer["paused_jobs"]:
        out.say(f"job {job} {how}: tidegate batch resume {job}")


def _answered(out: Output, answer: dict[str, Any], then: str = "") -> None:
    out.record(answer, ANSWER)
    say_findings(out, answer)
    if then and out.terminal:
        out.say(f"next: {then}")
