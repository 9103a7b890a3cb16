"""An agent's whole path with the official SDK: discover, create, enable, size, ask, run, watch, explain who got it.

    export TIDEGATE_API_KEY=tg_live_…        # tidegate keys create example --agent --scope all --max-audience 500
    python examples/agent.py --url http://127.0.0.1:8787

It contacts people only after somebody has typed their exact number, or has given it with `--yes` to a script that
knows it already. Where the server lets a human confirm on a page of its own, it shows the address of that page and
waits. Before it asks anybody it looks whether the run can be at all, and says so if it cannot. Exit codes: 0 done,
1 refused, 2 usage, 5 the number is another one, 6 held for a second person, 7 too many people, or nobody.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import sys
from typing import Any

import httpx2
from mcp import Client
from mcp.client.streamable_http import streamable_http_client

AUDIENCE = [{"type": "person", "key": "plan", "operator": "exact", "value": ["pro", "team"]}]
SHOWN = 3

Facts = dict[str, Any]


class RefusedError(Exception):
    """An answer of no: a stable code, a sentence, and what to do next."""

    def __init__(self, problem: Facts) -> None:
        self.problem = problem
        super().__init__(f"{problem['code']}: {problem['message']}\nnext: {problem['next']}")


class Tidegate:
    """The tools of the server as one function: facts, or RefusedError."""

    def __init__(self, client: Client) -> None:
        self._client = client

    async def __call__(self, tool: str, **arguments: Any) -> Facts:
        result = await self._client.call_tool(tool, arguments)
        facts = json.loads(result.content[0].text)
        if result.is_error:
            raise RefusedError(facts)
        return dict(facts)


async def discover(tidegate: Tidegate) -> Facts:
    """A workflow that is made of what this server has: a branch, and an action that stays inside."""
    guide = await tidegate("guide")
    say(f"project {guide['project']}, send mode {guide['send_mode']}; {guide['confirmation']['how']}")
    listed = (await tidegate("components-list"))["components"]
    say(f"{len(listed)} step types: {', '.join(row['component_id'] for row in listed)}")
    inside = next(row for row in listed if row["kind"] == "action" and not row["external"])
    action = await tidegate("components-get", component_id=inside["component_id"])
    branch = await tidegate("components-get", component_id="conditional_branch")
    say(f"a {action['component_id']} takes {', '.join(action['config_schema']['properties'])}")
    choice = branch["examples"][0]
    way = choice["conditions"][0]["name"]
    return {
        "name": "Made by the example agent",
        "trigger": {"type": "batch", "filters": {"properties": AUDIENCE}},
        "steps": [
            {"id": "which", "type": branch["component_id"], "config": choice},
            {"id": "tell", "type": action["component_id"], "config": action["examples"][0]},
            {"id": "others", "type": action["component_id"], "config": action["examples"][-1]},
        ],
        "edges": [{"from": "which", "to": "tell", "branch": way}, {"from": "which", "to": "others", "branch": "else"}],
    }


async def create(tidegate: Tidegate, content: Facts) -> str:
    """The id of a new active workflow; nobody is contacted by that."""
    workflow_id = str((await tidegate("workflows-create", **content))["workflow_id"])
    await tidegate("workflows-enable", workflow_id=workflow_id)
    say(f"workflow {workflow_id} is active; nobody has been contacted")
    return workflow_id


def show(sizing: Facts) -> None:
    excluded = ", ".join(f"{count:,} {reason}" for reason, count in sizing["excluded"].items() if count)
    say(f"{sizing['matched']:,} people match; excluded: {excluded or 'nobody'}")
    say(f"{sizing['affected']:,} PEOPLE WOULD BE REACHED; sends are {sizing['send_mode']}")
    for finding in sizing["findings"]:
        say(f"  {finding['pointer']}: {finding['message']}")


def hindrance(sizing: Facts) -> str | None:
    """Why no human can confirm this, whatever they say; None when they can be asked."""
    affected, left = sizing["affected"], sizing.get("budget_left")
    if affected == 0:
        return "Nobody would be reached, so there is nothing to confirm."
    if affected > sizing["limit"]:
        return f"At most {sizing['limit']:,} people may be reached at once: narrow the audience, or raise the limit."
    if left is not None and affected > left:
        return f"Only {left:,} more people may be reached today: narrow the audience, or wait."
    return None


def witnessed(sizing: Facts) -> bool:
    """Whether a human confirms on a page of the server, and not here."""
    return "witnessed" in (sizing.get("confirmation"), sizing["policy"].get("confirmation"))


def confirmed(affected: int, given: int | None) -> bool:
    """Whether a human said yes to exactly this number. An agent never answers this by itself."""
    if given is None:
        typed = input(f"Type {affected} to reach them, anything else to stop: ").strip()
        return typed == str(affected)
    return given == affected


async def follow(tidegate: Tidegate, started: Facts) -> Facts:
    """The batch job when it has ended, or is held for a second person; one that a human confirms is waited for."""
    page = started.get("confirm_url")
    if page:
        say(f"A signed-in human confirms it here: {page}")
    while True:
        job = await tidegate("batch-jobs-get", batch_job_id=started["batch_job_id"], wait_seconds=25)
        say(job["summary"])
        if job["ended"] or (job["status"] == "held" and not page):
            return job


async def explain(tidegate: Tidegate, job: Facts) -> None:
    """Who got it, who did not, and why; and that nobody is missing from the books."""
    counts = {status: count for status, count in job["counts"].items() if count}
    for status, count in counts.items():
        page = await tidegate("runs-list", batch_job_id=job["batch_job_id"], status=status, limit=SHOWN)
        say(f"{status}: {count:,}")
        for run in page["runs"]:
            say(f"  {run['run_id']}  {run.get('reason') or ''}".rstrip())
        if count > SHOWN:
            say(f"  and {count - SHOWN:,} more")
    if sum(counts.values()) != job["enrolled"]:
        raise SystemExit("The books do not balance.")
    say(f"enrolled {job['enrolled']:,} = {' + '.join(f'{count:,} {status}' for status, count in counts.items())}")


async def path(tidegate: Tidegate, given: int | None) -> int:
    """The whole of it; the exit code."""
    workflow_id = await create(tidegate, await discover(tidegate))
    sizing = await tidegate("workflows-blast-radius", workflow_id=workflow_id)
    show(sizing)
    if (why := hindrance(sizing)) is not None:
        say(why)
        return 7
    # Where a human confirms on the server's own page, a number that is typed here would confirm nothing.
    asked_elsewhere = witnessed(sizing) and given is None
    if not asked_elsewhere and not confirmed(sizing["affected"], given):
        say("Not confirmed; nobody was contacted.")
        return 5
    # The number and the token belong together. If anything has changed since, this is refused and nothing is sent;
    # then the only way on is to size again and to ask again.
    started = await tidegate(
        "workflows-run-batch",
        workflow_id=workflow_id,
        acknowledged_affected_count=sizing["affected"],
        confirm_token=sizing["confirm_token"],
    )
    job = await follow(tidegate, started)
    if job["status"] == "held":
        return 6
    await explain(tidegate, job)
    return 0


async def main(url: str, key: str, given: int | None) -> int:
    headers = {"Authorization": f"Bearer {key}"}
    async with (
        httpx2.AsyncClient(headers=headers, timeout=60) as http,
        Client(streamable_http_client(f"{url.rstrip('/')}/mcp", http_client=http)) as client,
    ):
        try:
            return await path(Tidegate(client), given)
        except RefusedError as refusal:
            say(str(refusal))
            return 1


def say(text: str) -> None:
    print(text, flush=True)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--url", default=os.environ.get("TIDEGATE_URL", "http://127.0.0.1:8787"))
    parser.add_argument("--yes", type=int, metavar="N", help="the number that a human confirmed; another one stops it")
    asked = parser.parse_args()
    if "TIDEGATE_API_KEY" not in os.environ:
        made = "tidegate keys create example --agent --scope all --max-audience 500"
        parser.error(f"Set TIDEGATE_API_KEY. A key for an agent: {made}")
    if asked.yes is None and not sys.stdin.isatty():
        parser.error("There is nobody to ask: give the number that a human confirmed with --yes N.")
    sys.exit(asyncio.run(main(asked.url, os.environ["TIDEGATE_API_KEY"], asked.yes)))
