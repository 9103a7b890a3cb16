"""Runs that wait for a person to say what became of an effect: found, counted, and let go on."""

from __future__ import annotations

from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import ColumnElement, Connection, Integer, Row, and_, bindparam, func, select, text, update

from projections.run_rows import alone_with_chunks
from projections.tables import Id, effects, people, runs

CONFIRMED = "confirmed"
"""An effect of which a person said that it was delivered; who sends takes it for done."""

_END = text(
    "WITH ended AS (UPDATE runs SET status = 'failed', updated_at = :now, steps = steps || jsonb_build_object("
    "'step', at_step, 'outcome', 'failed', 'reason', reason, 'at', CAST(:at AS text)) WHERE job_id = :job_id "
    "AND person_id = :person_id AND status = 'waiting' AND reason = 'outcome_unknown' AND wake_at IS NULL "
    "RETURNING at_step, reason), "
    "counted AS (INSERT INTO chunks (job_id, number, person_ids, size, state, failed, waiting) "
    "SELECT :job_id, (SELECT max(number) + 1 FROM chunks WHERE job_id = :job_id), '{}', 0, 'done', 1, -1 FROM ended "
    "RETURNING number) "
    "INSERT INTO failed_steps (job_id, chunk, step_id, reason, host, failed, went_on, retried) "
    "SELECT :job_id, number, at_step, reason, '', 1, 0, 0 FROM ended, counted"
).bindparams(bindparam("job_id", type_=Id))


def at(connection: Connection, job_id: UUID, person_id: int) -> str | None:
    """The step at which a run waits for a decision, if it does."""
    found = connection.execute(select(runs.c.at_step).where(_waits(job_id), runs.c.person_id == person_id)).scalar()
    return None if found is None else str(found)


def left(connection: Connection, job_id: UUID) -> int:
    """How many runs of a job wait for a decision."""
    return connection.execute(select(func.count()).select_from(runs).where(_waits(job_id))).scalar_one()


def page(connection: Connection, job_id: UUID, *, last: int, limit: int) -> list[Row[Any]]:
    """Some of them, by ascending person."""
    note = runs.c.steps[-1]
    shown = select(
        runs.c.job_id.label("batch_job_id"),
        runs.c.person_id,
        people.c.distinct_id,
        runs.c.at_step.label("step_id"),
        note["attempts"].astext.cast(Integer).label("attempts"),
        note["reason"].astext.label("reason"),
        runs.c.updated_at.label("since"),
    ).select_from(runs.outerjoin(people, people.c.id == runs.c.person_id))
    some = shown.where(_waits(job_id), runs.c.person_id > last).order_by(runs.c.person_id).limit(limit)
    return list(connection.execute(some))


def decide(
    connection: Connection, job_id: UUID, person_id: int, *, effect_id: UUID, decision: str, now: datetime
) -> str:
    """Let a run that waits go on as was decided, or end it; how it stands then.

    What goes on is woken like any other: the sender finds what the effect says, and sends or does not.
    """
    state = {"delivered": CONFIRMED, "retry": "retry", "failed": "failed"}[decision]
    change = {"state": state, "finished_at": now, "retry_until": None}
    connection.execute(update(effects).where(effects.c.id == effect_id).values(change))
    if decision != "failed":
        waits = update(runs).where(_waits(job_id), runs.c.person_id == person_id)
        connection.execute(waits.values(wake_at=now))
        return "waiting"
    alone_with_chunks(connection, job_id)
    connection.execute(_END, {"job_id": job_id, "person_id": person_id, "now": now, "at": now.isoformat()})
    return "failed"


def _waits(job_id: UUID) -> ColumnElement[bool]:
    return and_(
        runs.c.job_id == job_id,
        runs.c.status == "waiting",
        runs.c.reason == "outcome_unknown",
        runs.c.wake_at.is_(None),
    )
