"""A view built again from the log, beside the live one, and exchanged row by row.

The new rows are in a temporary table, which is the session's own: any number of rebuilds may run at once, and one that
dies leaves nothing. The live table stays the same table, with its privileges, its indexes and what others have built
on it; only rows that differ are written, in one transaction, so readers never wait.
"""

from __future__ import annotations

from sqlalchemy import Connection, Engine, select, text, update
from sqlalchemy.dialects.postgresql import insert

from projections import failpoints, passing_over
from projections.outage import is_outage
from projections.patience import patient
from projections.piece import read
from projections.tables import view_positions
from projections.view import View

BATCH = 5_000
"""Events in one transaction: nobody waits for its rows, and a row that changes often is written once."""

_DROP_OTHERS = """
DELETE FROM {live} v WHERE NOT EXISTS (SELECT 1 FROM {built} b WHERE {same} AND b IS NOT DISTINCT FROM v)
"""
_ADD_MISSING = """
INSERT INTO {live} SELECT * FROM {built} b WHERE NOT EXISTS (SELECT 1 FROM {live} v WHERE {same})
"""


def rebuild(engine: Engine, view: View) -> int:
    """Build a view again and let the live one have the rows; how many events were folded.

    Events that it was told to pass over are tried again, and passed over only if it still cannot take one of them.
    """
    with engine.begin() as connection:
        passed = passing_over.positions(connection, view.name)
    try:
        return _alone(engine, view, frozenset())
    except Exception as error:
        if not passed or is_outage(error):
            raise
        return _alone(engine, view, passed)


def _alone(engine: Engine, view: View, passed: frozenset[int]) -> int:
    with engine.connect() as connection:
        try:
            return _rebuild(connection, view, passed)
        finally:
            # The session goes, and its temporary table with it, whatever has happened.
            connection.invalidate()


def _rebuild(connection: Connection, view: View, passed: frozenset[int]) -> int:
    built = f"{view.name}__built"
    keys = ", ".join(column.name for column in view.source.primary_key)
    with connection.begin():
        connection.execute(text(f"CREATE TEMPORARY TABLE {built} (LIKE {view.name} INCLUDING DEFAULTS)"))
        connection.execute(text(f"ALTER TABLE {built} ADD PRIMARY KEY ({keys})"))
        connection.execute(insert(view_positions).values(name=view.name, position=0).on_conflict_do_nothing())
    beside = view.beside(built)
    position = folded = 0
    while True:
        with connection.begin(), patient(connection):
            count, position = _fold(connection, beside, position, passed)
        folded += count
        if count < BATCH:
            break
    with connection.begin(), patient(connection):
        return folded + _exchange(connection, view, beside, position, passed)


def _exchange(connection: Connection, view: View, beside: View, position: int, passed: frozenset[int]) -> int:
    """Fold what has come meanwhile with the live view held still, then let it have the rows."""
    folded = 0
    held = view_positions.c.name == view.name
    connection.execute(select(view_positions.c.position).where(held).with_for_update())
    while True:
        count, position = _fold(connection, beside, position, passed)
        folded += count
        if not count:
            break
    names = {"live": view.name, "built": beside.table.name}
    same = " AND ".join(f"v.{column.name} = b.{column.name}" for column in view.source.primary_key)
    connection.execute(text(f"ANALYZE {beside.table.name}"))
    connection.execute(text(_DROP_OTHERS.format(**names, same=same)))
    connection.execute(text(_ADD_MISSING.format(**names, same=same)))
    moved = {"position": position, "updated_at": text("now()"), "stopped": None}
    connection.execute(update(view_positions).where(held).values(moved))
    if not passed:
        passing_over.forget(connection, view.name)
    failpoints.reach("rebuild_ready")
    return folded


def _fold(connection: Connection, beside: View, position: int, passed: frozenset[int]) -> tuple[int, int]:
    """One batch of events; how many were read, and how far that is."""
    piece = read(connection, beside.topics, after=position, limit=BATCH)
    beside.handle(connection, piece.events(beside.topics, passed=passed))
    return piece.read, piece.position
