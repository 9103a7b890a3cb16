"""Statistics of people's properties: which keys occur, with which types, how often; frequent values of a few.

At most `SAMPLE` people are looked at, in windows that are spread evenly over a project's ids, so the time does not grow
with the project. A value is told only if its key has at most `MOST_VALUES` of them, and at least `SHARED_BY` of the
people looked at share it: a value that is anybody's own is never told.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from contextlib import contextmanager
from typing import Any
from uuid import UUID

from sqlalchemy import BigInteger, Connection, Text, bindparam, func, select, text
from sqlalchemy.dialects.postgresql import ARRAY
from sqlalchemy.exc import DBAPIError

from aggregates.audience import Audience
from aggregates.errors import Problem
from aggregates.properties import COLUMNS, Property, Statistics, findings, keys_of
from projections import tables
from projections.tables import people

SAMPLE = 10_000
"""Most people who are looked at."""

WINDOWS = 200
"""Places in a large project where neighbours are looked at."""

MOST_KEYS = 300
MOST_VALUES = 20
SHARED_BY = 5
VALUE_LENGTH = 50
"""Longest value that is told, in characters."""

SEARCH_MS = 1_000
"""How long a key that the sample lacks is looked for among everybody, in milliseconds."""

TOO_LONG = "57014"

# One row a key; `looked` is what was looked at. Each part is bounded by the sample.
_STATISTICS = """
WITH bounds AS (
    SELECT min(id) AS low, (max(id) - min(id)) / CAST(:windows AS bigint) + 1 AS step
    FROM people WHERE project_id = :project_id
), looked AS MATERIALIZED (
    SELECT s.email, s.properties
    FROM bounds b
    CROSS JOIN generate_series(CAST(0 AS bigint), CAST(:windows AS bigint) - 1) AS w (n)
    CROSS JOIN LATERAL (
        SELECT p.email, p.properties FROM people p
        WHERE p.project_id = :project_id AND p.id >= b.low + b.step * w.n AND p.id < b.low + b.step * (w.n + 1)
        ORDER BY p.id LIMIT :each
    ) s
), entries AS (
    SELECT e.key,
           CASE jsonb_typeof(e.value)
               WHEN 'string' THEN CASE
                   WHEN e.value #>> '{}' ~ '^-?[0-9]+([.][0-9]+)?$' THEN 'number_as_text'
                   WHEN e.value #>> '{}' IN ('true', 'false') THEN 'boolean_as_text'
                   WHEN e.value #>> '{}' ~ '^[0-9]{4}-[0-9]{2}-[0-9]{2}([T ].*)?$' THEN 'date'
                   ELSE 'string' END
               ELSE jsonb_typeof(e.value) END AS type,
           CASE jsonb_typeof(e.value)
               WHEN 'number' THEN CAST(trim_scale(CAST(e.value AS numeric)) AS text)
               WHEN 'array' THEN NULL WHEN 'object' THEN NULL
               ELSE left(e.value #>> '{}', :length + 1) END AS value
    FROM looked CROSS JOIN LATERAL jsonb_each(looked.properties) AS e
    WHERE jsonb_typeof(e.value) <> 'null' AND e.key <> ALL (:columns)
), valued AS (
    SELECT key, type, value, count(*) AS people FROM entries GROUP BY key, type, value
), keyed AS (
    SELECT key, sum(people) AS people, array_agg(DISTINCT type ORDER BY type) AS types,
           count(DISTINCT value) AS variety, bool_or(value IS NULL) AS nested
    FROM valued GROUP BY key ORDER BY key = ANY (:wanted) DESC, sum(people) DESC, key LIMIT :most_keys
), told AS (
    SELECT v.key, v.value, sum(v.people) AS people
    FROM valued v JOIN keyed k ON k.key = v.key AND k.variety <= :most_values
    WHERE v.value IS NOT NULL
    GROUP BY v.key, v.value HAVING sum(v.people) >= :shared_by AND length(v.value) <= :length
)
SELECT NULL AS key, count(*) AS people, NULL AS types, count(email) AS variety, false AS nested, NULL AS told
FROM looked
UNION ALL
SELECT k.key, k.people, k.types, k.variety, k.nested,
       (SELECT jsonb_object_agg(t.value, t.people) FROM told t WHERE t.key = k.key)
FROM keyed k
"""

_HAS_KEY = text(
    "SELECT EXISTS (SELECT FROM people WHERE project_id = :project_id AND properties ->> :key IS NOT NULL)"
).bindparams(bindparam("project_id", type_=tables.Id))


def statistics(conn: Connection, project_id: UUID, wanted: Collection[str] = ()) -> Statistics:
    """What the people of a project are like, inside the caller's transaction and its statement timeout.

    Keys of `wanted` that the sample lacks are looked for among everybody, for a second each.
    """
    total = conn.execute(select(func.count()).select_from(people).where(people.c.project_id == project_id)).scalar_one()
    windows = WINDOWS if total > SAMPLE else 1
    rows = conn.execute(_bound(), {**_asked(project_id, windows), "wanted": list(wanted)}).all()
    looked, found = next(row for row in rows if row.key is None), [row for row in rows if row.key is not None]
    people_looked_at, with_email = int(looked.people), int(looked.variety)
    columns = (("distinct_id", people_looked_at), ("email", with_email))
    properties = {key: Property(key, count, ("string",)) for key, count in columns if count}
    properties |= {row.key: _property(row) for row in found}
    unseen = [key for key in wanted if key not in properties] if people_looked_at < total else []
    searched = {key: _somebody_has(conn, project_id, key) for key in unseen}
    absent, rare = (frozenset(key for key, has in searched.items() if has is answer) for answer in (False, True))
    return Statistics(total, people_looked_at, properties, absent, rare)


def audience_findings(
    conn: Connection, project_id: UUID, audiences: Sequence[tuple[str, Audience]], timeout_ms: int
) -> list[Problem]:
    """Warnings about audiences, each with the pointer of its conditions; none where to look would take too long."""
    wanted = {key for _, audience in audiences for key in keys_of(audience)}
    if not wanted:
        return []
    try:
        with bounded(conn, timeout_ms):
            known = statistics(conn, project_id, sorted(wanted))
    except DBAPIError as error:
        if not took_too_long(error):
            raise
        return []
    return [problem for pointer, audience in audiences for problem in findings(audience, pointer, known)]


@contextmanager
def bounded(conn: Connection, timeout_ms: int) -> Iterator[None]:
    """A savepoint whose statements may each take so long; a failure costs only itself."""
    with conn.begin_nested():
        before = conn.execute(text("SELECT current_setting('statement_timeout')")).scalar_one()
        _limit(conn, str(timeout_ms))
        yield
        _limit(conn, before)


def took_too_long(error: DBAPIError) -> bool:
    """Whether a statement was ended by its timeout."""
    return (getattr(error.orig, "sqlstate", None) or "") == TOO_LONG


def _limit(conn: Connection, timeout: str) -> None:
    conn.execute(text("SELECT set_config('statement_timeout', :timeout, true)"), {"timeout": timeout})


def _somebody_has(conn: Connection, project_id: UUID, key: str) -> bool | None:
    """Whether anybody has a key; None when to be certain would take too long."""
    try:
        with bounded(conn, SEARCH_MS):
            return bool(conn.execute(_HAS_KEY, {"project_id": project_id, "key": key}).scalar_one())
    except DBAPIError as error:
        if not took_too_long(error):
            raise
        return None


def _bound() -> Any:
    return text(_STATISTICS).bindparams(
        bindparam("project_id", type_=tables.Id),
        bindparam("columns", type_=ARRAY(Text)),
        bindparam("wanted", type_=ARRAY(Text)),
        bindparam("windows", type_=BigInteger),
    )


def _asked(project_id: UUID, windows: int) -> dict[str, Any]:
    return {
        "project_id": project_id,
        "windows": windows,
        "each": SAMPLE // windows,
        "columns": list(COLUMNS),
        "length": VALUE_LENGTH,
        "most_keys": MOST_KEYS,
        "most_values": MOST_VALUES,
        "shared_by": SHARED_BY,
    }


def _property(row: Any) -> Property:
    told = sorted((row.told or {}).items(), key=lambda pair: (-pair[1], pair[0]))
    every_value = not row.nested and len(told) == row.variety
    return Property(row.key, int(row.people), tuple(row.types), dict(told), every_value)
