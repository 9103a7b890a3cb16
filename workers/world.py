"""What a walk asks, answered by the database."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import Connection, text

from aggregates.audience import Audience
from aggregates.batch_job.aggregate import BatchJob
from engine.bootstrap import System, system_principal
from engine.store import Store
from projections import people
from workers import ledger, recipients

_ARRIVE = text("SELECT pg_advisory_xact_lock_shared(hashtextextended(:id, -4))")


class DatabaseWorld:
    """What a walk asks about people, answered in the chunk's transaction.

    `marks` are those of addresses, by person, of a chunk that the ledger does not know yet.
    """

    def __init__(
        self, connection: Connection, system: System, project_id: UUID, marks: Mapping[int, int | None] | None = None
    ) -> None:
        self._marks = marks or {}
        self._connection = connection
        self._system = system
        self._project_id = project_id
        self._decisions: Mapping[str, str] | None = None

    def matching(self, audience: Audience, ids: Sequence[int]) -> set[int]:
        return self._system.audiences.matching(
            self._connection, self._project_id, audience, ids, now=self._system.clock.now()
        )

    def people(self, ids: Sequence[int]) -> dict[int, dict[str, Any]]:
        return people.records(self._connection, ids)

    def changed(self, job_id: UUID, shown: Mapping[int, Mapping[str, Any]]) -> set[int]:
        return recipients.changed(self._connection, self._system, job_id, shown, self._marks)

    def values(self, key: str, ids: Sequence[int]) -> dict[str | None, list[int]]:
        return people.values(self._connection, key, ids)

    def decision(self, job_id: UUID, step_id: str) -> str | None:
        if self._decisions is None:
            # Held to the end of the transaction: whoever answers now finds everybody who parks in it.
            self._connection.execute(_ARRIVE, {"id": str(job_id)})
            meta = self._system.meta(system_principal(self._project_id), via="workers.fanout")
            store = Store(self._connection, self._system.recorder)
            self._decisions = store.load(BatchJob, job_id, meta).decisions
        return self._decisions.get(step_id)

    def asked(self, job_id: UUID, step_id: str, ids: Sequence[int]) -> dict[int, datetime]:
        return ledger.asked(self._connection, job_id, step_id, ids)
