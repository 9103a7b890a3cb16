"""Who gets in, from where, and what they see."""

from __future__ import annotations

import json
from contextlib import closing
from pathlib import Path
from typing import Any

import httpx2
import pytest
from mcp import Client, MCPError
from mcp.types import TextContent

from aggregates.policy import Limits
from commands.keys import ChangeKey, RevokeKey
from engine.bootstrap import build, system_principal
from engine.settings import load_settings
from mcp_adapter.endpoints import TABLES
from mcp_adapter.tools import TOOLS
from projections.runner import read_log
from tests.mcp.conftest import CONTENT, ERAS, PEOPLE, World
from tests.support.agents import Agent, facts, problem
from tests.support.serving import serving

INITIALIZE = {
    "jsonrpc": "2.0",
    "id": 1,
    "method": "initialize",
    "params": {
        "protocolVersion": "2025-11-25",
        "capabilities": {},
        "clientInfo": {"name": "probe", "version": "1"},
    },
}


def knock(world: World, key: str | None, **headers: str) -> httpx2.Response:
    """One raw request, as a browser or a stranger would send it."""
    sent = {"Accept": "application/json, text/event-stream", **headers}
    if key is not None:
        sent["Authorization"] = f"Bearer {key}"
    return httpx2.post(f"{world.url}/mcp", json=INITIALIZE, headers=sent, trust_env=False)


@pytest.mark.parametrize("key", [None, "nonsense", "tg_live_x_y", "tg_live_" + "x" * 5000])
def test_without_a_good_key_the_answer_is_401_and_names_the_metadata(world: World, key: str | None) -> None:
    answer = knock(world, key)
    assert answer.status_code == 401
    metadata = f"{world.url}/.well-known/oauth-protected-resource/mcp"
    assert f'resource_metadata="{metadata}"' in answer.headers["WWW-Authenticate"]
    told = httpx2.get(metadata, trust_env=False).json()
    assert (told["resource"], told["bearer_methods_supported"]) == (f"{world.url}/mcp", ["header"])


def test_the_second_address_has_its_own_metadata_and_checks(world: World) -> None:
    studio, (_, key) = f"{world.url}/mcp/studio", world.key()
    metadata = f"{world.url}/.well-known/oauth-protected-resource/mcp/studio"
    unknown = httpx2.post(studio, json=INITIALIZE, trust_env=False)
    assert unknown.status_code == 401
    assert f'resource_metadata="{metadata}"' in unknown.headers["WWW-Authenticate"]
    assert httpx2.get(metadata, trust_env=False).json()["resource"] == studio
    for headers, status in (({"Host": "evil.example"}, 421), ({"Origin": "http://evil.example"}, 403)):
        sent = {"Authorization": f"Bearer {key}", "Accept": "application/json, text/event-stream", **headers}
        assert httpx2.post(studio, json=INITIALIZE, headers=sent, trust_env=False).status_code == status


@pytest.mark.parametrize("mode", ERAS)
def test_the_second_address_offers_its_own_table(world: World, mode: str) -> None:
    async def names(client: Client) -> list[str]:
        return [tool.name for tool in (await client.list_tools()).tools]

    studio = Agent(f"{world.url}/mcp/studio", world.key()[1], mode)
    assert studio.within(names) == [tool.name for tool in TABLES["/mcp/studio"]["studio"]]
    with pytest.raises(MCPError, match="no such tool"):
        studio.call("workflows-list")


def test_hosts_and_origins_are_exact(world: World) -> None:
    _, key = world.key()
    host = world.url.removeprefix("http://")
    port = host.rpartition(":")[2]
    assert knock(world, key).status_code == 200
    assert knock(world, key, Host=f"localhost:{port}", Origin=f"http://localhost:{port}").status_code == 200
    for foreign in ("evil.example", f"evil.example:{port}", "127.0.0.1:1", f"{host}.evil.example"):
        assert knock(world, key, Host=foreign).status_code == 421
        assert knock(world, key, Origin=f"http://{foreign}").status_code == 403
    assert knock(world, key, Origin="null").status_code == 403


