"""What a handler may ask of people and change of theirs, in the command's transaction."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any, BinaryIO
from uuid import UUID

from sqlalchemy import Connection, func, select
from sqlalchemy.dialects.postgresql import insert

from aggregates.audience import Audience
from aggregates.errors import DomainError, Problem
from aggregates.reach import Reach
from aggregates.values import Sizing
from projections import (
    cohorts,
    confirmed_people,
    consent,
    failed_runs,
    people,
    people_import,
    properties,
    reached_before,
    unfinished_runs,
)
from projections.audience import Audiences
from projections.tables import frozen_sizings

KEPT_AT_ONCE = 100
"""Frozen sizings that a project may have: each holds as many ids as a batch job may have people."""

SAMPLE = 3
"""People in a sizing's masked sample."""


class PeoplePort:
    """Audience questions and people's state, in this transaction."""

    def __init__(self, connection: Connection, audiences: Audiences, people_per_chunk: Callable[[int], int]) -> None:
        self._connection = connection
        self._audiences = audiences
        self._people_per_chunk = people_per_chunk

    def audience_problems(self, project_id: UUID, audience: Audience, pointer: str) -> list[Problem]:
        return self._audiences.problems(self._connection, project_id, audience, pointer)

    def audience_findings(self, project_id: UUID, audiences: Sequence[tuple[str, Audience]]) -> list[Problem]:
        return properties.audience_findings(self._connection, project_id, audiences, self._audiences.statement_timeout)

    def size(
        self,
        project_id: UUID,
        audience: Audience,
        *,
        reach: Reach,
        needs: Sequence[str],
        shown: bool,
        now: datetime,
    ) -> Sizing:
        return self._audiences.size(
            self._connection,
            project_id,
            audience,
            reach=reach,
            needs=needs if shown else (),
            sample=SAMPLE if shown else 0,
            with_total=shown,
            now=now,
        )

    def explain(
        self, project_id: UUID, audience: Audience, *, reach: Reach, limit: int, now: datetime
    ) -> Sequence[Mapping[str, Any]]:
        excluded = self._audiences.explain(self._connection, project_id, audience, reach=reach, limit=limit, now=now)
        return [
            {
                "person_id": person_id,
                "distinct_id": people.get(self._connection, project_id, person_id).distinct_id,
                "reason": reason,
            }
            for person_id, reason in excluded
        ]

    def keep(
        self,
        project_id: UUID,
        job_id: UUID,
        workflow_id: UUID,
        audience: Audience,
        *,
        reach: Reach,
        about: int,
        expires_at: datetime,
        now: datetime,
    ) -> tuple[int, str]:
        kept = select(func.count()).where(frozen_sizings.c.project_id == project_id, frozen_sizings.c.expires_at > now)
        if self._connection.execute(kept).scalar_one() >= KEPT_AT_ONCE:
            raise DomainError("sizing.too_many_kept")
        frozen = self._audiences.freeze(
            self._connection,
            job_id,
            project_id,
            audience,
            reach=reach,
            chunk_size=self._people_per_chunk(about),
            now=now,
        )
        self._connection.execute(
            insert(frozen_sizings).values(
                job_id=job_id,
                project_id=project_id,
                workflow_id=workflow_id,
                count=frozen.count,
                chunks=frozen.chunks,
                fingerprint=frozen.fingerprint,
                expires_at=expires_at,
            )
        )
        return frozen.count, frozen.fingerprint

    def kept(self, project_id: UUID, job_id: UUID) -> tuple[int, str] | None:
        table = frozen_sizings
        row = self._connection.execute(
            select(table.c.count, table.c.fingerprint)
            .where(table.c.job_id == job_id, table.c.project_id == project_id)
            .with_for_update(read=True)
        ).first()
        return (row[0], row[1]) if row else None

    def keep_confirmed(
        self, project_id: UUID, schedule_id: UUID, audience: Audience, *, reach: Reach, about: int, now: datetime
    ) -> tuple[int, str]:
        confirmed_people.forget(self._connection, schedule_id)
        kept = self._audiences.freeze(
            self._connection,
            schedule_id,
            project_id,
            audience,
            reach=reach,
            chunk_size=self._people_per_chunk(about),
            now=now,
        )
        return kept.count, kept.fingerprint

    def forget_confirmed(self, schedule_id: UUID) -> None:
        confirmed_people.forget(self._connection, schedule_id)

    def strangers(
        self, project_id: UUID, schedule_id: UUID, audience: Audience, *, reach: Reach, now: datetime
    ) -> int | None:
        return confirmed_people.strangers(
            self._connection, self._audiences, project_id, schedule_id, audience, reach=reach, now=now
        )

    def reached_before(
        self, project_id: UUID, workflow_id: UUID, version: int, audience: Audience, *, reach: Reach, now: datetime
    ) -> int | None:
        jobs = reached_before.jobs_of(self._connection, project_id, workflow_id, version)
        return reached_before.of_audience(
            self._connection, self._audiences, project_id, audience, jobs=jobs, reach=reach, now=now
        )

    def failed_before(self, project_id: UUID, workflow_id: UUID, version: int, job_id: UUID) -> int | None:
        jobs = reached_before.jobs_of(self._connection, project_id, workflow_id, version)
        return reached_before.of_known(self._connection, self._audiences, failed_runs.failed_of(job_id), jobs=jobs)

    def unfinished_before(self, project_id: UUID, workflow_id: UUID, version: int, job_id: UUID) -> int | None:
        jobs = reached_before.jobs_of(self._connection, project_id, workflow_id, version)
        people = unfinished_runs.unfinished_of(job_id)
        return reached_before.of_known(self._connection, self._audiences, people, jobs=jobs)

    def failed(self, job_id: UUID, reach: Reach) -> tuple[int, str]:
        return failed_runs.tally(self._connection, self._audiences, job_id, reach)

    def unfinished(self, job_id: UUID) -> tuple[int, str]:
        return unfinished_runs.tally(self._connection, self._audiences, job_id)

    def left_since(self, job_id: UUID, project_id: UUID, reach: Reach) -> Mapping[str, int]:
        return failed_runs.left_since(self._connection, self._audiences, job_id, project_id, reach)

    def sample(self, project_id: UUID, audience: Audience, *, reach: Reach, limit: int, now: datetime) -> list[int]:
        return self._audiences.sample(self._connection, project_id, audience, reach=reach, limit=limit, now=now)

    def named(self, project_id: UUID, distinct_ids: Sequence[str]) -> Mapping[str, int]:
        return people.named(self._connection, project_id, distinct_ids)

    def reasons(
        self, project_id: UUID, audience: Audience, ids: Sequence[int], *, reach: Reach, now: datetime
    ) -> Mapping[int, str]:
        return dict(
            self._audiences.explain(self._connection, project_id, audience, reach=reach, person_ids=ids, now=now)
        )

    def matching(self, project_id: UUID, audience: Audience, ids: Sequence[int], *, now: datetime) -> set[int]:
        return self._audiences.matching(self._connection, project_id, audience, ids, now=now)

    def records(self, ids: Sequence[int]) -> dict[int, dict[str, Any]]:
        return people.records(self._connection, ids)

    def values(self, key: str, ids: Sequence[int]) -> dict[str | None, list[int]]:
        return people.values(self._connection, key, ids)

    def import_people(
        self,
        project_id: UUID,
        stream: BinaryIO,
        *,
        format: str,
        mapping: Mapping[str, str],
        dry_run: bool,
        now: datetime,
    ) -> Mapping[str, Any]:
        report = people_import.import_people(
            self._connection, project_id, stream, format=format, mapping=mapping, dry_run=dry_run, now=now
        )
        return report.as_data()

    def addressed(self, project_id: UUID, person_id: int | None, distinct_id: str | None) -> tuple[int, str | None]:
        return people.addressed(self._connection, project_id, person_id, distinct_id)

    def opt_out(self, project_id: UUID, **told: Any) -> bool:
        return consent.opt_out(self._connection, project_id, **told)

    def opt_in(self, project_id: UUID, **told: Any) -> bool:
        return consent.opt_in(self._connection, project_id, **told)

    def suppress(self, project_id: UUID, address: str, reason: str, now: datetime) -> bool:
        return consent.suppress(self._connection, project_id, address, reason, now)

    def unsuppress(self, project_id: UUID, address: str) -> bool:
        return consent.unsuppress(self._connection, project_id, address)

    def refused_addresses(self, project_id: UUID, addresses: Iterable[str], reach: Reach) -> Mapping[str, str]:
        return consent.refused_addresses(self._connection, project_id, addresses, reach)

    def digest(self, address: str) -> str:
        return self._audiences.digest(address)

    def create_cohort(self, project_id: UUID, id: UUID, **fields: Any) -> Mapping[str, Any]:
        return cohorts.create(self._connection, project_id, id, audiences=self._audiences, **fields)
