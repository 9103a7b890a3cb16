"""The ledger's writes: runs, effects and chunk counters, always as sets, always in the caller's transaction."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import Connection, Row, text, update

from projections.tables import chunks

COUNTERS = ("delivered", "skipped", "failed", "exited", "waiting", "in_progress")


@dataclass
class Entry:
    """Some people of one chunk with the same fate.

    `trace` is what all of them went through, `own` what only some did (by person). `at_step` is where a
    waiting or in-progress run goes on; None there means it has only to be ended as delivered.
    """

    status: str
    ids: list[int]
    trace: list[dict[str, Any]]
    own: dict[int, list[dict[str, Any]]] = field(default_factory=dict)
    reason: str | None = None
    at_step: str | None = None
    wake_at: datetime | None = None

    def steps(self) -> list[str]:
        """Each person's trace as JSON, in the order of `ids`."""
        shared = json.dumps(self.trace)
        if not self.own:
            return [shared] * len(self.ids)
        return [json.dumps(self.trace + self.own[id]) if id in self.own else shared for id in self.ids]


_CONSTANT = """
INSERT INTO runs (job_id, person_id, status, reason, at_step, wake_at, steps, updated_at)
SELECT :job_id, id, :status, :reason, :at_step, CAST(:wake_at AS timestamptz), CAST(:steps AS jsonb), :now
FROM unnest(CAST(:ids AS bigint[])) AS id
"""

_EACH = """
INSERT INTO runs (job_id, person_id, status, reason, at_step, wake_at, steps, updated_at)
SELECT :job_id, e.id, :status, :reason, :at_step, CAST(:wake_at AS timestamptz), CAST(e.steps AS jsonb), :now
FROM unnest(CAST(:ids AS bigint[]), CAST(:steps AS text[])) AS e (id, steps)
"""

_RESUMED = """
UPDATE runs AS r
SET status = :status, reason = :reason, at_step = :at_step, wake_at = CAST(:wake_at AS timestamptz),
    steps = r.steps || CAST(e.steps AS jsonb), updated_at = :now
FROM unnest(CAST(:ids AS bigint[]), CAST(:steps AS text[])) AS e (id, steps)
WHERE r.job_id = :job_id AND r.person_id = e.id AND r.status = 'in_progress'
"""


def write_first(connection: Connection, job_id: UUID, entries: Iterable[Entry], now: datetime) -> None:
    """One row each for people who had none; a second row for a person is impossible by the primary key."""
    for entry in entries:
        parameters = _parameters(job_id, entry, now)
        if entry.own:
            connection.execute(text(_EACH), {**parameters, "steps": entry.steps()})
        else:
            connection.execute(text(_CONSTANT), {**parameters, "steps": json.dumps(entry.trace)})


def write_again(connection: Connection, job_id: UUID, entries: Iterable[Entry], now: datetime) -> None:
    """Move on people who have a row and are in progress."""
    for entry in entries:
        connection.execute(text(_RESUMED), {**_parameters(job_id, entry, now), "steps": entry.steps()})


def _parameters(job_id: UUID, entry: Entry, now: datetime) -> dict[str, Any]:
    return {
        "job_id": job_id,
        "ids": entry.ids,
        "status": entry.status,
        "reason": entry.reason,
        "at_step": entry.at_step,
        "wake_at": entry.wake_at,
        "now": now,
    }


def tally(entries: Iterable[Entry]) -> dict[str, int]:
    """How many people of these entries are where, by counter."""
    counts = dict.fromkeys(COUNTERS, 0)
    for entry in entries:
        counts[entry.status] += len(entry.ids)
    return counts


def count(connection: Connection, job_id: UUID, number: int, change: dict[str, int], state: str) -> None:
    """Add to a chunk's counters and set its state."""
    columns = {name: chunks.c[name] + more for name, more in change.items() if more}
    connection.execute(
        update(chunks).where(chunks.c.job_id == job_id, chunks.c.number == number).values(**columns, state=state)
    )


def unreachable(connection: Connection, ids: Sequence[int]) -> dict[int, str]:
    """Who of these has opted out or was erased since the audience was frozen, and which of the two."""
    rows = connection.execute(
        text(
            "SELECT e.id, p.id IS NULL AS erased FROM unnest(CAST(:ids AS bigint[])) AS e (id) "
            "LEFT JOIN people p ON p.id = e.id WHERE p.id IS NULL OR p.opted_out_at IS NOT NULL"
        ),
        {"ids": list(ids)},
    )
    return {row.id: "erased" if row.erased else "opted_out" for row in rows}


def in_progress(connection: Connection, job_id: UUID, ids: Sequence[int], limit: int | None = None) -> list[Row[Any]]:
    """Those of a chunk's people who are in progress, with the step at which they go on."""
    return list(
        connection.execute(
            text(
                "SELECT person_id, at_step FROM runs WHERE job_id = :job_id AND status = 'in_progress' "
                "AND person_id = ANY (CAST(:ids AS bigint[])) ORDER BY person_id LIMIT :limit"
            ),
            {"job_id": job_id, "ids": list(ids), "limit": limit},
        )
    )


def people(connection: Connection, ids: Sequence[int]) -> dict[int, dict[str, Any]]:
    """What templates may see of these people."""
    rows = connection.execute(
        text("SELECT id, distinct_id, email, properties FROM people WHERE id = ANY (CAST(:ids AS bigint[]))"),
        {"ids": list(ids)},
    )
    return {row.id: dict(row._mapping) for row in rows}