def test_a_body_over_one_mebibyte_is_refused(world: World) -> None:
    headers = {"Authorization": f"Bearer {world.key()[1]}", "Content-Type": "application/json"}
    answer = httpx2.post(f"{world.url}/mcp", content=b" " * (1024 * 1024 + 1), headers=headers, trust_env=False)
    assert answer.status_code == 413


def test_the_http_api_is_beside_it_and_keeps_its_own_answers(world: World) -> None:
    assert httpx2.get(f"{world.url}/health/live", trust_env=False).status_code == 200
    unknown = httpx2.get(f"{world.url}/api/v1/nothing", trust_env=False)
    assert (unknown.status_code, unknown.headers["Content-Type"]) == (404, "application/problem+json")


def test_a_key_sees_the_tools_that_its_scopes_open_in_the_same_order(agent: Agent, world: World) -> None:
    async def names(client: Client) -> list[str]:
        return [tool.name for tool in (await client.list_tools()).tools]

    assert agent.within(names) == list(TOOLS)
    reader = world.agent(mode=agent.mode, scopes=["workflow:read"])
    listed = ["guide", "workflows-list", "workflows-get", "schedules-preview", "components-list", "components-get"]
    assert reader.within(names) == listed
    assert world.agent(mode=agent.mode, scopes=["audit:read"]).within(names) == ["log-read", "state-at"]
    assert world.agent(mode=agent.mode, scopes=["key:admin"]).within(names) == []


def test_the_address_can_narrow_the_list_and_the_calls(agent: Agent) -> None:
    async def names(client: Client) -> list[str]:
        return [tool.name for tool in (await client.list_tools()).tools]

    readers = Agent(f"{agent.url}?toolsets=workflows,schedules,cohorts&readonly=1", agent.key, agent.mode)
    listed = ["workflows-list", "workflows-get", "workflows-simulate", "schedules-preview", "cohorts-list"]
    assert readers.within(names) == listed
    with pytest.raises(MCPError, match="no such tool"):
        readers.call("workflows-create", name="W", **CONTENT)
    with pytest.raises(MCPError, match="toolsets="):
        Agent(f"{agent.url}?toolsets=workflow", agent.key, agent.mode).within(names)


def test_a_tool_without_its_scopes_is_refused_before_its_arguments_are_read(agent: Agent, world: World) -> None:
    reader = world.agent(mode=agent.mode, scopes=["workflow:read"])
    refused = reader.refusal("workflows-create", nonsense=1)
    assert (refused["code"], refused["details"]) == ("scope.missing", {"missing": ["workflow:write"]})


def test_an_unknown_tool_is_an_error_of_the_protocol(agent: Agent) -> None:
    with pytest.raises(MCPError, match="no such tool"):
        agent.call("workflows-disable", workflow_id="x")


def test_an_unknown_argument_is_a_refusal_that_names_it(agent: Agent, world: World) -> None:
    before = world.traces()
    refused = agent.refusal("workflows-create", name="W", dry_run=True, **CONTENT)
    assert refused["code"] == "request.invalid"
    assert [(error["pointer"], error["code"]) for error in refused["errors"]] == [("/dry_run", "field.unknown")]
    assert world.traces() == before


def test_a_revoked_key_is_refused_on_its_next_call(agent: Agent, world: World) -> None:
    key_id, plain = world.key()

    async def body(client: Client) -> None:
        facts(await client.call_tool("workflows-list", {}))
        admin = system_principal(world.project)
        world.system.bus.dispatch(RevokeKey(key_id), world.system.meta(admin, via="test"))
        with pytest.raises((MCPError, httpx2.HTTPError)):
            await client.call_tool("workflows-list", {})

    Agent(agent.url, plain, agent.mode).within(body)
    assert knock(world, plain).status_code == 401


def test_a_session_belongs_to_the_key_that_opened_it(world: World) -> None:
    session = knock(world, world.key()[1]).headers["Mcp-Session-Id"]
    stranger = {"Mcp-Session-Id": session, "MCP-Protocol-Version": "2025-11-25"}
    _, other = world.key()
    assert knock(world, other, **stranger).status_code == 404
    headers = {**stranger, "Authorization": f"Bearer {other}", "Accept": "text/event-stream"}
    assert httpx2.get(f"{world.url}/mcp", headers=headers, trust_env=False).status_code == 404
    assert httpx2.delete(f"{world.url}/mcp", headers=headers, trust_env=False).status_code == 404


