"""The servers and the product's own processes, in the harness's hands: killed at will, started again."""

from __future__ import annotations

import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import threading
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import Any

import psycopg
import redis
from sqlalchemy import create_engine

from benchmarks.chaos.client import Client
from benchmarks.chaos.hole import Hole
from benchmarks.chaos.lives import Begin, FromScratch, Life
from commands.grants import SCOPES
from engine.bootstrap import build, ensure_project
from engine.embedded import Embedded, Services
from engine.failpoints import FILE, WATCH
from engine.migrate import migrate
from engine.settings import child_environment, load_settings
from projections.reads import VIEWS
from projections.rebuilding import rebuild

Crew = dict[str, int]
CREW: Crew = {"server": 1, "projector": 1, "scheduler": 2, "worker": 3}
"""How many processes of each kind there are."""

SMALL_CREW: Crew = {"server": 1, "projector": 1, "scheduler": 1, "worker": 2}
"""For a round that has a minute."""

LOOK_SECONDS = 0.1


class Member:
    """One process of the product. Whatever kills it, the keeper starts it again."""

    def __init__(self, role: str, environment: dict[str, str], log: Path, begin: Begin) -> None:
        self.role = role
        self.arming = self.next_arming = WATCH
        self._environment = environment
        self._log = log
        self._begin = begin
        self._life: Life | None = None

    def start(self) -> None:
        self.arming, self.next_arming = self.next_arming, WATCH
        self._life = self._begin(self.role, {**self._environment, "TIDEGATE_FAILPOINTS": self.arming}, self._log)

    @property
    def alive(self) -> bool:
        return self._life is not None and self._life.alive()

    @property
    def pid(self) -> int | None:
        return None if self._life is None else self._life.pid

    @property
    def frozen(self) -> bool:
        """Whether it stands still, by a signal of ours or of its own."""
        with suppress(OSError):
            # The state comes behind the name, which is in parentheses and may hold anything.
            return Path(f"/proc/{self.pid}/stat").read_text().rpartition(")")[2].split()[0] == "T"
        return False

    def send(self, number: signal.Signals) -> None:
        """A signal, if it lives."""
        if self._life is not None and self._life.alive():
            with suppress(ProcessLookupError):
                os.kill(self._life.pid, number)

    def wait(self) -> None:
        if self._life is not None:
            self._life.wait()

    def rearm(self, arming: str) -> None:
        """Kill it; its next life has these failpoints armed."""
        self.next_arming = arming
        self.send(signal.SIGKILL)


