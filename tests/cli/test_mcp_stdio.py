"""`tidegate mcp stdio` as agents start it: the real command, the SDK's own client, and servers that go away."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
from collections.abc import Awaitable, Callable, Iterator
from contextlib import ExitStack, closing, contextmanager
from pathlib import Path
from typing import Any, TypeVar

import anyio
import pytest
from mcp import Client, MCPError, StdioServerParameters
from mcp.client.stdio import stdio_client
from sqlalchemy import func, select

from engine.bootstrap import System, build, ensure_project
from engine.settings import child_environment, load_settings
from mcp_adapter.tools import TOOLSETS
from projections.tables import ended_sessions
from tests.mcp.conftest import CONTENT, ERAS, PEOPLE, World
from tests.support.agents import facts, problem
from tests.support.humans import Human
from tests.support.product import MovableClock
from tests.support.serving import following, serving

T = TypeVar("T")
ROOT = Path(__file__).resolve().parents[2]
COMMAND = ("-m", "engine.cli", "mcp", "stdio")


@pytest.fixture
def clock() -> MovableClock:
    return MovableClock()


@pytest.fixture
def system(database_url: str, tmp_path: Path, clock: MovableClock) -> Iterator[System]:
    settings = load_settings({}, directory=tmp_path, database_url=database_url, data_dir=tmp_path, http_port=0)
    with closing(build(settings, clock=clock)) as system:
        yield system


@pytest.fixture
def world(system: System) -> Iterator[World]:
    project, _ = ensure_project(system)
    other, _ = ensure_project(system, "other")
    with following(system):
        made = World(system, "", project, other)
        (system.settings.data_dir / "owner-key").write_text(made.key()[1])
        yield made


@contextmanager
def server(world: World) -> Iterator[str]:
    """A server that announces itself in the data directory, as the real one does; another one each time."""
    announcement = world.system.settings.data_dir / "url"
    with serving(world.system) as url:
        announcement.write_text(url)
        yield url


def environment(world: World, **more: str) -> dict[str, str]:
    return {"TIDEGATE_DATA_DIR": str(world.system.settings.data_dir), "PYTHONPATH": str(ROOT), **more}


def within(
    world: World,
    mode: str,
    body: Callable[[Client], Awaitable[T]],
    *options: str,
    human: Human | None = None,
    **variables: str,
) -> T:
    """Do several things with one client, which has started the command."""
    parameters = StdioServerParameters(
        command=sys.executable, args=[*COMMAND, *options], env=environment(world, **variables), cwd=ROOT
    )

    async def run() -> T | MCPError:
        async with Client(stdio_client(parameters), mode=mode, elicitation_callback=human) as client:
            try:
                return await body(client)
            except MCPError as error:
                return error

    outcome = anyio.run(run)
    if isinstance(outcome, MCPError):
        raise outcome
    return outcome


async def names(client: Client) -> list[str]:
    return [tool.name for tool in (await client.list_tools()).tools]


@pytest.mark.parametrize("mode", ERAS)
def test_an_agent_works_through_the_pipe_as_over_http(world: World, mode: str) -> None:
    world.people(count=PEOPLE)
    human = Human(people=PEOPLE, go_on=True)

    async def body(client: Client) -> None:
        assert "workflows-run-batch" in await names(client)
        assert client.instructions
        workflow = facts(await client.call_tool("workflows-create", {"name": "W", **CONTENT}))["workflow_id"]
        facts(await client.call_tool("workflows-enable", {"workflow_id": workflow}))
        sized = facts(await client.call_tool("workflows-blast-radius", {"workflow_id": workflow}))
        run = {
            "workflow_id": workflow,
            "acknowledged_affected_count": PEOPLE,
            "confirm_token": sized["confirm_token"],
        }
        assert facts(await client.call_tool("workflows-run-batch", run))["status"] == "queued"
        refused = problem(await client.call_tool("workflows-get", {"workflow_id": "x"}))
        assert refused["code"] == "workflow.not_found"
        with pytest.raises(MCPError, match="no such tool"):
            await client.call_tool("workflows-disable", {})

    with server(world):
        within(world, mode, body, human=human)
    assert len(human.asked) == (mode == "auto")


@pytest.mark.parametrize("mode", ERAS)
def test_the_options_narrow_the_tools(world: World, mode: str) -> None:
    with server(world):
        readers = within(world, mode, names, "--toolsets", "workflows,cohorts", "--readonly")
        assert readers == [
            tool.name for toolset in ("workflows", "cohorts") for tool in TOOLSETS[toolset] if tool.effect.reads_only
        ]
        with pytest.raises(MCPError, match="toolsets="):
            within(world, mode, names, "--toolsets", "workflow")


@pytest.mark.parametrize("mode", ERAS)
def test_a_server_that_goes_away_is_an_error_and_its_successor_is_found(world: World, mode: str) -> None:
    async def body(client: Client) -> None:
        facts(await client.call_tool("workflows-list", {}))
        await anyio.to_thread.run_sync(first.close)
        with pytest.raises(MCPError, match="No server answers"):
            await client.call_tool("workflows-list", {})
        (world.system.settings.data_dir / "url").unlink()
        with pytest.raises(MCPError, match="No server is known") as refusal:
            await client.call_tool("workflows-list", {})
        assert "tidegate up" in refusal.value.error.data["next"][0]
        await anyio.to_thread.run_sync(second.enter_context, server(world))
        facts(await client.call_tool("workflows-list", {}))

    with ExitStack() as first, ExitStack() as second:
        first.enter_context(server(world))
        within(world, mode, body)


@pytest.mark.parametrize("mode", ERAS)
def test_a_key_that_is_not_accepted_is_an_error_for_each_request(world: World, mode: str) -> None:
    async def body(client: Client) -> None:
        facts(await client.call_tool("workflows-list", {}))

    with server(world), pytest.raises((MCPError, ExceptionGroup)) as refusal:
        within(world, mode, body, TIDEGATE_API_KEY="tg_live_a_b")
    assert "does not accept the API key" in "".join(map(str, leaves(refusal.value)))


def leaves(error: BaseException) -> Iterator[BaseException]:
    """What is inside of groups of errors."""
    if isinstance(error, BaseExceptionGroup):
        for inner in error.exceptions:
            yield from leaves(inner)
    else:
        yield error


def test_a_session_that_has_grown_too_old_is_opened_again(world: World, clock: MovableClock) -> None:
    async def body(client: Client) -> None:
        facts(await client.call_tool("workflows-list", {}))
        clock.advance(hours=25)
        for _ in range(2):
            facts(await client.call_tool("workflows-list", {}))

    with server(world):
        within(world, "legacy", body)
    with world.system.engine.connect() as connection:
        (ends,) = connection.execute(select(ended_sessions.c.expires_at)).scalars()
    assert ends > clock.now()  # the one that was opened again is the one that was ended


def said(world: World, *lines: str, **variables: str) -> list[Any]:
    """What the command prints for these lines, each as JSON; it ends by itself, without an error."""
    process = subprocess.run(
        [sys.executable, *COMMAND],
        input="".join(f"{line}\n" for line in lines),
        env=child_environment(**environment(world, **variables)),
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert (process.returncode, process.stderr) == (0, "")
    return [json.loads(line) for line in process.stdout.splitlines()]


def initialize(id: Any = 1) -> str:
    about = {"protocolVersion": "2025-11-25", "capabilities": {}, "clientInfo": {"name": "probe", "version": "1"}}
    return json.dumps({"jsonrpc": "2.0", "id": id, "method": "initialize", "params": about})


def request(id: Any, method: str, **params: Any) -> str:
    meta = {
        "io.modelcontextprotocol/protocolVersion": "2026-07-28",
        "io.modelcontextprotocol/clientCapabilities": {},
    }
    return json.dumps({"jsonrpc": "2.0", "id": id, "method": method, "params": {"_meta": meta, **params}})


def test_stdout_carries_nothing_but_json_rpc(world: World) -> None:
    notification = json.dumps({"jsonrpc": "2.0", "method": "notifications/progress", "params": {}})
    lines = ["nonsense", "[]", "7", "", notification, request("a", "tools/list"), request(7, "no/such"), initialize()]
    with server(world):
        told = said(world, *lines)
    errors = [message["error"]["code"] for message in told if message["id"] is None]
    assert errors == [-32700, -32600, -32600]
    by_id = {message["id"]: message for message in told if message["id"] is not None}
    assert set(by_id) == {"a", 7, 1}
    assert by_id["a"]["result"]["tools"]
    assert by_id[7]["error"]["code"] == -32601
    assert by_id[1]["result"]["protocolVersion"] == "2025-11-25"


def test_what_comes_behind_initialize_in_one_write_waits_for_the_session(world: World) -> None:
    initialized = json.dumps({"jsonrpc": "2.0", "method": "notifications/initialized"})
    calls = [json.dumps({"jsonrpc": "2.0", "id": n, "method": "tools/list", "params": {}}) for n in range(2, 22)]
    with server(world):
        told = said(world, initialize(), initialized, *calls)
    assert sorted(message["id"] for message in told) == list(range(1, 22))
    assert [message for message in told if "result" not in message] == []


def started(world: World) -> subprocess.Popen[bytes]:
    """The command, with pipes of the test's own at all its ends."""
    return subprocess.Popen(
        [sys.executable, *COMMAND],
        env=child_environment(**environment(world)),
        cwd=ROOT,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )


