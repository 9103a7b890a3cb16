"""What `mcp-config` prints is what each client takes, and whoever follows it to the letter is connected."""

from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path
from typing import Any

import anyio
import pytest
from mcp import Client, StdioServerParameters
from mcp.client.stdio import stdio_client

from engine.settings import child_environment
from mcp_adapter.tools import TOOLSETS
from tests.cli.conftest import Said, Tidegate, on_terminal
from tests.support.agents import Agent
from tests.support.product import Product

CLIENTS = ("claude", "cursor", "vscode")
SERVERS = {"claude": "mcpServers", "cursor": "mcpServers", "vscode": "servers"}
READERS = [tool.name for toolset in ("workflows", "components") for tool in TOOLSETS[toolset] if tool.effect.reads_only]

every_client = pytest.mark.parametrize("client", CLIENTS)


def config(client: str, said: Said) -> dict[str, Any]:
    """The document for the client's file: all that is printed, but for Claude's line before it."""
    assert said.code == 0, said.err
    text = said.out.split("\n", 1)[1] if client == "claude" else said.out
    return dict(json.loads(text))


def entry(client: str, document: dict[str, Any]) -> dict[str, Any]:
    return dict(document[SERVERS[client]]["tidegate"])


def expanded(client: str, document: dict[str, Any], key: str) -> dict[str, Any]:
    """The entry with the key in its place, as the client puts it there: from its environment or from its user."""
    found = json.dumps(entry(client, document))
    match client:
        case "claude":
            return dict(json.loads(found.replace("${TIDEGATE_API_KEY}", key)))
        case "cursor":
            return dict(json.loads(found.replace("${env:TIDEGATE_API_KEY}", key)))
        case _:
            (asked,) = document["inputs"]
            assert (asked["type"], asked["password"]) == ("promptString", True)
            return dict(json.loads(found.replace(f"${{input:{asked['id']}}}", key)))


def tools(url: str, headers: dict[str, str], mode: str) -> list[str]:
    """The names of the tools that a client of the SDK is offered with exactly this address and these headers."""
    assert list(headers) == ["Authorization"]
    agent = Agent(url, headers["Authorization"].removeprefix("Bearer "), mode)

    async def names(client: Any) -> list[str]:
        return [tool.name for tool in (await client.list_tools()).tools]

    return agent.within(names)


def as_a_shell_reads_it(line: str, directory: Path, **environment: str) -> list[str]:
    """The arguments that `claude` gets when a shell runs the line."""
    (directory / "claude").write_text('#!/bin/sh\nprintf "%s\\n" "$@"\n')
    (directory / "claude").chmod(0o700)
    env = child_environment(PATH=f"{directory}:/usr/bin:/bin", **environment)
    return subprocess.run(["sh", "-c", line], env=env, capture_output=True, text=True, check=True).stdout.splitlines()


@every_client
@pytest.mark.parametrize("mode", ["auto", "legacy"])
def test_who_follows_the_snippet_is_connected(
    tidegate: Tidegate, server: str, product: Product, client: str, mode: str
) -> None:
    key = str(product.owner_key)
    narrowed = ("--toolsets", "workflows,components", "--readonly")
    for given in ((), ("--key", key)):
        found = config(client, tidegate("mcp-config", client, *narrowed, *given))
        told = expanded(client, found, key) if not given else entry(client, found)
        assert told.get("type") == (None if client == "cursor" else "http")
        assert tools(told["url"], told["headers"], mode) == READERS
        assert ("inputs" in found) == (client == "vscode" and not given)
    whole = expanded(client, config(client, tidegate("mcp-config", client)), key)
    assert whole["url"] == f"{server}/mcp"
    assert len(tools(whole["url"], whole["headers"], mode)) > 20


def test_the_line_of_claude_connects_it_too(tidegate: Tidegate, server: str, product: Product, tmp_path: Path) -> None:
    key = str(product.owner_key)
    narrowed = ("--toolsets", "workflows,components", "--readonly")
    for given in ((), ("--key", key)):
        line = tidegate("mcp-config", "claude", *narrowed, *given).out.splitlines()[0]
        words = as_a_shell_reads_it(line, tmp_path, TIDEGATE_API_KEY=key)
        assert words[:5] == ["mcp", "add", "--transport", "http", "tidegate"]
        url, option, header = words[5:]
        name, _, value = header.partition(": ")
        assert option == "--header"
        assert tools(url, {name: value}, "auto") == READERS


