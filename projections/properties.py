"""Statistics of people's properties: which keys occur, with which types, how often; frequent values of a few.

At most `SAMPLE` people are looked at, in windows that are spread evenly over a project's ids, so the time does not grow
with the project. A value is told only if its key has at most `MOST_VALUES` of them, and at least `SHARED_BY` of the
people looked at share it: a value that is anybody's own is never told.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from itertools import islice
from typing import Any
from uuid import UUID

from sqlalchemy import BigInteger, Connection, Text, bindparam, func, select, text
from sqlalchemy.dialects.postgresql import ARRAY
from sqlalchemy.exc import DBAPIError

from aggregates.audience import Audience
from aggregates.errors import Problem
from aggregates.properties import COLUMNS, MOST_FINDINGS, Property, Statistics, findings, keys_of
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

SEARCHED = 3
"""Most keys of one audience that are looked for among everybody."""

TOO_LONG = "57014"

# Those who are looked at; everything else is bounded by how many they are.
_LOOKED = """
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
)
"""

_ALL_ENTRIES = "jsonb_each(looked.properties) AS e"
_WANTED_ENTRIES = "(SELECT k.key, looked.properties -> k.key AS value FROM unnest(:wanted) AS k (key)) AS e"

# One row a key, and one without a key for the people themselves. Texts are compared by their bytes: no order is wanted
# of them, and a language's own is dear.
_STATISTICS = """
, entries AS (
    SELECT e.key, jsonb_typeof(e.value) AS kind, e.value, e.value #>> '{{}}' AS plain
    FROM looked CROSS JOIN LATERAL {source}
    WHERE e.value IS NOT NULL AND jsonb_typeof(e.value) <> 'null' AND e.key <> ALL (:columns)
), valued AS (
    SELECT key COLLATE "C" AS key, count(*) AS people, kind,
           CASE kind WHEN 'number' THEN CAST(trim_scale(CAST(value AS numeric)) AS text)
               WHEN 'array' THEN NULL WHEN 'object' THEN NULL ELSE left(plain, :length + 1) END COLLATE "C" AS value
    FROM entries GROUP BY 1, 3, 4
), typed AS (
    SELECT v.*, CASE WHEN v.kind <> 'string' THEN v.kind
               WHEN v.value ~ '^-?[0-9]+([.][0-9]+)?$' THEN 'number_as_text'
               WHEN v.value IN ('true', 'false') THEN 'boolean_as_text'
               WHEN v.value ~ '^[0-9]{{4}}-[0-9]{{2}}-[0-9]{{2}}([T ].*)?$' THEN 'date'
               ELSE 'string' END AS type
    FROM valued v
), kinds AS (
    SELECT key, type, sum(people) AS people, count(*) AS variety, bool_or(value IS NULL) AS nested
    FROM typed GROUP BY key, type
), keyed AS (
    SELECT key, sum(people) AS people, array_agg(type ORDER BY type) AS types, sum(variety) AS variety,
           bool_or(nested) AS nested
    FROM kinds GROUP BY key ORDER BY sum(people) DESC, key LIMIT :most_keys
), told AS (
    SELECT v.key, v.value, sum(v.people) AS people
    FROM typed v JOIN keyed k ON k.key = v.key AND k.variety <= :most_values
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

_NAMES = """
SELECT e.key FROM looked CROSS JOIN LATERAL jsonb_object_keys(looked.properties) AS e (key)
GROUP BY e.key ORDER BY count(*) DESC, e.key LIMIT :most_keys
"""

_HAS_KEY = text(
    "SELECT EXISTS (SELECT FROM people WHERE project_id = :project_id AND properties ->> :key IS NOT NULL)"
).bindparams(bindparam("project_id", type_=tables.Id))


def statistics(conn: Connection, project_id: UUID) -> Statistics:
    """What the people of a project are like, inside the caller's transaction and its statement timeout."""
    total = conn.execute(select(func.count()).select_from(people).where(people.c.project_id == project_id)).scalar_one()
    looked_at, found = _counted(conn, _asked(project_id, total))
    return Statistics(total, looked_at, found)


def statistics_of(conn: Connection, project_id: UUID, wanted: Sequence[str]) -> Statistics:
    """The same about some keys only, for a fraction of the time; of others it has the names if a wanted one is missing.

    Keys that the sample lacks are looked for among everybody, for a second each. `people` is no more than one above
    the sample.
    """
    mine = select(people.c.id).where(people.c.project_id == project_id).limit(SAMPLE + 1).subquery()
    total = conn.execute(select(func.count()).select_from(mine)).scalar_one()
    asked = _asked(project_id, total)
    looked_at, found = _counted(conn, {**asked, "wanted": list(wanted)})
    missing = [key for key in wanted if key not in found]
    if missing and looked_at:
        names = conn.scalars(_statement(_NAMES), _needed(asked))
        found = {**{name: Property(name, 1, ()) for name in names if name not in COLUMNS}, **found}
    unseen = missing[:SEARCHED] if looked_at < total else []
    searched = {key: _somebody_has(conn, project_id, key) for key in unseen}
    absent, rare = (frozenset(key for key, has in searched.items() if has is answer) for answer in (False, True))
    return Statistics(total, looked_at, found, absent, rare)


def audience_findings(
    conn: Connection, project_id: UUID, audiences: Sequence[tuple[str, Audience]], timeout_ms: int
) -> list[Problem]:
    """Warnings about audiences, each with the pointer of its conditions; none where to look would take too long."""
    wanted = {key for _, audience in audiences for key in keys_of(audience)}
    if not wanted:
        return []
    try:
        with bounded(conn, timeout_ms):
            known = statistics_of(conn, project_id, sorted(wanted))
    except DBAPIError as error:
        if not took_too_long(error):
            raise
        return []
    found = (problem for pointer, audience in audiences for problem in findings(audience, pointer, known))
    return list(islice(found, MOST_FINDINGS))


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


def _counted(conn: Connection, asked: dict[str, Any]) -> tuple[int, dict[str, Property]]:
    """How many people were looked at, and the properties found; of the wanted keys, or of all and the columns."""
    statement = _STATISTICS.format(source=_WANTED_ENTRIES if "wanted" in asked else _ALL_ENTRIES)
    rows = conn.execute(_statement(statement), asked).all()
    whole = next(row for row in rows if row.key is None)
    looked_at, with_email = int(whole.people), int(whole.variety)
    columns = (("distinct_id", looked_at), ("email", with_email))
    found = {key: Property(key, count, ("string",)) for key, count in columns if count}
    return looked_at, {**found, **{row.key: _property(row) for row in rows if row.key is not None}}


def _statement(what: str) -> Any:
    types: dict[str, Any] = {
        "project_id": tables.Id,
        "columns": ARRAY(Text),
        "wanted": ARRAY(Text),
        "windows": BigInteger,
    }
    named = [bindparam(name, type_=type_) for name, type_ in types.items() if f":{name}" in _LOOKED + what]
    return text(_LOOKED + what).bindparams(*named)


def _needed(asked: dict[str, Any]) -> dict[str, Any]:
    """What the names of keys need."""
    return {name: asked[name] for name in ("project_id", "windows", "each", "most_keys")}


def _asked(project_id: UUID, total: int) -> dict[str, Any]:
    windows = WINDOWS if total > SAMPLE else 1
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