def test_a_failure_of_ours_tells_nothing_of_our_insides(
    agent: Agent, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def fail(*_: Any) -> Any:
        raise RuntimeError("password is hunter2")

    for name in ("workflows-list", "workflows-create"):
        monkeypatch.setitem(vars(TOOLS[name]), "handler", fail)
    refused = agent.refusal("workflows-list")
    assert refused["code"] == "internal.error"
    assert "hunter2" not in json.dumps(refused)
    assert "hunter2" in caplog.text
    assert "not known" in agent.refusal("workflows-create", name="W", **CONTENT)["message"]


def test_what_is_changed_about_a_key_counts_in_a_session_that_is_open(
    agent: Agent, world: World, workflow_id: str
) -> None:
    key_id, plain = world.key()

    def change(**fields: Any) -> None:
        owner = system_principal(world.project)
        world.system.bus.dispatch(ChangeKey(key_id, **fields), world.system.meta(owner, via="test"))

    async def body(client: Client) -> None:
        assert len((await client.list_tools()).tools) > 1
        sized = facts(await client.call_tool("workflows-blast-radius", {"workflow_id": workflow_id}))
        assert sized["limit"] > PEOPLE
        change(limits=Limits(max_audience=PEOPLE - 1))
        sized = facts(await client.call_tool("workflows-blast-radius", {"workflow_id": workflow_id}))
        assert sized["limit"] == PEOPLE - 1
        change(scopes=("cohort:read",))
        told = problem(await client.call_tool("workflows-blast-radius", {"workflow_id": workflow_id}))
        assert (told["code"], told["details"]["missing"]) == ("scope.missing", ["workflow:read", "person:read"])
        assert [tool.name for tool in (await client.list_tools(cache_mode="bypass")).tools] == ["cohorts-list"]
        change(rate_per_minute=1)
        facts(await client.call_tool("cohorts-list", {}))
        assert problem(await client.call_tool("cohorts-list", {}))["code"] == "rate.limited"

    Agent(agent.url, plain, agent.mode).within(body)


def test_a_keys_rate_counts_over_mcp_too(agent: Agent, world: World) -> None:
    slow = Agent(agent.url, world.key(rate_per_minute=2)[1], agent.mode)
    codes = [slow.within(lambda client: client.call_tool("workflows-list", {})).is_error for _ in range(2)]
    assert codes == [False, False]
    refused = slow.refusal("workflows-list")
    assert (refused["code"], refused["details"]["rate_per_minute"]) == ("rate.limited", 2)


def test_a_database_that_is_away_is_503_and_not_401(tmp_path: Path) -> None:
    url = f"postgresql+psycopg://nobody@/nothing?host={tmp_path}"
    settings = load_settings({}, directory=tmp_path, database_url=url, data_dir=tmp_path)
    with closing(build(settings)) as system, serving(system) as address:
        answer = httpx2.post(
            f"{address}/mcp", json={}, headers={"Authorization": "Bearer tg_live_a_b"}, trust_env=False
        )
    assert (answer.status_code, answer.json()["code"]) == (503, "service.unavailable")
    assert answer.json()["request_id"] == answer.headers["X-Request-Id"]


def test_success_says_the_same_in_text_and_structure_and_a_refusal_only_in_text(agent: Agent) -> None:
    async def body(client: Client) -> None:
        good = await client.call_tool("workflows-list", {})
        assert isinstance(good.content[0], TextContent)
        assert json.loads(good.content[0].text) == good.structured_content
        assert good.structured_content is not None
        assert good.structured_content["summary"]
        bad = await client.call_tool("workflows-get", {"workflow_id": "x"})
        assert (bad.structured_content, problem(bad)["code"]) == (None, "workflow.not_found")

    agent.within(body)


def test_events_say_which_tool_and_which_client_made_them(agent: Agent, world: World) -> None:
    agent.call("workflows-create", name="W", **CONTENT)
    with world.system.engine.connect() as connection:
        meta = read_log(connection, after=0, limit=1_000)[-1].event.meta
    assert (meta["source"], meta["via"]) == ("mcp", "mcp:workflows-create")
    assert meta["client"]
    assert meta["request_id"]