def started(told: dict[str, Any], directory: Path) -> list[str]:
    """The names of the tools that a client of the SDK is offered when it starts exactly this program."""
    program = StdioServerParameters(
        command=told["command"], args=told["args"], env=told["env"] | {"PATH": "/usr/bin:/bin"}, cwd=directory
    )

    async def names() -> list[str]:
        async with Client(stdio_client(program)) as client:
            return [tool.name for tool in (await client.list_tools()).tools]

    return anyio.run(names)


@every_client
def test_who_starts_the_program_of_the_snippet_is_connected(
    tidegate: Tidegate, server: str, product: Product, tmp_path: Path, client: str
) -> None:
    narrowed = ("--stdio", "--toolsets", "workflows,components", "--readonly")
    told = expanded(client, config(client, tidegate("mcp-config", client, *narrowed)), str(product.owner_key))
    assert started(told, tmp_path) == READERS


@every_client
def test_a_client_may_start_the_server_end_by_itself(
    tidegate: Tidegate, server: str, client: str, tmp_path: Path
) -> None:
    found = config(client, tidegate("mcp-config", client, "--stdio", "--readonly", "--toolsets", "workflows"))
    told = expanded(client, found, "tg_live_x")
    assert told["type"] == "stdio"
    assert os.access(told["command"], os.X_OK)
    assert told["args"] == ["mcp", "stdio", "--toolsets", "workflows", "--readonly"]
    assert told["env"] == {"TIDEGATE_URL": server, "TIDEGATE_API_KEY": "tg_live_x"}
    if client == "claude":
        line = tidegate("mcp-config", "claude", "--stdio").out.splitlines()[0]
        words = as_a_shell_reads_it(line, tmp_path, TIDEGATE_API_KEY="tg_live_x")
        assert words[2:6] == ["--env", f"TIDEGATE_URL={server}", "--env", "TIDEGATE_API_KEY=tg_live_x"]
        assert words[6:] == ["--transport", "stdio", "tidegate", "--", told["command"], "mcp", "stdio"]


@every_client
def test_the_owner_key_is_never_printed_by_itself(
    tidegate: Tidegate, server: str, product: Product, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, client: str
) -> None:
    key = str(product.owner_key)
    for name in ("url", "owner-key"):
        (tmp_path / ".tidegate").mkdir(exist_ok=True)
        (tmp_path / ".tidegate" / name).write_text({"url": server, "owner-key": key}[name])
    for way in ((), ("--stdio",), ("--json",)):
        said = tidegate("mcp-config", client, *way)
        assert key not in said.out + said.err
    monkeypatch.delenv("TIDEGATE_URL")
    monkeypatch.delenv("TIDEGATE_API_KEY")
    said = tidegate("mcp-config", client)
    assert key not in said.out + said.err
    assert f"{server}/mcp" in said.out
    assert "This is the owner's key" in tidegate("mcp-config", client, "--key", key).err


def test_a_program_gets_one_document(tidegate: Tidegate, server: str) -> None:
    told = tidegate("mcp-config", "claude", "--json").json
    assert told["command"].startswith("claude mcp add ")
    assert told["file"].startswith(".mcp.json")
    assert told["config"]["mcpServers"]["tidegate"]["url"] == f"{server}/mcp"
    assert tidegate("mcp-config", "cursor", "--json").json["command"] is None


def test_on_a_terminal_the_words_stand_around_the_snippet(server: str) -> None:
    code, shown = on_terminal("mcp-config", "vscode", env={"TIDEGATE_URL": server})
    assert code == 0
    put, name, ask = (shown.index(text) for text in (".vscode/mcp.json", '"servers"', "VS Code asks for it"))
    assert put < name < ask


@pytest.mark.parametrize(
    ("arguments", "code"),
    [
        (("claude", "--toolsets", "workflows, batch"), 2),
        (("claude", "--toolsets", "a&readonly=0"), 2),
        (("claude", "--key", "two words"), 2),
        (("claude", "--key", "line\nbreak"), 2),
        (("emacs",), 2),
    ],
)
@pytest.mark.usefixtures("server")
def test_what_would_break_the_snippet_is_refused(tidegate: Tidegate, arguments: tuple[str, ...], code: int) -> None:
    said = tidegate("mcp-config", *arguments)
    assert (said.code, said.out) == (code, "")


def test_without_a_server_it_says_what_to_do(tidegate: Tidegate) -> None:
    said = tidegate("mcp-config", "cursor")
    assert (said.code, said.out) == (1, "")
    assert "tidegate up" in said.err
