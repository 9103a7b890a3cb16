"""Enrolment: resolve the audience in one snapshot, compare it with the acknowledged one, freeze it into chunks.

All of it is one transaction with the event that says so. A difference fails the job before anyone is reached.
"""

from __future__ import annotations

import logging
from typing import Any
from uuid import UUID

from sqlalchemy import Connection, delete, insert, select, text

from aggregates.base import Meta
from aggregates.batch_job.aggregate import BatchJob
from aggregates.batch_job.standing import ONE_RUN
from aggregates.errors import DomainError, invalid
from aggregates.schedule.aggregate import Schedule
from aggregates.values import NOBODY
from aggregates.workflow.aggregate import Workflow
from aggregates.workflow.definition import Definition
from commands.bus import StreamMoved
from commands.confirm import batch_definition
from engine.bootstrap import System, system_principal
from engine.store import Store
from projections import confirmed_people, failed_runs, failpoints
from projections.audience import Frozen
from projections.patience import patient
from projections.tables import chunks, frozen_sizings, jobs_at_work, stream_heads

logger = logging.getLogger(__name__)


def enrol(system: System, job_id: UUID) -> None:
    """Freeze the job's audience, or fail the job with the refusal's code. Enrolling twice is once."""
    meta = engine_meta(system, job_id, via="workers.enrolment")
    if meta is None:
        return
    try:
        with system.engine.begin() as connection, patient(connection):
            # One worker enrols; the others find it done. Without the lock they would all resolve the audience.
            connection.execute(text("SELECT pg_advisory_xact_lock(hashtextextended(:id, -1))"), {"id": str(job_id)})
            _enrol(connection, system, job_id, meta)
        failpoints.reach("audience_pinned")
    except StreamMoved:
        logger.info("job %s was changed while it was enrolled", job_id)
    except DomainError as refusal:
        fail(system, job_id, refusal, meta)


def _enrol(connection: Connection, system: System, job_id: UUID, meta: Meta) -> None:
    store = Store(connection, system.recorder)
    job = store.load(BatchJob, job_id, meta)
    if job.status != "queued" or (job.send_mode == "live" and system.fence.is_up(connection)):
        return
    # Whoever disables the workflow at this moment waits for us, and then finds the job running.
    store.lock(job.workflow_id, shared=True)
    workflow = store.load(Workflow, job.workflow_id, meta)
    if workflow.status != "active":
        raise DomainError("workflow.not_active", details={"status": workflow.status})
    content = _pinned(workflow, job)
    connection.execute(
        insert(jobs_at_work).values(
            id=job_id,
            project_id=job.project_id,
            workflow_id=workflow.id,
            workflow_name=workflow.name,
            content=content,
            variables=job.variables,
            send_mode=job.send_mode,
            **job.pace.as_data(),
            enrolled_at=meta.now,
            progress_at=meta.now,
        )
    )
    frozen = _frozen(connection, system, job, workflow, meta)
    _refuse_churn(connection, store, job, frozen, meta)
    job.enrol(enrolled=frozen.count, chunks=frozen.chunks, fingerprint=frozen.fingerprint, meta=meta)
    store.save(job)


def _refuse_churn(connection: Connection, store: Store, job: BatchJob, frozen: Frozen, meta: Meta) -> None:
    """An occurrence that nobody confirmed by itself may have become another one since it was fired."""
    if job.schedule_id is None or job.acknowledgement.get("ceiling") is None:
        return
    approval = store.load(Schedule, job.schedule_id, meta).approval
    strangers = confirmed_people.strangers_of(connection, job.id, job.schedule_id)
    if approval is None or approval.max_churn is None or strangers is None:
        return
    if strangers > approval.max_churn * frozen.count:
        details = {"strangers": strangers, "now": frozen.count, "max_churn": approval.max_churn}
        raise DomainError("audience.drift", f"{strangers:,} of {frozen.count:,} were not confirmed.", details=details)


def _pinned(workflow: Workflow, job: BatchJob) -> dict[str, Any]:
    """The content that the job was asked for. It was valid then; what was erased of it since is not made up."""
    if job.manual:
        content = workflow.published_content(job.workflow_version)[1]
    elif workflow.content_version != job.workflow_version:
        raise DomainError("workflow.stale", details={"version": workflow.content_version})
    else:
        content = workflow.content
    definition, problems = Definition.parse(content)
    if definition is None:
        raise invalid("workflow.invalid", problems)
    return content


def _frozen(connection: Connection, system: System, job: BatchJob, workflow: Workflow, meta: Meta) -> Frozen:
    """The people of the job as chunks: nobody in particular, those who were kept or failed before, or who match now."""
    if job.manual:
        connection.execute(insert(chunks).values(job_id=job.id, number=0, person_ids=[NOBODY], size=1))
        return Frozen(ONE_RUN.count, ONE_RUN.fingerprint, 1)
    if job.frozen:
        return _kept(connection, job.id)
    size = system.settings.people_per_chunk(job.acknowledged_count)
    definition, audience = batch_definition(workflow)
    reach = definition.reach(job.per_person)
    if job.retry_of:
        return failed_runs.freeze(connection, system.audiences, job.id, of=job.retry_of, reach=reach, chunk_size=size)
    return system.audiences.freeze(
        connection,
        job.id,
        job.project_id,
        audience,
        reach=reach,
        chunk_size=size,
        now=meta.now,
    )


def _kept(connection: Connection, job_id: UUID) -> Frozen:
    """The people who were kept when they were sized; their chunks are the job's from now on."""
    kept = delete(frozen_sizings).where(frozen_sizings.c.job_id == job_id).returning(frozen_sizings)
    row = connection.execute(kept).first()
    if row is None:
        raise DomainError("confirm.expired")
    return Frozen(row._mapping["count"], row.fingerprint, row.chunks)


def fail(system: System, job_id: UUID, refusal: DomainError, meta: Meta) -> None:
    """End a job that could not be enrolled, with the code that says why."""
    with system.engine.begin() as connection:
        store = Store(connection, system.recorder)
        job = store.load(BatchJob, job_id, meta)
        if not job.ended:
            job.fail(code=refusal.code, reason=refusal.message, meta=meta)
            store.save(job)


def engine_meta(system: System, job_id: UUID, *, via: str) -> Meta | None:
    """The engine acting on a job, inside the job's project; None for a job that does not exist."""
    heads = stream_heads.c
    with system.engine.connect() as connection:
        project: Any = connection.execute(
            select(heads.project_id).where(heads.id == job_id, heads.kind == "batch_job")
        ).scalar()
    if project is None:
        return None
    return system.meta(system_principal(project), via=via, correlation_id=str(job_id))
