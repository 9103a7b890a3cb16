"""Sub-batches that were left: nobody stands beside them, and each outcome is recorded when it comes.

A worker stays with a sub-batch for about a second. What is not answered by then is an errand: the calls go on, and a
few threads of the process, which do nothing else and never wait for the world, record what comes back. Another thread
renews the leases, so however long an answer takes its chunk stays with this process.
"""

from __future__ import annotations

import logging
import threading
from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

from sqlalchemy import Engine, Row

from aggregates.secrets import SecretsInUse
from aggregates.steps.base import Deliver
from workers.attempts import Effect, SubBatch
from workers.delivery import Flight, Outcome
from workers.jobs import WorkingJob
from workers.leases import Lease, keep
from workers.noted import Noted

logger = logging.getLogger(__name__)

RECORDERS = 2
KEEP_SECONDS = 2.0
"""How often leases are renewed: far more often than they would need it, so that a lease tells that its sender lives."""


@dataclass
class Errand:
    """A sub-batch that is under way.

    `left` are the effects without a recorded outcome, `known` outcomes of effects that were not sent, `secrets` those
    that each effect was sent. `bounced` are addresses of which that was recorded, and nothing done about it yet;
    `notes` and `made` are notes and outcomes that were recorded, and that no operator was told of.
    """

    job: WorkingJob
    chunk: Row[Any]
    lease: Lease
    batch: SubBatch
    flight: Flight
    known: list[Outcome]
    left: dict[UUID, Effect]
    secrets: dict[UUID, SecretsInUse]
    bounced: list[str] = field(default_factory=list)
    notes: Counter[Noted] = field(default_factory=Counter)
    made: list[tuple[Effect, Deliver, Outcome]] = field(default_factory=list)
    due: bool = False
    again: bool = False
    lock: threading.Lock = field(default_factory=threading.Lock)

    def landed(self) -> list[tuple[Effect, Outcome]]:
        """What has come since this was asked last."""
        found, self.known = [*self.known, *self.flight.landed()], []
        return [(self.left.pop(outcome.effect_id), outcome) for outcome in found]


class Errands:
    """Those of one process. `record` writes what has come of an errand and says whether it is over."""

    def __init__(self, engine: Engine, record: Callable[[Errand], bool]) -> None:
        self._engine = engine
        self._record = record
        self._changed = threading.Condition()
        self._all: dict[int, Errand] = {}
        self._jobs: Counter[UUID] = Counter()
        self._projects: Counter[UUID] = Counter()
        self._recorders = ThreadPoolExecutor(RECORDERS, thread_name_prefix="outcomes")
        self._keeper: threading.Thread | None = None
        self._closed = threading.Event()

    def of_job(self, job_id: UUID) -> int:
        """How many a job has."""
        return self._jobs[job_id]

    def of_project(self, project_id: UUID) -> int:
        """How many the jobs of a project have."""
        return self._projects[project_id]

    def leave(self, errand: Errand) -> None:
        """Let it go on by itself."""
        with self._changed:
            self._all[id(errand)] = errand
            self._jobs[errand.job.id] += 1
            self._projects[errand.job.project_id] += 1
            if self._keeper is None:
                self._keeper = threading.Thread(target=self._keep, name="leases", daemon=True)
                self._keeper.start()
        errand.flight.watch(lambda: self._due(errand))

    def wait(self, seconds: float) -> bool:
        """Whether all have come to an end; not longer than so many seconds."""
        with self._changed:
            return self._changed.wait_for(lambda: not self._all, seconds)

    def close(self) -> None:
        """Record nothing more."""
        self._closed.set()
        self._recorders.shutdown(wait=True, cancel_futures=True)

    def _due(self, errand: Errand) -> None:
        with errand.lock:
            errand.again = True
            if errand.due or self._closed.is_set():
                return
            errand.due = True
        self._recorders.submit(self._look, errand)

    def _look(self, errand: Errand) -> None:
        """One thread at a time, and once more if something has landed meanwhile."""
        while True:
            with errand.lock:
                if not errand.again:
                    errand.due = False
                    return
                errand.again = False
            try:
                over = self._record(errand)
            except Exception:
                # As after a death: the lease ends, and whoever takes the chunk finds attempts without an outcome.
                logger.exception("what came of a sub-batch of job %s could not be recorded", errand.job.id)
                over = True
            if over:
                self._forget(errand)  # and due it stays: nobody looks at it again
                return

    def _forget(self, errand: Errand) -> None:
        with self._changed:
            if self._all.pop(id(errand), None) is not None:
                for counter, key in ((self._jobs, errand.job.id), (self._projects, errand.job.project_id)):
                    counter[key] -= 1
                    if not counter[key]:
                        del counter[key]
            self._changed.notify_all()

    def _keep(self) -> None:
        while not self._closed.wait(KEEP_SECONDS):
            with self._changed:
                leases = [errand.lease for errand in self._all.values()]
            try:
                with self._engine.begin() as connection:
                    keep(connection, leases)
            except Exception:
                logger.exception("leases could not be renewed now; it is tried again")
