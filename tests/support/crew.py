"""Real processes of the product over a test's database: workers, projector, scheduler, server."""

from __future__ import annotations

import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from engine.settings import child_environment

MODULES = {"worker": "workers", "projector": "workers", "scheduler": "workers", "server": "mcp_adapter"}


class Crew:
    """Processes that a test starts, freezes and kills; `close` leaves none."""

    def __init__(self, environment: dict[str, str]) -> None:
        self._environment = child_environment(**environment)
        self.members: list[subprocess.Popen[bytes]] = []

    def start(self, role: str) -> subprocess.Popen[bytes]:
        words = [sys.executable, "-m", MODULES[role], *([role] if MODULES[role] == "workers" else [])]
        member = subprocess.Popen(words, env=self._environment)
        self.members.append(member)
        return member

    def close(self) -> None:
        for member in self.members:
            if member.poll() is None:
                member.send_signal(signal.SIGCONT)
                member.terminate()
        for member in self.members:
            try:
                member.wait(timeout=20)
            except subprocess.TimeoutExpired:
                member.kill()
                member.wait()


@contextmanager
def crew(database_url: str, redis_url: str, data_dir: Path, **settings: object) -> Iterator[Crew]:
    """Nobody yet, with the environment that everybody will have."""
    environment = {
        "TIDEGATE_DATABASE_URL": database_url,
        "TIDEGATE_REDIS_URL": redis_url,
        "TIDEGATE_DATA_DIR": str(data_dir),
        "TIDEGATE_LOG_LEVEL": "warning",
        **{f"TIDEGATE_{name.upper()}": str(value) for name, value in settings.items()},
    }
    made = Crew(environment)
    try:
        yield made
    finally:
        made.close()
