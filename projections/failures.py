"""What failed in a job, counted by step, reason and host; written with the ledger, and read without it.

Each chunk counts what fails in it, so workers do not wait for each other, and a read looks at a few rows a chunk and at
no run.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from typing import Any
from uuid import UUID

from sqlalchemy import Connection, bindparam, func, select, text

from aggregates.base import Principal
from aggregates.errors import DomainError
from aggregates.reasons import meaning
from projections.page import Reader, as_id
from projections.person_facts import word_for_reader
from projections.run_rows import is_job
from projections.tables import Id, chunks, failed_steps

SHOWN = 50
"""Combinations of step, reason and host that are told; the rest is only counted."""

COUNTED = ("failed", "went_on", "retried")
"""Of a combination: runs that ended there as failed, runs that went on although the step failed, and attempts that
failed and were followed by another."""

Kind = tuple[str, str, str, str]
"""Step, reason, host and one of `COUNTED`."""

_ADD = text(
    "INSERT INTO failed_steps AS f (job_id, chunk, step_id, reason, host, failed, went_on, retried) "
    "SELECT :job_id, :chunk, * FROM unnest(CAST(:steps AS text[]), CAST(:reasons AS text[]), CAST(:hosts AS text[]), "
    "CAST(:failed AS integer[]), CAST(:went_on AS integer[]), CAST(:retried AS integer[])) "
    "ON CONFLICT (job_id, chunk, step_id, reason, host) DO UPDATE SET failed = f.failed + excluded.failed, "
    "went_on = f.went_on + excluded.went_on, retried = f.retried + excluded.retried"
).bindparams(bindparam("job_id", type_=Id))


def add(connection: Connection, job_id: UUID, chunk: int, found: Mapping[Kind, int]) -> None:
    """Count what failed in a chunk, in the transaction that writes it. Nothing is written where nothing failed."""
    if not found:
        return
    # In one order, as every statement that locks several rows.
    places = sorted({kind[:3] for kind in found})
    columns = {name: [found.get((*place, name), 0) for place in places] for name in COUNTED}
    steps, reasons, hosts = (list(column) for column in zip(*places, strict=True))
    told = {"job_id": job_id, "chunk": chunk, "steps": steps, "reasons": reasons, "hosts": hosts}
    connection.execute(_ADD, {**told, **columns})


class FailureReads(Reader):
    """Failures of batch jobs and manual runs of the principal's project."""

    def of_job(self, principal: Principal, batch_job_id: object) -> dict[str, Any]:
        """How many runs of a job failed, by step, reason and host, the most frequent first.

        `host` is null where nothing was sent to a host. Reasons that say something about a person are one word without
        `person:read`. `unaccounted` runs failed before failures were counted this way.
        """
        self.authorize(principal, "failures.of_job")
        job_id = as_id(batch_job_id, "batch_job.not_found")
        f = failed_steps.c
        sums = [func.sum(f[name]).label(name) for name in COUNTED]
        by_place = select(f.step_id, f.reason, f.host, *sums).where(f.job_id == job_id).group_by(*_PLACE)
        ended = select(func.coalesce(func.sum(chunks.c.failed), 0)).where(chunks.c.job_id == job_id)
        with self.engine.connect() as connection:
            if not is_job(connection, principal.project_id, job_id):
                raise DomainError("batch_job.not_found")
            # One statement: between two of them more would fail.
            rows = connection.execute(by_place.add_columns(ended.scalar_subquery().label("ended"))).all()
            failed = rows[0].ended if rows else connection.execute(ended).scalar_one()
        found: Counter[Kind] = Counter()
        for row in rows:
            for name in COUNTED:
                reason = word_for_reader(principal, row.reason) or ""
                found[row.step_id, reason, row.host, name] += row._mapping[name]
        return {"batch_job_id": job_id, **_told(found, int(failed))}


_PLACE = (failed_steps.c.step_id, failed_steps.c.reason, failed_steps.c.host)


def _rank(found: Counter[Kind], place: tuple[str, str, str]) -> tuple[Any, ...]:
    """The most failed runs first, then what was failed less gravely; equals by their names."""
    return *(-found[*place, name] for name in COUNTED), place


def _told(found: Counter[Kind], failed: int) -> dict[str, Any]:
    places: Iterable[tuple[str, str, str]] = {kind[:3] for kind in found}
    rows = [
        {
            "step_id": step or None,
            "reason": reason,
            "meaning": meaning(reason),
            "host": host or None,
            **{name: found[step, reason, host, name] for name in COUNTED},
        }
        for step, reason, host in sorted(places, key=lambda place: _rank(found, place))
    ]
    accounted = sum(many for kind, many in found.items() if kind[3] == "failed")
    return {
        "failed": failed,
        "unaccounted": max(failed - accounted, 0),
        "failures": rows[:SHOWN],
        "left_out": len(rows[SHOWN:]),
    }
