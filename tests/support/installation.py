"""A whole installation as `tidegate up` starts it: servers, workers and scheduler, each a process."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx2

from engine.settings import child_environment
from tests.support.agents import Agent
from tests.support.processes import ROOT
from tests.support.wait import until

READING = ["workflow:read", "workflow:write", "workflow:run", "run:read"]


@dataclass(frozen=True)
class Installation:
    """A running installation and its owner's key."""

    url: str
    data_dir: Path
    owner_key: str

    def get(self, path: str, *, key: str | None = None) -> dict[str, Any]:
        return self._ask("GET", path, key)

    def post(self, path: str, *, key: str | None = None, **request: Any) -> dict[str, Any]:
        return self._ask("POST", path, key, **request)

    def _ask(self, method: str, path: str, key: str | None, **request: Any) -> dict[str, Any]:
        headers = {"Authorization": f"Bearer {key or self.owner_key}", **request.pop("headers", {})}
        url = f"{self.url}/api/v1/{path}"
        answer = httpx2.request(method, url, headers=headers, timeout=30, trust_env=False, **request)
        assert answer.status_code < 300, answer.text
        return dict(answer.json())

    def people(self, count: int, *, key: str | None = None) -> None:
        """So many people, every second of them with the plan `pro`."""
        rows = "".join(f"p{n},p{n}@example.com,{'pro' if n % 2 else 'free'}\n" for n in range(count))
        text = f"distinct_id,email,plan\n{rows}"
        self.post("people:import?format=csv", key=key, content=text, headers={"Content-Type": "text/csv"})

    def agent_key(self, scopes: list[str] | None = None) -> str:
        """A new key, marked as an agent's."""
        chosen = [*READING, "person:read"] if scopes is None else scopes
        return str(self.post("keys", json={"name": "agent", "scopes": chosen, "agent": True})["key"])

    def agent(self, *, mode: str, scopes: list[str] | None = None) -> Agent:
        """Somebody with a new key, marked as an agent's."""
        return Agent(f"{self.url}/mcp", self.agent_key(scopes), mode)

    def project(self, name: str) -> str:
        """A new project: its owner's key."""
        made = subprocess.run(
            [sys.executable, "-m", "engine.cli", "projects", "create", name, "--json"],
            cwd=ROOT,
            env=child_environment(TIDEGATE_DATA_DIR=str(self.data_dir)),
            stdout=subprocess.PIPE,
            check=True,
        )
        return str(json.loads(made.stdout)["key"])


@contextmanager
def installed(data_dir: Path) -> Iterator[Installation]:
    """An installation of its own; it is interrupted when the block ends."""
    process = subprocess.Popen(
        [sys.executable, "-m", "engine.cli", "up", "--port", "0"],
        cwd=ROOT,
        env=child_environment(TIDEGATE_DATA_DIR=str(data_dir)),
    )
    try:
        url = data_dir / "url"
        until(lambda: process.poll() is None and url.exists(), seconds=60, what="the address")
        until((data_dir / "owner-key").exists, seconds=60, what="the owner key")
        yield Installation(url.read_text().strip(), data_dir, (data_dir / "owner-key").read_text().strip())
    finally:
        process.send_signal(signal.SIGINT)
        process.wait(timeout=60)
