"""The official TypeScript SDK: the first generation, and the second in both eras of the protocol."""

from __future__ import annotations

import json
import re
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import pytest

from tests.interop.conftest import AGENT, HERE, PEOPLE, Bench
from tests.support.installation import Installation
from tests.support.processes import line_from
from tests.support.wait import until

pytestmark = pytest.mark.interop

CLIENTS = {
    "v1": ("v1", "legacy", "2025-11-25"),
    "v2-legacy": ("v2", "legacy", "2025-11-25"),
    "v2-auto": ("v2", "auto", "2026-07-28"),
    "v2-pinned": ("v2", "2026-07-28", "2026-07-28"),
}

BATCH: dict[str, Any] = {
    "name": "Launch",
    "trigger": {
        "type": "batch",
        "filters": {"properties": [{"type": "person", "key": "plan", "operator": "exact", "value": "pro"}]},
    },
    "steps": [{"id": "note", "name": "Note", "type": "capture", "config": {"message": "Hello"}}],
}

MANUAL: dict[str, Any] = {
    "name": "Order",
    "trigger": {"type": "manual", "inputs": {"order": {"type": "string", "required": True}}},
    "steps": [{"id": "note", "name": "Note", "type": "capture", "config": {"message": "Order {{ inputs.order }}"}}],
}

WAITING = {
    **MANUAL,
    "name": "Later",
    "steps": [{"id": "wait", "name": "Wait", "type": "delay", "config": {"duration": "P1D"}}],
}


