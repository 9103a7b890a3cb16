"""A whole product in a temporary directory: real servers, real worker processes, made-up people."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any
from uuid import UUID

from sqlalchemy import text

from commands.batch_job import RunBatch, SizeAudience
from commands.workflow import CreateWorkflow, EnableWorkflow
from engine.bootstrap import System, build, ensure_project, system_principal
from engine.embedded import Embedded
from engine.migrate import migrate
from engine.settings import load_settings

ROLES = ("projector", "scheduler", "worker", "worker")

CAPTURE: list[dict[str, Any]] = [{"id": "note", "name": "Note", "type": "capture", "config": {"message": "Hello"}}]

_PEOPLE = """
INSERT INTO people (project_id, distinct_id, email, properties)
SELECT :project_id, 'p' || n, 'p' || n || '@example.com',
       jsonb_build_object('plan', (ARRAY['free', 'pro', 'team'])[1 + n % 3], 'n', n, 'part', n / 5000)
FROM generate_series(1, :people) AS n
"""


class Stack:
    """The product as it runs, and the system through which a benchmark drives it."""

    def __init__(self, system: System, project_id: UUID, processes: Sequence[subprocess.Popen[bytes]]) -> None:
        self.system = system
        self.project_id = project_id
        self.processes = processes

    def add_people(self, people: int) -> None:
        with self.system.engine.begin() as connection:
            connection.execute(text(_PEOPLE), {"project_id": self.project_id, "people": people})
        with self.system.engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
            connection.execute(text("VACUUM ANALYZE people"))

    def ask(self, command: Any) -> dict[str, Any]:
        """Dispatch a command as the project's own service."""
        principal = system_principal(self.project_id, source="api", name="benchmark")
        return dict(self.system.bus.dispatch(command, self.system.meta(principal, via="benchmark")).data)

    def workflow(self, properties: list[Any], steps: list[dict[str, Any]] | None = None) -> UUID:
        """An active batch workflow over the people with these properties."""
        trigger = {"type": "batch", "filters": {"properties": properties}}
        answer = self.ask(CreateWorkflow(name="Benchmark", trigger=trigger, steps=steps or CAPTURE))
        workflow_id = UUID(answer["workflow_id"])
        self.ask(EnableWorkflow(workflow_id))
        return workflow_id

    def run(self, workflow_id: UUID) -> tuple[int, float]:
        """One job from the run-batch call to `completed`: people and seconds."""
        sizing = self.ask(SizeAudience(workflow_id))
        started = time.perf_counter()
        job = self.ask(RunBatch(workflow_id, sizing["affected"], sizing["confirm_token"]))
        self.wait_for(UUID(job["batch_job_id"]), "completed")
        return sizing["affected"], time.perf_counter() - started

    def wait_for(self, job_id: UUID, status: str, seconds: float = 600) -> None:
        """Until the view of batch jobs shows a status."""
        deadline = time.perf_counter() + seconds
        statement = text("SELECT status FROM batch_jobs WHERE id = :id")
        with self.system.engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
            while (found := connection.execute(statement, {"id": job_id}).scalar()) != status:
                if time.perf_counter() > deadline:
                    raise TimeoutError(f"job {job_id} is {found}, not {status}")
                time.sleep(0.002)


@contextmanager
def stack(**settings: Any) -> Iterator[Stack]:
    """Start everything; at the end nothing is left."""
    with ExitStack() as cleanup:
        folder = cleanup.enter_context(tempfile.TemporaryDirectory(prefix="tg"))
        services = cleanup.enter_context(Embedded(Path(folder)))
        chosen = load_settings(
            database_url=services.database_url, redis_url=services.redis_url, data_dir=Path(folder), **settings
        )
        system = build(chosen)
        cleanup.callback(system.close)
        migrate(system.engine)
        project_id, _ = ensure_project(system)
        processes = [_start(role, system) for role in ROLES]
        cleanup.callback(_stop, processes)
        yield Stack(system, project_id, processes)


def _start(role: str, system: System) -> subprocess.Popen[bytes]:
    chosen = system.settings
    environment = {
        **os.environ,
        "TIDEGATE_DATABASE_URL": chosen.database_url or "",
        "TIDEGATE_REDIS_URL": chosen.redis_url or "",
        "TIDEGATE_DATA_DIR": str(chosen.data_dir),
        "TIDEGATE_MAX_AUDIENCE": str(chosen.max_audience),
        "TIDEGATE_WORKER_THREADS": str(chosen.worker_threads),
        "TIDEGATE_CHUNK_SIZE": str(chosen.chunk_size),
        "TIDEGATE_LOG_LEVEL": "warning",
    }
    return subprocess.Popen([sys.executable, "-m", "workers", role], env=environment)


def _stop(processes: Sequence[subprocess.Popen[bytes]]) -> None:
    for process in processes:
        process.terminate()
    for process in processes:
        try:
            process.wait(timeout=15)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
