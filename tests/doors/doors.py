"""The three doors as somebody outside meets them: one server, one key at a time, one verdict for each asking."""

from __future__ import annotations

import io
import json
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, redirect_stderr, redirect_stdout
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, Protocol

import httpx2
import pytest
from anyio.from_thread import BlockingPortal, start_blocking_portal
from mcp import Client, MCPError
from mcp.types import TextContent

from engine.cli.app import run
from tests.doors.asks import FILES, Ask
from tests.support.agents import Agent
from tests.support.product import Json

NO_SUCH_TOOL = "no such tool"


@dataclass(frozen=True)
class Key:
    """A key of the project: who it is, how it is sent, what it may."""

    id: str
    plain: str
    scopes: frozenset[str]
    agent: bool


@dataclass(frozen=True)
class Verdict:
    """`ok` or the refusal's code; and how the door says it: a status, an exit code, whether it is an error."""

    code: str
    said: int


class Door(Protocol):
    name: str

    def ask(self, ask: Ask, key: Key) -> Verdict: ...


class Http:
    """The HTTP API, over one connection."""

    name = "http"

    def __init__(self, url: str) -> None:
        self.client = httpx2.Client(base_url=f"{url}/api/v1", timeout=30, trust_env=False)

    def ask(self, ask: Ask, key: Key) -> Verdict:
        answer = self.send(key, *ask.http)
        return Verdict("ok" if answer.is_success else answer.json()["code"], answer.status_code)

    def send(self, key: Key, method: str, path: str, body: Any = None, **headers: str) -> httpx2.Response:
        """One request; bytes are sent as a file of people, anything else as JSON."""
        headers["Authorization"] = f"Bearer {key.plain}"
        if isinstance(body, bytes):
            headers["Content-Type"] = "text/csv"
            return self.client.request(method, path, headers=headers, content=body)
        return self.client.request(method, path, headers=headers, **({} if body is None else {"json": body}))


class Mcp:
    """The agents' door, over one open client for each key."""

    name = "mcp"

    def __init__(self, url: str, portal: BlockingPortal, stack: ExitStack) -> None:
        self._url = url
        self._portal = portal
        self._stack = stack
        self._clients: dict[str, Client] = {}

    def ask(self, ask: Ask, key: Key) -> Verdict:
        try:
            data, is_error = self.call(key, *ask.tool)
        except MCPError as error:
            return Verdict(NO_SUCH_TOOL if NO_SUCH_TOOL in str(error) else str(error), 1)
        return Verdict(data["code"] if is_error else "ok", int(is_error))

    def call(self, key: Key, tool: str, arguments: Json) -> tuple[Json, bool]:
        """What a tool says, and whether it is a refusal."""
        result = self._portal.call(partial(self._client(key).call_tool, tool, arguments))
        (content,) = result.content
        assert isinstance(content, TextContent)
        return json.loads(content.text), bool(result.is_error)

    def listed(self, key: Key) -> set[str]:
        return {tool.name for tool in self._portal.call(self._client(key).list_tools).tools}

    def _client(self, key: Key) -> Client:
        if key.id not in self._clients:
            opening = Agent(self._url, key.plain).connected()
            self._clients[key.id] = self._stack.enter_context(self._portal.wrap_async_context_manager(opening))
        return self._clients[key.id]


class Cli:
    """The command line, in this process and in a pipe."""

    name = "cli"

    def __init__(self, directory: Path, settings: dict[str, str]) -> None:
        self._directory = directory
        self._settings = settings

    def ask(self, ask: Ask, key: Key) -> Verdict:
        code, told = self.call(key, *ask.argv)
        return Verdict(str(told.get("code", "ok")), code)

    def call(self, key: Key, *argv: str) -> tuple[int, Json]:
        """The exit code, and the document that was printed."""
        with redirect_stdout(io.StringIO()) as out, redirect_stderr(io.StringIO()), self._at_home(key):
            code = run([*argv, "--json"])
        return code, json.loads(out.getvalue() or "{}")

    @contextmanager
    def _at_home(self, key: Key) -> Iterator[None]:
        """In its own directory and under its own settings, for one command: other tests have theirs."""
        with pytest.MonkeyPatch.context() as environment:
            environment.chdir(self._directory)
            for name, value in {**self._settings, "api_key": key.plain}.items():
                environment.setenv(f"TIDEGATE_{name.upper()}", value)
            yield


@dataclass(frozen=True)
class Doors:
    """`studio` is the agents' second address: a part of what the first one has, under other names."""

    http: Http
    mcp: Mcp
    studio: Mcp
    cli: Cli

    def __iter__(self) -> Iterator[Door]:
        yield from (self.http, self.mcp, self.cli)


@contextmanager
def opened(url: str, directory: Path, **settings: str) -> Iterator[Doors]:
    """Every door of a server; the command line runs in a directory of its own, under these settings."""
    for name, content in FILES.items():
        (directory / name).write_text(content)
    with ExitStack() as stack:
        portal = stack.enter_context(start_blocking_portal())
        http = Http(url)
        stack.callback(http.client.close)
        mcp, studio = (
            Mcp(f"{url}{path}", portal, stack.enter_context(ExitStack())) for path in ("/mcp", "/mcp/studio")
        )
        yield Doors(http, mcp, studio, Cli(directory, {"url": url, **settings}))
