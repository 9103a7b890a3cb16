"""The threads of a process, shared among projects: one project has three quarters of them while another one waits.

However many jobs a project has, the bells of the others find a thread soon. Where nobody else waits a project may have
them all.
"""

from __future__ import annotations

import threading
from collections import Counter, OrderedDict
from collections.abc import Callable, Collection, Iterator
from contextlib import contextmanager
from uuid import UUID

from sqlalchemy import Connection, select

from projections.tables import stream_heads

ASIDE_SECONDS = 0.1
"""For how long the bell of a project that has its share is put aside."""

KEPT = 10_000
"""Jobs of which a process remembers the project."""


class Shares:
    """Of one process; used from any thread. `waiting` tells the jobs whose bells nobody has taken yet."""

    def __init__(self, threads: int, waiting: Callable[[], Collection[UUID]]) -> None:
        self._most = max(1, threads * 3 // 4)
        self._waiting = waiting
        self._lock = threading.Lock()
        self._held: Counter[UUID] = Counter()
        self._projects: OrderedDict[UUID, UUID] = OrderedDict()

    @contextmanager
    def thread(self, connection: Connection, job_id: UUID) -> Iterator[bool]:
        """Whether this thread may be the job's project's, as long as the block lasts."""
        project_id = self._projects_of(connection, [job_id]).get(job_id)
        if project_id is None:
            yield True  # no such job
            return
        with self._lock:
            self._held[project_id] += 1
            beyond = self._held[project_id] > self._most
        try:
            yield not (beyond and self._others_wait(connection, project_id))
        finally:
            with self._lock:
                self._held[project_id] -= 1
                if not self._held[project_id]:
                    del self._held[project_id]

    def _others_wait(self, connection: Connection, project_id: UUID) -> bool:
        found = self._projects_of(connection, self._waiting())
        return any(other != project_id for other in found.values())

    def _projects_of(self, connection: Connection, job_ids: Collection[UUID]) -> dict[UUID, UUID]:
        """The projects of these jobs, of which a process has seen most before."""
        with self._lock:
            known = {id: self._projects[id] for id in job_ids if id in self._projects}
        new = [id for id in job_ids if id not in known]
        if new:
            heads = stream_heads.c
            with connection.begin():
                rows = connection.execute(select(heads.id, heads.project_id).where(heads.id.in_(new))).all()
            known |= {row.id: row.project_id for row in rows}
            with self._lock:
                self._projects.update({row.id: row.project_id for row in rows})
                while len(self._projects) > KEPT:
                    self._projects.popitem(last=False)
        return known