class Stage:
    """Everything that runs."""

    def __init__(
        self,
        folder: Path,
        embedded: Embedded,
        services: Services,
        ports: tuple[int, int, int],
        *,
        crew: Crew = CREW,
        begin: Begin = FromScratch,
    ) -> None:
        self.folder = folder
        self.services = services
        self.receiver_port = ports[1]
        self.book = folder / "book.jsonl"
        self.book.touch()
        self._embedded = embedded
        self.environment = child_environment(**_environment(folder, services, ports))
        self.client, self.another, self.neighbour = (Client(ports[0], key) for key in self._prepared())
        self.hole = Hole(services.database_url)
        self._clock = folder / "clock"
        self.wrong_clock(0)
        logs = folder / "logs"
        logs.mkdir()
        self.members = [
            Member(role, {**self.environment, **self._own(role, number)}, logs / f"{role}-{number}.log", begin)
            for role, many in crew.items()
            for number in range(many)
        ]
        self._closing = threading.Event()
        self._keeper = threading.Thread(target=self._keep, name="keeper")

    def _prepared(self) -> tuple[str, str, str]:
        """The schema and two projects: the first one's owner key, one of another head, who decides about what they
        asked for, and the second one's owner key."""
        settings = load_settings({}, directory=self.folder, **_settings(self.folder, self.services))
        system = build(settings)
        try:
            migrate(system.engine)
            project, owner = ensure_project(system)
            with system.engine.begin() as connection:
                fields: dict[str, Any] = {"name": "another", "scopes": sorted(SCOPES), "now": system.clock.now()}
                _, another = system.keyring.create(connection, project, **fields)
            _, neighbour = ensure_project(system, "neighbour")
            return owner or "", another, neighbour or ""
        finally:
            system.close()

    def _own(self, role: str, number: int) -> dict[str, str]:
        """What the first worker and the first scheduler have of their own: a way to PostgreSQL, and a clock."""
        if (role, number) == ("worker", 0):
            return {"TIDEGATE_DATABASE_URL": self.hole.database_url}
        if (role, number) == ("scheduler", 0):
            return {"PYTHONPATH": str(Path(__file__).with_name("shifted")), "CHAOS_CLOCK": str(self._clock)}
        return {}

    def wrong_clock(self, seconds: float) -> None:
        """By how much the first scheduler's clock is wrong from now on."""
        new = self._clock.with_suffix(".new")
        new.write_text(str(seconds))
        new.replace(self._clock)

    def raise_curtain(self) -> None:
        self.hole.open()
        for member in self.members:
            member.start()
        self._keeper.start()

    def close(self) -> None:
        self._closing.set()
        if self._keeper.is_alive():
            self._keeper.join()
        for member in self.members:
            member.send(signal.SIGKILL)
        for member in self.members:
            member.wait()
        self.hole.close()

    def _keep(self) -> None:
        while not self._closing.wait(LOOK_SECONDS):
            for member in self.members:
                if not member.alive:
                    member.start()

    def of(self, role: str) -> list[Member]:
        return [member for member in self.members if member.role == role]

    def kill_server(self, name: str) -> None:
        """SIGKILL to `postgres` or `valkey`; the supervisor starts it again."""
        pid = self._embedded.pid(name)
        if pid is not None:
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)

    def kill_valkey_empty(self) -> None:
        """The next Valkey knows nothing: its files are gone before the kill."""
        shutil.rmtree(self.folder / "valkey" / "appendonlydir", ignore_errors=True)
        self.kill_server("valkey")

    def valkey(self) -> redis.Redis:
        return redis.Redis.from_url(self.services.redis_url)

    def connect(self) -> psycopg.Connection[Any]:
        """A connection of the harness's own, past the product."""
        url = self.services.database_url.replace("postgresql+psycopg://", "postgresql://", 1)
        return psycopg.connect(url, autocommit=True, application_name="harness", connect_timeout=5)

    def receiver_mode(self, mode: str) -> None:
        """How the receiver answers from now on, or with `mail` before it the relay."""
        body = mode.encode()
        head = f"POST /mode HTTP/1.1\r\nhost: x\r\ncontent-length: {len(body)}\r\n\r\n".encode()
        with socket.create_connection(("127.0.0.1", self.receiver_port), timeout=10) as connection:
            connection.sendall(head + body)
            connection.recv(100)

    def reached(self) -> list[tuple[str, str, int]]:
        """What every process has noted of failpoints: place, what happened, pid."""
        with suppress(FileNotFoundError):
            lines = [line.split() for line in (self.folder / FILE).read_text().splitlines()]
            return [(place, what, int(pid)) for place, what, pid in lines]
        return []

    def rebuild_all(self) -> None:
        """Every view built again from the log, beside the live one, and swapped."""
        engine = create_engine(self.services.database_url)
        for view in VIEWS:
            rebuild(engine, view())
        engine.dispose()

    def by_hand(self, *words: str, arming: str = "") -> tuple[int, str]:
        """`tidegate` with these words, as an operator runs it: its exit code, and what it said."""
        environment = {**self.environment, "TIDEGATE_FAILPOINTS": arming}
        asked = [sys.executable, "-m", "engine.cli", *words]
        done = subprocess.run(asked, env=environment, capture_output=True, text=True, check=False)
        return done.returncode, done.stdout + done.stderr


@contextmanager
def stage(parent: Path | None = None, crew: Crew = CREW, begin: Begin = FromScratch) -> Iterator[Stage]:
    """Start everything in a folder; at the end nothing is left running. A given folder is kept."""
    with ExitStack() as cleanup:
        folder = parent or Path(cleanup.enter_context(tempfile.TemporaryDirectory(prefix="tg")))
        embedded = Embedded(folder)
        services = embedded.start()
        cleanup.callback(embedded.stop)
        ports = (_free_port(), _free_port(), _free_port())
        made = Stage(folder, embedded, services, ports, crew=crew, begin=begin)
        words = ["-m", "benchmarks.chaos.receiver", *map(str, ports[1:]), str(made.book)]
        root = Path(__file__).parents[2]
        receiver = subprocess.Popen([sys.executable, *words], stdout=subprocess.PIPE, cwd=root)
        cleanup.callback(_end, receiver)
        assert receiver.stdout is not None
        receiver.stdout.readline()
        cleanup.callback(made.close)
        made.raise_curtain()
        yield made


def _settings(folder: Path, services: Services) -> dict[str, Any]:
    return {
        "data_dir": folder,
        "database_url": services.database_url,
        "redis_url": services.redis_url,
        "max_audience": 100_000,
        "send_mode": "live",
        "outbound_allow": "127.0.0.1/32",
        "email_from": "chaos@example.com",
        "sweep_seconds": 0.5,
        "catch_up_spread_seconds": 2.0,
        "worker_processes": CREW["worker"],
        "worker_threads": 2,
        "pool_size": 5,
        "log_level": "warning",
    }


def _environment(folder: Path, services: Services, ports: tuple[int, int, int]) -> dict[str, str]:
    chosen = {**_settings(folder, services), "http_port": ports[0], "smtp_url": f"smtp://127.0.0.1:{ports[2]}"}
    return {f"TIDEGATE_{name.upper()}": str(value) for name, value in chosen.items()}


def _free_port() -> int:
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        return int(found.getsockname()[1])


def _end(process: subprocess.Popen[bytes]) -> None:
    process.kill()
    process.communicate()
