"""A whole product in a temporary directory: real servers, real processes, made-up people."""

from __future__ import annotations

import signal
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any
from uuid import UUID

from sqlalchemy import text

from benchmarks import processes
from commands.batch_job import RunBatch, SizeAudience
from commands.workflow import CreateWorkflow, EnableWorkflow
from engine.bootstrap import System, build, ensure_project, system_principal
from engine.cli.tree import environment_of
from engine.embedded import Embedded
from engine.migrate import migrate
from engine.settings import load_settings

ROLES = ("projector", "scheduler", "worker", "worker")

POLL_SECONDS = 0.002

CAPTURE: list[dict[str, Any]] = [{"id": "note", "name": "Note", "type": "capture", "config": {"message": "Hello"}}]

_PEOPLE = """
INSERT INTO people (project_id, distinct_id, email, address, properties)
SELECT :project_id, 'p' || n, 'p' || n || '@example.com', 'p' || n || '@example.com',
       jsonb_build_object('plan', (ARRAY['free', 'pro', 'team'])[1 + n % 3], 'n', n, 'part', (n - 1) / 5000)
FROM generate_series(1, :people) AS n
"""


class Stack:
    """The product as it runs, and the system through which a benchmark drives it."""

    def __init__(self, system: System, project_id: UUID, key: str, roles: Sequence[str]) -> None:
        self.system = system
        self.project_id = project_id
        self.key = key
        self._killed: list[subprocess.Popen[bytes]] = []
        self._environment = environment_of(system.settings)
        self.processes = [(role, processes.start(role, self._environment)) for role in roles]

    @property
    def url(self) -> str:
        """Where the server answers, once it does."""
        announced = self.system.settings.data_dir / "url"
        self.until(announced.exists, "the server listens")
        return announced.read_text(encoding="ascii").strip()

    @property
    def database(self) -> str:
        return self.system.settings.database_url or ""

    @property
    def names(self) -> dict[int, str]:
        """Our processes by pid."""
        return {process.pid: f"{role} {place}" for place, (role, process) in enumerate(self.processes)}

    def add_people(self, people: int) -> None:
        with self.system.engine.begin() as connection:
            connection.execute(text(_PEOPLE), {"project_id": self.project_id, "people": people})
        self.tend("people")

    def tend(self, *tables: str) -> None:
        """What autovacuum would do within a minute, now: so that it falls into no measurement."""
        with self.system.engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
            for table in tables:
                connection.execute(text(f"VACUUM ANALYZE {table}"))
            connection.execute(text("CHECKPOINT"))

    def ask(self, command: Any) -> dict[str, Any]:
        """Dispatch a command as the project's own service."""
        principal = system_principal(self.project_id, source="api", name="benchmark")
        answer = self.system.bus.dispatch(command, self.system.meta(principal, via="benchmark"))
        return {**answer.data, "position": answer.position}

    def workflow(self, properties: list[Any] | None = None, steps: list[dict[str, Any]] | None = None) -> UUID:
        """An active batch workflow over the people with these properties."""
        trigger = {"type": "batch", "filters": {"properties": properties or []}}
        answer = self.ask(CreateWorkflow(name="Benchmark", trigger=trigger, steps=steps or CAPTURE))
        workflow_id = UUID(answer["workflow_id"])
        self.ask(EnableWorkflow(workflow_id))
        return workflow_id

    def begin(self, workflow_id: UUID) -> UUID:
        """Ask for one job; its id."""
        sizing = self.ask(SizeAudience(workflow_id))
        return UUID(self.ask(RunBatch(workflow_id, sizing["affected"], sizing["confirm_token"]))["batch_job_id"])

    def run(self, workflow_id: UUID, look: float = POLL_SECONDS) -> tuple[int, float]:
        """One job from the run-batch call to `completed`: people and seconds. A job that takes seconds is looked at
        seldom: with few cores, each look is work that a bare loop beside it does not compete with."""
        sizing = self.ask(SizeAudience(workflow_id))
        started = time.perf_counter()
        job = self.ask(RunBatch(workflow_id, sizing["affected"], sizing["confirm_token"]))
        self.wait_for(UUID(job["batch_job_id"]), "completed", look=look)
        return sizing["affected"], time.perf_counter() - started

    def warm(self) -> None:
        """One small job, so that no process meets its first."""
        self.run(self.workflow([{"type": "person", "key": "n", "operator": "lte", "value": 500}]))

    def wait_for(self, job_id: UUID, status: str, seconds: float = 900, look: float = POLL_SECONDS) -> None:
        """Until the view of batch jobs shows a status."""
        self.until(lambda: self.scalar(_STATUS, id=job_id) == status, f"job {job_id} is {status}", seconds, look)

    def delivered(self, job_id: UUID) -> int:
        return int(self.scalar("SELECT coalesce(sum(delivered), 0) FROM chunks WHERE job_id = :id", id=job_id))

    def until(self, true: Callable[[], object], what: str, seconds: float = 60, look: float = POLL_SECONDS) -> float:
        """Wait until something is so; the seconds that it took."""
        started = time.perf_counter()
        while not true():
            if time.perf_counter() - started > seconds:
                raise TimeoutError(f"not within {seconds} s: {what}")
            time.sleep(look)
        return time.perf_counter() - started

    def scalar(self, statement: str, **parameters: Any) -> Any:
        with self.system.engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
            result = connection.execute(text(statement), parameters)
            return result.scalar() if result.returns_rows else None

    def kill(self, role: str) -> float:
        """`kill -9` the last process of a role, and the instant of it. Nobody starts it again."""
        place = max(place for place, (name, _) in enumerate(self.processes) if name == role)
        _, process = self.processes.pop(place)
        instant = time.perf_counter()
        process.send_signal(signal.SIGKILL)
        self._killed.append(process)
        return instant

    def start(self, role: str) -> None:
        self.processes.append((role, processes.start(role, self._environment)))

    def end(self) -> None:
        for process in self._killed:
            process.wait()
        processes.end([process for _, process in self.processes])


_STATUS = "SELECT status FROM batch_jobs WHERE id = :id"


@contextmanager
def stack(roles: Sequence[str] = ROLES, **settings: Any) -> Iterator[Stack]:
    """Start everything; at the end nothing is left."""
    with ExitStack() as cleanup:
        folder = Path(cleanup.enter_context(tempfile.TemporaryDirectory(prefix="tg")))
        services = cleanup.enter_context(Embedded(folder))
        given = {"log_level": "warning", "http_port": 0, **settings}
        chosen = load_settings(
            database_url=services.database_url, redis_url=services.redis_url, data_dir=folder, **given
        )
        system = build(chosen)
        cleanup.callback(system.close)
        migrate(system.engine)
        project_id, key = ensure_project(system)
        running = Stack(system, project_id, key or "", roles)
        cleanup.callback(running.end)
        yield running
