"""What steps, attempts and runs of all jobs came to, added up for the metrics; no job, host or person is in it."""

from __future__ import annotations

from collections.abc import Mapping

from sqlalchemy import Connection, text

Result = tuple[str, str, str]
"""The counter (`steps`, `attempts`, `runs`), the step type (empty for runs), and what it came to."""

_ADD = text(
    "INSERT INTO results AS r (counter, step_type, result, count) SELECT * FROM unnest(CAST(:counters AS text[]), "
    "CAST(:types AS text[]), CAST(:results AS text[]), CAST(:counts AS bigint[])) "
    "ON CONFLICT (counter, step_type, result) DO UPDATE SET count = r.count + excluded.count"
)


def add(connection: Connection, found: Mapping[Result, int]) -> None:
    """Add these counts, in the caller's transaction."""
    # In one order: processes that write at the same time wait for each other, and in no ring.
    rows = sorted((result, count) for result, count in found.items() if count)
    if rows:
        counters, types, results = (list(column) for column in zip(*(result for result, _ in rows), strict=True))
        told = {"counters": counters, "types": types, "results": results, "counts": [count for _, count in rows]}
        connection.execute(_ADD, told)
