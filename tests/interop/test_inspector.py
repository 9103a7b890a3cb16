"""The official inspector's command line: our tools as another program reads them, in both eras of the protocol."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Callable
from typing import Any

import pytest

from tests.interop.conftest import AGENT, Bench, script
from tests.support.installation import Installation

pytestmark = pytest.mark.interop

ERAS = ("legacy", "modern")

DONE, NO_KEY, TOOL_ERROR = 0, 3, 5
"""How the inspector exits; it would be 6 for a schema that not every model's provider can take."""

Inspect = Callable[..., subprocess.CompletedProcess[str]]


@pytest.fixture(params=ERAS)
def inspect(request: pytest.FixtureRequest, bench: Bench, installation: Installation) -> Inspect:
    """Runs the inspector with an agent's key, or another one."""
    made = installation.agent_key(AGENT)

    def call(method: str, *words: str, key: str = made, path: str = "/mcp") -> subprocess.CompletedProcess[str]:
        program = script("@modelcontextprotocol/inspector/clients/launcher/build/index.js")
        where = ["--transport", "http", "--protocol-era", request.param, "--header", f"Authorization: Bearer {key}"]
        what = ["--method", method, "--format", "json", *words]
        return bench.run("node", program, "--cli", installation.url + path, *where, *what)

    return call


def called(inspect: Inspect, tool: str, *, code: int = DONE, **arguments: Any) -> dict[str, Any]:
    """What a tool answered, as the inspector shows it."""
    words = ["--tool-name", tool, "--tool-args-json", json.dumps(arguments)]
    ran = inspect("tools/call", *words)
    assert ran.returncode == code, ran.stderr
    result = json.loads(ran.stdout)["result"]
    answer = dict(json.loads(result["content"][0]["text"]))
    assert result.get("structuredContent", answer) == answer
    return answer


@pytest.mark.parametrize("path", ["/mcp", "/mcp/studio"])
def test_every_tool_has_schemas_that_all_models_can_take(inspect: Inspect, path: str) -> None:
    ran = inspect("tools/list", "--strict", path=path)
    assert ran.returncode == DONE, ran.stderr
    tools = json.loads(ran.stdout)["result"]["tools"]
    assert len(tools) >= 9
    assert [tool["name"] for tool in tools if not tool["outputSchema"]["properties"]] == []


def test_a_workflow_is_made_enabled_and_sized(inspect: Inspect) -> None:
    content: dict[str, Any] = {
        "name": "Inspected",
        "trigger": {"type": "batch", "filters": {"properties": []}},
        "steps": [{"id": "note", "name": "Note", "type": "capture", "config": {"message": "Hello"}}],
    }
    workflow_id = called(inspect, "workflows-create", **content)["workflow_id"]
    assert called(inspect, "workflows-enable", workflow_id=workflow_id)["status"] == "active"
    assert called(inspect, "workflows-blast-radius", workflow_id=workflow_id)["confirm_token"]
    found = called(inspect, "workflows-list", limit=1)["workflows"]
    assert [(row["workflow_id"], row["status"]) for row in found] == [(workflow_id, "active")]


def test_a_refusal_is_an_error_of_the_tool_with_a_code_and_a_next_step(inspect: Inspect) -> None:
    refused = called(inspect, "workflows-get", code=TOOL_ERROR, workflow_id="unknown")
    assert refused["code"] == "workflow.not_found"
    assert "workflows-list" in refused["next"]


def test_a_key_that_is_wrong_is_told_apart_from_a_tool_that_fails(inspect: Inspect) -> None:
    ran = inspect("tools/list", key="tg_live_unknown_unknown")
    assert ran.returncode == NO_KEY, ran.stderr
    assert json.loads(ran.stderr)["error"]["code"] == "auth_required"


def test_what_there_is_none_of_is_an_empty_list(inspect: Inspect) -> None:
    for method, name in (("resources/list", "resources"), ("prompts/list", "prompts")):
        ran = inspect(method)
        assert ran.returncode == DONE, ran.stderr
        assert json.loads(ran.stdout)["result"][name] == []
