"""The supervised processes of one installation: server, projector, scheduler, workers, over the two servers.

up.lock        held by the one tree of a data directory
services.json  where the embedded servers answer, for commands beside the tree
url            where the HTTP server answers (written by it)
owner-key      the key of the project `default`, readable by its owner only
logs/          what each process says
"""

from __future__ import annotations

import fcntl
import json
import os
import socket
import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing, contextmanager, suppress
from dataclasses import asdict, dataclass
from pathlib import Path

import httpx2
from pydantic import SecretStr
from sqlalchemy.exc import OperationalError

from engine.bootstrap import build, ensure_project
from engine.cli.admin import SERVICES_FILE, keep, resolved, unreachable
from engine.cli.client import KEY_FILE, URL_FILE
from engine.embedded import Embedded
from engine.errors import StartupError
from engine.migrate import migrate
from engine.pooler import refuse_pooler
from engine.settings import PREFIX, Settings, child_environment
from engine.supervise import Program, Supervisor

Report = Callable[[str], None]

ROOT = Path(__file__).resolve().parents[2]
CLIENT_ONLY = ("url", "api_key")
SERVER_SECONDS = 60.0
DRAIN_SECONDS = 20.0


@dataclass(frozen=True)
class Running:
    """A tree that answers. `made_key` says that the owner key was made just now."""

    url: str
    settings: Settings
    supervisor: Supervisor
    owner_key: str | None
    made_key: bool


@contextmanager
def running(settings: Settings, *, workers: int, report: Report) -> Iterator[Running]:
    """Start everything, give it to the block once the server answers, and leave nothing behind."""
    settings = settings.model_copy(update={"data_dir": settings.data_dir.absolute()})
    with ExitStack() as stack:
        stack.enter_context(_alone(settings.data_dir))
        ready = stack.enter_context(_services(_with_port(settings, report), report))
        supervisor = stack.enter_context(Supervisor(report=report))
        made = prepare(ready)
        for program in programs(ready, workers):
            supervisor.start(program)
        supervisor.wait_ready("server", SERVER_SECONDS)
        url = (ready.data_dir / URL_FILE).read_text(encoding="ascii").strip()
        yield Running(url, ready, supervisor, made or _kept_key(ready), made is not None)


def prepare(settings: Settings) -> str | None:
    """Bring the schema up to date and make the project `default`; its owner key, if that was made now."""
    system = build(settings)
    try:
        refuse_pooler(system.engine)
        migrate(system.engine)
        _, key = ensure_project(system)
    except OperationalError as error:
        raise unreachable(settings, error) from error
    finally:
        system.close()
    if key is not None:
        keep(settings.data_dir / KEY_FILE, key)
    return key


def programs(settings: Settings, workers: int) -> Iterator[Program]:
    """What runs, in the order in which it starts; it stops in the opposite order, the server last."""
    environment = environment_of(settings)
    url_file = settings.data_dir / URL_FILE

    def program(name: str, *module: str) -> Program:
        argv = (sys.executable, "-P", "-m", *module)
        return Program(name, argv, environment, _log(settings, name), stop_seconds=DRAIN_SECONDS)

    yield Program(
        "server",
        (sys.executable, "-P", "-m", "mcp_adapter"),
        environment,
        _log(settings, "server"),
        before=lambda: url_file.unlink(missing_ok=True),
        ready=lambda _pid: _answers(url_file),
        stop_seconds=DRAIN_SECONDS,
    )
    yield program("projector", "workers", "projector")
    yield program("scheduler", "workers", "scheduler")
    for number in range(1, workers + 1):
        yield program(f"worker-{number}", "workers", "worker")


def environment_of(settings: Settings) -> dict[str, str]:
    """The environment of a child: every setting as this process resolved it, so that none is found again elsewhere."""
    ours: dict[str, str | None] = {}
    for name in Settings.model_fields:
        value = getattr(settings, name)
        if name in CLIENT_ONLY or value is None or value == ():
            ours[PREFIX + name.upper()] = None
        elif isinstance(value, SecretStr):
            ours[PREFIX + name.upper()] = value.get_secret_value()
        else:
            ours[PREFIX + name.upper()] = ",".join(value) if isinstance(value, tuple) else str(value)
    paths = [str(ROOT), *filter(None, [child_environment().get("PYTHONPATH")])]
    return child_environment(PYTHONPATH=os.pathsep.join(paths), **ours)


@contextmanager
def _alone(data_dir: Path) -> Iterator[None]:
    """Hold the data directory for one tree; the kernel lets go when we end, however that is."""
    data_dir.mkdir(mode=0o700, parents=True, exist_ok=True)
    with (data_dir / "up.lock").open("a+", encoding="ascii") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            lock.seek(0)
            raise StartupError(
                f"Tidegate runs in {data_dir} already (process {lock.read().strip() or 'unknown'}). "
                "Stop that one, or set TIDEGATE_DATA_DIR to another directory."
            ) from None
        lock.truncate(0)
        lock.write(f"{os.getpid()}\n")
        lock.flush()
        try:
            yield
        finally:
            lock.truncate(0)
            (data_dir / URL_FILE).unlink(missing_ok=True)


@contextmanager
def _services(settings: Settings, report: Report) -> Iterator[Settings]:
    if settings.database_url and settings.redis_url:
        yield settings
        return
    with Embedded(settings.data_dir, report=report) as services:
        keep(settings.data_dir / SERVICES_FILE, json.dumps(asdict(services)))
        try:
            yield resolved(settings, services)
        finally:
            (settings.data_dir / SERVICES_FILE).unlink(missing_ok=True)


def _with_port(settings: Settings, report: Report) -> Settings:
    """The settings with a port that is free. A port that was asked for is taken or refused, never exchanged."""
    host, port = settings.http_host, settings.http_port
    if port and _is_free(host, port):
        return settings
    if port and settings.origin("http_port") != "default":
        raise StartupError(f"Port {port} on {host} is taken. Choose another: tidegate up --port 0 takes a free one.")
    with closing(_socket(host)) as probe:
        probe.bind((host, 0))
        free = probe.getsockname()[1]
    if port:
        report(f"Port {port} is taken; using {free}.")
    return settings.model_copy(update={"http_port": free})


def _kept_key(settings: Settings) -> str | None:
    try:
        return (settings.data_dir / KEY_FILE).read_text(encoding="ascii").strip()
    except FileNotFoundError:
        return None


def _log(settings: Settings, name: str) -> Path:
    logs = settings.data_dir / "logs"
    logs.mkdir(mode=0o700, exist_ok=True)
    return logs / f"{name}.log"


def _answers(url_file: Path) -> bool:
    with suppress(FileNotFoundError, httpx2.TransportError, httpx2.InvalidURL):
        url = url_file.read_text(encoding="ascii").strip()
        return bool(url) and httpx2.get(f"{url}/health/live", timeout=2, trust_env=False).is_success
    return False


def _is_free(host: str, port: int) -> bool:
    with closing(_socket(host)) as probe:
        try:
            probe.bind((host, port))
        except PermissionError as error:
            raise StartupError(f"Port {port} on {host} needs privileges that this process lacks.") from error
        except OSError:
            return False
    return True


def _socket(host: str) -> socket.socket:
    probe = socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET, socket.SOCK_STREAM)
    probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    return probe