class Conversation:
    """A client that is connected, and what it said of the server. The SDK checks each answer's schema itself."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        self._process = process
        self.greeting = json.loads(line_from(process))

    def say(self, tool: str, **arguments: Any) -> dict[str, Any]:
        """Everything that came of a call."""
        assert self._process.stdin is not None
        print(json.dumps({"tool": tool, "arguments": arguments}), file=self._process.stdin, flush=True)
        return dict(json.loads(line_from(self._process)))

    def call(self, tool: str, **arguments: Any) -> dict[str, Any]:
        """The facts of a success."""
        said = self.say(tool, **arguments)
        assert "result" in said and not said["result"].get("isError"), said
        return dict(said["result"]["structuredContent"])

    def refusal(self, tool: str, **arguments: Any) -> dict[str, Any]:
        """The problem of a refusal."""
        said = self.say(tool, **arguments)
        assert said["result"]["isError"], said
        return dict(json.loads(said["result"]["content"][0]["text"]))

    def leave(self) -> dict[str, Any]:
        """What is left when the client has said goodbye."""
        assert self._process.stdin is not None
        self._process.stdin.close()
        left = json.loads(line_from(self._process))
        assert self._process.wait(timeout=30) == 0
        return dict(left)


@dataclass(frozen=True)
class Phone:
    """Connects a client of one kind."""

    bench: Bench
    installation: Installation
    client: str
    key: str

    @contextmanager
    def connected(self, path: str = "/mcp", *, key: str | None = None, answer: Any = None) -> Iterator[Conversation]:
        generation, mode, _ = CLIENTS[self.client]
        words = [str(HERE / "client.mjs"), generation, self.installation.url + path, key or self.key, mode]
        with self.bench.start("node", *words, *([json.dumps(answer)] if answer else [])) as process:
            try:
                yield Conversation(process)
            finally:
                process.kill()


@pytest.fixture(params=CLIENTS)
def phone(request: pytest.FixtureRequest, bench: Bench, installation: Installation) -> Phone:
    return Phone(bench, installation, request.param, installation.agent_key(AGENT))


def enabled(talk: Conversation, content: dict[str, Any]) -> str:
    """An active workflow."""
    workflow_id = str(talk.call("workflows-create", **content)["workflow_id"])
    talk.call("workflows-enable", workflow_id=workflow_id)
    return workflow_id


def order(talk: Conversation, workflow_id: str) -> dict[str, Any]:
    """What a human said yes to."""
    sizing = talk.call("workflows-blast-radius", workflow_id=workflow_id)
    assert sizing["affected"] == PEOPLE // 2
    return {
        "workflow_id": workflow_id,
        "acknowledged_affected_count": sizing["affected"],
        "confirm_token": sizing["confirm_token"],
    }


def ended(talk: Conversation, **run: str) -> dict[str, Any]:
    """How a run of the studio stands, once it has ended."""
    return until(lambda: (standing := talk.call("get_run_status", **run))["ended"] and standing, seconds=30)


def test_a_client_lists_makes_sizes_runs_and_follows(phone: Phone) -> None:
    with phone.connected() as talk:
        assert talk.greeting["protocol"] == CLIENTS[phone.client][2]
        assert (talk.greeting["session"] is None) == (talk.greeting["protocol"] == "2026-07-28")
        assert {"workflows-list", "workflows-run-batch", "batch-jobs-get"} <= set(talk.greeting["tools"])
        workflow_id = enabled(talk, BATCH)
        assert workflow_id in [row["workflow_id"] for row in talk.call("workflows-list")["workflows"]]
        given = order(talk, workflow_id)
        drifted = talk.refusal("workflows-run-batch", **{**given, "acknowledged_affected_count": 1})
        assert drifted["code"] == "audience.drift"
        job_id = talk.call("workflows-run-batch", **given)["batch_job_id"]
        job = talk.call("batch-jobs-get", batch_job_id=job_id, wait_seconds=25)
        assert (job["status"], job["counts"]["delivered"]) == ("completed", PEOPLE // 2)
        assert talk.leave() == {"session": None}


def test_a_tool_that_is_not_there_is_an_error_of_the_protocol(phone: Phone) -> None:
    with phone.connected() as talk:
        assert talk.say("keys-create", name="more")["error"]["code"] == -32602


def test_a_key_that_is_wrong_does_not_connect(phone: Phone) -> None:
    with phone.connected(key="tg_live_unknown_unknown") as talk:
        assert re.search("401|Authentication required", talk.greeting["error"]["message"])


def test_the_studio_runs_a_workflow_follows_it_and_reads_what_it_came_to(phone: Phone) -> None:
    with phone.connected() as talk:
        workflow_id = enabled(talk, MANUAL)
    with phone.connected("/mcp/studio") as talk:
        assert "capture" in [row["id"] for row in talk.call("list_components")["components"]]
        started = talk.call("run_workflow", workflowId=workflow_id, inputs={"order": "A-1"}, versionId=1)
        run = {"runId": started["runId"]}
        assert ended(talk, **run)["status"] == "delivered"
        outcome = talk.call("get_run_result", **run)
        assert outcome["finished"] and "Order A-1" in json.dumps(outcome["result"])


def test_the_studio_cancels_a_run(phone: Phone) -> None:
    with phone.connected() as talk:
        workflow_id = enabled(talk, WAITING)
    with phone.connected("/mcp/studio") as talk:
        run = {"runId": talk.call("run_workflow", workflowId=workflow_id, inputs={"order": "A-2"})["runId"]}
        assert talk.call("get_run_result", **run)["finished"] is False
        talk.call("cancel_run", **run)
        assert ended(talk, **run)["status"] == "skipped"


@pytest.mark.parametrize("phone", ["v2-auto"], indirect=True)
def test_a_client_that_can_ask_its_human_is_asked_for_the_number(phone: Phone) -> None:
    yes = {"action": "accept", "content": {"people": PEOPLE // 2, "go_on": True}}
    with phone.connected(answer=yes) as talk:
        said = talk.say("workflows-run-batch", **order(talk, enabled(talk, BATCH)))
        assert [set(asked["requestedSchema"]["properties"]) for asked in said["asked"]] == [{"people", "go_on"}]
        assert said["result"]["structuredContent"]["batch_job_id"]
    with phone.connected(answer={"action": "decline"}) as talk:
        assert talk.refusal("workflows-run-batch", **order(talk, enabled(talk, BATCH)))["code"] == "confirm.declined"
