"""A client of the older protocols that shows every header, as no SDK does."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

import httpx2

VERSION = "2025-11-25"


@dataclass(frozen=True)
class Visitor:
    """Somebody with a key at the address of an endpoint."""

    url: str
    key: str

    def open(self, *, name: str = "probe", version: str = VERSION) -> str:
        """A new session, initialized; its id."""
        answer = self.initialize(name=name, version=version)
        assert answer.status_code == 200, answer.text
        session = answer.headers["Mcp-Session-Id"]
        assert self.send("POST", session, message("notifications/initialized", id=None)).status_code == 202
        return str(session)

    def initialize(self, *, name: str = "probe", version: str = VERSION) -> httpx2.Response:
        about: dict[str, Any] = {
            "protocolVersion": version,
            "capabilities": {},
            "clientInfo": {"name": name, "version": "1"},
        }
        return self.send("POST", None, message("initialize", **about))

    def call(self, session: str, tool: str, **arguments: Any) -> dict[str, Any]:
        """The result of a tool in a session."""
        answer = self.send("POST", session, message("tools/call", name=tool, arguments=arguments))
        assert answer.status_code == 200, answer.text
        return dict(told(answer)["result"])

    def send(self, method: str, session: str | None, body: Any = None, **headers: str) -> httpx2.Response:
        """One raw request; headers that are empty are left out."""
        sent = {
            "Authorization": f"Bearer {self.key}",
            "Accept": "application/json, text/event-stream",
            "MCP-Protocol-Version": VERSION,
            "Mcp-Session-Id": session or "",
            **{name.replace("_", "-"): value for name, value in headers.items()},
        }
        content = None if body is None else json.dumps(body).encode()
        sent |= {} if content is None else {"Content-Type": headers.get("Content_Type", "application/json")}
        given = {name: value for name, value in sent.items() if value}
        return httpx2.request(method, self.url, content=content, headers=given, timeout=30, trust_env=False)


def message(method: str, *, id: int | None = 1, **params: Any) -> dict[str, Any]:
    """A JSON-RPC request, or a notification."""
    return {"jsonrpc": "2.0", **({} if id is None else {"id": id}), "method": method, "params": params}


def told(answer: httpx2.Response) -> dict[str, Any]:
    """The JSON-RPC message of an answer, out of its stream if it is one."""
    if answer.headers["Content-Type"].startswith("application/json"):
        return dict(answer.json())
    (line,) = [line for line in answer.text.splitlines() if line.startswith("data:")]
    return dict(json.loads(line.removeprefix("data:")))
