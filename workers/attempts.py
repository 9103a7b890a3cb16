"""Attempts: who is sent to next, recorded before anything leaves."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import Connection, Row, text

from aggregates.steps.base import Deliver
from aggregates.values import run_id
from aggregates.walk.entry import NONE_SET, RunVariables
from engine.ids import derived_id
from projections.people import records
from projections.unknown_outcomes import CONFIRMED
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
    "RETURNING e.id, e.attempts, e.waits, e.retry_until, (SELECT b.state FROM before b WHERE b.id = e.id) AS was"
)
_TOLD = ("attempts", "waits", "retry_until", "was")
_BEGUN = text("SELECT id FROM effects WHERE id = ANY (CAST(:ids AS uuid[])) AND state = 'started'")


@dataclass(frozen=True)
class Effect:
    """One person's effect at one step; `id` is the same on every try. `reached`: by this or another effect.

    `waits` counts how often the person was parked for another try, and none is made after `retry_until`.
    """

    id: UUID
    person_id: int
    step_id: str
    variables: RunVariables = NONE_SET
    attempts: int = 0
    waits: int = 0
    retry_until: datetime | None = None
    was: str | None = None
    reached: bool = False

    @property
    def may_have_arrived(self) -> bool:
        """Whether an earlier attempt may have: it was begun and its outcome recorded by nobody, or a person said so."""
        return self.was in {"started", CONFIRMED}


@dataclass(frozen=True)
class Addressed:
    """Where each email goes, who is skipped, and whose effect fails; each by person, the latter two with the reason."""

    to: dict[int, str] = field(default_factory=dict)
    skipped: dict[int, str] = field(default_factory=dict)
    failed: dict[int, str] = field(default_factory=dict)


@dataclass(frozen=True)
class SubBatch:
    """The effects that are made together, what templates may see of their people, and who may not be reached.

    `now` is when their attempts were recorded, and what templates take for now. `plans` are those that were looked at,
    by step: a plan may be another one an instant later. Nobody is sent to by the steps in `down`: where they send,
    nothing has answered for a while.
    """

    effects: Sequence[Effect]
    people: dict[int, dict[str, Any]]
    gone: dict[int, str]
    now: datetime
    addressed: Addressed = field(default_factory=Addressed)
    plans: Mapping[str, Deliver] = field(default_factory=dict)
    down: frozenset[str] = frozenset()


def effect_id(job_id: UUID, person_id: int, step_id: str) -> UUID:
    """The idempotency key of an effect: derived from the run and the step, the same for ever."""
    return derived_id("effect", run_id(job_id, person_id), step_id)


def unrecorded(connection: Connection, job_id: UUID, standing: Iterable[Row[Any]]) -> set[int]:
    """Those of these people for whom an attempt was begun at the step where they stand, whose outcome nobody knows.

    Whoever asks has the chunk: nobody is at it any more.
    """
    ids = {effect_id(job_id, row.person_id, row.at_step): row.person_id for row in standing if row.at_step is not None}
    begun = connection.execute(_BEGUN, {"ids": list(ids)}).scalars() if ids else ()
    return {ids[id] for id in begun}


def attempt(connection: Connection, job: WorkingJob, standing: Sequence[Row[Any]], now: datetime) -> SubBatch:
    """Record an attempt for each of these people, who stand before an effect, in the caller's transaction."""
    effects = [
        Effect(
            effect_id(job.id, row.person_id, row.at_step),
            row.person_id,
            row.at_step,
            ledger.saved_variables([row]),
            reached=row.reached,
        )
        for row in standing
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
        effects = [replace(e, **{name: getattr(tried[e.id], name) for name in _TOLD}) for e in effects]
    return SubBatch(effects, records(connection, ids), ledger.unreachable(connection, job, ids), now)
