"""`tidegate demo`: the whole story once, on servers of its own, with receivers in place of the world outside."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, Any

from cyclopts import Parameter

from commands.grants import AGENT_SCOPES
from commands.keys import CreateKey
from engine.cli.admin import opened, owner_meta, project_id
from engine.cli.client import Api
from engine.cli.demo_books import Receivers, Story, explain, show_books
from engine.cli.exits import Exit
from engine.cli.inputs import json_file
from engine.cli.mcp_config import MAKE_KEY, PRINT_CONFIG
from engine.cli.output import Output
from engine.cli.people import upload
from engine.cli.signals import orderly
from engine.cli.tree import Running, running
from engine.cli.watch import watch
from engine.cli.words import typed
from engine.cli.workflows import show_sizing, sized
from engine.clock import SystemClock
from engine.demo.books import expected
from engine.demo.receivers import HttpReceiver, SmtpReceiver
from engine.errors import StartupError
from engine.ids import new_secret
from engine.settings import Settings, load_settings

EXAMPLES = Path(__file__).resolve().parents[2] / "examples"
PEOPLE, WORKFLOW = EXAMPLES / "people.csv", EXAMPLES / "workflow.json"


def demo(
    *,
    people: Annotated[Path, Parameter(help="Another CSV file, with the columns of examples/people.csv.")] = PEOPLE,
    workers: Annotated[int, Parameter(help="How many worker processes.")] = 2,
    keep: Annotated[bool, Parameter(negative="", help="Keep the data directory, with its logs.")] = False,
) -> int:
    """Run the whole story once: an agent asks, a human confirms, it runs, and every book is checked against the others.

    Everything happens on this machine, in a directory of its own that is removed afterwards. The webhook and the
    mails go to two receivers of the demo, which count what really arrived. Exit code 1 if any number disagrees.
    """
    if not (people.exists() and WORKFLOW.exists()):
        raise StartupError(f"The demo needs {people} and {WORKFLOW}: run it in the source tree.")
    out, clock = Output(), SystemClock()
    began = clock.monotonic()
    with orderly(), _directory(keep, out) as directory, HttpReceiver() as http, SmtpReceiver() as smtp:
        receivers = Receivers(http, smtp)
        settings = _settings(directory, receivers)
        _title(out, 1, "Start PostgreSQL, Valkey, the server, the projector, the scheduler and the workers")
        with running(settings, workers=workers, report=out.say) as tree:
            out.say(f"  up at {tree.url} after {clock.monotonic() - began:.1f} s")
            agree = _story(out, tree, receivers, people)
            out.say("\nStopping; nothing is left behind.")
    out.say(f"Done in {clock.monotonic() - began:.1f} s.")
    _farewell(out)
    return Exit.DONE if agree else Exit.FAILED


def _story(out: Output, tree: Running, receivers: Receivers, people: Path) -> bool:
    """From an empty installation to balanced books; whether they agree."""
    assert tree.owner_key is not None
    api, forecast = Api(tree.url, tree.owner_key), expected(people)

    _title(out, 2, f"Import {people.name}")
    upload(api, people, out)
    out.say(f"  {forecast.total:,} people")

    _title(out, 3, f"An agent gets a key and makes the workflow of {WORKFLOW.name}")
    agent = Api(tree.url, _agent_key(tree.settings))
    workflow_id = _workflow(agent, json_file(WORKFLOW), receivers.http.url)
    out.say(f"  {workflow_id}: branch by plan, webhook for team accounts, an email for everyone")

    _title(out, 4, "The agent sizes it: whom would it reach now?")
    sizing = sized(agent, workflow_id, {})
    show_sizing(out, {**sizing, "confirm_token": "(given to whoever sized, for one run)"})

    _title(out, 5, "The agent asks to run it, live")
    proof = {"acknowledged_affected_count": sizing["affected"], "confirm_token": sizing["confirm_token"]}
    asked = agent.post(f"/workflows/{workflow_id}/run-batch", proof)
    job_id = asked["batch_job_id"]
    out.say(f"  batch job {job_id} is {asked['status']}: nothing is sent until a human confirms it")
    out.say(f"  {asked['confirm_url']}")

    _title(out, 6, f"A human reads what was asked, and confirms exactly {sizing['affected']:,} people")
    confirmed = _confirmed(api, job_id, sizing["affected"], out)

    _title(out, 7, "It runs, live")
    watch(api, job_id, out, position=confirmed.get("position"))

    _title(out, 8, "Compare the books")
    job = api.get(f"/batch-jobs/{job_id}")
    agree = show_books(out, api, Story(forecast, sizing, job, receivers))

    _title(out, 9, "Who was left out, and why")
    explain(out, api, workflow_id)
    return agree


def _agent_key(settings: Settings) -> str:
    """A key for an agent, made at this machine: it asks, and can never confirm."""
    make = CreateKey(name="demo agent", scopes=tuple(sorted(AGENT_SCOPES)), agent=True)
    with opened(settings) as system:
        answer = system.bus.dispatch(make, owner_meta(system, project_id(system), "demo"))
    return str(answer.once["key"])


def _confirmed(api: Api, id: str, count: int, out: Output) -> dict[str, Any]:
    """What `tidegate confirm accept` does, for the one who holds the owner's key."""
    shown = api.get(f"/confirmations/{id}")
    out.say(f"  asked by {shown['requested_by']} for {shown['affected']:,} people, to be sent {shown['send_mode']}")
    return api.post(f"/confirmations/{id}/confirm", {"acknowledged_affected_count": count, "note": "seen in the demo"})


def _workflow(api: Api, content: dict[str, Any], receiver: str) -> str:
    """The example with its webhook turned to the receiver of the demo, created and enabled."""
    for step in content["steps"]:
        if step["type"] == "webhook":
            step["config"]["url"] = f"{receiver}/hooks/release"
    workflow_id = str(api.post("/workflows", content)["workflow_id"])
    api.post(f"/workflows/{workflow_id}/activate")
    return workflow_id


def _settings(directory: Path, receivers: Receivers) -> Settings:
    """Every setting that matters said here, so that neither the environment nor a file changes the story."""
    return load_settings(
        {},
        directory=directory,
        data_dir=directory / "data",
        http_port=0,
        secret_key=new_secret(),
        send_mode="live",
        outbound_allow="127.0.0.1/32",
        smtp_url=f"smtp://{receivers.smtp.host}:{receivers.smtp.port}",
        email_from="release@example.com",
        max_audience=5000,
        log_level="warning",
    )


@contextmanager
def _directory(keep: bool, out: Output) -> Iterator[Path]:
    directory = Path(tempfile.mkdtemp(prefix="tidegate-demo-"))
    try:
        yield directory
    finally:
        if keep:
            out.say(f"Kept: {directory}")
        else:
            shutil.rmtree(directory, ignore_errors=True)


def _title(out: Output, number: int, text: str) -> None:
    out.say(f"\n{number}. {text}")


def _farewell(out: Output) -> None:
    out.say(f"\nAn agent gets a key of its own, once a server runs:\n  {typed(MAKE_KEY)}\n  {typed(PRINT_CONFIG)}")
    # Last, so that it can be typed as it stands.
    out.say(f"\nNext, one that stays:\n  {typed('tidegate up')}")
