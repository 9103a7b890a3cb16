"""An agent: somebody with a key and the SDK's own client."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any, TypeVar

import anyio
import httpx2
from mcp import Client, MCPError
from mcp.client.session import ElicitationFnT
from mcp.client.streamable_http import streamable_http_client
from mcp.types import CallToolResult

T = TypeVar("T")


@dataclass(frozen=True)
class Agent:
    """Somebody with a key and a client."""

    url: str
    key: str
    mode: str = "auto"
    human: ElicitationFnT | None = None
    """Answers what the client is asked to ask; without one the client says that it cannot ask."""

    @asynccontextmanager
    async def connected(self) -> AsyncIterator[Client]:
        headers = {"Authorization": f"Bearer {self.key}"}
        async with (
            httpx2.AsyncClient(headers=headers, timeout=60, trust_env=False) as http,
            Client(
                streamable_http_client(self.url, http_client=http), mode=self.mode, elicitation_callback=self.human
            ) as client,
        ):
            yield client

    def within(self, body: Callable[[Client], Awaitable[T]]) -> T:
        """Do several things on one connection."""

        async def run() -> T | MCPError:
            async with self.connected() as client:
                try:
                    return await body(client)
                except MCPError as error:  # raised inside, it would come out as a group
                    return error

        outcome = anyio.run(run)
        if isinstance(outcome, MCPError):
            raise outcome
        return outcome

    def call(self, tool: str, **arguments: Any) -> dict[str, Any]:
        """The facts of a success; a refusal fails the test."""
        result = self.within(lambda client: client.call_tool(tool, arguments))
        return facts(result)

    def refusal(self, tool: str, **arguments: Any) -> dict[str, Any]:
        """The problem of a refusal; a success fails the test."""
        result = self.within(lambda client: client.call_tool(tool, arguments))
        return problem(result)


def facts(result: CallToolResult) -> dict[str, Any]:
    data = json.loads(result.content[0].text)  # type: ignore[union-attr]
    assert not result.is_error, data
    assert result.structured_content == data
    return dict(data)


def problem(result: CallToolResult) -> dict[str, Any]:
    data = json.loads(result.content[0].text)  # type: ignore[union-attr]
    assert result.is_error, data
    assert set(data) == {"code", "message", "details", "errors", "next"}
    assert data["next"]
    return dict(data)
