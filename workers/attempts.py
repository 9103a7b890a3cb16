"""Attempts: who is sent to next, recorded before anything leaves."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import Connection, Row, text

from aggregates.values import run_id
from aggregates.walk.entry import NONE_SET, RunVariables
from engine.ids import derived_id
from projections.people import records
from workers import ledger
from workers.jobs import WorkingJob

# `was` tells what the row said before: 'started' means that an attempt was made whose outcome nobody knows, and
# 'confirmed' that a person said it was delivered, so that none is made now.
_ATTEMPT = text(
    "WITH tried AS (SELECT * FROM unnest(CAST(:ids AS uuid[]), CAST(:people AS bigint[]), CAST(:steps AS text[])) "
    "AS t (id, person_id, step_id)), "
    "before AS (SELECT e.id, e.state FROM effects e JOIN tried USING (id)) "
    "INSERT INTO effects AS e (id, job_id, person_id, step_id, state, attempts, started_at) "
    "SELECT t.id, :job_id, t.person_id, t.step_id, 'started', 1, :now FROM tried t "
    "ON CONFLICT (id) DO UPDATE SET state = CASE e.state WHEN 'confirmed' THEN e.state ELSE 'started' END, "
    "attempts = e.attempts + CASE e.state WHEN 'confirmed' THEN 0 ELSE 1 END, started_at = :now "
    "RETURNING e.id, e.attempts, (SELECT b.state FROM before b WHERE b.id = e.id) AS was"
)


@dataclass(frozen=True)
class Effect:
    """One person's effect at one step; `id` is the same on every try."""

    id: UUID
    person_id: int
    step_id: str
    variables: RunVariables = NONE_SET
    attempts: int = 0
    was: str | None = None


@dataclass(frozen=True)
class SubBatch:
    """The effects that are made together, what templates may see of their people, and who may not be reached."""

    effects: Sequence[Effect]
    people: dict[int, dict[str, Any]]
    gone: dict[int, str]


def effect_id(job_id: UUID, person_id: int, step_id: str) -> UUID:
    """The idempotency key of an effect: derived from the run and the step, the same for ever."""
    return derived_id("effect", run_id(job_id, person_id), step_id)


def attempt(connection: Connection, job: WorkingJob, standing: Sequence[Row[Any]], now: datetime) -> SubBatch:
    """Record an attempt for each of these people, who stand before an effect, in the caller's transaction."""
    effects = [
        Effect(effect_id(job.id, r.person_id, r.at_step), r.person_id, r.at_step, ledger.saved_variables([r]))
        for r in standing
    ]
    ids = [effect.person_id for effect in effects]
    if effects:
        rows = connection.execute(
            _ATTEMPT,
            {
                "ids": [effect.id for effect in effects],
                "people": ids,
                "steps": [effect.step_id for effect in effects],
                "job_id": job.id,
                "now": now,
            },
        )
        tried = {row.id: row for row in rows}
        effects = [replace(e, attempts=tried[e.id].attempts, was=tried[e.id].was) for e in effects]
    return SubBatch(effects, records(connection, ids), ledger.unreachable(connection, job, ids))
