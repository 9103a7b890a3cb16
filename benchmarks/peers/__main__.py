"""`python -m benchmarks.peers PYTHON [N]`: persons a second of each peer, beside the same servers that we start.

PYTHON is that of the peers' own environment. From before the first is enqueued until N delivery rows are there; two
worker processes, which have started and done a few before. Ours is measured by `make bench`, on the same servers.
"""

from __future__ import annotations

import json
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import parse_qs, unquote, urlsplit

import psycopg

from benchmarks import processes
from benchmarks.peers import work
from benchmarks.result import FOLDER, number, spread
from engine.embedded import POSTGRES_SETTINGS, Embedded
from engine.settings import child_environment

ROUNDS = 3
WARM = 50
PATIENCE_SECONDS = 600


@dataclass(frozen=True)
class Peer:
    """How a peer is run: two worker processes, and what enqueues. `share` of N is enough for the slow."""

    name: str
    workers: tuple[tuple[str, ...], ...]
    start: tuple[str, ...]
    share: float = 1.0


def _celery(number: int) -> tuple[str, ...]:
    options = (
        "--pool",
        "solo",
        "--loglevel",
        "error",
        "--without-gossip",
        "--without-mingle",
        "-n",
        f"w{number}@peers",
    )
    return ("celery", "-A", "benchmarks.peers.celery_app", "worker", *options)


PEERS = (
    Peer(
        "Celery, chunks of 100",
        (_celery(1), _celery(2)),
        ("benchmarks.peers.celery_app",),
    ),
    Peer(
        "Dramatiq, a message a person",
        (("dramatiq", "benchmarks.peers.dramatiq_app", "-p", "2", "-t", "8", "--skip-logging"),),
        ("benchmarks.peers.dramatiq_app",),
    ),
    Peer(
        "DBOS, enqueued by eight threads",
        (("benchmarks.peers.dbos_app", "work", "1"), ("benchmarks.peers.dbos_app", "work", "2")),
        ("benchmarks.peers.dbos_app",),
        share=0.2,
    ),
)


def main(python: str, people: int) -> None:
    found = {}
    # A peer may hold a connection for each piece of work that it has in flight.
    POSTGRES_SETTINGS["max_connections"] = "600"
    with tempfile.TemporaryDirectory(prefix="tg") as folder, Embedded(Path(folder)) as services:
        socket = unquote(urlsplit(services.redis_url).path)
        host = parse_qs(urlsplit(services.database_url).query)["host"][0]
        for place, peer in enumerate(PEERS):
            database = _database(host, f"peer{place}")
            environment = child_environment(PEERS_DATABASE=database, PEERS_REDIS_SOCKET=socket)
            many = int(people * peer.share)
            with _working(python, peer, environment):
                _round(python, peer, environment, database, WARM)
                speeds = [many / _round(python, peer, environment, database, many) for _ in range(ROUNDS)]
            found[peer.name] = {"people": many, "persons_a_second": statistics.median(speeds), "rounds": speeds}
            print(f"{peer.name:<34} N = {many:>6,}  {number(statistics.median(speeds)):>7} persons/s  {spread(speeds)}")
    FOLDER.mkdir(exist_ok=True)
    (FOLDER / "peers.json").write_text(json.dumps(found, indent=2) + "\n", encoding="utf-8")


def _database(host: str, name: str) -> str:
    """A database for one peer, so that none meets another's rows."""
    with psycopg.connect(f"postgresql://postgres@/postgres?host={host}", autocommit=True) as connection:
        connection.execute(f"CREATE DATABASE {name}")  # type: ignore[arg-type]
    url = f"postgresql://postgres@/{name}?host={host}"
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute(work.TABLE)
    return url


@contextmanager
def _working(python: str, peer: Peer, environment: Mapping[str, str]) -> Iterator[None]:
    with ExitStack() as cleanup:
        started: list[subprocess.Popen[bytes]] = []
        cleanup.callback(processes.end, started)
        started += [subprocess.Popen([python, "-m", *words], env=dict(environment)) for words in peer.workers]
        yield


def _round(python: str, peer: Peer, environment: Mapping[str, str], database: str, people: int) -> float:
    """Seconds until everybody has a delivery. The interpreter that enqueues has started before the clock does."""
    with psycopg.connect(database, autocommit=True) as connection:
        connection.execute("TRUNCATE deliveries")
        enqueue: Sequence[str] = [python, "-m", *peer.start, str(people)]
        bare = time.perf_counter()
        subprocess.run([*enqueue[:-1], "0"], env=dict(environment), check=True)
        startup = time.perf_counter() - bare
        started = time.perf_counter()
        with subprocess.Popen(enqueue, env=dict(environment)):
            while connection.execute("SELECT count(*) FROM deliveries").fetchone() != (people,):
                if time.perf_counter() - started > PATIENCE_SECONDS:
                    raise TimeoutError(peer.name)
                time.sleep(0.01)
            elapsed = time.perf_counter() - started
    return max(elapsed - startup, 0.001)


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2].replace(",", "")) if len(sys.argv) > 2 else 5_000)