def test_a_client_that_closes_its_end_is_an_end(world: World) -> None:
    process = started(world)
    assert process.stdout
    process.stdout.close()
    with server(world):
        _, err = process.communicate(f"{initialize()}\n".encode(), timeout=60)
    assert (process.returncode, err) == (0, b"")


def test_it_can_be_interrupted_while_it_waits_for_a_line(world: World) -> None:
    process = started(world)
    assert process.stdin
    assert process.stdout
    try:
        process.stdin.write(f"{initialize()}\n".encode())
        process.stdin.flush()
        assert json.loads(process.stdout.readline())["error"]
        process.send_signal(signal.SIGINT)
        process.wait(timeout=30)  # before its stdin is closed, which would end it too
    finally:
        process.kill()
        _, err = process.communicate()
    assert (process.returncode, err) == (130, b"")


def test_names_that_no_header_can_hold_arrive_whole(world: World) -> None:
    with server(world):
        (told,) = said(world, request(1, "tools/call", name="Grüße 🌊", arguments={}))
    assert "no such tool" in told["error"]["message"]


def test_what_is_too_large_is_refused_for_its_request_and_the_next_one_is_answered(world: World) -> None:
    with server(world):
        large = request(1, "tools/call", name="workflows-list", arguments={"after": "x" * 2**20})
        told = said(world, large, request(2, "tools/list"))
    by_id = {message["id"]: message for message in told}
    assert by_id[1]["error"]["data"]["status"] == 413
    assert by_id[2]["result"]["tools"]


def test_without_a_server_every_request_is_answered_with_what_to_do(world: World) -> None:
    told = said(world, initialize(), request(2, "tools/list"))
    assert sorted(message["id"] for message in told) == [1, 2]
    assert all("tidegate up" in message["error"]["data"]["next"][0] for message in told)


def test_the_end_of_the_pipe_ends_the_session(world: World) -> None:
    with server(world):
        said(world, initialize())
    with world.system.engine.connect() as connection:
        assert connection.execute(select(func.count()).select_from(ended_sessions)).scalar_one() == 1
