"""A life of each aggregate that records every event there is: what golden files are made from."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any
from uuid import UUID

from aggregates.base import Aggregate
from aggregates.batch_job.aggregate import COUNTS, BatchJob
from aggregates.recurrence import Recurrence
from aggregates.schedule.aggregate import Schedule
from aggregates.workflow.aggregate import Workflow
from aggregates.workflow.definition import Definition
from tests.support.aggregates import NOW, acknowledged, meta

CONTENT: dict[str, Any] = {
    "trigger": {"type": "batch", "filters": {"properties": []}},
    "steps": [{"id": "note", "name": "Note", "type": "capture", "config": {"message": "Hello"}}],
    "edges": [],
    "variables": [],
}
NOBODY = dict.fromkeys(COUNTS, 0)


def lives() -> Iterator[Aggregate]:
    """Aggregates with everything that they recorded still pending."""
    yield workflow()
    yield schedule()
    yield from jobs()


def workflow() -> Workflow:
    life = Workflow.create(UUID(int=2), name="Launch", description="Spring", content=CONTENT, meta=meta())
    life.edit(name="Launch 2", description="Spring", content=CONTENT, made_against=1, meta=meta())
    life.enable(Definition.parse(CONTENT)[0], meta=meta())
    life.disable(meta=meta())
    life.archive(meta=meta())
    life.restore(meta=meta())
    return life


def schedule() -> Schedule:
    rule, _ = Recurrence.parse("FREQ=DAILY", "2026-12-01T09:00:00", "Europe/Prague", now=NOW)
    assert rule is not None
    life = Schedule.attach(
        UUID(int=3),
        workflow_id=UUID(int=2),
        recurrence=rule,
        variables={"greeting": "hello"},
        acknowledgement=acknowledged(),
        meta=meta(),
    )
    life.pause(note="provider move", meta=meta())
    life.resume(acknowledged(), meta=meta())
    life.detach(note="over", meta=meta())
    return life


def jobs() -> Iterator[BatchJob]:
    for number, end in enumerate(("complete", "cancel", "fail")):
        life = BatchJob.request(
            UUID(int=10 + number),
            workflow_id=UUID(int=2),
            workflow_version=1,
            variables={"greeting": "hello"},
            acknowledgement=acknowledged(),
            request_digest="d",
            send_mode="capture",
            meta=meta(),
        )
        life.enrol(enrolled=3, chunks=1, fingerprint="f", meta=meta())
        life.progress({**NOBODY, "delivered": 1, "pending": 2}, meta=meta())
        life.pause(reason="wait", meta=meta())
        life.resume(meta=meta())
        match end:
            case "complete":
                life.complete({**NOBODY, "delivered": 3}, meta=meta())
            case "cancel":
                life.request_cancel(reason="stop", meta=meta())
                life.finish_cancel({**NOBODY, "delivered": 1, "skipped": 2}, meta=meta())
            case _:
                life.fail(code="workflow.not_active", reason="The workflow is not active.", meta=meta())
        yield life
