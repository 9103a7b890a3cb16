"""Several server processes behind one address; they share a database and the secret, nothing else."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sqlalchemy import insert

from engine.bootstrap import System
from projections import tables
from tests.support.crew import crew
from tests.support.product import Product
from tests.support.robin import RoundRobin, round_robin
from tests.support.wait import until

SECRET = "a secret that every process of this installation is given"
PEOPLE = 40


@dataclass
class Server:
    """One process that serves."""

    url: str
    process: subprocess.Popen[bytes]


@dataclass(frozen=True)
class Fleet:
    """The servers, their one address, and the parts to look behind them."""

    product: Product
    proxy: RoundRobin
    servers: list[Server]

    @property
    def system(self) -> System:
        return self.product.system

    @property
    def mcp(self) -> str:
        return f"{self.proxy.url}/mcp"

    def key(self, scopes: Sequence[str], **fields: Any) -> str:
        """A new key, in plain text."""
        with self.system.engine.begin() as connection:
            keyring, now = self.system.keyring, self.system.clock.now()
            return keyring.create(
                connection, self.product.project_id, name="agent", scopes=sorted(scopes), now=now, **fields
            )[1]

    def kill(self, server: Server) -> None:
        """A process dies; the proxy sends nothing there any more."""
        server.process.kill()
        server.process.wait()
        self.servers.remove(server)
        self.proxy.servers.remove(server.url)


@contextmanager
def fleet(database_url: str, redis_url: str, home: Path, *, servers: int) -> Iterator[Fleet]:
    """Servers behind a proxy, with a projector, a scheduler and a worker; and people to reach."""
    with ExitStack() as stack:
        product = Product(database_url, home, redis_url, secret_key=SECRET)
        stack.callback(product.close)
        rows = [
            {
                "project_id": product.project_id,
                "distinct_id": f"p{n}",
                "email": f"p{n}@example.com",
                "properties": {"plan": "pro"},
            }
            for n in range(PEOPLE)
        ]
        with product.system.engine.begin() as connection:
            connection.execute(insert(tables.people), rows)
        proxy = stack.enter_context(round_robin())
        given: dict[str, Any] = {"secret_key": SECRET, "http_port": 0, "public_url": proxy.url, "sweep_seconds": 0.2}
        homes = [home / f"server-{number}" for number in range(servers)]
        crews = [stack.enter_context(crew(database_url, redis_url, home, **given)) for home in homes]
        processes = [each.start("server") for each in crews]
        hands = stack.enter_context(crew(database_url, redis_url, home / "hands", **given))
        for role in ("projector", "scheduler", "worker"):
            hands.start(role)
        for home_of_one in homes:
            until((home_of_one / "url").exists, seconds=60, what="a server announces itself")
        proxy.servers = [(home_of_one / "url").read_text().strip() for home_of_one in homes]
        yield Fleet(product, proxy, [Server(*pair) for pair in zip(proxy.servers, processes, strict=True)])
